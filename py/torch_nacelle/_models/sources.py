"""Takes a model and its inputs, in any of the accepted forms, as the source of a build."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from torch_nacelle._models.descriptions import describe, parameters_of
from torch_nacelle._models.exported_program import bound_inputs, program_call
from torch_nacelle._models.onnx_source import OnnxSource, is_onnx_source
from torch_nacelle._programs.structures import Call
from torch_nacelle._runtime.input import Input, as_list
from torch_nacelle.errors import InputError

Model: TypeAlias = torch.nn.Module | torch.export.ExportedProgram | bytes | str | os.PathLike[str]
InputDescriptions: TypeAlias = Sequence[Any] | Mapping[str, Any] | Input | torch.Tensor
ModelSource: TypeAlias = torch.nn.Module | torch.export.ExportedProgram | OnnxSource


@dataclass(frozen=True)
class Bound:
    """A model and its inputs.

    Attributes:
        source: The model.
        inputs: Its inputs, each with a name.
        call: The arguments of its forward; None for an ONNX model, which has none.
    """

    source: ModelSource
    inputs: list[Input]
    call: Call | None = None


def bind(model: Model, inputs: InputDescriptions | None) -> Bound:
    """The source of a build, and its inputs by name, checked against it."""
    if is_onnx_source(model):
        source = OnnxSource(model)  # type: ignore[arg-type]
        return Bound(source, source.bind(_in_a_row(inputs)))
    if isinstance(model, torch.export.ExportedProgram):
        return Bound(model, bound_inputs(model, inputs), program_call(model))
    if not isinstance(model, torch.nn.Module):
        raise InputError(
            "model must be an nn.Module, a ScriptModule, an ExportedProgram, or an ONNX model's path or bytes, found "
            + type(model).__name__
        )
    _check_layouts(model)
    described, call = describe([] if inputs is None else inputs, parameters_of(model))
    if not described:
        raise InputError("inputs is empty: an engine takes at least one tensor")
    return Bound(model, described, call)


def _in_a_row(inputs: InputDescriptions | None) -> list[Input]:
    if isinstance(inputs, Mapping):
        return [Input.of(value).named(name) for name, value in inputs.items()]
    return [] if inputs is None else [Input.of(value) for value in as_list(inputs)]


def _check_layouts(module: torch.nn.Module) -> None:
    """Raises InputError if weights or operators are oneDNN's, which work only in the process that made them."""
    name = module.original_name if isinstance(module, torch.jit.ScriptModule) else type(module).__name__
    for path, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.layout != torch.strided:
            raise InputError(
                f"{name}: tensor {path!r} has the layout {tensor.layout}; wanted torch.strided: give the module as it "
                "was before it was converted"
            )
    if isinstance(module, torch.jit.ScriptModule) and hasattr(module, "forward"):
        for node in _nodes(module.inlined_graph):
            if "mkldnn" in node.kind().lower():
                raise InputError(
                    f"{name}: its graph has {node.kind()}, which torch.jit.optimize_for_inference puts there and which "
                    "cannot be saved; give the module as it was before, or as torch.jit.freeze returns it"
                )


def _nodes(block: Any) -> Iterator[Any]:
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def names_of_outputs(source: ModelSource, given: Sequence[str] | None) -> tuple[str, ...] | None:
    """The outputs' names if they are given or the model has them, else None.

    Raises:
        InputError: They are given, and the model has others.
    """
    if not isinstance(source, OnnxSource):
        return tuple(given) if given else None
    if given and tuple(given) != source.output_names:
        raise InputError(
            f"{source.what} names its outputs {', '.join(source.output_names)}, and output_names says "
            f"{', '.join(given)}: leave output_names out"
        )
    return source.output_names


def cuda_device(source: ModelSource) -> torch.device | None:
    """The GPU that the model is on; None if it is on none: the engine is built for the current GPU then."""
    if isinstance(source, OnnxSource):
        return None
    if isinstance(source, torch.nn.Module):
        tensors = [*source.parameters(), *source.buffers()]
    else:
        tensors = list(source.state_dict.values())
    return next((tensor.device for tensor in tensors if tensor.is_cuda), None)
