"""Files that are made from the table of build options are current."""

from __future__ import annotations

import subprocess

from tests.lint import sources
from toolchains.developer import build_options


def test_files_are_current() -> None:
    printed = subprocess.run(["core/tensorrt/builder/print_options"], check=True, capture_output=True, text=True)
    made = build_options.made(build_options.parse(printed.stdout), sources.ROOT)
    stale = [name for name, text in made.items() if (sources.ROOT / name).read_text(encoding="utf-8") != text]
    assert not stale, f"{', '.join(stale)}: run bazel run //core/tensorrt/builder:update_build_options"
