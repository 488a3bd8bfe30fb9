"""Repositories that are made of files in pinned wheels. Each is fetched only when a target needs it."""

def _wheel_files_impl(ctx):
    environment = json.decode(ctx.read(ctx.path(ctx.attr._environment)))
    result = ctx.execute(
        [
            environment["interpreter"],
            ctx.path(ctx.attr._script),
            ctx.path(ctx.attr.lock),
            "files",
            ctx.attr.python or environment["python"],
        ] + ctx.attr.requirements,
        timeout = 3600,
        quiet = False,
    )
    if result.return_code:
        fail("%s could not be unpacked:\n%s" % (", ".join(ctx.attr.requirements) or ctx.attr.lock, result.stderr))
    ctx.symlink(ctx.path(ctx.attr.build_file), "BUILD.bazel")

wheel_files = repository_rule(
    implementation = _wheel_files_impl,
    attrs = {
        "build_file": attr.label(mandatory = True, doc = "The BUILD file; the wheels' files are in the folder files/."),
        "lock": attr.label(mandatory = True, doc = "The lock file that has the requirements."),
        "python": attr.string(default = "3.11", doc = "The Python release whose wheels are taken; empty: the build's own."),
        "requirements": attr.string_list(mandatory = True, doc = "name==version, as the lock writes them; empty: all that it has."),
        "_environment": attr.label(default = "@python//:environment.json"),
        "_script": attr.label(default = "//toolchains/wheels:unpack.py"),
    },
)
