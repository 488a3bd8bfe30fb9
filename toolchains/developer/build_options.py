"""Writes what is made from the table of build options: Python's types, the command line's flags, the table of the docs.

    bazel run //core/tensorrt/builder:update_build_options

The table is core/tensorrt/builder/option_table.h. A test in //tests/lint says if a file is not what it would be.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

from toolchains.developer import source_tree

TYPES = "py/torch_nacelle/_build/option_types.py"
FLAGS = "py/nacelle_cli/arguments/build_flags.py"
DOCS = "docs/guide/building_engines.md"

_MADE = "Made from core/tensorrt/builder/option_table.h by //core/tensorrt/builder:update_build_options."

# The types of OptionType in Python; those with choices are Literals.
_ANNOTATIONS = {
    "switch": "bool",
    "toggle": "bool",
    "number": "int",
    "bytes": "int",
    "names": "Sequence[str]",
    "path": "str | PathLike[str]",
    "cache_folder": "bool | str | PathLike[str]",
}

_TABLE = re.compile(r"(?<=<!-- build options -->\n).*(?=<!-- end of build options -->)", re.DOTALL)


class Option(NamedTuple):
    """A row of the table, as //core/tensorrt/builder:print_options prints it."""

    name: str
    type: str
    reader: str
    releases: str
    choices: str
    help: str

    @property
    def choice_names(self) -> list[str]:
        """The choices without the releases that have them."""
        return [choice.split(" ")[0] for choice in re.split(r", (?=\w+(?:$|,| \())", self.choices)]

    @property
    def annotation(self) -> str:
        """The option's type in Python."""
        if not self.choices:
            return _ANNOTATIONS[self.type]
        literal = f"Literal[{', '.join(map(repr, self.choice_names))}]".replace("'", '"')
        return f"Sequence[{literal}]" if self.type == "choices" else literal

    @property
    def description(self) -> str:
        """The help with the choices and the releases."""
        choices = f"{self.help[:-1]}: {self.choices}." if self.choices else self.help
        return f"{choices} Needs {self.releases}." if self.releases else choices


def parse(printed: str) -> list[Option]:
    """Returns the rows of what //core/tensorrt/builder:print_options prints."""
    head, *rows = printed.splitlines()
    assert head.split("\t") == list(Option._fields), head
    return [Option(*row.split("\t")) for row in rows]


def python_types(options: list[Option]) -> str:
    """Returns the module with the types of the options in Python."""
    attributes = "\n".join(
        textwrap.fill(f"{option.name}: {option.description}", 119, initial_indent=" " * 8, subsequent_indent=" " * 12)
        for option in options
    )
    fields = "\n".join(f"    {option.name}: {option.annotation}" for option in options)
    return f'''"""Options of a build.

{_MADE}
"""

from collections.abc import Sequence
from os import PathLike
from typing import Literal

from typing_extensions import TypedDict


class BuildOptions(TypedDict, total=False):
    """Options of ``build_engine``; an option that is left out is as TensorRT has it.

    Attributes:
{attributes}
    """

{fields}


# The options that TensorRT reads, and those that the reference engine has too.
FOR_TENSORRT = {_names(options, "tensorrt")}
FOR_CACHES = {_names(options, "caches")}
'''


def _names(options: list[Option], reader: str) -> str:
    return "(\n" + "".join(f'    "{option.name}",\n' for option in options if option.reader == reader) + ")"


def command_line(options: list[Option]) -> str:
    """Returns the module with the rows that the command line makes its flags of."""
    rows = "\n".join(
        f'    BuildFlag(\n        "{option.name}",\n        "{option.type}",\n        {_text(option)},\n    ),'
        for option in options
    )
    return f'''"""Flags for build options.

{_MADE}
"""

from typing import NamedTuple


class BuildFlag(NamedTuple):
    """A build option: its name, the type of its values, and the help."""

    name: str
    type: str
    help: str


BUILD_FLAGS = (
{rows}
)
'''


def _text(option: Option) -> str:
    """The option's description as Python's source code, on lines that are short enough."""
    *lines, last = textwrap.wrap(option.description, 108, break_on_hyphens=False)
    return "\n        ".join([*(f'"{line} "' for line in lines), f'"{last}"'])


def docs_table(options: list[Option]) -> str:
    """Returns the rows of the table of options in the documentation."""
    head = "| option | meaning | TensorRT |\n|---|---|---|\n"
    return head + "".join(f"| `{option.name}` | {_meaning(option)} | {_releases(option)} |\n" for option in options)


def _meaning(option: Option) -> str:
    meaning = option.help[:-1].replace("*", r"\*")
    if not option.choices:
        return meaning
    choices = option.choices.replace("TensorRT ", "")
    for name in option.choice_names:
        choices = re.sub(rf"\b{name}\b(?! and)", f"`{name}`", choices)
    return f"{meaning}: {choices}"


def _releases(option: Option) -> str:
    if option.reader == "caches":
        return "all, and the reference engine"
    return option.releases.removeprefix("TensorRT ") or "all"


def made(options: list[Option], root: Path) -> dict[str, str]:
    """Returns what each file that is made from the table would be, by its path in the source tree."""
    page = (root / DOCS).read_text(encoding="utf-8")
    assert _TABLE.search(page), f"{DOCS} has no place for the table of build options"
    table = docs_table(options)
    return {
        TYPES: python_types(options),
        FLAGS: command_line(options),
        DOCS: _TABLE.sub(lambda _: "\n" + table + "\n", page),
    }


def main(root: Path, program: str) -> int:
    """Writes the files. Returns 0."""
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    for name, text in made(parse(printed), root).items():
        (root / name).write_text(text, encoding="utf-8")
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(source_tree.workspace(), *sys.argv[1:]))
