"""A Triton server, from a wheel that bundles one: @triton_server//:server. It needs glibc 2.35 or newer.

The wheel is 55 megabytes. It is unpacked, never imported, and only for tests tagged "triton".
"""

load("//toolchains/wheels:repository.bzl", "wheel_files")

def triton_repository(name):
    """Declares the repository.

    Args:
      name: its name. "triton" would not do: in the folder of a test, torch would take it for the package of that name.
    """
    wheel_files(
        name = name,
        build_file = Label("//toolchains/triton:wheel.BUILD"),
        lock = Label("//toolchains/locks:triton.lock"),
        requirements = ["nvidia-pytriton==0.7.0"],
    )
