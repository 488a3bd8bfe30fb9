"""All external repositories of the workspace."""

load("//toolchains/clang:repository.bzl", "clang_repository")
load("//toolchains/cuda:repository.bzl", "cuda_headers_repository")
load("//toolchains/googletest:repository.bzl", "googletest_repository")
load("//toolchains/libtorch:repository.bzl", "libtorch_repository")
load("//toolchains/python:repository.bzl", "python_environment")
load("//toolchains/ray:repositories.bzl", "ray_repository")
load("//toolchains/stubs:repository.bzl", "stub_repositories")
load("//toolchains/tensorrt:repositories.bzl", "tensorrt_repositories")
load("//toolchains/torch_tensorrt:repositories.bzl", "torch_tensorrt_repositories")
load("//toolchains/triton:repositories.bzl", "triton_repository")
load("//toolchains/wheels:repository.bzl", "wheel_files")
load("//toolchains/workspace:repository.bzl", "workspace_root_repository")

def nacelle_repositories():
    """Declares every repository. Each is fetched only when a target needs it.

    Another project calls this in its WORKSPACE; the labels here name files of this project also then.
    """
    stub_repositories()
    workspace_root_repository(name = "workspace_root")
    clang_repository(name = "clang")
    googletest_repository(name = "googletest")
    python_environment(name = "python")
    libtorch_repository(name = "torch")
    cuda_headers_repository(
        name = "cuda_headers",
        requirements = [
            "nvidia-cuda-crt==13.0.88",
            "nvidia-cuda-runtime==13.0.96",
        ],
    )
    tensorrt_repositories()
    torch_tensorrt_repositories()
    triton_repository(name = "triton_server")
    ray_repository()
    wheel_files(
        name = "example_data",
        build_file = Label("//toolchains/wheels:example_data.BUILD"),
        lock = Label("//toolchains/locks:examples.lock"),
        requirements = [
            "facenet-pytorch==2.6.0",
            "pyannote-audio==4.0.7",
            "rapidocr==3.10.0",
            "scikit-image==0.26.0",
            "silero-vad==6.2.3",
        ],
    )
