"""Measures the time in a program's engines."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from torch_nacelle import _C
from torch_nacelle._programs.program import PathLike
from torch_nacelle._runtime import checks
from torch_nacelle._runtime.files import replacing
from torch_nacelle._runtime.holders import AnyProgram, require_program


@dataclass(frozen=True)
class LayerTime:
    """A layer of an engine, over all calls of a profile.

    Attributes:
        engine: The engine's path in the program.
        name: The layer's name, as TensorRT gives it.
        calls: Number of calls that reported it.
        mean_ms: Milliseconds on the device, mean.
        total_ms: Milliseconds on the device, all calls together.
    """

    engine: str
    name: str
    calls: int
    mean_ms: float
    total_ms: float


@dataclass(frozen=True)
class PhaseTime:
    """A part of the runtime's work on the host for a call of an engine.

    Attributes:
        engine: The engine's path in the program.
        call: The number of the engine's call, from 0.
        thread: The number of the thread that called.
        name: ``context`` (taking an execution context), ``inputs`` (checking addresses, copying what needs it),
            ``shapes``, ``outputs`` (their memory), ``stream`` (waiting for others' work to be ordered), ``addresses``,
            ``enqueue`` (TensorRT's enqueueV3, which waits for the device while it is profiled), ``results``.
        start_ns: Its begin, in nanoseconds of ``time.perf_counter_ns``'s clock on Linux.
        duration_ns: Its duration, in nanoseconds.
    """

    engine: str
    call: int
    thread: int
    name: str
    start_ns: int
    duration_ns: int


@dataclass
class Profile:
    """The times that a profile recorded; complete when the ``with`` block of ``profile`` has ended.

    Attributes:
        phases: Parts of the calls on the host, by engine and call.
        layer_calls: (engine, call, layer, milliseconds), in the order in which TensorRT reports layers.
    """

    phases: list[PhaseTime] = field(default_factory=list)
    layer_calls: list[tuple[str, int, str, float]] = field(default_factory=list)

    @property
    def layers(self) -> list[LayerTime]:
        """Layers by engine, those that take longest first."""
        times: dict[tuple[str, str], list[float]] = {}
        for engine, _, layer, milliseconds in self.layer_calls:
            times.setdefault((engine, layer), []).append(milliseconds)
        layers = [
            LayerTime(engine, layer, len(values), sum(values) / len(values), sum(values))
            for (engine, layer), values in times.items()
        ]
        return sorted(layers, key=lambda layer: layer.total_ms, reverse=True)

    def save_trace(self, path: PathLike) -> None:
        """Writes a Chrome trace, for Perfetto or chrome://tracing.

        Host phases are on a row per thread. TensorRT tells how long layers take and not when they ran: on the row of
        the engine's layers they follow one another from the moment at which their call was enqueued.

        Args:
            path: The file, JSON; written to a temporary name and moved.
        """
        with replacing(path) as temporary:
            Path(temporary).write_text(json.dumps({"traceEvents": self._events(), "displayTimeUnit": "ns"}))

    def _events(self) -> list[dict[str, object]]:
        threads = {thread: i for i, thread in enumerate(dict.fromkeys(phase.thread for phase in self.phases))}
        engines = {engine: i for i, engine in enumerate(dict.fromkeys(phase.engine for phase in self.phases))}
        events = [_name("process_name", 0, 0, "host"), _name("process_name", 1, 0, "engine layers")]
        events += [_name("thread_name", 0, row, f"thread {row}") for row in threads.values()]
        events += [_name("thread_name", 1, row, engine) for engine, row in engines.items()]
        enqueued: dict[tuple[str, int], float] = {}
        for phase in self.phases:
            start = phase.start_ns / 1000
            details = {"engine": phase.engine, "call": phase.call}
            events.append(_span(phase.name, 0, threads[phase.thread], start, phase.duration_ns / 1000, details))
            if phase.name == "enqueue":
                enqueued[phase.engine, phase.call] = start
        for engine, call, layer, milliseconds in self.layer_calls:
            start = enqueued.get((engine, call), 0.0)
            events.append(_span(layer, 1, engines[engine], start, milliseconds * 1000, {"call": call}))
            enqueued[engine, call] = start + milliseconds * 1000
        return events


@contextmanager
def profile(program: AnyProgram, engine: str | None = None) -> Iterator[Profile]:
    """Records the times of a program's engines: layers on the device, phases on the host.

        with nacelle.profile(program) as profile:
            program(images)
        print(profile.layers[:5])
        profile.save_trace("trace.json")

    While it is on, each call of an engine waits for the device; off, it costs nothing. How much TensorRT tells of
    layers is set when a plan is built. Ranges for Nsight Systems come without it: ``configure(program, nvtx=True)``.

    Args:
        program: A loaded program of any kind, or an ``nn.Module`` that holds programs or engines; any thread may call
            it meanwhile.
        engine: The path of the engine to record, as ``nacelle.read(program).engines`` gives it; the paths in what it
            records are these. Left out: all of them.

    Yields:
        The profile, empty until the block ends.

    Raises:
        InputError: There is no such engine, no program, or an engine that is profiled already.
    """
    result = Profile()
    started = _C.start_timing(require_program(program), checks.engine_path(engine))
    try:
        yield result
    finally:
        for profiled in started:
            for call, (thread, phases, layers) in enumerate(profiled.stop()):
                result.phases += [
                    PhaseTime(profiled.path, call, thread, name, start, end - start) for name, start, end in phases
                ]
                result.layer_calls += [(profiled.path, call, name, milliseconds) for name, milliseconds in layers]


def _name(what: str, process: int, thread: int, name: str) -> dict[str, object]:
    return {"name": what, "ph": "M", "pid": process, "tid": thread, "args": {"name": name}}


def _span(
    name: str, process: int, thread: int, start: float, duration: float, details: dict[str, object]
) -> dict[str, object]:
    return {"name": name, "ph": "X", "pid": process, "tid": thread, "ts": start, "dur": duration, "args": details}
