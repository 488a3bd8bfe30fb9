"""clang, for the fuzz targets alone: @clang//:clang++ is the system's (`clang` and `libclang-rt-dev` of Debian and Ubuntu)."""

# The library that -fsanitize=fuzzer links; a package of its own on some systems.
_RUNTIME = "libclang_rt.fuzzer-x86_64.a"

_WRAPPER = """\
#!/bin/sh
# {version}
exec "{clang}" "$@"
"""

_HINT = "Install the system's packages `clang` and `libclang-rt-dev` (./bazelw test does it), or set NACELLE_CLANG to a clang++."

def _ask(ctx, clang, argument):
    result = ctx.execute([clang, argument])
    if result.return_code:
        fail("%s %s failed: %s" % (clang, argument, result.stderr))
    return result.stdout.strip()

def _clang_repository_impl(ctx):
    name = ctx.os.environ.get("NACELLE_CLANG", "clang++")
    clang = ctx.path(name) if name.startswith("/") else ctx.which(name)
    if not clang or not clang.exists:
        fail("No clang was found as \"%s\". %s" % (name, _HINT))
    if "/" not in _ask(ctx, clang, "-print-file-name=" + _RUNTIME):
        fail("%s has no %s. %s" % (clang, _RUNTIME, _HINT))

    # A change of the version makes Bazel compile everything again that was compiled with it.
    version = _ask(ctx, clang, "--version").split("\n")[0]
    ctx.file("clang++", _WRAPPER.format(clang = clang, version = version), executable = True)
    ctx.file("BUILD.bazel", "exports_files([\"clang++\"])\n")

clang_repository = repository_rule(
    implementation = _clang_repository_impl,
    configure = True,
    environ = [
        "NACELLE_CLANG",
        "PATH",
    ],
    local = True,
)
