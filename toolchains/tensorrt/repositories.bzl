"""TensorRT's libraries and NVIDIA's Python bindings, a repository for each release.

    @tensorrt_8_5_3_1//:libraries           @tensorrt_lean_11_0_0_114//:libraries
    @tensorrt_bindings_10_0_1//:files       @tensorrt_rtx_1_7_1_116//:libraries

The libraries are some hundred megabytes each, and no target of the default build needs one. The bindings are about five
each; //tests/conformance needs those that bindings_for() names.
"""

load("//toolchains/wheels:repository.bzl", "wheel_files")

# Repository prefix, project on the package index, Python release whose wheel is taken, releases. The libraries are the
# same in the wheels for every Python.
_LIBRARIES = [
    ("tensorrt", "tensorrt", "3.10", ["8.5.3.1"]),
    ("tensorrt_lean", "tensorrt-lean-cu13-libs", "3.11", ["10.15.1.29", "11.0.0.114", "11.4.0.106"]),
    ("tensorrt_rtx", "tensorrt-rtx-cu13-libs", "3.11", ["1.7.1.116"]),
]

# Release of the bindings: project on the package index, CPython releases that NVIDIA made wheels of it for. Bindings are
# an extension module, so the wheel for the build's own Python is taken.
_BINDINGS = {
    "8.6.1": ("tensorrt-bindings", ["3.10", "3.11"]),
    "10.0.1": ("tensorrt-cu12-bindings", ["3.10", "3.11", "3.12"]),
    "10.3.0": ("tensorrt-cu12-bindings", ["3.10", "3.11", "3.12"]),
    "10.7.0": ("tensorrt-cu12-bindings", ["3.10", "3.11", "3.12"]),
    "10.13.3.9": ("tensorrt-cu13-bindings", ["3.10", "3.11", "3.12", "3.13"]),
    "10.15.1.29": ("tensorrt-cu13-bindings", ["3.10", "3.11", "3.12", "3.13"]),
    "11.0.0.114": ("tensorrt-cu13-bindings", ["3.10", "3.11", "3.12", "3.13"]),
    "11.2.1.2": ("tensorrt-cu13-bindings", ["3.10", "3.11", "3.12", "3.13"]),
    "11.4.0.106": ("tensorrt-cu13-bindings", ["3.10", "3.11", "3.12", "3.13"]),

    # TensorRT-RTX's, whose releases count for themselves: the first and the last that its table is for.
    "1.5.0.114": ("tensorrt-rtx-cu13-bindings", ["3.10", "3.11", "3.12", "3.13"]),
    "1.7.1.116": ("tensorrt-rtx-cu13-bindings", ["3.10", "3.11", "3.12", "3.13"]),
}

def bindings_for(python):
    """Returns the releases of NVIDIA's bindings that have a wheel for a Python release ("3.11")."""
    return [release for release, (_, pythons) in _BINDINGS.items() if python in pythons]

def tensorrt_repositories():
    """Declares a repository for each release of each project."""
    for prefix, project, python, releases in _LIBRARIES:
        for release in releases:
            _repository(prefix, project, release, python)
    for release, (project, _) in _BINDINGS.items():
        _repository("tensorrt_bindings", project, release, python = "")

def _repository(prefix, project, release, python):
    wheel_files(
        name = prefix + "_" + release.replace(".", "_"),
        build_file = Label("//toolchains/tensorrt:libraries.BUILD"),
        lock = Label("//toolchains/locks:tensorrt.lock"),
        python = python,
        requirements = [project + "==" + release],
    )
