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


def _flags(node: Node) -> tuple[bool, bool]:
    """Two booleans: time runs backwards; the batch comes first."""
    direction = node.choice("direction", "forward", ("forward", "reverse", "bidirectional"))
    return direction == "'reverse'", bool(node.attribute("layout", 0))


@operator("LSTM", 7, 22)
def lstm(node: Node) -> Result:
    node.attribute("hidden_size")  # the recurrence weight's own
    reverse, batch_first = _flags(node)
    inputs = [node.input(index) for index in range(3)] + [node.optional(index) for index in range(3, 8)]
    activations = _activations(node, ["sigmoid", "tanh", "tanh"])
    clip, coupled = number(node.attribute("clip", 0.0)), bool(node.attribute("input_forget", 0))
    options = f"{activations}, {clip}, {coupled}, {reverse}, {batch_first}"
    return Result(f"fn.recurrent.lstm({', '.join(inputs)}, {options})", 3)


def _simple(node: Node, kind: str, default: list[str], reset_after: bool) -> Result:
    node.attribute("hidden_size")
    reverse, batch_first = _flags(node)
    inputs = [node.input(index) for index in range(3)] + [node.optional(index) for index in range(3, 6)]
    options = f"{_activations(node, default)}, {number(node.attribute('clip', 0.0))}, {reset_after}, {reverse}"
    return Result(f"fn.recurrent.simple({kind!r}, {', '.join(inputs)}, {options}, {batch_first})", 2)


@operator("GRU", 7, 22)
def gru(node: Node) -> Result:
    return _simple(node, "GRU", ["sigmoid", "tanh"], bool(node.attribute("linear_before_reset", 0)))


@operator("RNN", 7, 22)
def rnn(node: Node) -> Result:
    return _simple(node, "RNN", ["tanh"], False)
