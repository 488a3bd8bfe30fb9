"""Headers that are compiled once for the many files that include them."""

load("@bazel_tools//tools/build_defs/cc:action_names.bzl", "ACTION_NAMES")
load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _precompiled_header_impl(ctx):
    header = ctx.actions.declare_file(ctx.label.name + ".h")
    compiled = ctx.actions.declare_file(ctx.label.name + ".h.gch")
    dependencies = ctx.actions.declare_file(ctx.label.name + ".d")
    ctx.actions.write(header, "".join(["#include <%s>\n" % name for name in ctx.attr.includes]))

    toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(
        cc_toolchain = toolchain,
        ctx = ctx,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    context = cc_common.merge_cc_infos(cc_infos = [dep[CcInfo] for dep in ctx.attr.deps]).compilation_context
    flags = ctx.fragments.cpp.copts + ctx.fragments.cpp.cxxopts + ctx.attr.copts

    # The dependencies are kept in the compiled header, for -fpch-deps.
    flags = flags + ["-MD", "-MF", dependencies.path, "-x", "c++-header"]
    variables = cc_common.create_compile_variables(
        cc_toolchain = toolchain,
        feature_configuration = features,
        include_directories = context.includes,
        output_file = compiled.path,
        preprocessor_defines = context.defines,
        quote_include_directories = context.quote_includes,
        source_file = header.path,
        system_include_directories = context.system_includes,
        use_pic = cc_common.is_enabled(feature_configuration = features, feature_name = "supports_pic"),
        user_compile_flags = flags,
    )
    ctx.actions.run(
        arguments = cc_common.get_memory_inefficient_command_line(
            action_name = ACTION_NAMES.cpp_compile,
            feature_configuration = features,
            variables = variables,
        ),
        env = cc_common.get_environment_variables(
            action_name = ACTION_NAMES.cpp_compile,
            feature_configuration = features,
            variables = variables,
        ),
        executable = cc_common.get_tool_for_action(
            action_name = ACTION_NAMES.cpp_compile,
            feature_configuration = features,
        ),
        # A sandbox would link each of the headers.
        execution_requirements = {"no-sandbox": "1"},
        inputs = depset([header], transitive = [context.headers, toolchain.all_files]),
        mnemonic = "NacellePrecompiledHeader",
        outputs = [compiled, dependencies],
        progress_message = "Compiling the headers of %s" % ctx.label,
    )
    own = cc_common.create_compilation_context(headers = depset([header, compiled]))
    return [
        DefaultInfo(files = depset([header, compiled])),
        cc_common.merge_cc_infos(
            cc_infos = [dep[CcInfo] for dep in ctx.attr.deps],
            direct_cc_infos = [CcInfo(compilation_context = own)],
        ),
    ]

precompiled_header = rule(
    implementation = _precompiled_header_impl,
    doc = """The header NAME.h, which includes others, compiled by g++.

A file that includes it first is compiled without reading them again, if its flags are the same. -Winvalid-pch warns if
they are not; -fpch-deps tells Bazel which headers the file depends on.""",
    attrs = {
        "copts": attr.string_list(doc = "flags beside the project's"),
        "deps": attr.label_list(providers = [CcInfo]),
        "includes": attr.string_list(doc = "the headers, as they stand in #include <...>"),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
