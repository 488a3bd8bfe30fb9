"""docs/troubleshooting.md has a section for every class of errors, under the path in messages, and quotes messages."""

from __future__ import annotations

import ast
import re

import pytest

from tests.lint import sources

PAGE = sources.ROOT / "docs" / "troubleshooting.md"


def classes_in_python() -> set[str]:
    tree = ast.parse((sources.ROOT / "py/torch_nacelle/errors.py").read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


def classes_in_cpp() -> set[str]:
    text = (sources.ROOT / "core/error.cc").read_text(encoding="utf-8")
    return set(re.findall(r'return "(\w+)";', text))


def sections() -> dict[str, list[str]]:
    """The page's second headings, each with the third headings below it."""
    found: dict[str, list[str]] = {}
    for level, heading in re.findall(r"^(##|###) (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        if level == "##":
            found[heading] = []
        else:
            list(found.values())[-1].append(heading)
    return found


def strings() -> list[str]:
    """The sources that raise errors; string literals that follow one another are joined."""
    rooms = ("core/", "reference/", "runtime/", "py/")
    names = [name for name in sources.with_suffix(".cc", ".py") if name.startswith(rooms)]
    return [re.sub(r'"\s*f?"', "", (sources.ROOT / name).read_text(encoding="utf-8")) for name in names]


def test_every_class_has_its_section() -> None:
    assert classes_in_cpp() < classes_in_python()  # Python has classes for what only it does
    assert classes_in_python() == {name for name in sections() if name.endswith(("Error", "Warning"))}


def test_the_page_is_where_messages_say() -> None:
    header = (sources.ROOT / "runtime/torch_error.h").read_text(encoding="utf-8")
    (page,) = re.findall(r'kTroubleshooting = "(.*)";', header)
    assert sources.ROOT / page == PAGE


def test_every_anchor_that_is_written_out_is_there() -> None:
    there = {re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-") for name in sections()}
    for name in sources.with_suffix(".cc", ".h", ".py", ".md"):
        for anchor in re.findall(
            r"docs/troubleshooting\.md#([\w-]+)", (sources.ROOT / name).read_text(encoding="utf-8")
        ):
            assert anchor in there, f"{name} names #{anchor}"


@pytest.mark.parametrize("name", sorted(classes_in_python() - {"Error"}))
def test_every_message_of_the_page_is_one_of_ours(name: str) -> None:
    texts = strings()
    assert sections()[name]
    for message in sections()[name]:
        parts = [part.strip() for part in message.split("…") if part.strip()]
        assert any(all(part in text for part in parts) for text in texts), f"no source has {parts}"
