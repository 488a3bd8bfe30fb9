"""Python is formatted and written as pyproject.toml says."""

from __future__ import annotations

import sys

from tests.lint import sources
from toolchains.developer import source_tree


def test_format() -> None:
    ruff = (sys.executable, "-m", "ruff", "format", "--no-cache", "--diff")
    sources.run(*ruff, *sources.with_suffix(*source_tree.PYTHON))


def test_rules() -> None:
    sources.run(sys.executable, "-m", "ruff", "check", "--no-cache", *sources.with_suffix(*source_tree.PYTHON))
