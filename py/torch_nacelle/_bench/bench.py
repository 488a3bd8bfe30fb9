"""Measures the time of a program's calls, and the runtime's share of it."""

import math
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from torch_nacelle import _C
from torch_nacelle._bench.benchmark import Benchmark
from torch_nacelle._bench.conditions import conditions
from torch_nacelle._bench.figures import CallParts, MemoryUse, Throughput, Times
from torch_nacelle._bench.plot import check_plot
from torch_nacelle._bench.profile import Profile, profile
from torch_nacelle._programs.archives import PathLike, ProgramSource
from torch_nacelle._programs.running import CallInputs, caller, device_of, named_inputs
from torch_nacelle._runtime import checks
from torch_nacelle._runtime.holders import AnyProgram, is_package, joined
from torch_nacelle._runtime.settings import to
from torch_nacelle._saving.load import load as load_file
from torch_nacelle.errors import InputError

Progress = Callable[[float], None]

_MIN_CALLS = 3
_ENGINE = "enqueue"  # the phase that is the engine's own; see PhaseTime


def bench(
    program: AnyProgram | ProgramSource,
    inputs: CallInputs | Callable[[Any], CallInputs] | None = None,
    *,
    device: str | torch.device | None = None,
    seconds: float = 10.0,
    threads: Sequence[int] = (1, 2, 4),
    progress: Progress | None = None,
    plot: PathLike | None = None,
) -> Benchmark:
    """Measures the calls of a program: latency, throughput by threads, the runtime's share, memory.

    Calls are made in ``torch.inference_mode``, after a tenth of the time as warm-up.

    Args:
        program: A program that ``load`` returned, an ``nn.Module``, such as an ``EngineModule`` or one that
            ``torch.compile`` made, or a program's file, as a path or open for reading bytes. A file is loaded, as
            ``load`` does it, and called: give one that you trust.
        inputs: The tensors to call it with, by name or in the order of forward's arguments, or a function of the
            program that returns them; left out, made up, of the shapes that its engines are fastest at, if it tells
            them; see ``arguments``.
        device: The device to run it on; left out, that of its tensors, or the current GPU if its engines need one.
        seconds: The time to measure, about; at least three calls of each kind are made.
        threads: Numbers of threads to measure throughput with.
        progress: Is told every now and then how many seconds more have been measured.
        plot: A file to draw the figures into, as ``Benchmark.save_plot`` does. Its name is checked before anything is
            measured.

    Returns:
        The figures.

    Raises:
        InputError: The program's inputs cannot be told, or an argument is wrong.
        Error: A call of the program raised it.
    """
    _check(seconds, threads)
    if plot is not None:
        check_plot(plot)
    before = _Before.now()
    started = time.perf_counter_ns()
    loaded: Any = program
    given_loaded = isinstance(program, torch.nn.Module) or is_package(program)
    if not given_loaded:
        loaded = load_file(loaded, device)
    load = None if given_loaded else (time.perf_counter_ns() - started) / 1e6
    if device is not None and (given_loaded or isinstance(loaded, torch.jit.ScriptModule)):
        to(loaded, device)
    where = device_of(loaded) if device is None else checks.device(device)
    named = named_inputs(loaded, inputs(loaded) if callable(inputs) else inputs)
    call = caller(loaded, named)
    runner = _Runner(loaded, call, [tensor.to(where) for tensor in named.values()], where, progress or (lambda _: None))
    runner.warm_up(seconds / 10)
    copies = where.type != "cpu"
    has_engines = _has_engines(loaded)
    part = seconds * 0.9 / (2 + copies + has_engines)  # each measurement runs as long as the others
    host, on_device = runner.alone(part)
    end_to_end = runner.end_to_end(part, [tensor.cpu() for tensor in named.values()]) if copies else host
    parts = runner.parts(part) if has_engines else None
    throughput = tuple(runner.throughput(count, part / len(threads)) for count in threads)
    benchmark = Benchmark(
        device=torch.cuda.get_device_name(where) if where.type == "cuda" else str(where),
        inputs=tuple((name, str(one.dtype).removeprefix("torch."), tuple(one.shape)) for name, one in named.items()),
        load=load,
        host=host,
        on_device=on_device,
        end_to_end=end_to_end,
        throughput=throughput,
        parts=parts,
        memory=before.memory(where, given_loaded),
        conditions=conditions(),
    )
    if plot is not None:
        benchmark.save_plot(plot)
    return benchmark


def _has_engines(program: AnyProgram) -> bool:
    """True if there are engines to profile; torch 2.11 does not give those of a package."""
    if is_package(program) and not hasattr(program.loader, "get_custom_objs"):
        return False
    return bool(_C.find_engines(joined(program)))


def _check(seconds: object, threads: object) -> None:
    if not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
        raise InputError(f"seconds is {seconds!r}; wanted more than 0 and a finite number")
    listed = list(threads) if isinstance(threads, Sequence) and not isinstance(threads, str) else None
    if not listed or not all(isinstance(count, int) and count >= 1 for count in listed):
        found = repr(threads) if listed is None else listed
        raise InputError(f"threads is {found}; wanted a list of one number or more, each 1 or more")


class _Runner:
    """Calls of one program with the same inputs, on one device."""

    def __init__(
        self,
        program: AnyProgram,
        call: Callable[..., Any],
        inputs: list[torch.Tensor],
        device: torch.device,
        progress: Progress,
    ) -> None:
        self._program = program
        self._call = call
        self._inputs = inputs
        self._device = device
        self._cuda = device.type == "cuda"
        self._progress = progress

    def warm_up(self, seconds: float) -> None:
        """Calls until shapes, contexts and caches are there."""
        with torch.inference_mode():
            for _ in self._turns(seconds):
                self._call(*self._inputs)
                self._wait()

    def alone(self, seconds: float) -> tuple[Times, Times | None]:
        """One call at a time: until it returns, and between events on the device."""
        host: list[float] = []
        device: list[float] = []
        events = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if self._cuda else []
        with torch.inference_mode(), self._stream():
            for _ in self._turns(seconds):
                if events:
                    events[0].record()
                start = time.perf_counter_ns()
                self._call(*self._inputs)
                end = time.perf_counter_ns()
                host.append((end - start) / 1e6)
                if events:
                    events[1].record()
                    events[1].synchronize()
                    device.append(events[0].elapsed_time(events[1]))
        return Times(tuple(host)), Times(tuple(device)) if device else None

    def end_to_end(self, seconds: float, inputs: list[torch.Tensor]) -> Times:
        """Times of calls from inputs in the host's (pinned) memory to outputs there."""
        pinned = [tensor.pin_memory() for tensor in inputs]
        samples: list[float] = []
        with torch.inference_mode(), self._stream():
            for _ in self._turns(seconds):
                start = time.perf_counter_ns()
                outputs = self._call(*(tensor.to(self._device, non_blocking=True) for tensor in pinned))
                _to_host(outputs)
                samples.append((time.perf_counter_ns() - start) / 1e6)
        return Times(tuple(samples))

    def parts(self, seconds: float) -> CallParts:
        """Calls that are profiled, taken apart."""
        spans: list[tuple[int, int]] = []
        with torch.inference_mode(), self._stream(), profile(self._program) as recorded:
            for _ in self._turns(seconds):
                start = time.perf_counter_ns()
                self._call(*self._inputs)
                spans.append((start, time.perf_counter_ns()))
        return parts_of_calls(spans, recorded)

    def throughput(self, threads: int, seconds: float) -> Throughput:
        """Threads that call all the time; the first exception of one of them is raised."""
        ready = threading.Barrier(threads + 1)
        stop = threading.Event()
        counts = [0] * threads
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                with torch.inference_mode(), self._stream():
                    self._call(*self._inputs)  # what a first call of a thread sets up is not measured
                    self._wait()
                    ready.wait()
                    while not stop.is_set():
                        self._call(*self._inputs)
                        self._wait()
                        counts[number] += 1
            except BaseException as error:
                failures.append(error)
                ready.abort()

        workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(threads)]
        for worker in workers:
            worker.start()
        start = time.perf_counter()
        try:
            ready.wait()
            reported = start = time.perf_counter()
            while not failures and reported - start < seconds:
                time.sleep(min(0.1, seconds))
                now = time.perf_counter()
                self._progress(now - reported)
                reported = now
        except threading.BrokenBarrierError:
            pass  # failures has the reason
        finally:
            stop.set()
        for worker in workers:
            worker.join()
        elapsed = time.perf_counter() - start
        for failure in failures:
            if not isinstance(failure, threading.BrokenBarrierError):
                raise failure
        return Throughput(threads, sum(counts), sum(counts) / elapsed)

    def _turns(self, seconds: float) -> Iterator[None]:
        """Yields until the time is over, and a few times at least."""
        reported = start = time.perf_counter()
        calls = 0
        while True:
            now = time.perf_counter()
            if now - reported > 0.1:
                self._progress(now - reported)
                reported = now
            if calls >= _MIN_CALLS and now - start >= seconds:
                return
            yield
            calls += 1

    def _stream(self) -> AbstractContextManager[Any]:
        """A stream of its own, on CUDA."""
        return torch.cuda.stream(torch.cuda.Stream(self._device)) if self._cuda else nullcontext()

    def _wait(self) -> None:
        if self._cuda:
            torch.cuda.current_stream(self._device).synchronize()


def parts_of_calls(spans: Sequence[tuple[int, int]], recorded: Profile) -> CallParts:
    """Gives each phase to the call in whose time it began, and takes medians over calls.

    Args:
        spans: Begin and end of each call, in nanoseconds.
        recorded: The profile of these calls.
    """
    starts = [start for start, _ in spans]
    names = list(dict.fromkeys(phase.name for phase in recorded.phases))
    by_call: list[dict[str, int]] = [dict.fromkeys(names, 0) for _ in spans]
    for phase in recorded.phases:
        by_call[bisect_right(starts, phase.start_ns) - 1][phase.name] += phase.duration_ns
    engine = [call.get(_ENGINE, 0) for call in by_call]
    phases = [sum(call.values()) for call in by_call]
    runtime = [all_of_them - own for all_of_them, own in zip(phases, engine, strict=True)]
    rest = [end - start - inside for (start, end), inside in zip(spans, phases, strict=True)]
    return CallParts(
        engine=_median_ms(engine),
        runtime=_median_ms(runtime),
        rest=_median_ms(rest),
        phases={name: _median_ms([call[name] for call in by_call]) for name in names if name != _ENGINE},
    )


def _median_ms(nanoseconds: Sequence[int]) -> float:
    return Times(tuple(value / 1e6 for value in nanoseconds)).percentile(50)


def _to_host(value: Any) -> None:
    """Copies the tensors of a result to the host; done when it returns."""
    if isinstance(value, torch.Tensor):
        value.cpu()
    elif isinstance(value, Mapping):
        _to_host(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            _to_host(item)


@dataclass(frozen=True)
class _Before:
    """MemoryUse before a program is loaded."""

    host: int
    device_free: int | None

    @staticmethod
    def now() -> "_Before":
        free = torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else None
        if free is not None:
            torch.cuda.reset_peak_memory_stats()
        return _Before(_status("VmRSS"), free)

    def memory(self, device: torch.device, given_loaded: bool) -> MemoryUse:
        on_gpu = device.type == "cuda"
        rise = None
        if on_gpu and self.device_free is not None and not given_loaded:
            rise = self.device_free - torch.cuda.mem_get_info(device)[0]
        return MemoryUse(
            host_before=None if given_loaded else self.host,
            host_peak=_status("VmHWM"),
            device_peak=torch.cuda.max_memory_allocated(device) if on_gpu else None,
            device_rise=rise,
        )


def _status(field: str) -> int:
    """A number of bytes that Linux tells of this process."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0
