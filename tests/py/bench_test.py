"""The measurements of a benchmark; figures are checked only if the test made them known."""

import sys
import threading
import time
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import Detector, TwoHeads, seeded
from torch_nacelle import Times

RANGE = nacelle.Input(min=(1, 3, 8, 8), opt=(4, 3, 8, 8), max=(8, 3, 8, 8))
PHASES = ["context", "inputs", "shapes", "outputs", "stream", "addresses", "results"]


def test_percentiles_are_times_that_calls_took() -> None:
    times = Times(tuple(float(value) for value in reversed(range(1, 201))))
    assert times.summary() == {"calls": 200, "mean": 100.5, "p50": 100, "p90": 180, "p99": 198}
    assert Times((7.0,)).summary() == {"calls": 1, "mean": 7, "p50": 7, "p90": 7, "p99": 7}


class Waits(torch.nn.Module):
    """Takes ten milliseconds."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.nacelle_bench_test.wait(x)


@torch.library.custom_op("nacelle_bench_test::wait", mutates_args=())
def wait(x: torch.Tensor) -> torch.Tensor:
    time.sleep(0.01)
    calls.append(threading.get_ident())
    return x.clone()


calls: list[int] = []


def test_a_call_of_known_length() -> None:
    program = torch.jit.trace(Waits(), torch.ones(1), check_trace=False)
    calls.clear()
    steps: list[float] = []
    begun = time.perf_counter()
    result = nacelle.bench(program, [torch.ones(1)], seconds=1.2, threads=(1, 3), progress=steps.append)
    elapsed = time.perf_counter() - begun
    assert result.host.percentile(50) >= 10
    assert sum(result.host.samples) < elapsed * 1000
    assert result.end_to_end is result.host
    assert (result.parts, result.on_device, result.load, result.device) == (None, None, None, "cpu")
    assert [one.threads for one in result.throughput] == [1, 3]
    assert all(0 < one.calls_per_second <= 100 * one.threads for one in result.throughput)
    assert len(set(calls)) >= 4  # this thread and three more, at once
    assert 0.84 < sum(steps) < elapsed


def test_the_parts_of_a_call() -> None:
    result = nacelle.bench(nacelle.compile(seeded(Detector), {"backbone": [RANGE]}), seconds=0.4, threads=[1])
    assert result.inputs == (("x", "float32", (4, 3, 8, 8)),)
    parts = result.parts
    assert parts is not None
    assert list(parts.phases) == PHASES
    assert parts.engine > 0
    assert parts.rest > 0
    assert parts.runtime <= sum(parts.phases.values()) * 2


def test_a_file_is_loaded_and_what_it_took_is_told(tmp_path: Path) -> None:
    path = tmp_path / "program.ts"
    nacelle.compile(seeded(TwoHeads), [RANGE]).save(str(path))
    result = nacelle.bench(path, seconds=0.1, threads=[1])
    assert result.load is not None
    assert result.load > 0
    assert result.memory.host_before is not None
    assert result.memory.host_before <= result.memory.host_peak
    assert result.memory.device_peak is None
    facts = result.to_dict()
    assert facts["latency_ms"]["device"] is None
    assert facts["latency_ms"]["host"]["calls"] == result.host.calls >= 3
    assert facts["parts_ms"]["phases"].keys() == set(PHASES)
    assert facts["throughput"][0]["threads"] == 1


class Refuses(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert bool((x < 5).all()), "too large"
        return x


def test_what_a_call_raises_is_raised() -> None:
    program = nacelle.compile(Refuses(), [torch.zeros(2)])
    with pytest.raises(nacelle.ExecutionError, match="too large"):
        nacelle.bench(program, {"input_0": torch.full((2,), 9.0)}, seconds=0.1)


@torch.library.custom_op("nacelle_bench_test::here_only", mutates_args=())
def here_only(x: torch.Tensor) -> torch.Tensor:
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("called from another thread")
    return x.clone()


class HereOnly(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.nacelle_bench_test.here_only(x)


def test_what_a_call_raises_in_a_thread_is_raised_and_no_thread_stays() -> None:
    program = torch.jit.trace(HereOnly(), torch.ones(1), check_trace=False)
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="called from another thread"):
        nacelle.bench(program, [torch.ones(1)], seconds=0.2, threads=[3])
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"seconds": 0}, "seconds is 0; wanted more than 0"),
        ({"threads": ()}, r"threads is \[\]"),
        ({"threads": (1, 0)}, r"threads is \[1, 0\]"),
        ({"inputs": {"y": torch.ones(1)}}, "forward has no argument y; it has: input_0"),
        ({"inputs": [torch.ones(1)] * 2}, r"forward takes 1 arguments \(input_0\), found 2 inputs"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], words: str) -> None:
    program = nacelle.compile(seeded(TwoHeads), [RANGE])
    with pytest.raises(nacelle.InputError, match=words):
        nacelle.bench(program, **{"seconds": 0.1, **arguments})  # type: ignore[arg-type]


def test_files_that_are_no_programs(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file .*missing\.ts"):
        nacelle.bench(tmp_path / "missing.ts")
    (tmp_path / "text.ts").write_text("text")
    with pytest.raises(nacelle.InputError, match=r"text\.ts is no TorchScript program: it begins with 74 65 78 74"):
        nacelle.bench(tmp_path / "text.ts")


@pytest.fixture(scope="module")
def measured() -> nacelle.Benchmark:
    return nacelle.bench(nacelle.compile(seeded(TwoHeads), [RANGE]), seconds=0.1, threads=[1, 2])


def test_a_plot_is_drawn(measured: nacelle.Benchmark, tmp_path: Path) -> None:
    measured.save_plot(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    measured.save_plot(tmp_path / "plot.svg")
    drawn = (tmp_path / "plot.svg").read_text()
    assert drawn.rstrip().endswith("</svg>")
    assert {path.name for path in tmp_path.iterdir()} == {"plot.png", "plot.svg"}


def test_plots_that_cannot_be_drawn(
    measured: nacelle.Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(nacelle.InputError, match=r"written as \.png or \.svg, found .*plot\.bmp"):
        measured.save_plot(tmp_path / "plot.bmp")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(nacelle.InputError, match="the package matplotlib, which is not installed"):
        measured.save_plot(tmp_path / "plot.png")
    assert list(tmp_path.iterdir()) == []
