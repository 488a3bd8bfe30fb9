"""CUDA's headers: pinned ones, or with NACELLE_TORCH=local those on this machine."""

def _pinned(ctx, environment):
    result = ctx.execute([
        environment["interpreter"],
        ctx.path(ctx.attr._script),
        ctx.path(ctx.attr._lock),
        "files",
        environment["python"],
    ] + ctx.attr.requirements, timeout = 3600, quiet = False)
    if result.return_code:
        fail("%s could not be unpacked:\n%s" % (", ".join(ctx.attr.requirements), result.stderr))
    return ctx.path("files/nvidia/cu13/include")

def _local(ctx, environment):
    folders = environment["nvidia_includes"] + [
        ctx.os.environ.get("CUDA_HOME", "/usr/local/cuda") + "/include",
        "/usr/local/cuda/include",
    ]
    for folder in folders:
        path = ctx.path(folder)
        if path.get_child("cuda.h").exists:
            return path
    fail("cuda.h was looked for in %s and is in none of them. Install CUDA's headers or set CUDA_HOME." % ", ".join(folders))

def _cuda_headers_impl(ctx):
    environment = json.decode(ctx.read(ctx.path(ctx.attr._environment)))
    ctx.symlink(_pinned(ctx, environment) if environment["site"] else _local(ctx, environment), "include")
    ctx.symlink(ctx.path(ctx.attr._build_file), "BUILD.bazel")

cuda_headers_repository = repository_rule(
    implementation = _cuda_headers_impl,
    attrs = {
        "requirements": attr.string_list(mandatory = True, doc = "name==version, as the lock writes them."),
        "_build_file": attr.label(default = "//third_party/cuda:headers.BUILD"),
        "_environment": attr.label(default = "@python//:environment.json"),
        "_lock": attr.label(default = "//toolchains/locks:cuda.lock"),
        "_script": attr.label(default = "//toolchains/wheels:unpack.py"),
    },
    environ = ["CUDA_HOME"],
)
