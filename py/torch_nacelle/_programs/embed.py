"""Embeds a plan in a TorchScript module."""

import keyword
from collections.abc import Sequence
from typing import Any

import torch

import nacelle_core
from torch_nacelle import _C
from torch_nacelle._programs.scripted_results import ScriptedResults
from torch_nacelle._programs.structures import Slot, Structure, flat
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
    returns: str | Structure | None,
    plan: bytes,
    *,
    arguments: Sequence[str] | None = None,
    name: str,
    input_names: Sequence[str] | None,
    output_names: Sequence[str] | None,
    device: str | torch.device | None,
    abi_version: int | None,
    hardware_compatible: bool,
    platform: str | None,
) -> torch.jit.ScriptModule:
    """``embed``, with more of the model's interface in forward.

    `returns` is the form of the result: "tensor", "tuple", "list", or a structure around the outputs, of which forward
    returns the nearest that TorchScript has; None: a tensor, or a tuple of several. `arguments` are the names of
    forward's arguments; left out, ``input_0``, ``input_1`` …
    """
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
        "list" if isinstance(returns, Structure) else returns,
    )
    if arguments is None and not isinstance(returns, Structure):
        return wrap(module)
    return _with_forward(module, name, arguments, returns)


def _with_forward(
    module: "torch._C.ScriptModule", name: str, arguments: Sequence[str] | None, returns: str | Structure | None
) -> torch.jit.ScriptModule:
    """A module of the same name and engine, whose forward has these arguments and returns a structure.

    TorchScript's compiler makes forward of a source:

        def forward(self, input_ids, mask):
            results = torch.ops.tensorrt.execute_engine([input_ids, mask], self.Bert_trt_engine)
            result_0, result_1, = results
            return {"logits": result_0, "hidden": result_1}
    """
    attribute = f"{name}_trt_engine"
    engine = module.getattr(attribute)  # type: ignore[attr-defined]
    schema: Any = module._get_method("forward").schema
    takes = [one.name for one in schema.arguments[1:]] if arguments is None else list(arguments)
    prefix = "result_"
    while any(taken.startswith(prefix) for taken in takes):
        prefix = f"_{prefix}"
    row = f"{prefix}row"
    if isinstance(returns, Structure):
        tree: Any = returns.template
    elif schema.returns[0].type.kind() == "TupleType":
        tree = tuple(map(Slot, range(len(schema.returns[0].type.elements()))))
    else:
        tree = Slot(0)
    results = ScriptedResults(lambda one: f"{prefix}{one.place}" if isinstance(one, Slot) else None)
    lines = [f"{row} = torch.ops.tensorrt.execute_engine([{', '.join(takes)}], self.{attribute})"]
    if schema.returns[0].type.kind() == "ListType" and not isinstance(returns, Structure):
        lines.append(f"return {row}")
    else:
        places = sorted({leaf.place for _, leaf in flat(tree) if isinstance(leaf, Slot)})
        lines.append(f"{''.join(f'{prefix}{place}, ' for place in places).strip()} = {row}")
        lines.append(f"return {results.expression(tree)}")
    source = "\n    ".join([f"def forward({', '.join(['self', *takes])}):", *lines]) + "\n"
    made = torch._C.ScriptModule(f"__torch__.{name}_trt", torch._C.CompilationUnit(), False)  # type: ignore[call-arg]
    made._register_attribute(attribute, torch._C._jit_try_infer_type(engine).type(), engine)  # type: ignore[attr-defined]
    wrapped = wrap(made)
    made._define(wrapped._concrete_type, source, results.resolve)  # type: ignore[attr-defined]
    return wrapped


def argument_names(names: Sequence[str]) -> list[str]:
    """Names of arguments in Python for the names of a plan's inputs."""
    made: list[str] = []
    for place, name in enumerate(names):
        word = name.replace(".", "_").replace("-", "_")
        usable = word.isidentifier() and word.isascii() and not keyword.iskeyword(word) and word not in made
        made.append(word if usable and not word.startswith("__") and word != "self" else f"input_{place}")
    return made if len(set(made)) == len(made) else [f"input_{place}" for place in range(len(names))]


def wrap(module: "torch._C.ScriptModule") -> torch.jit.ScriptModule:
    """Torch's Python module around one made in C++."""
    from torch.jit._recursive import wrap_cpp_module

    wrapped: torch.jit.ScriptModule = wrap_cpp_module(module)
    return wrapped
