"""Python's types hold, by mypy's strict rules."""

from __future__ import annotations

import sys

from tests.lint import sources


def test_types() -> None:
    files = [
        name for name in sources.with_suffix(".py", ".pyi") if name + "i" not in sources.with_suffix(".py", ".pyi")
    ]
    sources.run(sys.executable, "-m", "mypy", f"--cache-dir={sources.CACHE}/mypy", *files)
