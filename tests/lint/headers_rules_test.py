"""headers.py finds the headers that nothing compiles alone."""

from __future__ import annotations

from pathlib import Path

from tests.lint import headers
from tests.lint.made_tree import tree

BUILD = """
nacelle_cc_library(name = "a", srcs = ["a.cc"], hdrs = ["a.h", "late.h"])
nacelle_cc_library(name = "b", hdrs = ["b.h", "forgotten.h"])
nacelle_header_check(name = "header_check", hdrs = ["b.h"], deps = [":b"])
"""


def test_headers_that_nothing_compiles_alone(tmp_path: Path) -> None:
    files = {
        "core/BUILD": BUILD,
        "core/a.cc": '// A comment.\n#include "core/a.h"\n\n#include "core/late.h"\n',
        "core/not_compiled.cc": '#include "core/not_compiled.h"\n',
    }
    tree(tmp_path, files)
    names = ["a", "late", "b", "forgotten", "not_compiled"]
    wrong = headers.not_alone(tmp_path, [f"core/{name}.h" for name in names] + ["tests/data/some.h"])
    assert [line.split(":")[0] for line in wrong] == ["core/late.h", "core/forgotten.h", "core/not_compiled.h"]
