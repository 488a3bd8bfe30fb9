"""Fuzz targets: libFuzzer programs, compiled by clang with all that they depend on."""

_Sources = provider(
    doc = "The C++ files below a target.",
    fields = {"files": "depset of sources and headers"},
)

def _collect_impl(_target, ctx):
    attributes = [getattr(ctx.rule.attr, name, []) for name in ("srcs", "hdrs")]
    files = [file for attribute in attributes for target in attribute for file in target.files.to_list()]
    return [_Sources(files = depset(files, transitive = [dep[_Sources].files for dep in ctx.rule.attr.deps]))]

_collect = aspect(
    implementation = _collect_impl,
    attr_aspects = ["deps"],
)

_FLAGS = [
    "-std=c++20",
    "-O1",
    "-g",
    "-fno-omit-frame-pointer",
    "-fsanitize=fuzzer,address,undefined",
    "-fno-sanitize-recover=all",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-iquote",
    ".",
]

def _nacelle_cc_fuzz_target_impl(ctx):
    program = ctx.actions.declare_file(ctx.label.name)
    files = depset(ctx.files.srcs, transitive = [dep[_Sources].files for dep in ctx.attr.deps])
    arguments = ctx.actions.args()
    arguments.add_all(_FLAGS)
    arguments.add_all(["-iquote", ctx.bin_dir.path])  # generated headers
    arguments.add("-o", program)
    arguments.add_all([file for file in files.to_list() if file.extension == "cc"])
    ctx.actions.run(
        arguments = [arguments],
        executable = ctx.executable._clang,
        inputs = files,
        mnemonic = "NacelleFuzzTarget",
        outputs = [program],
        progress_message = "Compiling the fuzz target " + ctx.label.name,
        use_default_shell_env = True,
    )
    return [DefaultInfo(executable = program)]

nacelle_cc_fuzz_target = rule(
    implementation = _nacelle_cc_fuzz_target_impl,
    doc = """A libFuzzer program with the address and undefined-behaviour sanitizers.

srcs define LLVMFuzzerTestOneInput. The sources of deps are compiled once more, by clang: only what the fuzzer's own
compiler made can guide it. So deps must be C++ of this project, and not need torch.""",
    attrs = {
        "srcs": attr.label_list(allow_files = [".cc"]),
        "deps": attr.label_list(aspects = [_collect]),
        "_clang": attr.label(
            allow_single_file = True,
            cfg = "exec",
            default = "@clang//:clang++",
            executable = True,
        ),
    },
    executable = True,
)
