"""Computes the constant parts of ONNX models, for parsers that require constants there.

TensorRT's parsers read axes and sizes of pads only if these are constants, and the branches of an ``If`` only if both
give the same shape. Other exporters write models that compute axes, or that choose a branch by shapes. onnxruntime
computes, once for all, what follows from constants and from shapes that the inputs fix, and puts the branch that is
taken in the place of its ``If``.
"""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from torch_nacelle._models.onnx_model import OnnxModel, nodes_of, onnx_package
from torch_nacelle._runtime.input import Input
from torch_nacelle._runtime.messages import first_lines

# Its simplest level writes operators of ONNX only; those of its own come with the next one.
_LEVEL = "ORT_ENABLE_BASIC"

# A quantized model states the places of its scales; so these places, and constants beside them, stay as they are.
_QUANTIZED = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}

# Since this version of the format weights need not be listed among the inputs.
_MAY_LEAVE_WEIGHTS_OUT = 4


class CannotFoldError(Exception):
    """A model stays as it is; the message says why, as the end of a sentence that begins with "it"."""


def folded(model: OnnxModel, inputs: Sequence[Input]) -> bytes:
    """The model with its constant parts computed, for inputs of these shapes; the same bytes for the same model.

    Names and order of its inputs and outputs, dtypes and operator sets are those of the original.

    Raises:
        CannotFoldError: The model stays as it is: its weights lie in other files, it is quantized, or onnxruntime is
            not installed or does not read it.
    """
    if model.external_files:
        raise CannotFoldError("has weights in other files")
    proto = onnx_package("ONNX models are read").load_model_from_string(model.model)
    if any(node.op_type in _QUANTIZED for node in nodes_of(proto.graph)):
        raise CannotFoldError("is quantized, and its scales have to stay where they are")
    _fix_shapes(proto, inputs)
    _fix_weights(proto)
    result = _optimized(proto)
    _check_interface(proto, result)
    # All operator sets that onnxruntime knows are listed in what it writes.
    del result.opset_import[:]
    result.opset_import.extend(proto.opset_import)
    return bytes(result.SerializeToString(deterministic=True))


def has_branches(model: bytes) -> bool:
    """True if a model has an ``If`` anywhere."""
    proto = onnx_package("ONNX models are read").load_model_from_string(model)
    return any(node.op_type == "If" for node in nodes_of(proto.graph))


def _fix_shapes(proto: Any, inputs: Iterable[Input]) -> None:
    """Writes the sizes that the inputs fix into the model, and removes its notes of other shapes."""
    described = {str(one.name): one for one in inputs}
    for value in proto.graph.input:
        if value.name not in described:
            continue  # weights are inputs, too, in models of old operator sets
        shape = value.type.tensor_type.shape
        names = [dim.dim_param for dim in shape.dim]
        del shape.dim[:]
        shape.SetInParent()  # a shape without dimensions is another thing than none
        for place, extent in enumerate(described[value.name].shape):
            dim = shape.dim.add()
            if extent != -1:
                dim.dim_value = extent
            elif place < len(names) and names[place]:
                dim.dim_param = names[place]
    del proto.graph.value_info[:]


def _fix_weights(proto: Any) -> None:
    """Makes constants of weights that are inputs too: callers could give others, and no engine takes them."""
    if proto.ir_version < _MAY_LEAVE_WEIGHTS_OUT:
        return  # they are constants all the same
    kept = _without_weights(proto.graph, "input")
    del proto.graph.input[:]
    proto.graph.input.extend(kept)


def _optimized(proto: Any) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise CannotFoldError(
            "is read by the package onnxruntime, which is not installed: pip install onnxruntime"
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it would say goes into the exception
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, _LEVEL)
    with tempfile.TemporaryDirectory(prefix="torch_nacelle.") as folder:
        path = Path(folder, "folded.onnx")
        options.optimized_model_filepath = str(path)
        try:
            onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
            return onnx_package("ONNX models are read").load_model_from_string(path.read_bytes())
        except Exception as error:  # its own classes, protobuf's, a full disk: the original is as good as before
            raise CannotFoldError(f"could not be folded by onnxruntime: {first_lines(error, 1)}") from error


def _check_interface(original: Any, result: Any) -> None:
    domains = {one.domain for one in original.opset_import} | {"", "ai.onnx"}
    foreign = next((node for node in nodes_of(result.graph) if node.domain not in domains), None)
    if foreign is not None:
        raise CannotFoldError(f"would have got the operator {foreign.op_type} of {foreign.domain} from onnxruntime")
    for what in ("input", "output"):
        wanted, found = (
            [(value.name, value.type.tensor_type.elem_type) for value in _without_weights(graph, what)]
            for graph in (original.graph, result.graph)
        )
        if found != wanted:
            raise CannotFoldError(
                f"would have got other {what}s from onnxruntime: {', '.join(name for name, _ in found)}; wanted "
                + ", ".join(name for name, _ in wanted)
            )


def _without_weights(graph: Any, what: str) -> list[Any]:
    weights = {tensor.name for tensor in graph.initializer}
    return [value for value in getattr(graph, what) if what == "output" or value.name not in weights]
