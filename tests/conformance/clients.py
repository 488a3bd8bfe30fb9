"""Classes that users of NVIDIA's bindings write: logger, error recorder, profiler, output allocator."""

from __future__ import annotations

import re

import torch

from tests.conformance.bindings import trt


class Log(trt.ILogger):  # type: ignore[misc]
    """Keeps messages, as (severity, text), but the note that the reference engine makes of each plan that it reads."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.messages: list[tuple[object, str]] = []

    def log(self, severity: object, message: str) -> None:
        if severity != trt.ILogger.INFO or not re.fullmatch(r"reading a plan of \d+ bytes", message):
            self.messages.append((severity, message))

    def take(self) -> list[tuple[object, str]]:
        """Returns what was said since the last call."""
        taken, self.messages = self.messages, []
        return taken

    def take_error(self) -> str:
        """Returns the one message since the last call, which has to be an error."""
        ((severity, message),) = self.take()
        assert severity == trt.ILogger.ERROR, message
        return message


class Recorder(trt.IErrorRecorder):  # type: ignore[misc]
    """Keeps errors, as (code, text)."""

    def __init__(self) -> None:
        trt.IErrorRecorder.__init__(self)
        self.errors: list[tuple[object, str]] = []

    def num_errors(self) -> int:
        return len(self.errors)

    def get_error_code(self, index: int) -> object:
        return self.errors[index][0]

    def get_error_desc(self, index: int) -> str:
        return self.errors[index][1]

    def has_overflowed(self) -> bool:
        return False

    def clear(self) -> None:
        self.errors.clear()

    def report_error(self, code: object, text: str) -> bool:
        self.errors.append((code, text))
        return False


class LayerTimes(trt.IProfiler):  # type: ignore[misc]
    """Keeps the times of layers, as (name, milliseconds)."""

    def __init__(self) -> None:
        trt.IProfiler.__init__(self)
        self.times: list[tuple[str, float]] = []

    def report_layer_time(self, layer_name: str, ms: float) -> None:
        self.times.append((layer_name, ms))


class OutputMemory(trt.IOutputAllocator):  # type: ignore[misc]
    """Gives an output memory of the size that it asks for, and keeps its shape."""

    def __init__(self, refuse: bool = False) -> None:
        trt.IOutputAllocator.__init__(self)
        self.refuse = refuse
        self.calls: list[tuple[object, ...]] = []
        self.memory = torch.empty(0, dtype=torch.uint8)
        self.shape: tuple[int, ...] | None = None

    def reallocate_output(self, tensor_name: str, memory: object, size: int, alignment: int) -> int | None:
        return self._give("reallocate_output", tensor_name, size, alignment)

    def reallocate_output_async(
        self, tensor_name: str, memory: object, size: int, alignment: int, stream: int
    ) -> int | None:
        return self._give("reallocate_output_async", tensor_name, size, alignment, stream)

    def notify_shape(self, tensor_name: str, shape: object) -> None:
        self.calls.append(("notify_shape", tensor_name))
        self.shape = tuple(shape)  # type: ignore[arg-type]

    def _give(self, method: str, name: str, size: int, *rest: int) -> int | None:
        self.calls.append((method, name, size, *rest))
        if self.refuse:
            return None
        self.memory = torch.zeros(max(size, 64), dtype=torch.uint8)
        return self.memory.data_ptr()

    def tensor(self, dtype: torch.dtype) -> torch.Tensor:
        """Returns what was written, in the shape that was told."""
        assert self.shape is not None
        count = int(torch.Size(self.shape).numel())
        return self.memory[: count * dtype.itemsize].view(dtype).view(self.shape)
