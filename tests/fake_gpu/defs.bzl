"""Tests of the runtime on the fake GPUs."""

load("//toolchains:defs.bzl", "nacelle_cc_test")

def gpu_test(name, srcs, deps = [], **kwargs):
    """A googletest program of the runtime that finds the fake driver and the fake TensorRT.

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
        tags = ["nosan"],
        deps = deps + [
            ":gpu",
            ":gpu_test",
            ":torch_device",
            "//runtime:engine",
            "//runtime:loaded_engine",
            "//runtime:program",
            "//runtime:settings",
            "//tests/runtime:tiny",
            "@torch//:torch",
        ],
        **kwargs
    )
