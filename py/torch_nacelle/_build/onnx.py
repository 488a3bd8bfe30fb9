"""Exports modules to ONNX, with torch's own exporter.

torch has two exporters. The one on torch.export needs onnxscript and writes opset 18 and later; the one on TorchScript
needs nothing beside torch and writes opsets up to 20, among them 17, the newest that TensorRT 8.5 reads. The latter is
used for all releases.

int64 at an engine's interface: TensorRT before 10 has no int64 tensors. Its parser makes int32 bindings of int64 inputs
and outputs, so the engine takes int32 tensors there, and ONNX needs no change.
"""

import contextlib
import copy
import io
import tempfile
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)

from torch_nacelle import _C
from torch_nacelle._build.torchscript import (
    Traced,
    difference,
    losses_in,
    scripted,
    tell_faults,
    tell_losses,
    traced,
    tracer_warnings,
)
from torch_nacelle._models.exported_program import positional_module
from torch_nacelle._models.model_state import device_of_module, for_inference
from torch_nacelle._models.onnx_model import DTYPES, OnnxModel, onnx_package
from torch_nacelle._models.state import StateError, refuse_state, refused_writes
from torch_nacelle._runtime.input import Input
from torch_nacelle._runtime.messages import first_lines
from torch_nacelle.errors import InputError

NEWEST_OPSET = 20
"""The newest opset that torch's TorchScript exporter writes (torch 2.11 to 2.13)."""

# A protobuf message holds less than 2 GiB; what is not weights gets the rest.
WEIGHTS_IN_ONE_FILE = 2**31 - 2**26

_exporter = threading.Lock()  # the exporter keeps its state in globals

_WHAT_TO_DO = (
    "write that part with operators that ONNX has, or leave it in TorchScript: "
    'nacelle.compile(module, {"path.of.a.submodule": inputs}) makes engines of the submodules around it'
)


def export(
    module: torch.nn.Module | torch.export.ExportedProgram,
    inputs: Sequence[Input],
    *,
    opset: int,
    output_names: Sequence[str] | None = None,
    method: str = "auto",
) -> OnnxModel:
    """Exports a module, in eval mode and on the device that it is on; the module is left as it is.

    Args:
        module: An ``nn.Module``, ``ScriptModule`` or ``ExportedProgram``.
        inputs: The inputs of its forward, each with a name.
        opset: The newest opset that the reader knows; a newer one than the exporter writes counts as that.
        output_names: Names of the outputs; left out, ``output_0``, ``output_1`` …
        method: The way to turn an ``nn.Module`` into a graph: ``"trace"`` follows one run with made-up inputs,
            ``"script"`` keeps control flow, ``"auto"`` traces, and scripts if tracing was seen to lose what values
            decide.

    Returns:
        The model. The same module and arguments give the same bytes.

    Raises:
        InputError: The module fails on the inputs, returns what no engine returns, or uses an operator that ONNX or
            the exporter does not have; the message names it.
    """
    onnx_package("torch exports modules to ONNX")
    name = type(module).__name__
    opset = min(opset, NEWEST_OPSET)
    positional = positional_module(module) if isinstance(module, torch.export.ExportedProgram) else module
    with for_inference(positional), torch.no_grad(), _exporter:
        examples = tuple(one.example().to(device_of_module(positional)) for one in inputs)
        count, returns = _outputs(positional, examples, name)
        _refuse_what_is_dropped(positional, examples, name)
        names = tuple(output_names or (f"output_{index}" for index in range(count)))
        if len(names) != count:
            raise InputError(f"output_names lists {len(names)} names ({', '.join(names)}), and {name} returns {count}")
        job = _ExportJob(name, examples, tuple(inputs), names, opset)
        return replace(_export_module(positional, method, job), returns=returns)


@dataclass(frozen=True)
class _ExportJob:
    """An export: the model and its receiver."""

    name: str
    examples: tuple[torch.Tensor, ...]
    inputs: tuple[Input, ...]
    output_names: tuple[str, ...]
    opset: int


def _export_module(module: torch.nn.Module, method: str, job: _ExportJob) -> OnnxModel:
    if isinstance(module, torch.jit.ScriptModule):
        return _run_exporter(module, job)[0]
    if method == "script":
        return _run_exporter(_scripted(module, job), job)[0]
    exported, losses = _run_exporter(_with_positional_forward(module), job)
    if method == "trace":
        trace = _trace(module, job)
        if trace is not None:
            tell_faults(trace, module, job.inputs, job.name)
        return exported
    trace, apart = _compared_trace(module, job)
    if not (losses or apart):
        return exported
    # A decision was followed once and forgotten: one about values, or one about shapes, which may do no harm.
    try:
        return _run_exporter(_scripted(module, job), job)[0]
    except StateError:
        # The trace may have lost the write with the branch that it is in.
        if apart or trace is None or trace.reads_values:
            raise
        return exported
    except InputError as error:
        reason = first_lines(error)
    if apart:
        raise InputError(f"{job.name} cannot be exported to ONNX: its trace cannot be accepted: {apart}; {reason}")
    if trace is not None:
        tell_losses(trace, job.name, [reason])
    return exported


def _compared_trace(module: torch.nn.Module, job: _ExportJob) -> tuple[Traced | None, str]:
    """A trace by torch's tracer, which the exporter uses too, and its ``difference`` to the module.

    Nothing is compared if the module fails on what is made up, since the builder does not run it.
    """
    trace = _trace(module, job)
    try:
        return trace, "" if trace is None else difference(trace, module, job.inputs)
    except StateError:
        raise
    except InputError:
        return trace, ""


def _trace(module: torch.nn.Module, job: _ExportJob) -> Traced | None:
    """A trace by torch's tracer alone, which fails on some modules that the exporter follows."""
    try:
        return traced(module, job.inputs, device_of_module(module))
    except InputError:
        raise
    except Exception:
        return None


def _scripted(module: torch.nn.Module, job: _ExportJob) -> torch.jit.ScriptModule:
    try:
        script = scripted(module)
    except Exception as error:  # whatever the compiler raises is the reason
        raise InputError(f"{job.name} cannot be scripted: {first_lines(error)}") from error
    _C.refuse_state(script._c, len(job.inputs))  # the exporter leaves writes out
    return script


def _with_positional_forward(module: torch.nn.Module) -> torch.nn.Module:
    """The same module under a forward that takes tensors only.

    The exporter passes the defaults of arguments that are left out as if they were given, and turns them into tensors.
    """
    clone = copy.copy(module)
    forward = module.forward
    clone.__dict__["forward"] = lambda *tensors: forward(*tensors)
    clone.__dict__["train"] = lambda mode=True: clone  # it is in eval mode
    return clone


def _outputs(module: torch.nn.Module, examples: tuple[torch.Tensor, ...], name: str) -> tuple[int, str]:
    """The number of outputs, and whether they come as a "tensor", a "tuple" or a "list"."""
    shapes = ", ".join(str(list(example.shape)) for example in examples)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with refused_writes(module) as run:
                result = run(*examples)
    except InputError:
        raise
    except Exception as error:  # the module's own
        raise InputError(
            f"{name} fails on inputs of the shapes {shapes}: {type(error).__name__}: {first_lines(error)}"
        ) from error
    outputs = result if isinstance(result, (tuple, list)) else (result,)
    if not outputs:
        raise InputError(f"{name} returns nothing; an engine has at least one output")
    for index, output in enumerate(outputs):
        if not isinstance(output, torch.Tensor):
            where = f"output {index}" if isinstance(result, (tuple, list)) else "what it returns"
            raise InputError(
                f"{name}: {where} is a {type(output).__name__}; an engine returns a tensor, or a tuple or list of "
                f"tensors"
            )
    kinds = {tuple: "tuple", list: "list"}
    return len(outputs), next((kind for of, kind in kinds.items() if isinstance(result, of)), "tensor")


def _refuse_what_is_dropped(module: torch.nn.Module, examples: tuple[torch.Tensor, ...], name: str) -> None:
    """Raises InputError for parts that the exporter drops without an error: state, and a ScriptModule's own hooks."""
    refuse_state(module, examples, name)
    if not isinstance(module, torch.jit.ScriptModule):
        return
    _C.refuse_state(module._c, len(examples))
    if module._c._get_forward_hooks() or module._c._get_forward_pre_hooks():
        raise InputError(
            f"{name} has forward hooks, which torch leaves out of what it exports from a ScriptModule: give the "
            f"nn.Module, or call {name} in the forward of another module and script that"
        )


def _run_exporter(module: torch.nn.Module, job: _ExportJob) -> tuple[OnnxModel, list[str]]:
    """The exported model, and the places where tracing lost a decision that values make."""
    weights = sum(tensor.nbytes for tensor in [*module.parameters(), *module.buffers()])
    if weights <= WEIGHTS_IN_ONE_FILE:
        buffer = io.BytesIO()
        losses = _call_exporter(module, buffer, job)
        return OnnxModel(_with_all_inputs(buffer.getvalue(), job), "", job.output_names), losses
    folder = tempfile.TemporaryDirectory(prefix="torch_nacelle.")
    path = Path(folder.name, "model.onnx")
    losses = _call_exporter(module, str(path), job)
    beside = tuple(sorted(one.name for one in path.parent.iterdir() if one != path))
    model = _with_all_inputs(path.read_bytes(), job)
    path.write_bytes(model)
    return OnnxModel(model, str(path), job.output_names, beside, folder=folder), losses


def _with_all_inputs(model: bytes, job: _ExportJob) -> bytes:
    """The model with the inputs that the exporter left out since nothing uses them: callers pass them all the same."""
    onnx = onnx_package("torch exports modules to ONNX")
    proto = onnx.load_model_from_string(model)
    there = {one.name: one for one in proto.graph.input}
    if len(there) == len(job.inputs):
        return model
    numbers = {dtype: number for number, dtype in DTYPES.items()}
    del proto.graph.input[:]
    for one in job.inputs:
        shape = [f"{one.name}_dim_{dim}" if extent == -1 else extent for dim, extent in enumerate(one.shape)]
        added = onnx.helper.make_tensor_value_info(one.name, numbers[one.dtype], shape)
        proto.graph.input.append(there.get(str(one.name), added))
    return bytes(proto.SerializeToString())


def _call_exporter(module: torch.nn.Module, target: "io.BytesIO | str", job: _ExportJob) -> list[str]:
    axes = {
        str(one.name): {dim: f"{one.name}_dim_{dim}" for dim, extent in enumerate(one.shape) if extent == -1}
        for one in job.inputs
        if one.dynamic
    }
    with tracer_warnings() as caught, _quiet_exporter(), _slow_attention():
        try:
            torch.onnx.export(
                module,
                job.examples,
                target,  # type: ignore[arg-type]
                dynamo=False,
                opset_version=job.opset,
                input_names=[str(one.name) for one in job.inputs],
                output_names=list(job.output_names),
                dynamic_axes=axes,
                do_constant_folding=True,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise InputError(
                f"{job.name} cannot be exported to ONNX opset {job.opset}: {first_lines(error)}; {_WHAT_TO_DO}"
            ) from error
        except Exception as error:  # the exporter raises RuntimeError, TypeError, ValueError … for what it cannot do
            raise InputError(
                f"{job.name} cannot be exported to ONNX opset {job.opset}: {type(error).__name__}: "
                f"{first_lines(error)}; {_WHAT_TO_DO}"
            ) from error
    return list(losses_in(caught))


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keeps the exporter from printing the whole graph when it fails."""
    # The exporter prints it always: it means to call a function that says if it should, and tests the function instead.
    log = torch._C._jit_onnx_log
    torch._C._jit_onnx_log = lambda *_: None
    try:
        yield
    finally:
        torch._C._jit_onnx_log = log


@contextlib.contextmanager
def _slow_attention() -> Iterator[None]:
    """Makes torch compute attention in single operators: ONNX has none for torch's fused ones."""
    fast = torch.backends.mha.get_fastpath_enabled()
    packed = F._in_projection_packed  # type: ignore[attr-defined]
    torch.backends.mha.set_fastpath_enabled(False)
    F._in_projection_packed = _in_projection_packed  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        F._in_projection_packed = packed  # type: ignore[attr-defined]


def _in_projection_packed(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, w: torch.Tensor, b: torch.Tensor | None = None
) -> tuple[torch.Tensor, ...]:
    """Queries, keys and values, as torch computes them, without unflatten: the exporter fixes its dynamic sizes."""
    if q is k and k is v:
        return tuple(part.contiguous() for part in F.linear(q, w, b).chunk(3, dim=-1))
    biases = (None, None, None) if b is None else b.chunk(3)
    return tuple(F.linear(x, weight, bias) for x, weight, bias in zip((q, k, v), w.chunk(3), biases, strict=True))
