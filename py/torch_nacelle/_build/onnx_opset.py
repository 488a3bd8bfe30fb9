"""Rewrites ONNX models in an older operator set, for parsers that read no newer one."""

from typing import Any

from torch_nacelle._models.onnx_model import nodes_of, onnx_package
from torch_nacelle._runtime.messages import first_lines

_OWN = ("", "ai.onnx")  # the names of ONNX's own operators' domain


class CannotLowerError(Exception):
    """A model cannot be written in an older operator set; the message says why."""


def lowered(model: Any, opset: int) -> Any:
    """The model in operator set `opset`, if its own is newer.

    Operators that the older set lacks are replaced by what ONNX defines them to be. The package onnx converts the rest.
    The caller checks that the result computes the same.

    Args:
        model: A ModelProto with its weights.
        opset: The operator set.

    Raises:
        CannotLowerError: An operator has no form in the older set.
    """
    onnx = onnx_package("torch exports modules to ONNX")
    from onnx import inliner, version_converter

    own = opset_of(model)
    if own <= opset:
        return model
    own_operators = {node.op_type for node in nodes_of(model.graph) if node.domain in _OWN}
    newer = sorted(name for name in own_operators if not _knows(onnx, name, opset))
    if newer:
        identities = [("", name) for name in newer]
        model = inliner.inline_selected_functions(model, identities, inline_schema_functions=True)
    for node in nodes_of(model.graph):
        # The converter makes attributes of a reduction's axes, and leaves this attribute, which older sets lack.
        kept = [one for one in node.attribute if one.name != "noop_with_empty_axes" or one.i]
        if len(kept) != len(node.attribute):
            del node.attribute[:]
            node.attribute.extend(kept)
    try:
        model = version_converter.convert_version(model, opset)
        onnx.checker.check_model(model)
    except Exception as error:  # the converter's and the checker's own
        raise CannotLowerError(f"cannot be converted from opset {own} to {opset}: {first_lines(error, 1)}") from error
    return model


def opset_of(model: Any) -> int:
    """The version of ONNX's own operators in a model."""
    return max((int(one.version) for one in model.opset_import if one.domain in _OWN), default=1)


def _knows(onnx: Any, operator: str, opset: int) -> bool:
    try:
        onnx.defs.get_schema(operator, opset)
    except onnx.defs.SchemaError:
        return False
    return True
