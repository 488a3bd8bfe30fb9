"""Calls of a program with the pieces of a batch that lies in the host's memory; the results come back there.

On a GPU the copies go through pinned memory on streams of their own, so the copy of a piece, the call with the one
before it and the copy of that one's results run at the same time:

    copies in     1  2  3
    calls            1  2  3
    copies out          1  2  3
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeAlias

import torch

from torch_nacelle._serving.batches import Piece

Tensors: TypeAlias = dict[str, torch.Tensor]
Call: TypeAlias = Callable[[Tensors, int], Tensors]
"""A call with tensors by name and the batch size; its outputs have that many rows."""


class Transfers(Protocol):
    """A way to the program's device and back."""

    def run(self, pieces: Iterable[Piece], rows: Mapping[str, torch.Tensor], call: Call) -> list[Tensors]:
        """Calls the program once for each piece, and returns the rows of each in the host's memory."""
        ...


def transfers(device: torch.device) -> Transfers:
    """Returns the way to a device and back."""
    return _GpuTransfers(device) if device.type == "cuda" else _HostTransfers()


class _HostTransfers:
    """The program runs in the host's memory. It gets copies of the rows, so it may write to them."""

    def run(self, pieces: Iterable[Piece], rows: Mapping[str, torch.Tensor], call: Call) -> list[Tensors]:
        results = []
        for piece in pieces:
            outputs = call({name: piece.of(tensor) for name, tensor in rows.items()}, piece.size)
            results.append({name: output[: piece.rows].cpu() for name, output in outputs.items()})
        return results


class _GpuTransfers:
    """The program runs on a GPU. Not for several threads at once."""

    # Pieces on the GPU at once: one that is copied in, one that is computed, one that is copied out.
    _IN_FLIGHT = 3

    def __init__(self, device: torch.device) -> None:
        """Makes the streams, once the tensors of the program are on the GPU."""
        self._device = device
        torch.cuda.synchronize(device)
        self._in, self._compute, self._out = (torch.cuda.Stream(device) for _ in range(3))

    def run(self, pieces: Iterable[Piece], rows: Mapping[str, torch.Tensor], call: Call) -> list[Tensors]:
        results = []
        finished: deque[torch.cuda.Event] = deque()
        for piece in pieces:
            if len(finished) == self._IN_FLIGHT:
                finished.popleft().synchronize()
            inputs = self._copied_in({name: piece.of(tensor, pinned=True) for name, tensor in rows.items()})
            with torch.cuda.stream(self._compute):
                outputs = call(inputs, piece.size)
            results.append(self._copied_out(outputs, piece.rows))
            finished.append(self._out.record_event())
        if finished:
            finished[-1].synchronize()
        return results

    def _copied_in(self, pinned: Tensors) -> Tensors:
        with torch.cuda.stream(self._in):
            inputs = {name: tensor.to(self._device, non_blocking=True) for name, tensor in pinned.items()}
        self._compute.wait_stream(self._in)
        for tensor in inputs.values():
            tensor.record_stream(self._compute)
        return inputs

    def _copied_out(self, outputs: Tensors, rows: int) -> Tensors:
        self._out.wait_stream(self._compute)
        results = {}
        with torch.cuda.stream(self._out):
            for name, output in outputs.items():
                results[name] = torch.empty((rows, *output.shape[1:]), dtype=output.dtype, pin_memory=True)
                results[name].copy_(output[:rows], non_blocking=True)
                if output.is_cuda:
                    output.record_stream(self._out)
        return results
