"""Recurrent layers, step by step, with ONNX's gates, directions and sequence lengths."""

import torch
from torch import Tensor


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


def limited(x: Tensor, clip: float) -> Tensor:
    """The input within [-clip, clip]; unchanged if clip is 0."""
    return x if clip == 0.0 else torch.clamp(x, -clip, clip)


def projected(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """All steps of x [time, batch, features], multiplied by the input weights, plus the bias of the input."""
    result = torch.matmul(x, weight.t())
    return result if bias is None else result + bias


def state_or_zeros(state: Tensor | None, direction: int, x: Tensor, hidden: int) -> Tensor:
    """The initial state of a direction; zeros if none is given."""
    return torch.zeros([x.size(1), hidden], dtype=x.dtype) if state is None else state[direction]


def held(new: Tensor, old: Tensor, lengths: Tensor | None, step: int) -> Tensor:
    """The new state for the samples that go on, the old state for those that have ended."""
    if lengths is None:
        return new
    return torch.where((lengths > step).unsqueeze(1), new, old)


def lstm_direction(
    x: Tensor,
    weight: Tensor,
    recurrence: Tensor,
    bias: Tensor | None,
    lengths: Tensor | None,
    h: Tensor,
    c: Tensor,
    peepholes: Tensor | None,
    activations: list[str],
    clip: float,
    coupled: bool,
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """One direction of an LSTM: all outputs, the last output, the last cell. Gates are in the order i, o, f, c."""
    hidden = recurrence.size(1)
    inputs = projected(x, weight, None if bias is None else bias[: 4 * hidden] + bias[4 * hidden :])
    turned = recurrence.t()
    outputs: list[Tensor] = []
    for count in range(x.size(0)):
        step = x.size(0) - 1 - count if reverse else count
        gates = inputs[step] + torch.matmul(h, turned)
        i, o, f, g = gates.chunk(4, 1)
        if peepholes is not None:
            i = i + peepholes[:hidden] * c
            f = f + peepholes[2 * hidden :] * c
        i = activate(activations[0], limited(i, clip))
        f = 1.0 - i if coupled else activate(activations[0], limited(f, clip))
        cell = f * c + i * activate(activations[1], limited(g, clip))
        if peepholes is not None:
            o = o + peepholes[hidden : 2 * hidden] * cell
        output = activate(activations[0], limited(o, clip)) * activate(activations[2], cell)
        outputs.append(held(output, torch.zeros_like(output), lengths, step))
        h = held(output, h, lengths, step)
        c = held(cell, c, lengths, step)
    if reverse:
        outputs.reverse()
    return torch.stack(outputs), h, c


def lstm(
    x: Tensor,
    weight: Tensor,
    recurrence: Tensor,
    bias: Tensor | None,
    lengths: Tensor | None,
    first_h: Tensor | None,
    first_c: Tensor | None,
    peepholes: Tensor | None,
    activations: list[str],
    clip: float,
    coupled: bool,
    reverse: bool,
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
    hidden = recurrence.size(2)
    for d in range(weight.size(0)):
        y, h, c = lstm_direction(
            x,
            weight[d],
            recurrence[d],
            None if bias is None else bias[d],
            lengths,
            state_or_zeros(first_h, d, x, hidden),
            state_or_zeros(first_c, d, x, hidden),
            None if peepholes is None else peepholes[d],
            activations[3 * d : 3 * d + 3],
            clip,
            coupled,
            reverse or d == 1,
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


def gru_direction(
    x: Tensor,
    weight: Tensor,
    recurrence: Tensor,
    bias: Tensor | None,
    lengths: Tensor | None,
    h: Tensor,
    activations: list[str],
    clip: float,
    reset_after: bool,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """One direction of a GRU: all outputs and the last. Gates are in the order z, r, h."""
    hidden = recurrence.size(1)
    inputs = projected(x, weight, None if bias is None else bias[: 3 * hidden])
    recurrent_bias = torch.zeros([3 * hidden], dtype=x.dtype) if bias is None else bias[3 * hidden :]
    gates_turned = recurrence[: 2 * hidden].t()
    candidate_turned = recurrence[2 * hidden :].t()
    outputs: list[Tensor] = []
    for count in range(x.size(0)):
        step = x.size(0) - 1 - count if reverse else count
        gates = inputs[step, :, : 2 * hidden] + torch.matmul(h, gates_turned) + recurrent_bias[: 2 * hidden]
        z, r = activate(activations[0], limited(gates, clip)).chunk(2, 1)
        if reset_after:
            recurred = r * (torch.matmul(h, candidate_turned) + recurrent_bias[2 * hidden :])
        else:
            recurred = torch.matmul(r * h, candidate_turned) + recurrent_bias[2 * hidden :]
        candidate = activate(activations[1], limited(inputs[step, :, 2 * hidden :] + recurred, clip))
        output = (1.0 - z) * candidate + z * h
        outputs.append(held(output, torch.zeros_like(output), lengths, step))
        h = held(output, h, lengths, step)
    if reverse:
        outputs.reverse()
    return torch.stack(outputs), h


def rnn_direction(
    x: Tensor,
    weight: Tensor,
    recurrence: Tensor,
    bias: Tensor | None,
    lengths: Tensor | None,
    h: Tensor,
    activation: str,
    clip: float,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """One direction of a plain recurrent layer: all outputs and the last."""
    hidden = recurrence.size(1)
    inputs = projected(x, weight, None if bias is None else bias[:hidden] + bias[hidden:])
    turned = recurrence.t()
    outputs: list[Tensor] = []
    for count in range(x.size(0)):
        step = x.size(0) - 1 - count if reverse else count
        output = activate(activation, limited(inputs[step] + torch.matmul(h, turned), clip))
        outputs.append(held(output, torch.zeros_like(output), lengths, step))
        h = held(output, h, lengths, step)
    if reverse:
        outputs.reverse()
    return torch.stack(outputs), h


def simple(
    kind: str,
    x: Tensor,
    weight: Tensor,
    recurrence: Tensor,
    bias: Tensor | None,
    lengths: Tensor | None,
    first_h: Tensor | None,
    activations: list[str],
    clip: float,
    reset_after: bool,
    reverse: bool,
    batch_first: bool,
) -> tuple[Tensor, Tensor]:
    """A GRU or a plain recurrent layer of one or two directions: outputs as those of `lstm`, last outputs."""
    if batch_first:
        x = x.transpose(0, 1)
        first_h = None if first_h is None else first_h.transpose(0, 1)
    outputs: list[Tensor] = []
    last_h: list[Tensor] = []
    for d in range(weight.size(0)):
        start = state_or_zeros(first_h, d, x, recurrence.size(2))
        of_direction = None if bias is None else bias[d]
        back = reverse or d == 1
        if kind == "GRU":
            y, h = gru_direction(
                x, weight[d], recurrence[d], of_direction, lengths, start, activations[2 * d : 2 * d + 2], clip,
                reset_after, back,
            )  # fmt: skip
        else:
            y, h = rnn_direction(x, weight[d], recurrence[d], of_direction, lengths, start, activations[d], clip, back)
        outputs.append(y)
        last_h.append(h)
    all_outputs = torch.stack(outputs, 1)
    all_h = torch.stack(last_h)
    if batch_first:
        return all_outputs.permute([2, 0, 1, 3]), all_h.transpose(0, 1)
    return all_outputs, all_h
