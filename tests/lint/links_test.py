"""Links between Markdown files lead somewhere in the source tree, too, for whoever reads them there."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from tests.lint import sources


@cache
def prose(path: Path) -> str:
    """A Markdown file without its code."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^    .*$|`[^`\n]*`", "", text, flags=re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The anchors of a file's headings, as they are made from their text."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_links() -> None:
    wrong = []
    for name in sources.with_suffix(".md"):
        file = sources.ROOT / name
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(file)):
            if re.match(r"\w+:", target):
                continue
            path, _, anchor = target.partition("#")
            led = (file.parent / path).resolve() if path else file
            if not led.exists():
                wrong.append(f"{name}: {target} leads to no file")
            elif anchor and anchor not in anchors(led):
                wrong.append(f"{name}: {target} leads to no heading")
    assert not wrong, "\n".join(wrong)
