"""Saves a program of any kind."""

import copy
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch
from torch.utils import _pytree

from nacelle_cli.exported import document
from torch_nacelle._build.progress import Display, display
from torch_nacelle._models.exported_program import with_example_inputs
from torch_nacelle._models.sources import InputDescriptions
from torch_nacelle._programs import package_inputs
from torch_nacelle._programs.arguments import arguments
from torch_nacelle._programs.program import Program, read
from torch_nacelle._runtime import checks
from torch_nacelle._runtime.files import replacing
from torch_nacelle._runtime.holders import is_engine
from torch_nacelle._runtime.messages import first_lines
from torch_nacelle._saving import engine_records, exporting, kept_laws, scripting
from torch_nacelle._saving.kinds import Format, format_of
from torch_nacelle._saving.load import program_of
from torch_nacelle.errors import Error, InputError


def save(
    program: torch.nn.Module | torch.export.ExportedProgram,
    path: str | os.PathLike[str],
    *,
    format: Format | None = None,
    inputs: InputDescriptions | None = None,
    abi_version: int | None = None,
    progress: bool | None = None,
) -> None:
    """Saves a program with its engines in one file: TorchScript, an exported program, or an AOTInductor package.

        module = nacelle.compile(model, [nacelle.Input(min=(1, 3), opt=(4, 3), max=(8, 3))], container="module")
        nacelle.save(module, "program.pt2")
        nacelle.load("program.pt2")(images)

    The dynamic shapes of the last two are those that the engines' optimization profiles allow, a size of 1 too unless
    the module treats it apart.

    Args:
        program: An ``nn.Module`` with engines inside, such as ``compile(..., container="module")`` makes; a
            ``ScriptModule``; an ``ExportedProgram``; or what ``load`` returned.
        path: The file to write; whole at any time.
        format: ``"torchscript"``, ``"exported"`` or ``"aotinductor"``. Left out: by the suffix, ``.ts`` and ``.pt``
            for TorchScript, ``.pt2`` and ``.ep`` for exported programs. torch gives packages ``.pt2`` too.
        inputs: The inputs of forward, for the last two: an ``Input``, or a tensor to trace with, for each. Left out:
            as the engine tells them, if the program is an ``EngineModule`` or a ``ScriptModule`` of engines alone.
        abi_version: The version of the engines' records; see ``embed``. Left out: 9, which Torch-TensorRT 2.12 and
            2.13 read, or that of the engine if 9 would lose something; in TorchScript, that of the engine.
        progress: True if standard error shows progress; None: if it is a terminal.

    Raises:
        InputError: The program cannot be saved in this format, or its inputs are not known.
        RecordError: The records' version cannot keep what the engines need.
        Error: An engine cannot be set up here, which exporting needs.
        OSError: The file cannot be written.
    """
    destination = checks.destination(path)
    chosen = format_of(destination, format)
    version = None if abi_version is None else checks.whole_number(abi_version, "abi_version")
    if not isinstance(program, (torch.nn.Module, torch.export.ExportedProgram)):
        raise InputError(
            f"found {type(program).__name__}; wanted an nn.Module with engines, a ScriptModule or an ExportedProgram"
            + (": an AOTInductor package cannot be saved again; copy its file" if _is_package(program) else "")
        )
    if chosen == "torchscript" and inputs is not None:
        raise InputError("inputs are for exported programs and packages; TorchScript is saved without tracing it")
    shown = display(progress)
    with replacing(destination) as temporary:
        if chosen == "torchscript":
            _save_script(program, temporary, version)
            return
        shown.start(f"{chosen} program: {os.fspath(destination)}")
        try:
            exported = _exported(program, inputs, shown)
            _check_structures(exported)
            if chosen == "exported":
                _save_exported(_with_records(exported, version, metadata=True), temporary)
            else:
                _save_package(_with_records(exported, version, metadata=False), temporary, shown)
        finally:
            shown.stop()


def _is_package(program: object) -> bool:
    return type(program).__name__ == "AOTICompiledModel"


def _save_script(program: object, temporary: Path, abi_version: int | None) -> None:
    script = Program(scripting.script(program))
    if abi_version is None:
        script.save(temporary)
        return
    with tempfile.TemporaryDirectory() as folder:  # the engines of the program that is given stay as they are
        copied = Path(folder) / "program.ts"
        script.save(copied)
        written = read(copied)
        written.convert(abi_version)
        written.save(temporary)


def _exported(
    program: torch.nn.Module | torch.export.ExportedProgram, inputs: InputDescriptions | None, shown: Display
) -> torch.export.ExportedProgram:
    known = program if isinstance(program, torch.export.ExportedProgram) else program_of(program)
    if known is None:
        assert isinstance(program, torch.nn.Module)
        shown.step("exporting", "", 0, 1)
        made = exporting.export(program, inputs)
        shown.step("exporting", "", 1, 1)
        return made
    if inputs is not None:
        raise InputError("inputs are for an nn.Module: the program is exported already, and has its inputs")
    return known if program is known else _with_state(known, program)  # type: ignore[arg-type]


def _with_state(known: torch.export.ExportedProgram, module: torch.nn.Module) -> torch.export.ExportedProgram:
    """The exported program with the tensors that its module has now."""
    made = copy.copy(known)
    now = module.state_dict(keep_vars=True)
    for name, tensor in known.state_dict.items():
        if name in now and now[name].device != tensor.device:
            raise InputError(
                f"{name} was moved from {tensor.device} to {now[name].device} after the program was loaded; wanted "
                f'the program on one device: load it with device="{now[name].device}", and save that'
            )
    made._state_dict = {name: now.get(name, tensor) for name, tensor in known.state_dict.items()}
    return made


def _with_records(
    program: torch.export.ExportedProgram, abi_version: int | None, *, metadata: bool
) -> torch.export.ExportedProgram:
    """A copy whose engines have records of the version, with the metadata that Torch-TensorRT wants if asked."""
    made = copy.copy(program)
    engines: dict[int, Any] = {}
    for value in program.constants.values():
        if is_engine(value) and id(value) not in engines:
            made_engine = engine_records.of_version(value, abi_version)
            engines[id(value)] = engine_records.with_metadata(made_engine) if metadata else made_engine
    made._constants = {name: engines.get(id(value), value) for name, value in program.constants.items()}
    return made


def _with_zeros(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """A copy whose example inputs are zeros on the device of the program: torch saves them, and compiles for them."""
    made = copy.copy(program)
    examples: Any = program.example_inputs
    if examples is None or any(one.is_meta for one in _tensors(examples)):
        made._example_inputs = None
        with_example_inputs(made, None)
        examples = made.example_inputs
    made._example_inputs = torch.utils._pytree.tree_map_only(torch.Tensor, torch.zeros_like, examples)
    return made


def _tensors(values: object) -> list[torch.Tensor]:
    return [one for one in torch.utils._pytree.tree_leaves(values) if isinstance(one, torch.Tensor)]


class _Sink(io.RawIOBase):
    """A file that torch writes into. It takes what cannot be written, too: torch ends the process if a write fails."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def write(self, data: Any) -> int:
        try:
            self._file.write(data)
        except OSError as error:
            self.error = self.error or error
        return len(data)


@contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    with path.open("wb", buffering=0) as file:
        sink = _Sink(file)
        yield sink  # type: ignore[misc]
        if sink.error is not None:
            raise sink.error


def _check_structures(program: torch.export.ExportedProgram) -> None:
    """Raises InputError for arguments or results that a file cannot keep. Registers their namedtuples with torch."""
    specs = program.call_spec
    for what, spec in (("arguments", specs.in_spec), ("results", specs.out_spec)):
        _register_namedtuples(spec)
        try:
            text = _pytree.treespec_dumps(spec)
        except (NotImplementedError, TypeError) as error:
            raise InputError(
                f"the {what} of the program cannot be kept in a file: {first_lines(error)}; give "
                "torch.utils._pytree.register_dataclass or register_pytree_node a serialized_type_name for the class"
            ) from error
        try:
            document.check_structure(text)
        except ValueError as error:
            raise InputError(
                f"the {what} of the program cannot be kept in a file: the structure {error}; wanted keys of ASCII "
                "letters, digits, _, - and ., or whole numbers"
            ) from error


def _register_namedtuples(spec: Any) -> None:
    """Gives namedtuples the name that files know them by: torch registers none by itself."""
    kind = spec.context
    if isinstance(kind, type) and issubclass(kind, tuple) and kind not in _pytree.SUPPORTED_SERIALIZED_TYPES:
        _pytree._register_namedtuple(kind, serialized_type_name=f"{kind.__module__}.{kind.__qualname__}")
    for child in spec.children():
        _register_namedtuples(child)


def _refuse_constants(program: torch.export.ExportedProgram, kinds: tuple[type, ...], reason: str) -> None:
    """Raises InputError for a constant of these types in the results."""
    for spec in program.graph_signature.output_specs:
        value = getattr(spec.arg, "value", None)
        if isinstance(value, kinds):
            raise InputError(
                f"the program returns the {type(value).__name__} {value!r}, and {reason}: leave it out of what the "
                "model returns, or save the program as TorchScript"
            )


def _save_exported(program: torch.export.ExportedProgram, temporary: Path) -> None:
    _refuse_constants(program, (str,), "torch reads no exported program that does")
    with _written(temporary) as file:
        torch.export.save(_with_zeros(program), file, extra_files=kept_laws.extra_files(program))


def _told_inputs(program: torch.export.ExportedProgram) -> str:
    return package_inputs.write(
        [
            package_inputs.PackageInput(one.name, one.input, one.why_unknown, one.required)
            for one in arguments(with_example_inputs(program).module(check_guards=False))
        ]
    )


def _settings_of_package(program: torch.export.ExportedProgram) -> dict[str, Any]:
    """Settings of torch's compiler for the program."""
    settings: dict[str, Any] = {"aot_inductor.metadata": {package_inputs.KEY: _told_inputs(program)}}
    # The compiler traces anew, and takes every size that varies for 2 or more. Its check of inputs would refuse the 1
    # that the program allows.
    known = hasattr(torch._inductor.config.aot_inductor, "check_lowerbound")
    if known and all(sizes.lower <= 1 for sizes in program.range_constraints.values()):
        settings["aot_inductor.check_lowerbound"] = False
    return settings


def _save_package(program: torch.export.ExportedProgram, temporary: Path, shown: Display) -> None:
    _refuse_constants(program, (str, int, float), "AOTInductor compiles none that does")
    shown.step("compiling with AOTInductor", "", 0, 1)
    try:
        with _written(temporary) as file, torch.no_grad():
            torch._inductor.aoti_compile_and_package(
                _with_zeros(program), package_path=file, inductor_configs=_settings_of_package(program)
            )
    except (Error, OSError):
        raise
    except Exception as error:  # torch raises all kinds
        raise InputError(f"the program cannot be compiled with AOTInductor: {first_lines(error, 8)}") from error
    shown.step("compiling with AOTInductor", "", 1, 1)
