"""Changing single engines of saved programs: taking a plan out, putting another one in, removing metadata."""

import base64
import binascii
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import nacelle_core
from nacelle_core import Record
from torch_nacelle import _C
from torch_nacelle._programs.archives import ProgramSource
from torch_nacelle._programs.program import EngineInfo, PathLike, Program, read
from torch_nacelle._programs.program_file import FileProgram, opened_engine
from torch_nacelle._runtime.files import replacing
from torch_nacelle.errors import Error, InputError, PlanError

_Tensor: TypeAlias = tuple[str, str, list[int], list[list[list[int]]]]  # name, dtype, shape, profiles

_REFERENCE = "reference engine"  # how the release of such a plan begins


@dataclass(frozen=True)
class Replaced:
    """The result of ``replace``.

    Attributes:
        engine: The engine as it is in the new program.
        former_release: The release that had built the former plan.
        checked: The properties that were compared and found equal: of ``"names"``, ``"dtypes"``, ``"ranks"`` and, in
            an exported program or a package, ``"shapes"``.
        why_unchecked: Why not all of them were compared; empty if they were.
    """

    engine: EngineInfo
    former_release: str
    checked: tuple[str, ...]
    why_unchecked: str


@dataclass(frozen=True)
class RemovedMetadata:
    """Metadata that ``strip`` removed.

    Attributes:
        engine: The engine's path in the program.
        size: Bytes of the metadata, as the record had it.
        kind: ``"pickle in base64"``, ``"pickle"`` or ``"other"``, by how it begins and ends; nothing is unpickled.
    """

    engine: str
    size: int
    kind: str


def extract(source: ProgramSource, engine: str, destination: PathLike) -> EngineInfo:
    """Writes the plan of an engine in a program to a file of its own, byte for byte.

    Args:
        source: A file that ``torch.jit.save``, ``torch.export.save`` or AOTInductor wrote, as a path or open for
            reading bytes.
        engine: The engine's path in the program, or its name if only one engine has it.
        destination: The file to write; whole at any time.

    Returns:
        The engine.

    Raises:
        InputError: The program has no such engine, or several of that name; the message lists all of them.
        FileNotFoundError: There is no such file.
    """
    found = read(source).engine(engine)
    with replacing(destination) as temporary:
        temporary.write_bytes(found.plan)
    return found


def replace(source: ProgramSource, engine: str, plan: bytes | PathLike, destination: PathLike) -> Replaced:
    """Copies a program with another plan in one of its engines; all else of its record stays as it is.

    The new plan must take and return the same tensors as the former one: the same names in the same order, dtypes and
    ranks. The tensors of a plan are known if this machine can set it up. If it cannot, the names in the record stand
    for the former plan, and the result tells what could not be compared. Optimization profiles may differ; in a
    TorchScript program shapes may, too. An exported program and a package have the shapes of outputs in their graph or
    code, so the new plan's must be the same: fixed extents, and output shapes at the ends of the former profiles.

    Args:
        source: A file that ``torch.jit.save``, ``torch.export.save`` or AOTInductor wrote, as a path or open for
            reading bytes.
        engine: The engine's path in the program, or its name if only one engine has it.
        plan: The new plan, or a file that holds it.
        destination: The file to write; it may be `source`, and is whole at any time.

    Returns:
        The engine with its new plan, and what was checked.

    Raises:
        InputError: The program has no such engine, or the plan has other inputs or outputs; the message lists both.
        PlanError: `plan` is of no known kind, or one of the two plans is for the CPU and the other for a GPU.
        FileNotFoundError: There is no such file.
    """
    file = FileProgram(source)
    program = Program._of_file(file)
    former = program.engine(engine)
    content = plan if isinstance(plan, bytes) else _read_plan(plan)
    opened = _opened(former, content)
    _check_kind(former, opened.plan_release())
    checked, why_unchecked = _check_tensors(former, opened, with_shapes=file.kind != "TorchScript program")
    file.replace_plan(former.path, content)
    program.save(destination)
    return Replaced(program.engine(former.path), former.plan_release, checked, why_unchecked)


def strip(source: ProgramSource, destination: PathLike) -> list[RemovedMetadata]:
    """Copies a program without the metadata of its engines; all other fields and plans stay, byte for byte.

    Metadata is what a compiler left in the record. Torch-TensorRT leaves a pickle there, which can run any code when
    somebody unpickles it; programs run without it.

    Args:
        source: A file that ``torch.jit.save``, ``torch.export.save`` or AOTInductor wrote, as a path or open for
            reading bytes.
        destination: The file to write; it may be `source`, and is whole at any time.

    Returns:
        What was removed; empty if there was none. The program is written in either case.

    Raises:
        InputError: `source` is no program, or is damaged.
        RecordError: A record in it is damaged.
        FileNotFoundError: There is no such file.
    """
    file = FileProgram(source)
    removed = [
        RemovedMetadata(engine, len(metadata), _kind_of(metadata)) for engine, metadata in file.remove_metadata()
    ]
    Program._of_file(file).save(destination)
    return removed


def _read_plan(given: PathLike) -> bytes:
    if not isinstance(given, (str, os.PathLike)):
        raise InputError(f"plan is of type {type(given).__name__}; wanted bytes, or the path of a file that holds it")
    path = Path(given)
    if not path.is_file():
        raise FileNotFoundError(f"there is no plan file {path}")
    return path.read_bytes()


def _opened(like: EngineInfo, plan: bytes) -> Any:  # torch's classes have no types
    """`plan` as an engine of its own, in a record like that of `like`; set up if this machine can."""
    record = Record(
        version=5,  # the first that has hardware_compatible
        name=like.name.encode(),
        device=like.device.encode(),
        plan=plan[: nacelle_core.PLAN_START],
        hardware_compatible=bool(like.flags["hardware_compatible"]),
    )

    def read_into(memory: memoryview) -> None:
        memory[:] = plan

    return opened_engine(record.fields(), len(plan), read_into)


def _check_kind(former: EngineInfo, release: str) -> None:
    if release.startswith(_REFERENCE) != former.plan_release.startswith(_REFERENCE):
        raise PlanError(
            f"engine {former.path} was built for {former.device_description} and has a plan of {former.plan_release}; "
            f"the new plan is of {release}, and a record keeps its device: make a program of that plan with "
            "torch_nacelle.embed"
        )


def _check_tensors(former: EngineInfo, opened: Any, *, with_shapes: bool) -> tuple[tuple[str, ...], str]:
    """Compares the known facts of both plans. Returns the names of these facts, and why others were not compared."""
    why_not = opened.why_not_ready()
    if why_not:
        return (), f"the new plan cannot be set up here: {why_not}"
    before = _opened(former, former.plan)
    if not before.why_not_ready():
        for what, names in (("inputs", former.input_names), ("outputs", former.output_names)):
            wanted, found = (_ordered(getattr(one, what)(), names) for one in (before, opened))
            _compare(former, what, wanted, found, with_shapes)
        if with_shapes:
            _compare_output_shapes(former, before, opened)
        return ("names", "dtypes", "ranks", *(("shapes",) if with_shapes else ())), ""
    if not former.input_names and not former.output_names:
        return (), f"the former plan cannot be set up here, and its record has no names: {before.why_not_ready()}"
    _compare_names(former, "inputs", former.input_names, opened.inputs())
    _compare_names(former, "outputs", former.output_names, opened.outputs())
    return ("names",), f"the former plan cannot be set up here: {before.why_not_ready()}"


def _ordered(tensors: Sequence[_Tensor], names: Sequence[str]) -> list[_Tensor]:
    """`tensors` in the order of `names`, those that it lacks at the end; as they are if there are no names."""
    place = {name: i for i, name in enumerate(names)}
    return sorted(tensors, key=lambda tensor: place.get(tensor[0], len(place)))


def _compare(
    engine: EngineInfo, what: str, former: Sequence[_Tensor], new: Sequence[_Tensor], with_shapes: bool
) -> None:
    if [_signature(one, with_shapes) for one in former] != [_signature(one, with_shapes) for one in new]:
        raise InputError(
            f"the new plan has other {what} than engine {engine.path}: found {_shown(new)}; wanted {_shown(former)}"
        )


def _compare_names(engine: EngineInfo, what: str, wanted: Sequence[str], new: Sequence[_Tensor]) -> None:
    if sorted(wanted) != sorted(name for name, *_ in new):
        raise InputError(
            f"the new plan has other {what} than the record of engine {engine.path} names: found {_shown(new)}; "
            f"wanted {', '.join(wanted) or 'none'}"
        )


def _compare_output_shapes(engine: EngineInfo, before: Any, opened: Any) -> None:
    """Compares the output shapes at the ends of the former plan's profiles, as far as the new plan's reach."""
    names = [name for name, *_ in before.inputs()]
    profiles = zip(*(profiles for *_, profiles in before.inputs()), strict=True)
    for point in (end for profile in profiles for end in zip(*profile, strict=True)):
        sizes = dict(zip(names, point, strict=True))
        try:
            wanted, found = _output_shapes(before, sizes), _output_shapes(opened, sizes)
        except Error:  # out of the new plan's profiles, or values decide about the shapes
            continue
        for name, shape in wanted.items():
            if found[name] != shape:
                raise InputError(
                    f"the new plan has other output shapes than engine {engine.path}, and a program of this kind keeps "
                    f"them: found {name} {found[name]}; wanted {shape}, at {_point_text(sizes)}"
                )


def _output_shapes(engine: Any, sizes: dict[str, list[int]]) -> dict[str, list[int]]:
    (shapes,), _ = _C.infer_shapes(engine, None, [([list(sizes[name]) for name, *_ in engine.inputs()], [])])
    assert shapes is not None  # a refusal is an error if no profile is given
    return {name: shape for (name, *_), shape in zip(engine.outputs(), shapes, strict=True)}


def _point_text(sizes: dict[str, list[int]]) -> str:
    return ", ".join(f"{name} {list(size)}" for name, size in sizes.items()) or "no inputs"


def _signature(tensor: _Tensor, with_shape: bool) -> tuple[str, str, int | tuple[int, ...]]:
    name, dtype, shape, _ = tensor
    return name, dtype, tuple(shape) if with_shape else len(shape)


def _shown(tensors: Sequence[_Tensor]) -> str:
    return ", ".join(f"{name}: {dtype} {list(shape)}" for name, dtype, shape, _ in tensors) or "none"


def _kind_of(metadata: bytes) -> str:
    if _is_pickle(metadata):
        return "pickle"
    try:
        decoded = base64.b64decode(metadata, validate=True)
    except binascii.Error:
        return "other"
    return "pickle in base64" if _is_pickle(decoded) else "other"


def _is_pickle(content: bytes) -> bool:
    """True if it begins with the opcode PROTO and a known protocol, and ends with STOP."""
    return len(content) > 2 and content[0] == 0x80 and 2 <= content[1] <= 5 and content.endswith(b".")
