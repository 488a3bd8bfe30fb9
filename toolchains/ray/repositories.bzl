"""Ray with Ray Data and Ray Serve: @ray_packages//:marker, in the folder of the packages.

They are 600 megabytes, for //tests/ray. The lock has what the build's own Python lacks.
"""

load("//toolchains/wheels:repository.bzl", "wheel_files")

def ray_repository():
    """Declares the repository, for the build's own Python."""
    wheel_files(
        name = "ray_packages",
        build_file = Label("//toolchains/ray:packages.BUILD"),
        lock = Label("//toolchains/locks:ray.lock"),
        python = "",
        requirements = [],
    )
