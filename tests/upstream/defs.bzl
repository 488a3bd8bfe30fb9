"""The libraries that the real Torch-TensorRT is linked with, and the tests of one release of it."""

load("//toolchains:defs.bzl", "nacelle_cc_binary", "nacelle_pytest")
load("//toolchains/torch_tensorrt:repositories.bzl", "TORCH_TENSORRT")

# In the order in which they are loaded: each needs those before it.
_LIBRARIES = [
    "//tests/fake_gpu:libcuda.so.1",
    "//tests/fake_gpu:libfake_torch_device.so",
    "//tests/upstream/stand_ins:libcudart.so.13",
    "//tests/upstream/stand_ins:libc10_cuda.so",
    "//tests/upstream/stand_ins:libtorch_cuda.so",
    "//tests/upstream/stand_ins:libtorch_nvshmem.so",
    "//tests/upstream/stand_ins:libnvinfer_plugin.so.11",
    "//tests/upstream/stand_ins:libnvinfer.so.11",
]

def stand_in(name, **kwargs):
    """A shared library that is found by its name, once it is loaded.

    Args:
      name: the file's name, which other libraries ask for.
      **kwargs: nacelle_cc_binary's other attributes.
    """
    nacelle_cc_binary(
        name = name,
        copts = ["-DC10_CUDA_NO_CMAKE_CONFIGURE_FILE"],  # torch's build for the CPU has no such file
        linkopts = ["-Wl,-soname," + name],
        linkshared = True,
        tags = ["manual"],  # built for the tests below alone, which want torch of one release
        **kwargs
    )

def upstream_test(release):
    """The tests of one release of Torch-TensorRT.

    Args:
      release: the release, one that has a repository.
    """
    runtime = "@torch_tensorrt_%s//:runtime" % release.replace(".", "_")
    libraries = _LIBRARIES + [runtime]
    facts = TORCH_TENSORRT[release]
    nacelle_pytest(
        name = "torch_tensorrt_%s_test" % release.replace(".", "_"),
        srcs = (["aliased_io_test.py"] if facts.abi >= 10 else []) + [
            "data_dependent_test.py",
            "exported_programs_test.py",
            "judge_can_fail_test.py",
            "programs_test.py",
            "surface_test.py",
            "refusals_test.py",  # last: its last test ends the judge's process
        ],
        conftest = ["conftest.py"],
        data = libraries,
        env = {
            "NACELLE_JUDGE_ABI": str(facts.abi),
            "NACELLE_JUDGE_LIBRARIES": ":".join(["$(rootpath %s)" % library for library in libraries]),
            "NACELLE_JUDGE_RELEASE": release,
            "NACELLE_JUDGE_TENSORRT": facts.tensorrt,
        },
        # "pinned": the wheel and torch come from the locks.
        tags = [
            "nosan",
            "pinned",
        ],
        deps = [":judge"],
    )
