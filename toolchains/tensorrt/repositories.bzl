"""TensorRT's libraries and NVIDIA's Python bindings, a repository for each release.

    @tensorrt_8_5_3_1//:libraries           @tensorrt_lean_11_0_0_114//:libraries
    @tensorrt_bindings_10_0_1//:files       @tensorrt_rtx_1_7_1_116//:libraries

No target of the default build needs one; each is some hundred megabytes.
"""

load("//toolchains/wheels:repository.bzl", "wheel_files")

# Repository prefix, project on the package index, Python release whose wheel is taken, releases.
_PROJECTS = [
    ("tensorrt", "tensorrt", "3.10", ["8.5.3.1"]),
    ("tensorrt_lean", "tensorrt-lean-cu13-libs", "3.11", ["10.15.1.29", "11.0.0.114", "11.4.0.106"]),
    ("tensorrt_rtx", "tensorrt-rtx-cu13-libs", "3.11", ["1.7.1.116"]),
    ("tensorrt_bindings", "tensorrt-bindings", "3.10", ["8.6.1"]),
    ("tensorrt_bindings", "tensorrt-cu12-bindings", "3.11", ["10.0.1", "10.3.0", "10.7.0"]),
    ("tensorrt_bindings", "tensorrt-cu13-bindings", "3.11", ["10.15.1.29", "11.0.0.114", "11.4.0.106"]),
]

def tensorrt_repositories():
    """Declares a repository for each release of each project."""
    for prefix, project, python, releases in _PROJECTS:
        for release in releases:
            wheel_files(
                name = prefix + "_" + release.replace(".", "_"),
                build_file = Label("//toolchains/tensorrt:libraries.BUILD"),
                lock = Label("//toolchains/locks:tensorrt.lock"),
                python = python,
                requirements = [project + "==" + release],
            )
