"""C++ is formatted as .clang-format says."""

from __future__ import annotations

from pathlib import Path

import clang_format

from tests.lint import sources

CLANG_FORMAT = Path(clang_format.__file__).parent / "data" / "bin" / "clang-format"


def test_format() -> None:
    sources.run(str(CLANG_FORMAT), "--dry-run", "--Werror", *sources.with_suffix(".cc", ".h"))
