"""googletest from the system's sources (the package `googletest` of Debian and Ubuntu)."""

_DEFAULT = "/usr/src/googletest"

def _googletest_repository_impl(ctx):
    root = ctx.path(ctx.os.environ.get("NACELLE_GOOGLETEST", _DEFAULT))
    if not root.get_child("googletest").exists or not root.get_child("googlemock").exists:
        fail(("googletest's sources were not found in %s. Install the system's package `googletest` (./bazelw does it), " +
              "or set NACELLE_GOOGLETEST to a folder that holds googletest/ and googlemock/.") % root)
    ctx.symlink(root.get_child("googletest"), "googletest")
    ctx.symlink(root.get_child("googlemock"), "googlemock")
    ctx.symlink(ctx.attr._build_file, "BUILD.bazel")

googletest_repository = repository_rule(
    implementation = _googletest_repository_impl,
    attrs = {
        "_build_file": attr.label(default = "//third_party/googletest:googletest.BUILD"),
    },
    configure = True,
    environ = ["NACELLE_GOOGLETEST"],
    local = True,
)
