"""Settings of engines, and the device that they run on."""

from typing import TypeVar

import torch
from typing_extensions import TypedDict, Unpack

from torch_nacelle import _C
from torch_nacelle._runtime import checks
from torch_nacelle._runtime.holders import AnyProgram, is_package, require_program
from torch_nacelle.errors import DeviceError


class Settings(TypedDict, total=False):
    """Settings of an engine; none is saved with a program.

    Attributes:
        max_contexts: Execution contexts at most (64). Each lets one more call run at once and has scratch memory of its
            own on the device; a call that finds all of them in use waits.
        plan_copies: Number of times that the plan is deserialized (1). TensorRT 8.5 gives an optimization profile of a
            plan with dynamic shapes to one context only: there a copy lets one more call run at once, at the price of
            another engine in the device's memory.
        optimization_profile: The optimization profile for every call; None: the one whose optimum is nearest to a
            call's shapes.
        move_inputs: True if a call copies inputs on another device to the engine's (False). Else they are errors.
        convert_inputs: True if a call converts inputs of another dtype (False). Else they are errors.
        pack_outputs: True if the outputs of a call lie in one block of memory, which torch's allocator gives at once
            (False: a block each). Faster for engines with several outputs, most with several threads. The outputs
            then share a storage: any of them keeps all of it, ``torch.save`` of one writes all of it, and one that is
            grown in place with ``resize_`` runs into the next.
        shared_scratch: True if scratch memory is one buffer per stream, which all engines with this setting share and
            which is sized for the largest; False if each context has its own (False).
        nvtx: True if calls and their phases are marked with NVTX ranges, which Nsight Systems shows (False). Only with
            a CUDA build of torch. Unlike ``profile``, calls do not wait for the device.
    """

    max_contexts: int
    plan_copies: int
    optimization_profile: int | None
    move_inputs: bool
    convert_inputs: bool
    pack_outputs: bool
    shared_scratch: bool
    nvtx: bool


_Program = TypeVar("_Program", bound=AnyProgram)


def configure(program: _Program, engine: str | None = None, **settings: Unpack[Settings]) -> _Program:
    """Changes settings of a program's engines; those that are not named stay as they are.

    Engines that were set up are set up again, on the device where they are. Other threads may call the program
    meanwhile: calls that are under way end with the former settings. CUDA graphs that were captured with the program
    must not be replayed any more.

    Args:
        program: A loaded program: TorchScript, an exported program or its ``module()``, an AOTInductor package (with
            torch 2.13); or an ``nn.Module`` that holds programs or engines. An exported program, and all that its
            ``module()`` returned, have the same engines. All runners of a package have the same engines.
        engine: The path of the engine to change. In TorchScript it is what ``nacelle.read(program).engines`` gives; in
            an ``nn.Module`` the program's path comes before it: ``0.net_trt_engine``; an ``EngineModule`` has
            ``engine``. In an exported program and in a package it is torch's name, as ``nacelle inspect`` shows it:
            ``backbone.engine``, ``_torchbind_obj0``. Left out: all of them.
        settings: See ``Settings``.

    Returns:
        The program.

    Raises:
        InputError: There is no such engine or setting, a value that is out of range, or no program.
        Error: An engine cannot be set up with these settings. It keeps its former ones then.
    """
    _C.configure_engines(require_program(program), checks.engine_path(engine), dict(settings))
    return program


def to(program: _Program, device: str | torch.device) -> _Program:
    """Moves a program to a device: its engines, which are deserialized there, and its parameters and buffers.

    Engines are moved all or none. Records name the new device from then on. Constants in a program's graphs stay where
    they are, except in an exported program. Of an AOTInductor package only the engines are moved: give the same device
    as ``device_index`` of ``torch._inductor.aoti_load_package``. Not while the program is called.

    Args:
        program: A loaded program, or an ``nn.Module`` that holds programs, as ``configure`` takes them.
        device: ``"cuda:1"``, or ``"cpu"`` for a program whose engines run on the CPU.

    Returns:
        The program.

    Raises:
        DeviceError: An engine cannot run there; the message names the device that its plan was built for and the one
            that was asked for. Or the code of a package was compiled for another type of device.
    """
    where = checks.device(device)
    holder = require_program(program)
    if is_package(program):
        compiled = program.get_metadata()["AOTI_DEVICE_KEY"]
        if where.type != compiled:
            raise DeviceError(
                f"the code of this AOTInductor package was compiled for {compiled}; wanted {where.type}: compile the "
                "model for that device"
            )
    _C.move_engines(holder, str(where))
    if isinstance(program, torch.export.ExportedProgram):
        from torch.export.passes import move_to_device_pass  # not with torch itself, and so not at every import

        move_to_device_pass(program, where)
    elif isinstance(program, torch.nn.Module):
        program.to(where)
    return program


def allow_engine_host_code(allowed: bool = True) -> None:
    """Allows plans to bring code that runs on the host, or forbids it, as at the start.

    Version-compatible plans with a runtime inside are such plans; TensorRT runs what they bring. Holds for engines that
    are set up later: call it before ``torch.jit.load``.

    Args:
        allowed: True if plans may bring code.
    """
    _C.allow_engine_host_code(allowed)


def keep_plans_in_memory(keep: bool = True) -> None:
    """Sets the place of engines' plans once TensorRT has read them: memory, or a file, which is the default.

    A plan is needed again when a program is saved, copied or moved to another device. The file is a temporary one
    without a name, in ``TMPDIR`` or ``/tmp``, that the system removes however the process ends; if it cannot be
    made, and for plans under a megabyte, the plan stays in memory. Holds for engines that are set up later.

    Args:
        keep: True to keep plans in memory.
    """
    _C.keep_plans_in_memory(keep)
