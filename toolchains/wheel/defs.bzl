"""The wheel: one rule that packs files into a wheel for the build's own Python and torch."""

load("@python//:environment.bzl", "ENVIRONMENT")
load("@torch//:torch_version.bzl", "TORCH_PUBLIC")
load("//toolchains:version.bzl", "VERSION")

def _source_path(file):
    """Returns a file's path in the repository that it comes from."""
    path = file.short_path
    return path.split("/", 2)[2] if path.startswith("../") else path

def _module_path(ctx, file):
    """Returns a module's path in the wheel: its path below the folder of the rule."""
    prefix = ctx.label.package + "/"
    path = _source_path(file)
    if not path.startswith(prefix):
        fail("%s is not below %s; name it in `files` with its place in the wheel." % (path, prefix))
    return path[len(prefix):]

def _placed(ctx):
    """Returns [(file, path in the wheel)] of everything in the wheel."""
    placed = [(file, _module_path(ctx, file)) for file in ctx.files.modules]
    placed += [(file, ctx.attr.include + "/" + _source_path(file)) for file in ctx.files.headers]
    for target, place in ctx.attr.files.items():
        place = place.replace("{extension_suffix}", ENVIRONMENT["extension_suffix"])
        files = target.files.to_list()
        if not place.endswith("/") and len(files) != 1:
            fail("%s is %d files, and \"%s\" is no folder (no / at its end)." % (target.label, len(files), place))
        placed += [(file, place + file.basename if place.endswith("/") else place) for file in files]
    return placed

def _nacelle_wheel_impl(ctx):
    tag = "{tag}-{tag}-{platform}".format(**ENVIRONMENT)
    wheel = ctx.actions.declare_file("%s-%s-%s.whl" % (ctx.attr.distribution, VERSION, tag))
    placed = _placed(ctx)
    specification = ctx.actions.declare_file(ctx.label.name + ".json")
    ctx.actions.write(specification, json.encode({
        "distribution": ctx.attr.distribution,
        "entry_points": ctx.attr.entry_points,
        "files": [[path, file.path] for file, path in placed],
        "license": ctx.file.license.path,
        "readme": ctx.file.readme.path,
        "requires": [requirement.replace("{torch}", TORCH_PUBLIC) for requirement in ctx.attr.requires],
        "requires_python": ctx.attr.requires_python,
        "extras": ctx.attr.extras,
        "summary": ctx.attr.summary,
        "tag": tag,
        "version": VERSION,
    }))
    ctx.actions.run(
        arguments = [specification.path, wheel.path],
        executable = ctx.executable._make_wheel,
        inputs = [specification, ctx.file.license, ctx.file.readme] + [file for file, _ in placed],
        mnemonic = "NacelleWheel",
        outputs = [wheel],
        progress_message = "Packing " + wheel.basename,
    )
    return [DefaultInfo(files = depset([wheel]), runfiles = ctx.runfiles([wheel]))]

nacelle_wheel = rule(
    implementation = _nacelle_wheel_impl,
    doc = "A wheel named DISTRIBUTION-VERSION-cpXY-cpXY-PLATFORM.whl. The same inputs give the same bytes.",
    attrs = {
        "distribution": attr.string(mandatory = True, doc = "The project's name, in the form that file names use."),
        "entry_points": attr.string_dict(doc = "Commands that pip installs, and their functions: \"module:function\"."),
        "files": attr.label_keyed_string_dict(
            allow_files = True,
            doc = "Files and their places: a folder (with / at its end) or a path, where {extension_suffix} is replaced.",
        ),
        "headers": attr.label_list(allow_files = True, doc = "C++ headers, put below `include` by their paths in the tree."),
        "include": attr.string(default = "include", doc = "The folder of the headers in the wheel."),
        "license": attr.label(allow_single_file = True, mandatory = True),
        "modules": attr.label_list(allow_files = True, doc = "Files that keep their path below the rule's folder."),
        "readme": attr.label(allow_single_file = True, mandatory = True, doc = "Markdown: the long description."),
        "requires": attr.string_list(doc = "Requirements, where {torch} is the release of torch that was built against."),
        "requires_python": attr.string(default = ">=3.10"),
        "extras": attr.string_list_dict(doc = "Requirements by the extra that asks for them: pip install NAME[EXTRA]."),
        "summary": attr.string(mandatory = True),
        "_make_wheel": attr.label(cfg = "exec", default = "//toolchains/wheel:make_wheel", executable = True),
    },
)
