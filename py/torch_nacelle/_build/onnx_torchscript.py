"""torch's exporter to ONNX on TorchScript, for one module at a time."""

import contextlib
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)

from torch_nacelle._build.onnx_pooling import adaptive_pooling
from torch_nacelle._build.torchscript import TRACER, losses_in, tracer_warnings
from torch_nacelle._models.model_state import for_inference
from torch_nacelle._models.onnx_model import DTYPES, OnnxModel, onnx_package
from torch_nacelle._runtime.input import Input
from torch_nacelle._runtime.messages import first_lines
from torch_nacelle.errors import InputError

NEWEST_OPSET = 20
"""The newest opset that torch's TorchScript exporter writes (torch 2.11 to 2.13)."""

# A protobuf message holds less than 2 GiB; what is not weights gets the rest.
WEIGHTS_IN_ONE_FILE = 2**31 - 2**26


_WHAT_TO_DO = (
    "write that part with operators that ONNX has, or leave it in TorchScript: "
    'nacelle.compile(module, {"path.of.a.submodule": inputs}) makes engines of the submodules around it'
)


@dataclass(frozen=True)
class ExportJob:
    """An export: the model and its receiver."""

    name: str
    examples: tuple[torch.Tensor, ...]
    inputs: tuple[Input, ...]
    output_names: tuple[str, ...]
    opset: int


def run_exporter(module: torch.nn.Module, job: ExportJob) -> tuple[OnnxModel, list[str]]:
    """The model that torch's exporter makes, for this thread alone, and the places where tracing lost a decision."""
    with for_inference(module), torch.no_grad(), TRACER:
        return _exported_model(module, job)


def _exported_model(module: torch.nn.Module, job: ExportJob) -> tuple[OnnxModel, list[str]]:
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


def _with_all_inputs(model: bytes, job: ExportJob) -> bytes:
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


def _call_exporter(module: torch.nn.Module, target: "io.BytesIO | str", job: ExportJob) -> list[str]:
    axes = {
        str(one.name): {dim: f"{one.name}_dim_{dim}" for dim, extent in enumerate(one.shape) if extent == -1}
        for one in job.inputs
        if one.dynamic
    }
    with tracer_warnings() as caught, _quiet_exporter(), _slow_attention(), adaptive_pooling(job.opset):
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
