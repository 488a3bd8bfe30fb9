"""Stand-ins for repositories that Bazel's own packages load from: a few lines of ours instead of a download."""

def _stub_repository_impl(ctx):
    for source, path in ctx.attr.files.items():
        ctx.symlink(ctx.path(source), path)
    if "BUILD" not in ctx.attr.files.values():
        ctx.file("BUILD", "")

stub_repository = repository_rule(
    implementation = _stub_repository_impl,
    attrs = {
        "files": attr.label_keyed_string_dict(allow_files = True, mandatory = True, doc = "Files and their paths."),
    },
)

_STUBS = {
    "rules_cc": {
        Label("//toolchains/stubs:rules_cc.BUILD"): "cc/BUILD",
        Label("//toolchains/stubs:rules_cc.bzl"): "cc/defs.bzl",
    },
    "rules_java": {
        Label("//toolchains/stubs:rules_java.BUILD"): "java/BUILD",
        Label("//toolchains/stubs:rules_java.bzl"): "java/defs.bzl",
    },
    "remote_coverage_tools": {
        Label("//toolchains/stubs:remote_coverage_tools.BUILD"): "BUILD",
    },
}

def stub_repositories():
    """Declares the stand-ins, but for those that the workspace has declared before: it may use the real ones."""
    for name, files in _STUBS.items():
        if name not in native.existing_rules():
            stub_repository(name = name, files = files)
