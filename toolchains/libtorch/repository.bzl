"""libtorch: the C++ side of the torch that the Python environment has."""

def _library_names(environment, lib):
    names = ["torch", "torch_cpu", "c10"]
    missing = [name for name in names if not lib.get_child("lib%s.so" % name).exists]
    if missing:
        fail("%s holds no %s; is this a build of torch for Linux?" % (lib, ", ".join(missing)))
    return names

def _libtorch_repository_impl(ctx):
    environment = json.decode(ctx.read(ctx.path(ctx.attr._environment)))
    torch = ctx.path(environment["torch"])
    lib = torch.get_child("lib")
    ctx.symlink(torch.get_child("include"), "include")
    folders = [str(lib)] + environment["nvidia_libs"]
    ctx.file("fingerprint.txt", ctx.read(ctx.path(ctx.attr._environment)))
    ctx.template("BUILD.bazel", ctx.path(ctx.attr._build_file), {
        "%{lib}": str(lib),
        "%{link}": repr(["-l" + name for name in _library_names(environment, lib)]),
        "%{rpath}": repr(["-Wl,-rpath," + folder for folder in folders]),
        "%{rpath_link}": repr(["-Wl,-rpath-link," + folder for folder in folders]),
    }, executable = False)
    ctx.file("torch_version.bzl", 'TORCH_RELEASE = "%s"\nTORCH_PUBLIC = "%s"\nTORCH_HAS_CUDA = %s\n' % (
        environment["torch_release"],
        environment["torch_public"],
        lib.get_child("libtorch_cuda.so").exists,
    ))
    major, minor, patch = environment["torch_public"].split(".")[:3]
    ctx.file("built/torch_built.h", _HEADER.format(
        release = environment["torch_public"],
        major = major,
        minor = minor,
        patch = patch,
    ))

_HEADER = """\
// The torch that the build was set up with. Recorded once; the wheel's requirement comes from the same record.
#ifndef NACELLE_TORCH_BUILT_H_
#define NACELLE_TORCH_BUILT_H_

#define NACELLE_TORCH_RELEASE "{release}"
#define NACELLE_TORCH_MAJOR {major}
#define NACELLE_TORCH_MINOR {minor}
#define NACELLE_TORCH_PATCH {patch}

#endif  // NACELLE_TORCH_BUILT_H_
"""

libtorch_repository = repository_rule(
    implementation = _libtorch_repository_impl,
    attrs = {
        "_build_file": attr.label(default = "//third_party/libtorch:libtorch.BUILD"),
        "_environment": attr.label(default = "@python//:environment.json"),
    },
)
