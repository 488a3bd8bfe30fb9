"""Finds comments and docstrings whose first word makes a sentence that must be parsed, and conditions without "if".

A comment begins with a noun phrase for a thing, or a verb in the third person for a function: "Returns …", "Reads …",
"True if …". A clause in its place ("What a plan holds.") has to be read twice. The entries of Attributes and Args keep
the same rule.

"Where" is for places. In the few phrases that this module knows, such as "None" before it, it can only be a condition.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_FIRST = re.compile(r"(What|Whether|Of|Until|How)\b")
_ENTRY = re.compile(r"\s+\w+: (What|Whether|Of|Until|How)\b")
_CONDITION = re.compile(r"\b(None|True|False|empty|neutral|\w*Error) where\b|\bWhere (there is|no|one|this machine)\b")
_CPP_COMMENT = re.compile(r"\s*//+ ?(.*)")


class Comment(NamedTuple):
    """A comment or docstring: the number of its first line, and its text from there on."""

    line: int
    text: str


def cpp_comments(text: str) -> Iterator[Comment]:
    """Yields the `//` comments of a C++ file on lines of their own; after a blank line within one, a new one begins."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        match = _CPP_COMMENT.match(line)
        words = "" if match is None else match[1].strip()
        if words and not inside:
            yield Comment(number, words)
        inside = bool(words)


def python_comments(text: str) -> Iterator[Comment]:
    """Yields the `#` comments of a Python or Starlark file; consecutive lines are one comment."""
    last = -1
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.start[0] != last + 1:
            yield Comment(token.start[0], token.string.lstrip("# "))
        last = token.start[0]


def docstrings(text: str) -> Iterator[Comment]:
    """Yields the docstrings of a Python or Starlark file."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        docstring = ast.get_docstring(node)
        if docstring is not None:
            yield Comment(node.body[0].lineno, docstring)


def comments(path: Path) -> Iterator[Comment]:
    """Yields every comment and docstring of a file; its name decides the language."""
    text = path.read_text(encoding="utf-8")
    if path.suffix in (".cc", ".h"):
        yield from cpp_comments(text)
        return
    yield from python_comments(text)
    if path.suffix in (".py", ".bzl"):  # BUILD files have no docstrings
        yield from docstrings(text)


def violations(path: Path) -> list[str]:
    """The comments of a file that break the rule, as "line: text"."""
    return [f"{line}: {text.splitlines()[0]}" for line, text in comments(path) if _FIRST.match(text)]


def entries(path: Path) -> list[str]:
    """The entries in a Python file's docstrings that break the rule, as "line: text"."""
    return [
        f"{line}: {words.strip()}"
        for first, text in docstrings(path.read_text(encoding="utf-8"))
        for line, words in enumerate(text.splitlines(), first)
        if _ENTRY.match(words)
    ]


def conditions(path: Path) -> list[str]:
    """The lines of a file in which "where" is a condition for certain, as "line: text"."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [f"{number}: {line.strip()}" for number, line in enumerate(lines, 1) if _CONDITION.search(line)]
