"""Rules for every text file of ours."""

from __future__ import annotations

import re

from tests.lint import sources

TEXT = (".cc", ".h", ".py", ".pyi", ".bzl", ".md", ".toml", ".in", ".lds", "BUILD", "WORKSPACE", ".bazelrc", "bazelw")


def lines(name: str) -> list[str]:
    return (sources.ROOT / name).read_text(encoding="utf-8").split("\n")


def test_white_space() -> None:
    wrong = []
    for name in sources.with_suffix(*TEXT):
        text = lines(name)
        if text[-1] or (len(text) > 1 and not text[-2]):
            wrong.append(f"{name}: ends without exactly one newline")
        for number, line in enumerate(text, 1):
            if line != line.rstrip():
                wrong.append(f"{name}:{number}: white space at the end of the line")
            if "\t" in line:
                wrong.append(f"{name}:{number}: a tab")
    assert not wrong, "\n".join(wrong)


def test_header_guards() -> None:
    wrong = []
    for name in sources.with_suffix(".h"):
        if name.startswith("tests/data/"):
            continue
        guard = "NACELLE_" + re.sub(r"\W", "_", name).upper() + "_"
        text = "\n".join(lines(name))
        if f"#ifndef {guard}\n#define {guard}\n" not in text or f"#endif  // {guard}" not in text:
            wrong.append(f"{name}: its guard should be {guard}")
    assert not wrong, "\n".join(wrong)


def test_no_file_is_a_drawer_for_everything() -> None:
    long = [name for name in sources.with_suffix(".cc", ".h", ".py") if len(lines(name)) > 500]
    assert not long, f"over 500 lines: {long}"
