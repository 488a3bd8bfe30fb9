"""The Python of the pages that a newcomer reads first runs as it stands there, on the reference engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

# Their snippets build on one another, from the first to the last.
PAGES = ("getting_started.md", "guide/running_programs.md")
# Which of their snippets are there; a page that lost all of them would be no test.
LEAST = 6


def snippets(page: Path) -> list[tuple[int, str]]:
    """The Python of a page: the line that each snippet begins at, and its text."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text[: match.start(1)].count("\n"), match.group(1)) for match in found]


@pytest.mark.parametrize("name", PAGES)
def test_snippets_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path("docs", name).resolve()
    found = snippets(page)
    assert len(found) >= LEAST
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "snippets"}
    for line, text in found:
        exec(compile("\n" * line + text, str(page), "exec"), names)  # a failure names the line of the page
