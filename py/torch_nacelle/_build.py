"""From a model to a plan."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from typing_extensions import Unpack

from torch_nacelle import _C
from torch_nacelle._build_info import VERSION
from torch_nacelle._build_options import BuildOptions, check_options, check_options_for_reference
from torch_nacelle._builders import Backend, Choice, choose_builder, tell
from torch_nacelle._caches import DEFAULT_SIZE, EngineCache, cache_folder, key_of
from torch_nacelle._exported_program import check_inputs, positional_module, static_inputs
from torch_nacelle._input import Input, dtype_name, with_names
from torch_nacelle._onnx import first_lines
from torch_nacelle._onnx_model import OnnxSource, is_onnx_source
from torch_nacelle._progress import display
from torch_nacelle._tensorrt_build import build_tensorrt, export_model
from torch_nacelle.errors import InputError

Method: TypeAlias = Literal["auto", "script", "trace"]
Model: TypeAlias = "torch.nn.Module | torch.export.ExportedProgram | bytes | str | os.PathLike[str]"
Inputs: TypeAlias = Sequence[Input | torch.Tensor]

METHODS: tuple[str, ...] = ("auto", "script", "trace")


def build_engine(
    model: Model,
    inputs: Inputs | None = None,
    *,
    backend: Backend = "auto",
    name: str = "engine",
    output_names: Sequence[str] | None = None,
    data_dependent: Sequence[str] = (),
    method: Method = "auto",
    progress: bool | None = None,
    **options: Unpack[BuildOptions],
) -> bytes:
    """Builds an engine that computes what `model` computes, and returns its plan.

    The plan holds a copy of the model in eval mode, weights included; `model` is left as it is.

    Args:
        model: An ``nn.Module`` or ``ScriptModule`` whose forward takes the inputs as tensors, by position, and returns
            a tensor, or a tuple or list of tensors; an ``ExportedProgram`` of torch.export of the same kind; or an ONNX
            model, as a path or as bytes. For the reference engine it is on the CPU, for the others on any one device.
        inputs: What the model takes: tensors (their dtype and exact shape) or ``Input``. For ONNX models they are given
            by name or by position. Left out: what the model itself says, where that is an ONNX model or an
            ``ExportedProgram`` with fixed shapes.
        backend: ``"tensorrt"``; ``"tensorrt_rtx"``; ``"reference"``, the reference engine, which runs on the CPU; or
            ``"auto"``: TensorRT where a CUDA device and a builder are found, else the reference engine. The logger
            ``torch_nacelle`` says which it took, at level INFO, and so does the terminal.
        name: The engine's name.
        output_names: The outputs' names; left out, ``output_0``, ``output_1`` …, or those of the ONNX model.
        data_dependent: Names of outputs whose shape follows from the inputs' values, for the reference engine. Those
            that show themselves when the module is tried need not be named. TensorRT finds them.
        method: How an ``nn.Module`` becomes a graph. ``"script"`` keeps control flow; ``"trace"`` follows one run with
            made-up inputs; ``"auto"`` tries both: script first for the reference engine, trace first for the others.
        progress: Whether a terminal shows progress; None: where standard error is one.
        options: See ``BuildOptions``.

    Returns:
        The plan. The reference engine's is the same bytes for the same model, weights and arguments.

    Raises:
        InputError: The model cannot be turned into what the backend reads, fails on the inputs, or an argument is
            wrong: for ONNX models found before anything is built.
        LibraryError: No builder is found for the backend, or its release lacks an option.
        KeyboardInterrupt: Ctrl-C was pressed; the build was cancelled and nothing is half written.
    """
    return build(
        model,
        inputs,
        backend=backend,
        name=name,
        output_names=output_names,
        data_dependent=data_dependent,
        method=method,
        progress=progress,
        options=options,
    ).plan


@dataclass(frozen=True)
class Built:
    """A plan and what is known of it.

    Attributes:
        plan: The plan.
        choice: What built it.
        inputs: Its inputs, named, in order.
        output_names: Its outputs' names; None where the plan tells them.
        device: The GPU that the model is on, where it is on one.
    """

    plan: bytes
    choice: Choice
    inputs: list[Input]
    output_names: tuple[str, ...] | None
    device: torch.device | None = None


def build(
    model: Model,
    inputs: Inputs | None,
    *,
    backend: str,
    name: str,
    output_names: Sequence[str] | None,
    data_dependent: Sequence[str],
    method: str,
    progress: bool | None,
    options: Mapping[str, object],
) -> Built:
    """``build_engine``, and what it chose."""
    check_options(options)
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}; there are: {', '.join(METHODS)}")
    source, bound = _bind(model, inputs)
    choice = choose_builder(backend, options.get("library"))  # type: ignore[arg-type]
    shown = display(progress)
    if backend == "auto":
        shown.line(tell(choice))
    if choice.builder is None:
        check_options_for_reference(options, choice.why)
        plan = _build_reference(source, bound, name, output_names, data_dependent, method, options)
        return Built(plan, choice, bound, _names_of_outputs(source, output_names))
    exported = export_model(source, bound, choice.builder, output_names, method)
    device = _cuda_device(source)
    plan = build_tensorrt(exported, bound, choice.builder, name, options, shown, device)
    return Built(plan, choice, bound, exported.output_names, device)


def _bind(
    model: Model, inputs: Inputs | None
) -> "tuple[torch.nn.Module | torch.export.ExportedProgram | OnnxSource, list[Input]]":
    """What to build from, and its inputs by name, checked against it."""
    if is_onnx_source(model):
        source = OnnxSource(model)  # type: ignore[arg-type]
        return source, source.bind(inputs)
    if isinstance(model, torch.export.ExportedProgram):
        bound = with_names([Input.of(value) for value in inputs] if inputs else static_inputs(model))
        check_inputs(model, bound)
        return model, bound
    if not isinstance(model, torch.nn.Module):
        raise InputError(
            "model must be an nn.Module, a ScriptModule, an ExportedProgram, or an ONNX model's path or bytes, found "
            + type(model).__name__
        )
    if not inputs:
        raise InputError("inputs is empty: an engine takes at least one tensor")
    return model, with_names([Input.of(value) for value in inputs])


def _names_of_outputs(source: object, given: Sequence[str] | None) -> tuple[str, ...] | None:
    if given:
        return tuple(given)
    return source.output_names if isinstance(source, OnnxSource) else None


def _cuda_device(source: "torch.nn.Module | torch.export.ExportedProgram | OnnxSource") -> torch.device | None:
    """The GPU that the model is on; None where it is on none: then the current one is built for."""
    if isinstance(source, OnnxSource):
        return None
    tensors = source.state_dict.values() if isinstance(source, torch.export.ExportedProgram) else source.parameters()
    return next((tensor.device for tensor in tensors if tensor.is_cuda), None)


def _build_reference(
    source: "torch.nn.Module | torch.export.ExportedProgram | OnnxSource",
    inputs: Sequence[Input],
    name: str,
    output_names: Sequence[str] | None,
    data_dependent: Sequence[str],
    method: str,
    options: Mapping[str, object],
) -> bytes:
    device = _cuda_device(source)
    if device is not None:
        raise InputError(
            f"the reference engine runs on the CPU, and the model is on {device}: move it with .to('cpu'), or build "
            f"with backend='tensorrt'"
        )
    script = _as_torchscript(source, inputs, method)
    tuples = [
        (
            str(one.name),
            dtype_name(one.dtype),
            list(one.shape),
            [(list(p.min), list(p.opt), list(p.max)) for p in one.profiles] if one.dynamic else [],
        )
        for one in inputs
    ]
    names = list(_names_of_outputs(source, output_names) or ())

    def make() -> bytes:
        return _C.build_reference(script._c, name, tuples, names, set(data_dependent))

    folder = cache_folder(options.get("engine_cache", False), "engines")  # type: ignore[arg-type]
    if folder is None:
        return make()
    cache = EngineCache(folder, options.get("engine_cache_size", DEFAULT_SIZE))  # type: ignore[arg-type]
    key = key_of("reference", VERSION, script.save_to_buffer(), name, tuples, names, sorted(data_dependent))
    return cache.get_or_build(key, make)[0]


def _as_torchscript(
    source: "torch.nn.Module | torch.export.ExportedProgram | OnnxSource", inputs: Sequence[Input], method: str
) -> torch.jit.ScriptModule:
    if isinstance(source, OnnxSource):
        from torch_nacelle._onnx_to_torchscript import to_torchscript as translate

        return translate(source.loaded())
    if isinstance(source, torch.export.ExportedProgram):
        return to_torchscript(positional_module(source), inputs, "trace")
    return to_torchscript(source, inputs, method)


def to_torchscript(module: torch.nn.Module, inputs: Sequence[Input], method: str) -> torch.jit.ScriptModule:
    """`module` as TorchScript; a ScriptModule as it is."""
    if isinstance(module, torch.jit.ScriptModule):
        return module
    reasons = []
    if method != "trace":
        try:
            return torch.jit.script(module)
        except Exception as error:  # whatever the compiler raises is a reason
            reasons.append(f"scripting it failed: {first_lines(error)}")
    if method != "script":
        try:
            return _trace(module, inputs)
        except Exception as error:
            reasons.append(f"tracing it failed: {first_lines(error)}")
    raise InputError(f"{type(module).__name__} cannot be turned into TorchScript; " + "; ".join(reasons))


def _trace(module: torch.nn.Module, inputs: Sequence[Input]) -> torch.jit.ScriptModule:
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            traced: torch.jit.ScriptModule = torch.jit.trace(
                module, tuple(one.example() for one in inputs), check_trace=False
            )
            return traced
    finally:
        module.train(was_training)
