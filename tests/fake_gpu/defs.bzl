"""Tests of the runtime on the fake GPUs."""

load("//toolchains:defs.bzl", "nacelle_cc_test")
load("@torch//:torch_version.bzl", "TORCH_HAS_CUDA")

def gpu_test(name, srcs, deps = [], **kwargs):
    """A googletest program of the runtime that finds the fake driver and the fake TensorRT.

    A build of torch for CUDA has a device "cuda" of its own: Bazel leaves the test out there.

    Args:
      name: the target's name.
      srcs: the program's sources.
      deps: what srcs include beside the runtime's engines, torch and the fake GPUs.
      **kwargs: nacelle_cc_test's other attributes.
    """
    nacelle_cc_test(
        name = name,
        srcs = srcs,
        env = {
            "LD_LIBRARY_PATH": "tests/fake_gpu",
            "NACELLE_TENSORRT_PATH": "tests/fake_gpu/libnvinfer.so",
        },
        precompiled = True,
        tags = ["nosan"],
        target_compatible_with = ["@platforms//:incompatible"] if TORCH_HAS_CUDA else [],
        deps = deps + [
            ":gpu",
            ":gpu_test",
            ":torch_device",
            "//runtime:engine",
            "//runtime/internal:loaded_engine",
            "//runtime:program",
            "//runtime:settings",
            "//tests/runtime:tiny",
            "@torch//:torch",
        ],
        **kwargs
    )
