"""A check over the whole source tree."""

load("@workspace_root//:root.bzl", "CACHE", "ROOT")
load("//toolchains:defs.bzl", "nacelle_pytest")

def source_check(name, srcs, deps = [], data = []):
    """A pytest that reads the source tree itself and not copies of declared files, so that no file is missed.

    It runs every time, since Bazel does not know what it reads.

    Args:
      name: the target's name.
      srcs: the test module.
      deps: what it imports beside //tests/lint:sources.
      data: what it needs when it runs.
    """
    nacelle_pytest(
        name = name,
        srcs = srcs,
        data = data,
        env = {
            "NACELLE_CACHE": CACHE,
            "NACELLE_SOURCES": ROOT,
        },
        tags = [
            "external",
            "lint",
            "local",
            "nosan",
        ],
        deps = deps + ["//tests/lint:sources"],
    )
