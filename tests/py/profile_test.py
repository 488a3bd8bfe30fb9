"""Measurements of the time in engines."""

import json
import threading
import time
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import TwoHeads, seeded

PHASES = ["context", "inputs", "shapes", "outputs", "stream", "addresses", "enqueue", "results"]


@pytest.fixture
def program() -> torch.jit.ScriptModule:
    return nacelle.compile(seeded(TwoHeads), [torch.zeros(1, 3, 8, 8)], name="net")


def test_one_engine_of_several(program: torch.jit.ScriptModule) -> None:
    class Pair(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = program
            self.second = nacelle.compile(seeded(TwoHeads), [torch.zeros(1, 3, 8, 8)], name="other")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.first(x)[0] + self.second(x)[0]

    pair = torch.jit.script(Pair())
    paths = [engine.path for engine in nacelle.read(pair).engines]
    with nacelle.profile(pair, engine=paths[1]) as profile:
        pair(torch.randn(1, 3, 8, 8))
    assert {phase.engine for phase in profile.phases} == {paths[1]}
    with pytest.raises(nacelle.InputError, match=r'there is no engine "third"; there are: first\.'):
        nacelle.profile(pair, engine="third").__enter__()


def test_every_call_has_its_phases_and_layers(program: torch.jit.ScriptModule) -> None:
    x = torch.randn(1, 3, 8, 8)
    wanted = program(x)
    before = time.perf_counter_ns()
    with nacelle.profile(program) as profile:
        for _ in range(3):
            found = program(x)
        assert profile.phases == []
    after = time.perf_counter_ns()
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    assert [(phase.call, phase.name) for phase in profile.phases] == [(i, name) for i in range(3) for name in PHASES]
    assert {phase.engine for phase in profile.phases} == {"net_trt_engine"}
    assert all(phase.duration_ns >= 0 for phase in profile.phases)
    assert before <= profile.phases[0].start_ns <= profile.phases[-1].start_ns <= after
    assert profile.layers
    assert all(layer.calls == 3 and layer.engine == "net_trt_engine" for layer in profile.layers)
    assert profile.layers[0].total_ms == pytest.approx(3 * profile.layers[0].mean_ms)


def test_calls_outside_of_it_are_not_recorded(program: torch.jit.ScriptModule) -> None:
    x = torch.randn(1, 3, 8, 8)
    with nacelle.profile(program) as first:
        program(x)
    program(x)
    with nacelle.profile(program) as second:
        program(x)
    assert len(first.phases) == len(second.phases) == len(PHASES)


def test_a_trace_is_what_perfetto_reads(program: torch.jit.ScriptModule, tmp_path: Path) -> None:
    with nacelle.profile(program) as profile:
        program(torch.randn(1, 3, 8, 8))
    profile.save_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    spans = [event for event in events if event["ph"] == "X"]
    assert [span["name"] for span in spans if span["pid"] == 0] == PHASES
    enqueue = next(span for span in spans if span["name"] == "enqueue")
    layers = [span for span in spans if span["pid"] == 1]
    assert layers[0]["ts"] == enqueue["ts"]
    assert all(span["dur"] >= 0 and span["tid"] == 0 for span in spans)
    names = {event["args"]["name"] for event in events if event["ph"] == "M"}
    assert names == {"host", "engine layers", "thread 0", "net_trt_engine"}
    assert [path.name for path in tmp_path.iterdir()] == ["trace.json"]


def test_threads_have_rows_of_their_own(program: torch.jit.ScriptModule) -> None:
    barrier = threading.Barrier(3)

    def work() -> None:
        barrier.wait()
        for _ in range(20):
            program(torch.randn(1, 3, 8, 8))

    threads = [threading.Thread(target=work) for _ in range(3)]
    with nacelle.profile(program) as profile:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({phase.thread for phase in profile.phases}) == 3
    assert len(profile.phases) == 60 * len(PHASES)


def test_one_profile_at_a_time(program: torch.jit.ScriptModule) -> None:
    with nacelle.profile(program):
        second = nacelle.profile(program)
        with pytest.raises(nacelle.InputError, match='engine "net" is profiled already; end the profile'):
            second.__enter__()
        program(torch.zeros(1, 3, 8, 8))
    with nacelle.profile(program) as profile:
        program(torch.zeros(1, 3, 8, 8))
    assert profile.phases


def test_a_call_that_fails_is_not_recorded(program: torch.jit.ScriptModule) -> None:
    with nacelle.profile(program) as profile, pytest.raises(nacelle.InputError):
        program(torch.zeros(2, 3, 8, 8))
    assert profile.phases == []


def test_a_module_that_holds_programs(program: torch.jit.ScriptModule) -> None:
    holder = torch.nn.Sequential(torch.nn.Identity(), program)
    with nacelle.profile(holder) as profile:
        holder(torch.randn(1, 3, 8, 8))
    assert {phase.engine for phase in profile.phases} == {"1.net_trt_engine"}
    with nacelle.profile(holder, engine="1.net_trt_engine") as profile:
        holder(torch.randn(1, 3, 8, 8))
    assert [phase.name for phase in profile.phases] == PHASES
    with pytest.raises(nacelle.InputError, match=r'there is no engine "net"; there are: 1\.net_trt_engine'):
        nacelle.profile(holder, engine="net").__enter__()
