"""The place of the source tree: @workspace_root//:root.bzl, for the checks that read all of it (//tests/lint)."""

def _workspace_root_impl(ctx):
    root = ctx.path(ctx.attr._workspace).realpath.dirname
    cache = ctx.path("cache")
    ctx.file("root.bzl", "ROOT = %r\nCACHE = %r\n" % (str(root), str(cache)))
    ctx.file("cache/README", "What the type checker keeps between runs.\n")
    ctx.file("BUILD.bazel", "")

workspace_root_repository = repository_rule(
    implementation = _workspace_root_impl,
    attrs = {"_workspace": attr.label(default = "//:WORKSPACE")},
)
