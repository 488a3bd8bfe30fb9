"""Macros for C++ targets."""

load("//toolchains/cc:precompiled.bzl", "precompiled_header")

_COPTS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fvisibility=hidden",
    "-fvisibility-inlines-hidden",
]

# Parts that know nothing of torch. Their programs are built without fetching it.
_WITHOUT_TORCH = ["core", "tests/core", "third_party", "toolchains"]

# A shared library of the wheel stands in torch_nacelle/lib, beside the folder torch; an extension in torch_nacelle.
_WHEEL_RUNTIME_PATH = "-Wl,-rpath,'$$ORIGIN/../../torch/lib:$$ORIGIN/../torch/lib'"

# A shared library exports few functions, and the names of all others would be a tenth of it in the wheel.
_STRIP = "-Wl,--strip-all"

# torch's headers take longer to read than a file of ours takes to compile.
_PRECOMPILED = "//third_party/libtorch:precompiled"
_PRECOMPILED_COPTS = [
    "-include",
    "third_party/libtorch/precompiled.h",
    "-fpch-deps",
    "-Winvalid-pch",
]

def _precompiled(chosen):
    """Returns flags and dependencies of a target that includes torch's precompiled headers, if it is `chosen`.

    In the build of another project there are none, so that its files show what each of them includes by itself.
    """
    if chosen and native.repository_name() == "@":
        return _PRECOMPILED_COPTS, [_PRECOMPILED]
    return [], []

def nacelle_precompiled_header(name, **kwargs):
    """The header NAME.h, compiled once for the files that include it first.

    Args:
      name: the target's name.
      **kwargs: includes, the headers that NAME.h includes; deps, the libraries that have them; visibility.
    """
    precompiled_header(
        name = name,
        copts = _COPTS,
        **kwargs
    )

def _runtime_path():
    """Returns the dependency that lets a program of the current package find torch's libraries, if it may need them."""
    package = native.package_name()
    for folder in _WITHOUT_TORCH:
        if package == folder or package.startswith(folder + "/"):
            return []
    return ["@torch//:runtime_path"]

def nacelle_cc_library(name, copts = [], deps = [], precompiled = False, small = False, **kwargs):
    """A C++ library: one unit, with its headers in hdrs.

    It is linked into what uses it, never as a shared library of its own: most of its symbols are hidden.

    Args:
      name: the target's name.
      copts: flags beside the project's.
      deps: what srcs and hdrs include.
      precompiled: True if srcs include much of torch: they are compiled with its precompiled headers.
      small: True if no call of an engine runs the code: it is compiled for size, since the wheel has it several times.
      **kwargs: cc_library's other attributes.
    """
    precompiled_copts, precompiled_deps = _precompiled(precompiled)
    native.cc_library(
        name = name,
        copts = _COPTS + precompiled_copts + (["-Os"] if small else []) + copts,
        linkstatic = True,
        deps = deps + precompiled_deps,
        **kwargs
    )

def nacelle_header_check(name, hdrs, **kwargs):
    """Compiles each header alone. For those that no .cc includes first: //tests/lint:headers_test finds them.

    Args:
      name: the target's name.
      hdrs: headers of this package.
      **kwargs: cc_library's attributes; deps are the target that has the headers, and what they need.
    """
    srcs = []
    for header in hdrs:
        source = "%s_%s.cc" % (name, header[:-len(".h")])
        native.genrule(
            name = source[:-len(".cc")],
            outs = [source],
            cmd = "echo '#include \"%s/%s\"' > $@" % (native.package_name(), header),
        )
        srcs.append(source)
    nacelle_cc_library(
        name = name,
        srcs = srcs,
        testonly = True,
        **kwargs
    )

def nacelle_cc_test(name, copts = [], deps = [], precompiled = False, size = "small", timeout = "long", **kwargs):
    """A googletest program; main() comes with it.

    Args:
      name: the target's name.
      copts: flags beside the project's.
      deps: what srcs include; googletest itself is added.
      precompiled: as in nacelle_cc_library.
      size: cc_test's size.
      timeout: cc_test's timeout: it ends a test that hangs, and is far above what a busy machine takes.
      **kwargs: cc_test's other attributes. Tag a test that needs a GPU "gpu".
    """
    precompiled_copts, precompiled_deps = _precompiled(precompiled)
    native.cc_test(
        name = name,
        copts = _COPTS + precompiled_copts + copts,
        size = size,
        timeout = timeout,
        deps = deps + precompiled_deps + _runtime_path() + [
            "@googletest//:gtest",
            "@googletest//:gtest_main",
        ],
        **kwargs
    )

def nacelle_cc_binary(name, copts = [], deps = [], linkopts = [], linkshared = False, version_script = None, shared_libraries = [], **kwargs):
    """A C++ program, or a shared library (linkshared = True, name = "libNAME.so").

    A shared library must have every symbol defined, and finds torch's libraries beside the package that holds it: it
    carries no folder of this machine.

    Args:
      name: the target's name, with .so for a shared library.
      copts: flags beside the project's.
      deps: what srcs include, and for a shared library what it is made of.
      linkopts: flags for the linker beside the project's.
      linkshared: True for a shared library.
      version_script: the linker's version script that says what a shared library exports.
      shared_libraries: libraries of this project to link with. The caller makes sure that the program finds them when it runs.
      **kwargs: cc_binary's other attributes.
    """
    inputs = shared_libraries
    linkopts = linkopts + ["$(location %s)" % library for library in shared_libraries]
    if linkshared:
        linkopts = linkopts + ["-Wl,--no-undefined", _STRIP, _WHEEL_RUNTIME_PATH]
    else:
        deps = deps + _runtime_path()
    if version_script:
        inputs = inputs + [version_script]
        linkopts = linkopts + ["-Wl,--version-script,$(location %s)" % version_script]
    native.cc_binary(
        name = name,
        additional_linker_inputs = inputs,
        copts = _COPTS + copts,
        linkopts = linkopts,
        linkshared = linkshared,
        deps = deps,
        **kwargs
    )

def nacelle_python_extension(name, shared_libraries = [], copts = [], linkopts = [], **kwargs):
    """An extension module for Python, which defines the interpreter's symbols when it loads the module.

    It finds `shared_libraries` in the folder lib beside it, and torch's libraries beside the package that holds it. One
    without `shared_libraries` needs neither.

    Args:
      name: the target's name, with .so.
      shared_libraries: libraries of this project to link with, which link with torch.
      copts: flags beside the project's.
      linkopts: flags for the linker beside the project's.
      **kwargs: cc_binary's other attributes.
    """
    runtime_paths = ["-Wl,-rpath,'$$ORIGIN/lib'", _WHEEL_RUNTIME_PATH] if shared_libraries else []
    native.cc_binary(
        name = name,
        additional_linker_inputs = shared_libraries,
        copts = _COPTS + copts,
        linkopts = linkopts + ["$(location %s)" % library for library in shared_libraries] + [_STRIP] + runtime_paths,
        linkshared = True,
        **kwargs
    )
