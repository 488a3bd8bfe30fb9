"""The list of translated ONNX operators in the docs is the one that the code has."""

from __future__ import annotations

import re
import textwrap

from onnx_to_torchscript import supported_operators
from tests.lint import sources

PAGE = "docs/reference/reference_engine.md"
LIST = re.compile(r"<!-- operators -->\n\n(.*?)\n\n<!-- end of operators -->", re.DOTALL)


def listed() -> str:
    """Every operator with its oldest and newest version."""
    entries = []
    for name, (first, last) in supported_operators().items():
        entries.append(f"{name} {first}" if first == last else f"{name} {first}-{last}")
    # No entry goes over two lines.
    text = textwrap.fill(", ".join(entry.replace(" ", "\0") for entry in entries), 118, break_on_hyphens=False)
    return text.replace("\0", " ") + "."


def test_the_list_is_current() -> None:
    found = LIST.search((sources.ROOT / PAGE).read_text(encoding="utf-8"))
    assert found is not None, f"{PAGE} has no list of operators between its two marks"
    assert found.group(1) == listed(), f"the list in {PAGE} must be:\n\n{listed()}\n"
