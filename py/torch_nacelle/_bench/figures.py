"""Figures that a benchmark is made of."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Times:
    """Times of calls, in milliseconds.

    Attributes:
        samples: Each call's, in the order in which they were made.
    """

    samples: tuple[float, ...]

    @property
    def calls(self) -> int:
        """Number of measured calls."""
        return len(self.samples)

    @property
    def mean(self) -> float:
        """The mean."""
        return sum(self.samples) / len(self.samples)

    def percentile(self, percent: float) -> float:
        """The least sample that at least `percent` of 100 do not exceed: a time that a call really took."""
        ordered = sorted(self.samples)
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]

    def summary(self) -> dict[str, float]:
        """``calls``, ``mean``, ``p50``, ``p90`` and ``p99``."""
        percentiles = {f"p{percent}": self.percentile(percent) for percent in (50, 90, 99)}
        return {"calls": self.calls, "mean": self.mean, **percentiles}


@dataclass(frozen=True)
class Throughput:
    """Calls from several threads at once.

    Attributes:
        threads: Number of threads; on CUDA each has a stream of its own, which it waits for after every call.
        calls: Number of calls that they made together.
        calls_per_second: Calls a second, of all threads together.
    """

    threads: int
    calls: int
    calls_per_second: float


@dataclass(frozen=True)
class CallParts:
    """The parts of a call's time, in milliseconds: the median over profiled calls, which wait for the device.

    Attributes:
        engine: The engines alone: TensorRT's enqueue until the device is done. The floor of a call.
        runtime: The runtime's work around it.
        rest: The rest of the call: the program's other operations, and TorchScript's interpreter.
        phases: The runtime's part by phase; see ``PhaseTime``.
    """

    engine: float
    runtime: float
    rest: float
    phases: dict[str, float]


@dataclass(frozen=True)
class MemoryUse:
    """Memory in bytes.

    Attributes:
        host_before: The process's host memory before the program was loaded; None if it was given loaded.
        host_peak: The most that the process ever had.
        device_peak: The most that torch had on the GPU; None on the CPU.
        device_rise: The fall of the GPU's free memory since before the program was loaded; it counts engines and
            contexts, which are not torch's. None on the CPU, and if the program was given loaded.
    """

    host_before: int | None
    host_peak: int
    device_peak: int | None
    device_rise: int | None
