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

def stub_repositories():
    """Declares the stand-ins."""
    stub_repository(
        name = "rules_cc",
        files = {
            "//toolchains/stubs:rules_cc.BUILD": "cc/BUILD",
            "//toolchains/stubs:rules_cc.bzl": "cc/defs.bzl",
        },
    )
    stub_repository(
        name = "rules_java",
        files = {
            "//toolchains/stubs:rules_java.BUILD": "java/BUILD",
            "//toolchains/stubs:rules_java.bzl": "java/defs.bzl",
        },
    )
    stub_repository(
        name = "remote_coverage_tools",
        files = {"//toolchains/stubs:remote_coverage_tools.BUILD": "BUILD"},
    )
