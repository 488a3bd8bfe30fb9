"""Recurrent layers, step by step, with ONNX's gates, directions and sequence lengths."""

from typing import NamedTuple

import torch
from torch import Tensor


class Layer(NamedTuple):
    """The parts that LSTM, GRU and plain layers share: of the whole layer, or of one direction.

    Attributes:
        weight: The inputs' weights, [directions, gates * hidden, features].
        recurrence: The states' weights, [directions, gates * hidden, hidden].
        bias: The weights' biases, then those of the recurrence, [directions, 2 * gates * hidden].
        lengths: The number of steps of each sample; None for all.
        activations: Names, those of the first direction before those of the second.
        clip: The limit of what the activations are given; 0 for none.
        reverse: True if time runs backwards.
    """

    weight: Tensor
    recurrence: Tensor
    bias: Tensor | None
    lengths: Tensor | None
    activations: list[str]
    clip: float
    reverse: bool


def direction_of(layer: Layer, d: int) -> Layer:
    """One direction of a layer: without the first dimension of its tensors. The second one runs backwards."""
    bias = layer.bias
    count = len(layer.activations) // layer.weight.size(0)
    return Layer(
        layer.weight[d],
        layer.recurrence[d],
        None if bias is None else bias[d],
        layer.lengths,
        layer.activations[count * d : count * d + count],
        layer.clip,
        layer.reverse or d == 1,
    )


def activate(name: str, x: Tensor) -> Tensor:
    """The input through the activation `name`, one of those without parameters."""
    if name == "sigmoid":
        return torch.sigmoid(x)
    if name == "tanh":
        return torch.tanh(x)
    if name == "relu":
        return torch.relu(x)
    if name == "softsign":
        return x / (1.0 + torch.abs(x))
    return torch.nn.functional.softplus(x)


def activated(layer: Layer, index: int, x: Tensor) -> Tensor:
    """The input within [-clip, clip] through one of the layer's activations."""
    return activate(layer.activations[index], x if layer.clip == 0.0 else torch.clamp(x, -layer.clip, layer.clip))


def projected(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """All steps of x [time, batch, features], multiplied by the input weights, plus the bias of the input."""
    result = torch.matmul(x, weight.t())
    return result if bias is None else result + bias


def state_or_zeros(state: Tensor | None, direction: int, x: Tensor, hidden: int) -> Tensor:
    """The initial state of a direction; zeros if none is given."""
    return torch.zeros([x.size(1), hidden], dtype=x.dtype) if state is None else state[direction]


def time_of(layer: Layer, x: Tensor, count: int) -> int:
    """The place in time of a direction's step."""
    return x.size(0) - 1 - count if layer.reverse else count


def held(layer: Layer, new: Tensor, old: Tensor, step: int) -> Tensor:
    """The new state for the samples that go on, the old state for those that have ended."""
    lengths = layer.lengths
    if lengths is None:
        return new
    return torch.where((lengths > step).unsqueeze(1), new, old)


def stacked(layer: Layer, outputs: list[Tensor]) -> Tensor:
    """The outputs of a direction's steps in the order of time."""
    if layer.reverse:
        outputs.reverse()
    return torch.stack(outputs)


def lstm_direction(
    x: Tensor, layer: Layer, h: Tensor, c: Tensor, peepholes: Tensor | None, coupled: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """One direction of an LSTM: all outputs, the last output, the last cell. Gates are in the order i, o, f, c."""
    hidden, bias = layer.recurrence.size(1), layer.bias
    inputs = projected(x, layer.weight, None if bias is None else bias[: 4 * hidden] + bias[4 * hidden :])
    turned = layer.recurrence.t()
    outputs: list[Tensor] = []
    for count in range(x.size(0)):
        step = time_of(layer, x, count)
        gates = inputs[step] + torch.matmul(h, turned)
        i, o, f, g = gates.chunk(4, 1)
        if peepholes is not None:
            i = i + peepholes[:hidden] * c
            f = f + peepholes[2 * hidden :] * c
        i = activated(layer, 0, i)
        f = 1.0 - i if coupled else activated(layer, 0, f)
        cell = f * c + i * activated(layer, 1, g)
        if peepholes is not None:
            o = o + peepholes[hidden : 2 * hidden] * cell
        output = activated(layer, 0, o) * activate(layer.activations[2], cell)
        outputs.append(held(layer, output, torch.zeros_like(output), step))
        h = held(layer, output, h, step)
        c = held(layer, cell, c, step)
    return stacked(layer, outputs), h, c


def lstm(
    x: Tensor,
    layer: Layer,
    first_h: Tensor | None,
    first_c: Tensor | None,
    peepholes: Tensor | None,
    coupled: bool,
    batch_first: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """An LSTM of one or two directions: outputs [time, directions, batch, hidden], last outputs, last cells."""
    if batch_first:
        x = x.transpose(0, 1)
        first_h = None if first_h is None else first_h.transpose(0, 1)
        first_c = None if first_c is None else first_c.transpose(0, 1)
    outputs: list[Tensor] = []
    last_h: list[Tensor] = []
    last_c: list[Tensor] = []
    hidden = layer.recurrence.size(2)
    for d in range(layer.weight.size(0)):
        y, h, c = lstm_direction(
            x,
            direction_of(layer, d),
            state_or_zeros(first_h, d, x, hidden),
            state_or_zeros(first_c, d, x, hidden),
            None if peepholes is None else peepholes[d],
            coupled,
        )
        outputs.append(y)
        last_h.append(h)
        last_c.append(c)
    all_outputs = torch.stack(outputs, 1)
    all_h = torch.stack(last_h)
    all_c = torch.stack(last_c)
    if batch_first:
        return all_outputs.permute([2, 0, 1, 3]), all_h.transpose(0, 1), all_c.transpose(0, 1)
    return all_outputs, all_h, all_c


def gru_direction(x: Tensor, layer: Layer, h: Tensor, reset_after: bool) -> tuple[Tensor, Tensor]:
    """One direction of a GRU: all outputs and the last. Gates are in the order z, r, h."""
    hidden, bias = layer.recurrence.size(1), layer.bias
    inputs = projected(x, layer.weight, None if bias is None else bias[: 3 * hidden])
    recurrent_bias = torch.zeros([3 * hidden], dtype=x.dtype) if bias is None else bias[3 * hidden :]
    gates_turned = layer.recurrence[: 2 * hidden].t()
    candidate_turned = layer.recurrence[2 * hidden :].t()
    outputs: list[Tensor] = []
    for count in range(x.size(0)):
        step = time_of(layer, x, count)
        gates = inputs[step, :, : 2 * hidden] + torch.matmul(h, gates_turned) + recurrent_bias[: 2 * hidden]
        z, r = activated(layer, 0, gates).chunk(2, 1)
        if reset_after:
            recurred = r * (torch.matmul(h, candidate_turned) + recurrent_bias[2 * hidden :])
        else:
            recurred = torch.matmul(r * h, candidate_turned) + recurrent_bias[2 * hidden :]
        candidate = activated(layer, 1, inputs[step, :, 2 * hidden :] + recurred)
        output = (1.0 - z) * candidate + z * h
        outputs.append(held(layer, output, torch.zeros_like(output), step))
        h = held(layer, output, h, step)
    return stacked(layer, outputs), h


def rnn_direction(x: Tensor, layer: Layer, h: Tensor) -> tuple[Tensor, Tensor]:
    """One direction of a plain recurrent layer: all outputs and the last."""
    hidden, bias = layer.recurrence.size(1), layer.bias
    inputs = projected(x, layer.weight, None if bias is None else bias[:hidden] + bias[hidden:])
    turned = layer.recurrence.t()
    outputs: list[Tensor] = []
    for count in range(x.size(0)):
        step = time_of(layer, x, count)
        output = activated(layer, 0, inputs[step] + torch.matmul(h, turned))
        outputs.append(held(layer, output, torch.zeros_like(output), step))
        h = held(layer, output, h, step)
    return stacked(layer, outputs), h


def simple(
    kind: str, x: Tensor, layer: Layer, first_h: Tensor | None, reset_after: bool, batch_first: bool
) -> tuple[Tensor, Tensor]:
    """A GRU or a plain recurrent layer of one or two directions: outputs as those of `lstm`, last outputs."""
    if batch_first:
        x = x.transpose(0, 1)
        first_h = None if first_h is None else first_h.transpose(0, 1)
    outputs: list[Tensor] = []
    last_h: list[Tensor] = []
    for d in range(layer.weight.size(0)):
        start = state_or_zeros(first_h, d, x, layer.recurrence.size(2))
        if kind == "GRU":
            y, h = gru_direction(x, direction_of(layer, d), start, reset_after)
        else:
            y, h = rnn_direction(x, direction_of(layer, d), start)
        outputs.append(y)
        last_h.append(h)
    all_outputs = torch.stack(outputs, 1)
    all_h = torch.stack(last_h)
    if batch_first:
        return all_outputs.permute([2, 0, 1, 3]), all_h.transpose(0, 1)
    return all_outputs, all_h
