"""Tests of the runtime against several releases of TensorRT's interface."""

load("//toolchains:defs.bzl", "nacelle_cc_library", "nacelle_cc_test")

def release_tests(name, srcs, releases, deps, tags = [], **kwargs):
    """googletest programs of one source, which is compiled once: NAME_test for the newest release, NAME_8_5_test, ...

    Args:
      name: the targets' name, without _test.
      srcs: the programs' sources.
      releases: the releases, beside the newest, that the reference engine presents itself as.
      deps: what srcs include; googletest itself is added.
      tags: the programs' tags.
      **kwargs: nacelle_cc_test's other attributes.
    """
    nacelle_cc_library(
        name = name + "_tests",
        testonly = True,
        srcs = srcs,
        precompiled = True,
        tags = tags,
        deps = deps + ["@googletest//:gtest"],
        alwayslink = True,
    )
    for release in [None] + releases:
        suffix = "_" + "_".join(release.split(".")[:2]) if release else ""
        nacelle_cc_test(
            name = name + suffix + "_test",
            env = {"NACELLE_REFERENCE_RELEASE": release} if release else {},
            tags = tags,
            deps = [":%s_tests" % name],
            **kwargs
        )
