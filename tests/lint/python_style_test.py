"""Python is formatted and written as pyproject.toml says."""

from __future__ import annotations

import sys

from tests.lint import sources


def test_format() -> None:
    sources.run(sys.executable, "-m", "ruff", "format", "--no-cache", "--diff", *sources.with_suffix(".py", ".pyi"))


def test_rules() -> None:
    sources.run(sys.executable, "-m", "ruff", "check", "--no-cache", *sources.with_suffix(".py", ".pyi"))
