"""layers.py finds what it is there to find."""

from __future__ import annotations

from pathlib import Path

from tests.lint import layers
from tests.lint.made_tree import tree


def test_core_may_not_know_the_runtime_or_torch(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "core/a.cc": '#include <vector>\n#include "runtime/engine.h"\n',
            "core/record/b.h": "#include <ATen/core/Tensor.h>\n",
            "core/device/c.cc": '#include "core/tensorrt/library.h"\n',
            "runtime/d.cc": '#include "core/a.h"\n#include <torch/custom_class.h>\n',
        },
    )
    assert layers.forbidden_includes(root) == [
        "core/a.cc: core must not include runtime/engine.h",
        "core/record/b.h: core must not include ATen/core/Tensor.h",
        "core/device/c.cc: core/device must not include core/tensorrt/library.h",
    ]


def test_core_may_not_depend_on_the_runtime_or_torch(tmp_path: Path) -> None:
    files = {
        "core/device/BUILD": 'nacelle_cc_library(name = "a", deps = ["//core:text", "//core/record:record"])',
        "core/BUILD": 'nacelle_cc_library(name = "b", deps = ["//runtime", "@torch//:torch"])',
        "runtime/BUILD": 'nacelle_cc_library(name = "c", deps = ["//core:b", "@torch//:torch"])',
    }
    assert layers.forbidden_deps(tree(tmp_path, files)) == [
        "//core:b: core must not depend on //runtime:runtime",
        "//core:b: core must not depend on @torch//:torch",
        "//core/device:a: core/device must not depend on //core/record:record",
    ]


def test_the_extension_without_torch_may_know_core_and_reference_plans(tmp_path: Path) -> None:
    files = {
        "py/csrc/a.cc": '#include "py/csrc/bindings.h"\n#include <torch/script.h>\n',
        "py/nacelle_core/csrc/b.cc": (
            '#include "core/a.h"\n#include "py/csrc/without_gil.h"\n#include "reference/plan.h"\n'
        ),
        "py/nacelle_core/csrc/c.cc": (
            '#include "py/csrc/bindings.h"\n#include "reference/archive.h"\n#include <c10/util/Exception.h>\n'
        ),
        "py/nacelle_core/csrc/BUILD": (
            'nacelle_cc_library(name = "d", deps = ["//py/csrc:without_gil", "//reference:plan"])\n'
            'nacelle_cc_library(name = "e", deps = ["//py/csrc:extension", "//reference:archive", "//runtime"])'
        ),
    }
    root = tree(tmp_path, files)
    assert layers.forbidden_includes(root) == [
        "py/nacelle_core/csrc/c.cc: py/nacelle_core must not include py/csrc/bindings.h",
        "py/nacelle_core/csrc/c.cc: py/nacelle_core must not include reference/archive.h",
        "py/nacelle_core/csrc/c.cc: py/nacelle_core must not include c10/util/Exception.h",
    ]
    assert layers.forbidden_deps(root) == [
        "//py/nacelle_core/csrc:e: py/nacelle_core must not depend on //py/csrc:extension",
        "//py/nacelle_core/csrc:e: py/nacelle_core must not depend on //reference:archive",
        "//py/nacelle_core/csrc:e: py/nacelle_core must not depend on //runtime:runtime",
    ]


BUILD = """
nacelle_cc_library(name = "a", hdrs = ["a.h"])
nacelle_cc_library(
    name = "b",
    srcs = glob(["b*.cc"], exclude = ["bad.cc"]),
    hdrs = ["b.h", ":generated.h"],
    deps = [":a"],
)
nacelle_cc_test(name = "c", srcs = ["c.cc"], deps = ["//core:b"])
nacelle_cc_library(name = "facade", deps = [":a", ":b"])
nacelle_cc_test(name = "d", srcs = ["d.cc"], deps = [":facade", "@pybind11//:pybind11"])
nacelle_cc_library(name = "e", hdrs = ["e.h"], textual_hdrs = ["replaced.h"])
nacelle_cc_test(name = "f", srcs = ["f.cc"], deps = [":e"])
"""


def test_includes_need_direct_dependencies(tmp_path: Path) -> None:
    files = {
        "core/BUILD": BUILD,
        "core/a.h": "",
        "core/b.h": '#include "core/a.h"\n',
        "core/b.cc": '#include "core/b.h"\n#include "core/generated.h"\n',
        "core/bad.cc": '#include "core/nowhere.h"\n',
        "core/c.cc": '#include "core/a.h"\n#include "core/b.h"\n#include "core/generated.h"\n',
        "core/d.cc": '#include <pybind11/pybind11.h>\n#include "core/a.h"\n',
        "core/e.h": '#include "core/replaced.h"\n',
        "core/replaced.h": '#include "core/a.h"\n',
        "core/f.cc": '#include "core/replaced.h"\n',
    }
    assert layers.missing_deps(tree(tmp_path, files)) == [
        "//core:c: core/c.cc includes core/a.h; deps should have //core:a"
    ]


def test_labels() -> None:
    assert layers.absolute(":a", "core/record") == "//core/record:a"
    assert layers.absolute("//core/record", "runtime") == "//core/record:record"
    assert layers.absolute("@torch//:torch", "core") == "@torch//:torch"
