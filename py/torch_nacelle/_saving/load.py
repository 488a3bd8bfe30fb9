"""Loads a program of any kind, to be called."""

import io
import os
import tempfile
import weakref
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from nacelle_cli.exported import loading
from nacelle_cli.reading import records
from nacelle_cli.reading.archives import MAGIC, Archive, first_bytes
from nacelle_cli.reading.containers.package_objects import EngineObject, PackageObjects
from torch_nacelle import _C
from torch_nacelle._models.exported_program import with_example_inputs
from torch_nacelle._programs import running
from torch_nacelle._programs.archives import ProgramSource, SourceFile, as_our_errors
from torch_nacelle._runtime import checks
from torch_nacelle._runtime.holders import joined
from torch_nacelle._runtime.messages import first_lines
from torch_nacelle._saving import kept_laws
from torch_nacelle.errors import DeviceError, InputError

_CODE = "data/aotinductor/"
_MODEL = "model"  # as torch calls the only one of a package

# The exported programs that `load` made modules of.
_programs: "weakref.WeakKeyDictionary[torch.nn.Module, torch.export.ExportedProgram]" = weakref.WeakKeyDictionary()


def load(source: ProgramSource, device: str | torch.device | None = None) -> Any:
    """Loads a program, to be called: TorchScript, an exported program, or an AOTInductor package.

        program = nacelle.load("program.pt2")
        with torch.no_grad():
            outputs = program(images)

    The file's content decides what it is. TorchScript and AOTInductor packages are code, which loading and calling
    them runs: give files that you trust. Of an exported program, also one that Torch-TensorRT wrote (``.ep``), no
    Python runs and nothing is unpickled; its graph may call torch's operators and engines alone.
    ``torch.export.load`` reads others.

    A package compares its inputs with those that it was compiled for, unless the environment variable
    ``AOTI_RUNTIME_CHECK_INPUTS`` is ``0``.

    Args:
        source: The file, as a path or open for reading bytes.
        device: The device of its tensors and engines, such as ``"cuda:1"``. Left out: the one that they were saved on,
            and for tensors the CPU if there is no GPU. For TorchScript it is the device of its tensors; see ``to``.

    Returns:
        What one calls: a ``torch.jit.ScriptModule``, the ``torch.fx.GraphModule`` of ``ExportedProgram.module()``, or
        torch's ``AOTICompiledModel``.

    Raises:
        InputError: It is no program, is damaged, or holds something that is not read.
        DeviceError: There is no such device here, or the program cannot run there.
        OSError: It cannot be opened; FileNotFoundError if there is none.
    """
    where = None if device is None else _present(checks.device(device))
    given = SourceFile(source)
    if given.path is not None:
        return _loaded(given.path, where) if _package_kind(given.path) else running.load(given.path, where)
    if _package_kind(Path(given.name), given.content):
        with tempfile.NamedTemporaryFile(suffix=".pt2") as file:
            file.write(given.content)
            file.flush()
            return _loaded(Path(file.name), where)
    kept = io.BytesIO(given.content)
    kept.name = given.name
    return running.load(kept, where)


def program_of(module: torch.nn.Module) -> torch.export.ExportedProgram | None:
    """The exported program that `load` made a module of; None for another module."""
    return _programs.get(module)


def _present(device: torch.device) -> str:
    if device.type == "cuda":
        if torch.cuda._is_in_bad_fork():
            raise DeviceError(f"cannot load the program on {device}: {_C.forked_text()}")
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            found = f"{count} GPUs" if count > 1 else "one GPU" if count else "none"
            raise DeviceError(f"cannot load the program on {device}: there is no such GPU here; found: {found}")
    return str(device)


def _package_kind(path: Path, content: bytes | None = None) -> str:
    """``"exported program"``, ``"AOTInductor package"``, or empty for another file."""
    with as_our_errors():
        first = first_bytes(path) if content is None else content[: len(MAGIC)]
        if not first.startswith(MAGIC):
            return ""
        with Archive(path, None if content is None else io.BytesIO(content)) as archive:
            return archive.package_kind()


def _loaded(path: Path, device: str | None) -> Any:
    with as_our_errors(), Archive(path) as archive:
        if archive.package_kind() == "AOTInductor package":
            return _package(archive, device)
        with ExitStack() as stack:
            engines = {found.member: _pickled(found) for found in PackageObjects(archive, stack).engines()}
        program = _exported(path, engines, device)
        kept_laws.offer(program, archive)
    try:
        module: torch.fx.GraphModule = program.module()
    except Exception as error:  # of its guards, which torch makes a function of
        raise InputError(f"{path} cannot be read as an exported program: {first_lines(error)}") from error
    _programs[module] = program
    return module


def _pickled(found: EngineObject) -> bytes | None:
    """The engine that Torch-TensorRT pickled, as torch pickles it; None for one that torch pickled."""
    if found.trace is not None:
        return None
    content: bytes = torch._C._pickle_save(_C.engine_from_record(records.whole(found.fields, found.archive)))
    return content


def _exported(path: Path, engines: Mapping[str, bytes | None], device: str | None) -> torch.export.ExportedProgram:
    tensors = device or (None if torch.cuda.is_available() else "cpu")
    where = None if tensors is None else torch.device(tensors)
    program = loading.load(path, engines, None if where is None else (where.type, where.index))
    if device is not None:
        _C.move_engines(joined(program), device)
    return with_example_inputs(program)


def _package(archive: Archive, device: str | None) -> Any:
    models = sorted({name.split("/")[2] for name in archive.names if name.startswith(_CODE)})
    if _MODEL not in models:
        raise InputError(
            f"{archive.path} holds the models {', '.join(models)}; wanted one of the name {_MODEL!r}: load one with "
            "torch._inductor.aoti_load_package(path, model_name)"
        )
    metadata = torch._C._aoti.AOTIModelPackageLoader.load_metadata_from_package(str(archive.path), _MODEL)  # type: ignore[attr-defined]
    compiled_for = metadata["AOTI_DEVICE_KEY"]
    where = _present(torch.device(compiled_for)) if device is None else device
    if torch.device(where).type != compiled_for:
        raise DeviceError(f"{archive.path} is compiled for {compiled_for}, and cannot be loaded on {where}")
    index = torch.device(where).index
    # torch reads this at a package's first call. Without it the package takes any memory for what it was compiled for.
    os.environ.setdefault("AOTI_RUNTIME_CHECK_INPUTS", "1")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        if index is not None:
            stack.enter_context(torch.cuda.device(index))  # where the engines are set up
        link = Path(folder) / "package.pt2"  # torch complains about another suffix
        link.symlink_to(archive.path.absolute())
        try:
            return torch._inductor.aoti_load_package(str(link), device_index=-1 if index is None else index)
        except Exception as error:  # torch raises all kinds
            raise InputError(
                f"{archive.path} cannot be loaded as an AOTInductor package: {first_lines(error)}; wanted one that was "
                f"compiled for a machine like this and for torch {torch.__version__}"
            ) from error
