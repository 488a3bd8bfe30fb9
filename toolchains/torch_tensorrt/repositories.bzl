"""The runtime library of Torch-TensorRT, a repository for each release: @torch_tensorrt_2_13_0//:runtime.

A wheel is about four megabytes. It is unpacked, never imported: //tests/upstream loads one library of it.
"""

load("//toolchains/wheels:repository.bzl", "wheel_files")

# The library uses no Python, and the wheels for all of them hold the same: the one for this Python release is taken.
_PYTHON = "3.11"

# Release: what its runtime library was compiled and tested with here.
#   torch: the releases of torch that it runs beside, as prefixes. Layouts of torch's classes are compiled into it.
#   abi: the one version of the record that it reads.
#   tensorrt: the release of TensorRT that it was compiled for, as NACELLE_REFERENCE_RELEASE writes it.
TORCH_TENSORRT = {
    "2.13.0": struct(torch = ["2.13."], abi = 9, tensorrt = "11.0"),
    "2.14.0": struct(torch = ["2.13."], abi = 10, tensorrt = "11.1"),
}

def torch_tensorrt_for(torch):
    """Returns the releases of Torch-TensorRT whose runtime library runs beside a build of torch ("2.13.0+cpu").

    A build for CUDA has the libraries itself in whose place //tests/upstream has others.
    """
    return [
        release
        for release, facts in TORCH_TENSORRT.items()
        if torch.endswith("+cpu") and [prefix for prefix in facts.torch if torch.startswith(prefix)]
    ]

def torch_tensorrt_repositories():
    """Declares a repository for each release."""
    for release in TORCH_TENSORRT:
        wheel_files(
            name = "torch_tensorrt_" + release.replace(".", "_"),
            build_file = Label("//toolchains/torch_tensorrt:wheel.BUILD"),
            lock = Label("//toolchains/locks:torch_tensorrt.lock"),
            python = _PYTHON,
            requirements = ["torch-tensorrt==" + release],
        )
