"""Macros for Python targets. They run with @python's interpreter, which has the pinned packages."""

def nacelle_py_library(name, **kwargs):
    """A Python library.

    Args:
      name: the target's name.
      **kwargs: py_library's attributes.
    """
    native.py_library(
        name = name,
        srcs_version = "PY3",
        **kwargs
    )

def nacelle_py_binary(name, **kwargs):
    """A Python program.

    Args:
      name: the target's name.
      **kwargs: py_binary's attributes.
    """
    native.py_binary(
        name = name,
        python_version = "PY3",
        srcs_version = "PY3",
        **kwargs
    )

def nacelle_pytest(
        name,
        srcs = None,
        args = [],
        data = [],
        size = "medium",
        timeout = "long",
        conftest = [],
        deps = [],
        env = {},
        tags = [],
        **kwargs):
    """A test that runs pytest over its sources. A run that finds no test fails.

    A test that is not tagged "gpu" sees no GPU, so that it tells the same on every machine.

    A test of our Python packages is tagged "nosan": their extensions are loaded by a Python without sanitizers.

    Args:
      name: the target's name.
      srcs: the test modules, all of which are run; name.py if not given.
      args: arguments for pytest.
      data: files that the tests read.
      size: py_test's size.
      timeout: py_test's timeout: it ends a test that hangs, and is far above what a busy machine takes.
      conftest: conftest.py files and other modules that the tests import but that hold no tests.
      deps: py_test's deps.
      env: environment variables of the test.
      tags: py_test's tags. Tag a test that needs a GPU "gpu".
      **kwargs: py_test's other attributes.
    """
    srcs = srcs or [name + ".py"]
    hidden = {} if "gpu" in tags else {"CUDA_VISIBLE_DEVICES": ""}
    ours = [dep for dep in deps if dep.startswith("//py:")]
    native.py_test(
        name = name,
        srcs = srcs + conftest + ["//toolchains/python:pytest_main.py"],
        args = ["$(rootpath %s)" % src for src in srcs] + args,
        data = data,
        env = dict(hidden, **env),
        main = "//toolchains/python:pytest_main.py",
        python_version = "PY3",
        size = size,
        timeout = timeout,
        srcs_version = "PY3",
        deps = deps,
        tags = tags + (["nosan"] if ours and "nosan" not in tags else []),
        **kwargs
    )

def nacelle_pytests(names, **kwargs):
    """A test for each of several modules with the same needs.

    Args:
      names: the targets' names.
      **kwargs: nacelle_pytest's other arguments.
    """
    for name in names:
        nacelle_pytest(name = name, **kwargs)
