"""The reference of the C++ interface: what the public headers declare, with the comments that stand there.

clang reads the headers; what is printed is their own text, without private parts and the bodies of functions.
"""

from __future__ import annotations

import html
import importlib.util
import re
import subprocess
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clang.cindex import AccessSpecifier, Cursor, CursorKind, Diagnostic, Index, TranslationUnit

CLASSES = (CursorKind.CLASS_DECL, CursorKind.STRUCT_DECL, CursorKind.CLASS_TEMPLATE)
FUNCTIONS = (
    CursorKind.FUNCTION_DECL,
    CursorKind.FUNCTION_TEMPLATE,
    CursorKind.CXX_METHOD,
    CursorKind.CONSTRUCTOR,
    CursorKind.DESTRUCTOR,
)
OTHERS = (CursorKind.ENUM_DECL, CursorKind.VAR_DECL, CursorKind.TYPE_ALIAS_DECL)


class HeaderError(Exception):
    """The headers cannot be read."""


@dataclass
class Declaration:
    """Something that a header declares in a namespace.

    Attributes:
        name: Its name, with the namespaces around it but for `nacelle`.
        comment: The comment before it, as Markdown; empty if there is none.
        code: Its own text, once for each overload.
    """

    name: str
    comment: str
    code: list[str] = field(default_factory=list)


def compiler_folders(compiler: str = "c++") -> list[str]:
    """Returns the folders in which the compiler looks for standard headers."""
    command = [compiler, "-E", "-x", "c++", "-v", "/dev/null"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stderr.splitlines()
    begin = lines.index("#include <...> search starts here:") + 1
    return [line.strip() for line in lines[begin : lines.index("End of search list.")]]


def torch_folders() -> list[str]:
    """Returns the folders of torch's headers, without importing torch."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise HeaderError("torch is not installed, and the headers include torch's")
    include = Path(spec.origin).parent / "include"
    return [str(include), str(include / "torch" / "csrc" / "api" / "include")]


def parse(headers: Iterable[str], root: Path) -> TranslationUnit:
    """Reads headers (paths below `root`) all at once."""
    text = "".join(f"#include <{header}>\n" for header in headers)
    arguments = ["-x", "c++", "-std=c++20", "-nostdinc", "-nostdinc++", "-fparse-all-comments", f"-I{root}"]
    arguments += [f"-isystem{folder}" for folder in (*torch_folders(), *compiler_folders())]
    unit = Index.create().parse("headers.cc", args=arguments, unsaved_files=[("headers.cc", text)])
    errors = [str(found) for found in unit.diagnostics if found.severity >= Diagnostic.Error]
    if errors:
        raise HeaderError("the headers cannot be read:\n" + "\n".join(errors[:10]))
    return unit


def markdown(comment: str) -> str:
    """Returns the text of a `//` comment as Markdown. Paragraphs that are indented are code."""
    lines = [re.sub(r"^\s*// ?", "", line) for line in comment.splitlines()]
    paragraphs = "\n".join(lines).strip().split("\n\n")
    return "\n\n".join(
        f"```c++\n{textwrap.dedent(one)}\n```"
        if all(line.startswith("  ") for line in one.splitlines()) and one
        else _escaped(one)
        for one in paragraphs
    )


def _escaped(text: str) -> str:
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else html.escape(part, quote=False) for part in parts)


def file_comment(text: str) -> str:
    """Returns what a header says of itself, before its guard."""
    return markdown(text[: text.index("#ifndef")])


def _private_parts(cursor: Cursor, end: int) -> Iterator[tuple[int, int]]:
    """Yields the ranges of a class that are not public, `private:` with what follows it."""
    begin: int | None = None
    for child in cursor.get_children():
        if child.kind == CursorKind.CXX_ACCESS_SPEC_DECL:
            public = child.access_specifier == AccessSpecifier.PUBLIC
            if begin is not None and public:
                yield begin, child.extent.start.offset
            begin = None if public else (child.extent.start.offset if begin is None else begin)
    if begin is not None:
        yield begin, end


def _body(cursor: Cursor, text: bytes) -> tuple[int, int] | None:
    """Returns the range of a function's body, with the initializers before it; None for a mere declaration."""
    depth = 0
    closed = False
    begin, end = cursor.extent.start.offset, cursor.extent.end.offset
    for at in range(begin, end):
        letter = text[at : at + 1]
        depth += (letter in (b"(", b"[")) - (letter in (b")", b"]"))
        closed = closed or (letter == b")" and depth == 0)
        double = text[at : at + 2] == b"::" or text[at - 1 : at + 1] == b"::"
        if closed and depth == 0 and (letter == b"{" or (letter == b":" and not double)):
            return at, end
    return None


def _cuts(cursor: Cursor, text: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yields what of a declaration is not printed, and what stands for it."""
    if cursor.kind in FUNCTIONS:
        body = _body(cursor, text)
        if body is not None:
            yield (*body, b";")
    elif cursor.kind in CLASSES:
        end = cursor.extent.end.offset - 1
        private = list(_private_parts(cursor, end))
        yield from ((*part, b"") for part in private)
        for child in cursor.get_children():
            at = child.extent.start.offset
            if not any(begin <= at < stop for begin, stop in private):
                yield from _cuts(child, text)


def code(cursor: Cursor, text: bytes) -> str:
    """Returns the text of a declaration without private parts and bodies of functions."""
    begin, end = cursor.extent.start.offset, cursor.extent.end.offset
    pieces = []
    for start, stop, replacement in sorted(_cuts(cursor, text)):
        pieces += [text[begin:start].rstrip(b" \n") if replacement else text[begin:start], replacement]
        begin = stop
    printed = b"".join([*pieces, text[begin:end]]).decode()
    printed = re.sub(r"\s*\n\s*\}$", "\n}", printed)
    return printed if printed.endswith(";") else printed + ";"


def declarations(unit: TranslationUnit, header: Path) -> list[Declaration]:
    """Returns what a header declares, in its order; overloads that follow one another are one."""
    text = header.read_bytes()
    found: list[Declaration] = []

    def walk(cursor: Cursor, scope: str) -> None:
        for child in cursor.get_children():
            if child.kind == CursorKind.NAMESPACE:
                walk(child, f"{scope}{child.spelling}::")
            elif child.location.file is not None and Path(child.location.file.name) == header:
                add(child, scope)

    def add(child: Cursor, scope: str) -> None:
        known = child.kind in (*CLASSES, *FUNCTIONS, *OTHERS) and child.spelling
        forward = child.kind in CLASSES and not child.is_definition()
        if not known or forward or scope.endswith("::internal::"):
            return
        name = f"{scope}{child.spelling}".removeprefix("nacelle::")
        comment = markdown(child.raw_comment or "")
        if found and found[-1].name == name and not comment:
            found[-1].code.append(code(child, text))
        else:
            found.append(Declaration(name, comment, [code(child, text)]))

    walk(unit.cursor, "")
    return found


def page(headers: Iterable[str], root: Path) -> str:
    """Returns the reference of headers (paths below `root`, such as runtime/engine.h) as a page of Markdown."""
    names = sorted(headers, key=lambda name: (not name.startswith("runtime/"), name))
    unit = parse(names, root)
    parts = [
        "# C++ reference",
        "What the public headers declare, in the namespace `nacelle`. [The runtime](runtime.md#c) says what to link "
        "with; functions marked `NACELLE_API` are exported by `libtorch_nacelle.so`, others that are not defined in a "
        "header are not.",
    ]
    for name in names:
        path = root / name
        parts += [f"## {name}", file_comment(path.read_text(encoding="utf-8"))]
        for declared in declarations(unit, path):
            parts += [f"### {declared.name}", declared.comment, "```c++", *declared.code, "```"]
    return (
        "\n\n".join(part for part in parts if part).replace("```c++\n\n", "```c++\n").replace("\n\n```\n", "\n```\n")
        + "\n"
    )
