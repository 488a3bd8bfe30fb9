"""Macros for C++ targets."""

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

def _runtime_path():
    """Returns the dependency that lets a program of the current package find torch's libraries, if it may need them."""
    package = native.package_name()
    for folder in _WITHOUT_TORCH:
        if package == folder or package.startswith(folder + "/"):
            return []
    return ["@torch//:runtime_path"]

def nacelle_cc_library(name, copts = [], **kwargs):
    """A C++ library: one unit, with its headers in hdrs.

    It is linked into what uses it, never as a shared library of its own: most of its symbols are hidden.

    Args:
      name: the target's name.
      copts: flags beside the project's.
      **kwargs: cc_library's other attributes.
    """
    native.cc_library(
        name = name,
        copts = _COPTS + copts,
        linkstatic = True,
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

def nacelle_cc_test(name, copts = [], deps = [], size = "small", timeout = "long", **kwargs):
    """A googletest program; main() comes with it.

    Args:
      name: the target's name.
      copts: flags beside the project's.
      deps: what srcs include; googletest itself is added.
      size: cc_test's size.
      timeout: cc_test's timeout: it ends a test that hangs, and is far above what a busy machine takes.
      **kwargs: cc_test's other attributes. Tag a test that needs a GPU "gpu".
    """
    native.cc_test(
        name = name,
        copts = _COPTS + copts,
        size = size,
        timeout = timeout,
        deps = deps + _runtime_path() + [
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
