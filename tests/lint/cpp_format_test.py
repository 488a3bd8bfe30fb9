"""C++ is formatted as .clang-format says."""

from __future__ import annotations

from tests.lint import sources
from toolchains.developer import source_tree


def test_format() -> None:
    sources.run(str(source_tree.CLANG_FORMAT), "--dry-run", "--Werror", *sources.with_suffix(*source_tree.CPP))
