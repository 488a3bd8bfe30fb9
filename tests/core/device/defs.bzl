"""Drivers for tests."""

load("//toolchains:defs.bzl", "nacelle_cc_binary")

def fake_driver(name, **kwargs):
    """A shared library that stands for NVIDIA's driver: dlopen of libcuda.so.1 returns it once it is loaded.

    Args:
      name: the target's name.
      **kwargs: nacelle_cc_binary's other attributes.
    """
    nacelle_cc_binary(
        name = name,
        testonly = True,
        linkopts = ["-Wl,-soname,libcuda.so.1"],
        linkshared = True,
        **kwargs
    )
