"""Embeds a plan in a TorchScript module."""

from collections.abc import Sequence

import torch

import nacelle_core
from torch_nacelle import _C
from torch_nacelle._runtime import checks
from torch_nacelle.errors import InputError


def embed(
    plan: bytes,
    *,
    name: str = "engine",
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    device: str | torch.device | None = None,
    abi_version: int | None = nacelle_core.DEFAULT_ABI_VERSION,
    hardware_compatible: bool = False,
    platform: str | None = None,
) -> torch.jit.ScriptModule:
    """A TorchScript module that holds `plan` as an engine and calls it in forward.

    Its forward takes the plan's inputs and returns its output, or a tuple if there are several. The same arguments
    give a module that saves to the same bytes.

    Args:
        plan: A serialized engine: of TensorRT 8.5, 8.6, 9.1, 9.2, 10.x or 11.x, or of the reference engine.
        name: An identifier. The module's class is ``<name>_trt``, its attribute ``<name>_trt_engine``.
        input_names: The order in which forward takes the inputs, as names of the plan's bindings. Left out: by the
            numbers in the plan's names (``input_0``, ``input_1`` …), else the plan's own order.
        output_names: The same for what forward returns.
        device: The device that the plan was built for: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, or a record's text such as
            ``"0%9%0%0%NVIDIA H100 80GB HBM3"`` for a GPU of another machine. Left out: the CPU for a plan of the
            reference engine, else the current GPU.
        abi_version: The version of the record, 3 to 10. Version 3 keeps no names and no flags. Every Nacelle reads
            all of them, a Torch-TensorRT only the version that it writes. None: the oldest that keeps what is given.
        hardware_compatible: True if the plan was built to run on any GPU of compute capability 8.0 or newer.
        platform: The platform that the plan was built for: ``"linux_x86_64"``, ``"linux_aarch64"``,
            ``"windows_x86_64"``, ``"windows_arm64"`` or ``"unknown"``. Left out: this machine's. Kept from version 6
            on.

    Returns:
        The module. If the engine cannot run on this machine, a call raises the error that says why.

    Raises:
        PlanError: `plan` is of no known kind.
        InputError: A name that cannot be used, or that the plan does not have.
        RecordError: The record's version cannot keep what was asked for.
        DeviceError: No device was given and none is here.
    """
    if not isinstance(plan, bytes):
        raise InputError(f"plan must be bytes, found {type(plan).__name__}; read a file with Path(...).read_bytes()")
    return embed_returning(
        None,
        plan,
        name=name,
        input_names=input_names,
        output_names=output_names,
        device=device,
        abi_version=abi_version,
        hardware_compatible=hardware_compatible,
        platform=platform,
    )


def embed_returning(
    returns: str | None,
    plan: bytes,
    *,
    name: str,
    input_names: Sequence[str] | None,
    output_names: Sequence[str] | None,
    device: str | torch.device | None,
    abi_version: int | None,
    hardware_compatible: bool,
    platform: str | None,
) -> torch.jit.ScriptModule:
    """``embed``, with a forward that returns a "tensor", a "tuple" or a "list"; None: a tuple of several outputs."""
    checks.text(name, "name")
    for names, what in ((input_names, "input_names"), (output_names, "output_names")):
        if names is not None:
            checks.texts(names, what)
    if abi_version is not None:
        checks.whole_number(abi_version, "abi_version")
    checks.truth(hardware_compatible, "hardware_compatible")
    if platform is not None:
        checks.text(platform, "platform")
    module = _C.embed(
        plan,
        name,
        None if input_names is None else list(input_names),
        None if output_names is None else list(output_names),
        None if device is None else str(device),
        abi_version,
        hardware_compatible,
        platform,
        returns,
    )
    return wrap(module)


def wrap(module: "torch._C.ScriptModule") -> torch.jit.ScriptModule:
    """Torch's Python module around one made in C++."""
    from torch.jit._recursive import wrap_cpp_module

    wrapped: torch.jit.ScriptModule = wrap_cpp_module(module)
    return wrapped
