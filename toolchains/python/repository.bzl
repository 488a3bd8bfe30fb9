"""The Python of the build: one interpreter and the packages for it.

    @python//:toolchain             what every py_binary and py_test runs with
    @python//:environment.bzl       ENVIRONMENT, the description that environment.py makes

NACELLE_TORCH=local (--config=local_torch) takes the interpreter's own packages instead of installing the pinned ones.
"""

_BUILD = """\
load("@bazel_tools//tools/python:toolchain.bzl", "py_runtime_pair")

package(default_visibility = ["//visibility:public"])

exports_files(["environment.bzl", "environment.json", "python3"])

py_runtime(
    name = "runtime",
    interpreter = ":python3",
    python_version = "PY3",
    stub_shebang = "#!{interpreter}",
)

py_runtime_pair(
    name = "runtime_pair",
    py3_runtime = ":runtime",
)

toolchain(
    name = "toolchain",
    toolchain = ":runtime_pair",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
)

cc_library(
    name = "headers",
    hdrs = glob(["include/**/*.h"]),
    includes = ["include"],
)
"""

# Bazel's own start script puts the runfiles on PYTHONPATH; the packages come after them. The fingerprint makes whatever
# runs with this interpreter run again when the packages change.
_INTERPRETER = """\
#!/bin/sh
# {fingerprint}
export PYTHONDONTWRITEBYTECODE=1 PYTHONNOUSERSITE=1
{path}exec "{interpreter}" {options}"$@"
"""

_PATH = 'export PYTHONPATH="${{PYTHONPATH:+$PYTHONPATH:}}{site}"\n'

def _find_python(ctx):
    """Returns the python3 to build with, as it names itself (pyenv's shims, for one, are not it)."""
    name = ctx.os.environ.get("NACELLE_PYTHON", "python3")
    found = ctx.path(name) if name.startswith("/") else ctx.which(name)
    if not found or not found.exists:
        fail("No Python was found as \"%s\". Install python3 (./bazelw does it), or set NACELLE_PYTHON to one." % name)
    result = ctx.execute([found, "-c", "import sys; print(sys.executable)"])
    if result.return_code:
        fail("%s does not start: %s" % (found, result.stderr))
    return result.stdout.strip()

def _environment_arguments(ctx):
    mode = ctx.os.environ.get("NACELLE_TORCH", "")
    if mode == "local":
        return ["probe"]
    if mode:
        fail("NACELLE_TORCH is \"%s\"; it may be \"local\" or unset." % mode)
    locks = [ctx.path(lock) for lock in ctx.attr._locks]
    return ["install", str(locks[0].dirname), "site"]

def _python_environment_impl(ctx):
    python = _find_python(ctx)
    script = ctx.path(ctx.attr._script)
    arguments = _environment_arguments(ctx)
    ctx.report_progress("Python packages: " + arguments[0])
    result = ctx.execute([python, script] + arguments, timeout = 3600, quiet = False)
    if result.return_code:
        fail("%s %s failed:\n%s" % (python, " ".join(arguments), result.stderr))
    text = result.stdout.strip().split("\n")[-1]
    environment = json.decode(text)

    ctx.file("environment.json", text + "\n")
    ctx.file("environment.bzl", "ENVIRONMENT = json.decode(%r)\n" % text)
    path = _PATH.format(site = environment["site"]) if environment["site"] else ""
    ctx.file("python3", _INTERPRETER.format(
        fingerprint = text,
        interpreter = environment["interpreter"],
        # Leaves out the interpreter's own packages if the pinned ones are used.
        options = "-S " if environment["site"] else "",
        path = path,
    ), executable = True)
    ctx.symlink(environment["include"], "include")
    ctx.file("BUILD.bazel", _BUILD.format(interpreter = environment["interpreter"]))

python_environment = repository_rule(
    implementation = _python_environment_impl,
    attrs = {
        "_locks": attr.label_list(default = [
            "//toolchains/locks:python.lock",
            "//toolchains/locks:torch.lock",
            "//toolchains/locks:torch_cuda.lock",
        ]),
        "_script": attr.label(default = "//toolchains/python:environment.py"),
    },
    environ = ["NACELLE_PYTHON", "NACELLE_TORCH"],
)
