r"""The shape laws of a program's engines, in a file of the program's archive: ``extra/nacelle_shape_laws.json``.

    {"version": 1, "engines": {"backbone_engine": "4\n0.0, 16, ((0.2 + 15) // 16)"}}

The names are those of the program's constants, and the texts are ``EngineLaws.dump``'s.
"""

import contextlib
import json
from collections.abc import Iterator

import torch

import nacelle_core
from nacelle_cli.reading.archives import Archive
from nacelle_cli.reading.containers import json_texts
from torch_nacelle._export import engine_laws
from torch_nacelle._export.shape_laws import EngineLaws
from torch_nacelle._runtime.holders import is_engine
from torch_nacelle.errors import Error, InputError

FILE = "nacelle_shape_laws.json"

_VERSION = 1


def extra_files(program: torch.export.ExportedProgram) -> dict[str, str]:
    """The file with the laws that were found for the program's engines; none if there are no laws."""
    found = {name: laws.dump() for name, engine in _engines(program) if (laws := _known(engine)) is not None}
    return {FILE: json.dumps({"version": _VERSION, "engines": found}, sort_keys=True)} if found else {}


def offer(program: torch.export.ExportedProgram, archive: Archive) -> None:
    """Offers the laws in the program's archive for its engines, which are tested before they are used.

    Those that cannot be read are passed over.
    """
    name = f"extra/{FILE}"
    if name not in archive or archive.size(name) > archive.limits.json:
        return
    with contextlib.suppress(nacelle_core.Error):
        content = json_texts.parsed(archive.read(name), name, archive.limits)
        if json_texts.within(content, "version") != _VERSION:
            return
        for constant, engine in _engines(program):
            text = json_texts.text(json_texts.within(content, "engines", constant))
            with contextlib.suppress(InputError):
                if text:
                    engine_laws.offer(engine, EngineLaws.load(text))


def _engines(program: torch.export.ExportedProgram) -> Iterator[tuple[str, torch.ScriptObject]]:
    for name, value in program.constants.items():
        if is_engine(value):
            yield name, value


def _known(engine: torch.ScriptObject) -> EngineLaws | None:
    try:
        return engine_laws.known_laws(engine)
    except Error:  # it cannot be set up here
        return None
