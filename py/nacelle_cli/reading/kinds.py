"""Files by what is in them: a program, a plan, or another file that holds plans. A file's suffix does not matter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import nacelle_core
from nacelle_cli.reading import archives, limits, plans, programs, texts, zips
from nacelle_cli.reading.containers import executorch, onnx_contexts, packages, ultralytics
from nacelle_cli.reading.containers.container import Container
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.plans import Plan
from nacelle_cli.reading.programs import Program
from nacelle_cli.reading.records import Engine

PROGRAM_SUFFIXES = {".ts": "torchscript", ".pt": "torchscript", ".pt2": "exported", ".ep": "exported"}
"""The format of a program that is written, by its suffix. AOTInductor packages have ``.pt2``, too."""

_SHOWN = 16
_FORMATS = {"": "torchscript", "exported program": "exported", "AOTInductor package": "aotinductor"}


def read(path: Path) -> Program | Plan | Container:
    """Reads a file.

    Raises:
        ReadingError: It is none that is read here, or damaged in a way that leaves nothing to tell.
        OSError: It cannot be read.
    """
    with opened(path) as container:
        if container is not None:
            return container
    return programs.read(path) if programs.is_program(path) else plans.read(plans.of_file(path))


def program_format(path: Path) -> str:
    """The format of the program in a file: ``"torchscript"``, ``"exported"`` or ``"aotinductor"``.

    Raises:
        ReadingError: The file is no program.
        OSError: It cannot be read.
    """
    first = archives.first_bytes(path)
    archives.check_start(path, first)
    with archives.Archive(path) as archive:
        return _FORMATS[archive.package_kind()]


def engines(path: Path) -> list[Engine]:
    """The engines of a program's file, in its order.

    Raises:
        ReadingError: The file is none that is read here.
        OSError: It cannot be read.
    """
    found = read(path)
    return [] if isinstance(found, Plan) else list(found.engines)


@contextmanager
def opened(path: Path) -> Iterator[Container | None]:
    """The file as a container; None for a plan or a TorchScript program. Its plans can be read within the block.

    Raises:
        ReadingError: The file is none that is read here.
        OSError: It cannot be read.
    """
    with ExitStack() as stack:
        yield _container(path, stack)


def _container(path: Path, stack: ExitStack) -> Container | None:
    first = archives.first_bytes(path)
    if first.startswith(archives.MAGIC):
        archive = stack.enter_context(archives.Archive(path))
        with programs.without_recursion(path):
            return packages.read(archive, stack) if archive.package_kind() else None
    if nacelle_core.has_plan_magic(first):
        return None
    content = zips.Bytes(stack.enter_context(path.open("rb")))
    allowed = limits.of_size(content.size)
    if ultralytics.json_size(content):
        return ultralytics.read(path, content, allowed)
    if executorch.matches(content):
        return executorch.read(path, content, allowed)
    if onnx_contexts.matches(content):
        return onnx_contexts.read(path, content, allowed)
    start = content.at(0, _SHOWN)
    raise ReadingError(
        f"{path} is of no known kind: {content.size} bytes that begin with {start.hex(' ')} "
        f"({texts.quoted(texts.from_bytes(start))}); wanted a program (of torch.jit.save, torch.export.save or "
        "AOTInductor), a plan, or a file with plans in it (an ONNX model with EPContext nodes, an .engine of "
        "ultralytics, a .pte of ExecuTorch)"
    )
