"""The parts of profiled calls, from times that the test makes up."""

from torch_nacelle._bench.bench import parts_of_calls
from torch_nacelle._bench.profile import PhaseTime, Profile

MILLISECOND = 1_000_000  # nanoseconds


def phase(name: str, start: int, duration: int) -> PhaseTime:
    """A phase of a call; its times are in milliseconds."""
    return PhaseTime("net", 0, 0, name, start * MILLISECOND, duration * MILLISECOND)


def test_medians_in_milliseconds() -> None:
    # Three calls of 20, 30 and 90 ms. Each has 5, 6 or 40 ms of TensorRT, and 3, 4 or 20 ms of the runtime.
    spans = [(0, 20), (100, 130), (200, 290)]
    phases = [
        phase("context", 1, 1), phase("enqueue", 2, 5), phase("results", 7, 2),
        phase("context", 100, 1), phase("enqueue", 101, 6), phase("results", 107, 3),
        phase("context", 200, 10), phase("enqueue", 210, 40), phase("results", 250, 10),
    ]  # fmt: skip
    times = [(start * MILLISECOND, end * MILLISECOND) for start, end in spans]
    parts = parts_of_calls(times, Profile(phases=phases))
    assert (parts.engine, parts.runtime, parts.rest) == (6, 4, 20)
    assert parts.phases == {"context": 1, "results": 3}


def test_phases_of_one_name_in_a_call_are_added() -> None:
    phases = [phase("enqueue", 1, 2), phase("outputs", 3, 1), phase("enqueue", 5, 4), phase("outputs", 9, 2)]
    parts = parts_of_calls([(0, 12 * MILLISECOND)], Profile(phases=phases))
    assert (parts.engine, parts.runtime, parts.rest) == (6, 3, 3)
    assert parts.phases == {"outputs": 3}
