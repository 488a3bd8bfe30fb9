"""A benchmark: its figures together, as JSON and as a plot."""

from dataclasses import asdict, dataclass
from typing import Any

from torch_nacelle._bench.figures import CallParts, MemoryUse, Throughput, Times
from torch_nacelle._bench.plot import save_plot
from torch_nacelle._programs.program import PathLike


@dataclass(frozen=True)
class Benchmark:
    """The measurements of ``bench``.

    Attributes:
        device: The device that the program ran on.
        inputs: Name, dtype and shape of each input.
        load: Milliseconds to load the program and to set its engines up; None if it was given loaded.
        host: From the call until it returns to the caller. On CUDA the device may still work then.
        on_device: Between CUDA events before and after the call; None on the CPU.
        end_to_end: From inputs in the host's memory to outputs in the host's memory. On the CPU, where nothing is
            copied, the same as `host`.
        throughput: By the number of threads.
        parts: The parts of a call's time; None for a program without engines, and for an AOTInductor package in torch
            2.11, which does not give its engines.
        memory: The memory that it took.
        conditions: The machine and the releases.
    """

    device: str
    inputs: tuple[tuple[str, str, tuple[int, ...]], ...]
    load: float | None
    host: Times
    on_device: Times | None
    end_to_end: Times
    throughput: tuple[Throughput, ...]
    parts: CallParts | None
    memory: MemoryUse
    conditions: str

    def to_dict(self) -> dict[str, Any]:
        """Everything but the single samples, for JSON. Times are in milliseconds, memory in bytes."""
        times = {"host": self.host, "device": self.on_device, "end_to_end": self.end_to_end}
        return {
            "device": self.device,
            "inputs": [{"name": name, "dtype": dtype, "shape": list(shape)} for name, dtype, shape in self.inputs],
            "load_ms": self.load,
            "latency_ms": {what: value and value.summary() for what, value in times.items()},
            "throughput": [asdict(one) for one in self.throughput],
            "parts_ms": self.parts and asdict(self.parts),
            "memory_bytes": asdict(self.memory),
            "conditions": self.conditions,
        }

    def save_plot(self, path: PathLike) -> None:
        """Draws latency and throughput; needs the package matplotlib.

        Args:
            path: The file, ``.png`` or ``.svg``; written to a temporary name and moved.

        Raises:
            InputError: The file's name ends otherwise, or matplotlib is not installed.
        """
        times = {"host": self.host, "device": self.on_device, "end to end": self.end_to_end}
        if self.end_to_end is self.host:
            del times["end to end"]
        inputs = ", ".join(f"{name}: {dtype} {list(shape)}" for name, dtype, shape in self.inputs)
        save_plot(
            path,
            {what: value for what, value in times.items() if value is not None},
            self.throughput,
            self.parts,
            title=f"{self.device}; {inputs}",
            conditions=self.conditions,
        )
