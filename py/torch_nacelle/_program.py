"""The engines inside programs: reading and converting them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from torch_nacelle import _C, _given
from torch_nacelle._archives import PathLike as PathLike
from torch_nacelle._archives import ProgramFile, Source
from torch_nacelle._embed import wrap
from torch_nacelle._files import replacing
from torch_nacelle._holders import require_program
from torch_nacelle.errors import InputError


@dataclass(frozen=True)
class EngineInfo:
    r"""An engine in a program, as its record tells. Bytes that are not UTF-8 are shown as ``\xNN`` in its texts.

    Attributes:
        path: Where the program holds it, as after ``self.``: ``backbone.backbone_trt_engine``, ``engines[0]``.
        abi_version: The version of its record, 3 to 10.
        name: Its name.
        device: The device it was built for, as records write it: ``0%9%0%0%NVIDIA H100 80GB HBM3``.
        device_description: The same for a person.
        plan_size: Bytes of its plan.
        input_names: Names of its inputs in the order of a call; empty where the record keeps none (version 3).
        output_names: The same of its outputs.
        flags: The record's other fields by name, neutral where its version lacks them: hardware_compatible,
            requires_output_allocator, dynamic_resource_allocation, requires_native_multi_device (bool),
            target_platform (str), aliased_io (list of (output, input, kind)).
        metadata: What the compiler that made the program left, as text. Torch-TensorRT puts a pickle there, in
            base64: do not unpickle what you do not trust.
    """

    path: str
    abi_version: int
    name: str
    device: str
    device_description: str
    plan_size: int
    input_names: list[str]
    output_names: list[str]
    flags: dict[str, object]
    metadata: str
    _site: "_C.EngineSite"

    @property
    def plan(self) -> bytes:
        """The plan: a copy with each use."""
        return self._site.plan

    @property
    def plan_release(self) -> str:
        """What built the plan and runs it: ``"TensorRT 8.6.1.6"``.

        Raises:
            PlanError: The plan is of no known kind.
        """
        return self._site.plan_release


class Program:
    """A TorchScript program, loaded to be looked into: its engines are set up only when it is called."""

    def __init__(self, module: torch.jit.ScriptModule, extra_files: dict[str, bytes] | None = None) -> None:
        self.module = module
        self.extra_files = extra_files or {}

    @property
    def engines(self) -> list[EngineInfo]:
        """Every engine, in the order of the program's attributes; one that is held twice is listed twice."""
        return [_info(site) for site in _C.find_engines(self.module._c)]

    def engine(self, which: str) -> EngineInfo:
        """The engine at the path `which`, or of the name `which` where only one engine has it.

        Raises:
            InputError: There is none, or there are several; the message lists the program's engines.
        """
        engines = self.engines
        by_path = [engine for engine in engines if engine.path == which]
        found = by_path or [engine for engine in engines if engine.name == which]
        if len(found) == 1:
            return found[0]
        known = ", ".join(f"{engine.path} (name {engine.name!r})" for engine in engines) or "none"
        if not found:
            raise InputError(f"the program has no engine {which!r}; it has: {known}")
        raise InputError(f"{len(found)} engines of the program are named {which!r}: give a path; it has: {known}")

    def convert(self, abi_version: int, drop: Sequence[str] = (), platform: str | None = None) -> None:
        """Rewrites every engine's record in place; all of them, or none if one cannot be. See ``convert``."""
        version = _given.whole_number(abi_version, "abi_version")
        _C.convert_engines(
            self.module._c,
            version,
            _given.texts(drop, "drop"),
            None if platform is None else _given.text(platform, "platform"),
        )

    def save(self, path: PathLike) -> None:
        """Writes the program and its extra files; `path` is whole at any time."""
        with replacing(path) as temporary:
            _C.save(self.module._c, str(temporary), self.extra_files)


def read(source: Source | torch.jit.ScriptModule) -> Program:
    """Reads a program without setting up its engines: needs no GPU and no TensorRT, and runs nothing of it.

    Args:
        source: A file that ``torch.jit.save`` wrote, as a path or open for reading bytes, or a module.

    Returns:
        The program. Its tensors are on the CPU where it comes from a file.

    Raises:
        InputError: The file is no TorchScript program, or an entry of it is not what its checksum says.
        RecordError: A record in it is damaged, or of a version that is not known.
        FileNotFoundError: There is no such file.
    """
    if isinstance(source, torch.jit.ScriptModule):
        return Program(source)
    if isinstance(source, torch.nn.Module):
        require_program(source)
        raise InputError(
            f"found {type(source).__name__}, which holds programs; wanted one of them, a path, or a file that is open "
            "for reading bytes"
        )
    return _load(source, device="cpu")


def convert(
    source: Source,
    destination: PathLike,
    *,
    abi_version: int,
    drop: Sequence[str] = (),
    platform: str | None = None,
) -> None:
    """Copies a program with the records of its engines in another version; plans stay as they are, byte for byte.

    `destination` is written to a temporary name and moved, so it is whole at any time; it may be `source`. To fill
    fields that a newer version adds, engines that can run on this machine are set up: their plans tell the binding
    names, which outputs need an allocator and which share memory with inputs. An engine that cannot be set up here is
    converted with what its record says.

    Args:
        source: A file that ``torch.jit.save`` wrote, as a path or open for reading bytes.
        destination: The file to write.
        abi_version: The version to write, 3 to 10.
        drop: Names of fields whose loss is accepted where that version lacks them, for instance ``["metadata"]``.
        platform: The platform that the plans were built for, for versions from 6 on; see ``embed``. Left out: what
            the record states, else this machine's. Torch-TensorRT runs only what states the platform that it runs on.

    Raises:
        RecordError: Fields that the version cannot keep and that `drop` does not name; the message names each.
        InputError: There is no such platform, or `source` is no TorchScript program, is damaged, or holds tensors of a
            device that is not here.
        FileNotFoundError: There is no such file.
    """
    program = load_as_saved(source)
    program.convert(abi_version, drop, platform)
    program.save(destination)


def load_as_saved(source: Source) -> Program:
    """As ``read``, with tensors on the devices that they were saved on: for programs that are written again."""
    return _load(source, device="")


def _info(site: "_C.EngineSite") -> EngineInfo:
    return EngineInfo(
        path=site.path,
        abi_version=site.abi_version,
        name=site.name,
        device=site.device,
        device_description=site.device_description,
        plan_size=site.plan_size,
        input_names=site.input_names,
        output_names=site.output_names,
        flags={
            "hardware_compatible": site.hardware_compatible,
            "target_platform": site.target_platform,
            "requires_output_allocator": site.requires_output_allocator,
            "dynamic_resource_allocation": site.dynamic_resource_allocation,
            "requires_native_multi_device": site.requires_native_multi_device,
            "aliased_io": site.aliased_io,
        },
        metadata=site.metadata,
        _site=site,
    )


def _load(source: Source, device: str) -> Program:
    file = ProgramFile(source, every_entry=True)
    extra_files: dict[str, bytes] = dict.fromkeys(file.extra_files, b"")

    def load() -> "torch._C.ScriptModule":
        if file.path is not None:
            return _C.load(str(file.path), device, extra_files)
        return _C.load_bytes(file.content, device, extra_files)

    return Program(wrap(file.load(load)), extra_files)
