"""Recurrent layers."""

from onnx_to_torchscript.errors import UnsupportedError
from onnx_to_torchscript.node import Node, Result, number
from onnx_to_torchscript.registry import operator

# Activations without numbers of their own.
ACTIVATIONS = ("sigmoid", "tanh", "relu", "softsign", "softplus")


def _activations(node: Node, default: list[str]) -> str:
    """The activations of all directions."""
    directions = 2 if node.attribute("direction", "forward") == "bidirectional" else 1
    names = [name.lower() for name in node.attribute("activations", default * directions)]
    unknown = [name for name in names if name not in ACTIVATIONS]
    if unknown:
        raise UnsupportedError(f"activation {unknown[0]}; translated are {', '.join(ACTIVATIONS)}")
    for attribute in ("activation_alpha", "activation_beta"):
        if node.attribute(attribute):
            raise UnsupportedError(f"{attribute}: activations with numbers of their own are not translated")
    return repr(names)


def _layer(node: Node, default: list[str]) -> str:
    """The weights and attributes that all recurrent operators have."""
    node.attribute("hidden_size")  # the recurrence weight's own
    tensors = [node.input(1), node.input(2), node.optional(3), node.optional(4)]
    reverse = node.choice("direction", "forward", ("forward", "reverse", "bidirectional")) == "'reverse'"
    options = [_activations(node, default), number(node.attribute("clip", 0.0)), str(reverse)]
    return f"fn.recurrent.Layer({', '.join([*tensors, *options])})"


@operator("LSTM", 7, 22)
def lstm(node: Node) -> Result:
    states = ", ".join(node.optional(index) for index in range(5, 8))
    flags = f"{bool(node.attribute('input_forget', 0))}, {bool(node.attribute('layout', 0))}"
    layer = _layer(node, ["sigmoid", "tanh", "tanh"])
    return Result(f"fn.recurrent.lstm({node.input(0)}, {layer}, {states}, {flags})", 3)


def _simple(node: Node, kind: str, default: list[str], reset_after: bool) -> Result:
    flags = f"{reset_after}, {bool(node.attribute('layout', 0))}"
    layer = _layer(node, default)
    return Result(f"fn.recurrent.simple({kind!r}, {node.input(0)}, {layer}, {node.optional(5)}, {flags})", 2)


@operator("GRU", 7, 22)
def gru(node: Node) -> Result:
    return _simple(node, "GRU", ["sigmoid", "tanh"], bool(node.attribute("linear_before_reset", 0)))


@operator("RNN", 7, 22)
def rnn(node: Node) -> Result:
    return _simple(node, "RNN", ["tanh"], False)
