"""Sums up the trace that ``nacelle.profile`` saves: times of layers, and of the runtime's phases on the host."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nacelle_cli.reading import regular
from nacelle_cli.reading.errors import ReadingError

_HOST, _LAYERS = 0, 1  # the trace's processes


@dataclass
class Span:
    """A layer or a phase, and its time over all calls of a trace."""

    name: str
    calls: int = 0
    total_ms: float = 0.0

    @property
    def mean_ms(self) -> float:
        """Milliseconds a call."""
        return self.total_ms / self.calls


@dataclass
class EngineTimes:
    """An engine's times; both lists are in the order of a call."""

    calls: int = 0
    layers: list[Span] = field(default_factory=list)
    phases: list[Span] = field(default_factory=list)

    @property
    def layers_ms(self) -> float:
        """Milliseconds on the device, all calls together."""
        return sum(layer.total_ms for layer in self.layers)

    @property
    def slowest(self) -> list[Span]:
        """The layers, those that take longest first."""
        return sorted(self.layers, key=lambda layer: -layer.total_ms)


def read(path: Path) -> dict[str, EngineTimes]:
    """Reads a trace.

    Returns:
        The times of each engine, by its path in the program.

    Raises:
        ReadingError: The file is no trace that ``Profile.save_trace`` wrote.
        OSError: It cannot be read.
    """
    try:
        regular.check(path)
        events = json.loads(path.read_bytes())["traceEvents"]
        return _sum_up(events)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReadingError(
            f"{path} is no trace that nacelle.profile(...).save_trace wrote ({type(error).__name__}: {error})"
        ) from error


def _sum_up(events: list[dict[str, Any]]) -> dict[str, EngineTimes]:
    names = {
        event["tid"]: str(event["args"]["name"])
        for event in events
        if event["ph"] == "M" and event["name"] == "thread_name" and event["pid"] == _LAYERS
    }
    times = {name: EngineTimes() for name in names.values()}
    spans: dict[tuple[str, int, str], Span] = {}
    calls: dict[str, set[int]] = {name: set() for name in times}
    for event in events:
        if event["ph"] != "X":
            continue
        process = int(event["pid"])
        engine = names[event["tid"]] if process == _LAYERS else str(event["args"]["engine"])
        name = str(event["name"])
        if (engine, process, name) not in spans:
            spans[engine, process, name] = Span(name)
            of_engine = times[engine]
            (of_engine.layers if process == _LAYERS else of_engine.phases).append(spans[engine, process, name])
        span = spans[engine, process, name]
        span.calls += 1
        span.total_ms += float(event["dur"]) / 1000
        calls[engine].add(int(event["args"]["call"]))
    for name, found in calls.items():
        times[name].calls = len(found)
    return times
