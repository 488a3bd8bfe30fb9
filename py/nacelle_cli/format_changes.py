"""Programs of engines alone, put into another format: TorchScript, an exported program, an AOTInductor package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacelle_cli import files
from nacelle_cli.arguments.formats import format_for
from nacelle_cli.failures import CommandError, wrong_usage
from nacelle_cli.reading import archives, kinds, regular
from nacelle_cli.render import output


@dataclass(frozen=True)
class FormatChange:
    """A copy of a program in another format.

    Attributes:
        source: The program.
        destination: The file to write.
        former: The source's format.
        format: The destination's format.
    """

    source: Path
    destination: Path
    former: str
    format: str

    def run(self, abi_version: int | None, unfit: Sequence[str], *, allow_code: bool, json: bool) -> None:
        """Writes the copy, and prints what was done. `unfit` are options that were given, and are for one format."""
        if unfit:
            wrong_usage(f"{unfit[0]} is for a copy in the same format; convert the records first, and then the format")
        if self.former == "aotinductor":
            raise CommandError(
                f"{self.source} is an AOTInductor package, whose program is machine code; wanted TorchScript or an "
                "exported program: convert the file that it was compiled from, or take its plans with nacelle extract"
            )
        import torch_nacelle as nacelle

        program, left_out = self._loaded(allow_code)
        chosen: Any = self.format  # nacelle.save knows the formats
        with files.replacing(self.destination) as temporary:
            try:
                nacelle.save(program, temporary, format=chosen, abi_version=abi_version)
            except nacelle.InputError as error:
                raise CommandError(f"{self.source} cannot be {_WHAT[self.format]}: {error.reason}") from error
            engines = [
                {"path": engine.path, "abi_version": engine.record.version if engine.record else None}
                for engine in kinds.engines(temporary)
            ]
        if json:
            facts = {"output": str(self.destination), "format": self.format, "former_format": self.former}
            output.print_json(
                facts | {"engines": engines, "left_out": [f"extra/{name}" for name in left_out]},
                beside=self.destination,
            )
            return
        console = output.stdout(beside=self.destination)
        for engine in engines:
            console.print(f"{engine['path']}: ABI version {engine['abi_version']}")
        console.print(f"wrote {self.destination}, {_WHAT[self.format]}")
        if left_out:
            output.note(f"left out files beside the program: {', '.join(left_out)}")

    def _loaded(self, allow_code: bool) -> tuple[Any, list[str]]:
        """The program, and the names of files beside it, which the other format does not keep."""
        import torch_nacelle as nacelle

        if self.former != "torchscript":
            return nacelle.load(self.source), []
        program = nacelle.read(self.source, allow_code=allow_code)
        return program.module, list(program.extra_files)


_WHAT = {
    "torchscript": "a TorchScript program",
    "exported": "an exported program",
    "aotinductor": "an AOTInductor package",
}


def between(source: Path, destination: Path, given: str | None) -> FormatChange | None:
    """The change of the format that a copy needs; None if there is none.

    Raises:
        ReadingError: The source is no program.
    """
    is_archive = regular.exists(source) and archives.first_bytes(source).startswith(archives.MAGIC)
    if not is_archive:  # which the reader of programs tells
        return None
    former = kinds.program_format(source)
    wanted = format_for(destination, given, former)
    if given is None and former == "aotinductor" and wanted == "exported":
        wanted = former  # a package has this suffix, too
    return None if wanted == former else FormatChange(source, destination, former, wanted)
