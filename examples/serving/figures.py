"""Measures requests of several clients at once, for rows of the guide's table of figures."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Send = Callable[[Sequence[Tensor]], Sequence[Tensor]]

COLUMNS = ("way", "clients", "requests a second", "p50, ms", "p99, ms", "batch sizes of the engine's calls")


class WrongAnswerError(Exception):
    """A request got an answer that is not its own."""


@dataclass(frozen=True)
class Figures:
    """The figures of one measurement.

    Attributes:
        clients: Number of clients, each of which sends a request when its last one was answered.
        seconds: The time from the first request to the last answer.
        latencies: Milliseconds from a request to its answer, of every request.
        batch_sizes: Number of calls of the engine by batch size; empty if the server does not tell.
    """

    clients: int
    seconds: float
    latencies: tuple[float, ...]
    batch_sizes: Mapping[int, int] = field(default_factory=dict)

    @staticmethod
    def together(parts: "Sequence[Figures]") -> "Figures":
        """The figures of clients that were measured at once, in processes of their own."""
        sizes: Counter[int] = Counter()
        for part in parts:
            sizes.update(part.batch_sizes)
        return Figures(
            clients=sum(part.clients for part in parts),
            seconds=max(part.seconds for part in parts),
            latencies=tuple(took for part in parts for took in part.latencies),
            batch_sizes=sizes,
        )

    @property
    def requests_per_second(self) -> float:
        """Answered requests a second, of all clients together."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: float) -> float:
        """The latency in milliseconds that `percent` of 100 requests do not exceed."""
        return float(torch.tensor(self.latencies, dtype=torch.float64).quantile(percent / 100))

    def row(self, way: str) -> str:
        """The row of the guide's table, in Markdown; see `header`."""
        sizes = ", ".join(f"{size}: {count}" for size, count in sorted(self.batch_sizes.items()))
        cells = (
            way,
            str(self.clients),
            f"{self.requests_per_second:.0f}",
            f"{self.percentile(50):.2f}",
            f"{self.percentile(99):.2f}",
            sizes or "not told",
        )
        return f"| {' | '.join(cells)} |"


def header() -> str:
    """The first two lines of the table, in Markdown."""
    return f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"


def measure(
    send: Send,
    inputs: Sequence[Sequence[Tensor]],
    clients: int,
    seconds: float,
    expected: Sequence[Sequence[Tensor]] | None = None,
) -> Figures:
    """Sends requests from several threads at once, for a time.

    Every client sends one request before the clock starts, which is not measured.

    Args:
        send: Sends one request's tensors and returns the answer's; called by all clients at once.
        inputs: The requests, which each client goes round, beginning with a different one.
        clients: Number of threads that send, 1 or more.
        seconds: The time to measure; at least one request of each client is.
        expected: The right answer to each of `inputs`; every answer is compared with it, after its time was taken.

    Raises:
        WrongAnswerError: An answer is not the expected one.
        Exception: The first that `send` raised.
    """
    ready = threading.Barrier(clients + 1)
    stop = threading.Event()
    latencies: list[list[float]] = [[] for _ in range(clients)]
    failures: list[BaseException] = []

    def request(place: int) -> float:
        start = time.perf_counter()
        outputs = send(inputs[place])
        took = time.perf_counter() - start
        if expected is not None:
            _compare(outputs, expected[place], place)
        return took * 1e3

    def client(number: int) -> None:
        place = number % len(inputs)
        try:
            request(place)
            ready.wait()
            while True:
                latencies[number].append(request(place))
                place = (place + 1) % len(inputs)
                if stop.is_set():
                    break
        except threading.BrokenBarrierError:
            pass  # another client failed
        except BaseException as error:
            failures.append(error)
            ready.abort()
            stop.set()

    threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(clients)]
    for thread in threads:
        thread.start()
    start = time.perf_counter()
    try:
        ready.wait()
        start = time.perf_counter()
        stop.wait(seconds)
    except threading.BrokenBarrierError:
        pass  # failures has the reason
    finally:
        stop.set()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - start
    if failures:
        raise failures[0]
    return Figures(clients, elapsed, tuple(took for own in latencies for took in own))


def _compare(outputs: Sequence[Tensor], expected: Sequence[Tensor], place: int) -> None:
    if len(outputs) != len(expected):
        raise WrongAnswerError(f"request {place} got {len(outputs)} tensors; wanted {len(expected)}")
    for number, (output, wanted) in enumerate(zip(outputs, expected, strict=True)):
        found = output.cpu()
        if found.shape != wanted.shape:
            raise WrongAnswerError(
                f"request {place}, output {number} has the shape {list(found.shape)}; wanted {list(wanted.shape)}"
            )
        if not torch.allclose(found, wanted, rtol=1e-3, atol=1e-4):
            raise WrongAnswerError(
                f"request {place}, output {number} is off by {float((found - wanted).abs().max()):.3g} at most; "
                "wanted the values of its own request"
            )
