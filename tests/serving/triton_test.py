"""Programs in a real Triton server, from the command that writes them to the answers that clients get."""

import threading
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import torch_nacelle as nacelle
from examples.serving.figures import measure
from examples.serving.triton_client import RequestError, TritonClient
from examples.serving.triton_process import TritonProcess
from tests.py.cli.commands import nacelle as command

LONG_DELAY = 20_000_000
"""Microseconds that a request waits for others: far longer than the test takes to send them."""


class TwoEngines(torch.nn.Module):
    """Two engines, the second of which gets the first one's output and an operator of torch between them."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            first, second = torch.nn.Linear(6, 4), torch.nn.Linear(4, 3)
        self.first = engine(first, nacelle.Input(min=(1, 6), opt=(4, 6), max=(8, 6), name="images"))
        self.second = engine(second, nacelle.Input(min=(1, 4), opt=(4, 4), max=(8, 4), name="features"))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.first(images)
        return {"features": features, "scores": self.second(torch.relu(features))}


class Sums(torch.nn.Module):
    def forward(self, series: Tensor) -> Tensor:
        return series.cumsum(1) * 2


class OtherKinds(torch.nn.Module):
    """bool, int64, float16, and one number for each row. Only ids of 0 to 9 are in its table."""

    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.arange(10) * 3)

    def forward(self, x: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return x > 0, self.table[ids], x.half(), x.sum(1)


class Positive(torch.nn.Module):
    """The places of positive numbers: as many rows as there are."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.nonzero(x > 0)


def engine(model: torch.nn.Module, *inputs: nacelle.Input, data_dependent: bool = False) -> torch.nn.Module:
    outputs = ["output_0"] if data_dependent else []
    return nacelle.compile(model.eval(), list(inputs), container="module", backend="reference", data_dependent=outputs)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository, as the command line writes it, and the programs beside it."""
    folder: Path = tmp_path_factory.mktemp("triton")
    for seed in (1, 2):
        nacelle.save(
            TwoEngines(seed),
            folder / f"two_{seed}.pt2",
            inputs=[nacelle.Input(min=(1, 6), opt=(4, 6), max=(8, 6))],
        )
    nacelle.save(engine(Sums(), nacelle.Input(min=(1, 4), opt=(4, 8), max=(8, 16), name="series")), folder / "sums.pt2")
    kinds = [
        nacelle.Input(min=(1, 3), opt=(2, 3), max=(4, 3), name="x"),
        nacelle.Input(min=(1,), opt=(2,), max=(4,), dtype=torch.int64, name="ids"),
    ]
    nacelle.save(engine(OtherKinds(), *kinds), folder / "kinds.ts")
    places = nacelle.Input(min=(1, 3), opt=(2, 3), max=(4, 3), name="x")
    nacelle.save(engine(Positive(), places, data_dependent=True), folder / "places.ts")
    write(folder, "two_1.pt2", "--name", "two")
    write(folder, "two_1.pt2", "--name", "batched", "--queue-delay", str(LONG_DELAY))
    write(folder, "sums.pt2")
    write(folder, "kinds.ts", "--queue-delay", str(LONG_DELAY))
    write(folder, "places.ts", "--max-batch-size", "0")
    write(folder, "sums.pt2", "--name", "damaged")
    program = folder / "models/damaged/1/program.pt2"
    program.write_bytes(program.read_bytes()[:-1000])
    write(folder, "sums.pt2", "--name", "exchanged")
    (folder / "models/exchanged/1/program.pt2").write_bytes((folder / "kinds.ts").read_bytes())
    return folder / "models"


def write(folder: Path, program: str, *options: str) -> None:
    outcome = command("triton", folder / program, "-o", folder / "models", *options)
    assert outcome.code == 0, outcome.err


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonProcess]:
    """A server that has loaded one model; tests load others. Its log is in the report of a test that fails."""
    running = TritonProcess(models, tmp_path_factory.mktemp("server"), load=["two"])
    try:
        with running:
            yield running
    finally:
        print(running.log.read_text(encoding="utf-8", errors="replace"))


@pytest.fixture
def client(server: TritonProcess) -> Iterator[TritonClient]:
    made = TritonClient(server.address)
    yield made
    made.close()


def at_once(
    server: TritonProcess, model: str, requests: list[dict[str, Tensor]]
) -> list[dict[str, Tensor] | RequestError]:
    """Sends requests from a client each, and returns their answers."""

    def send(inputs: dict[str, Tensor]) -> dict[str, Tensor] | RequestError:
        own = TritonClient(server.address)
        try:
            return own.infer(model, inputs)
        except RequestError as error:
            return error
        finally:
            own.close()

    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(send, requests))


def two(seed: int, models: Path) -> Callable[[Tensor], Mapping[str, Tensor]]:
    program = nacelle.load(models.parent / f"two_{seed}.pt2")
    return lambda images: program(images)


def images(count: int, seed: int) -> Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))


def close(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(torch.allclose(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("batch", [1, 5, 8])
def test_two_engines_answer(client: TritonClient, models: Path, batch: int) -> None:
    assert close(client.infer("two", {"images": images(batch, 0)}), two(1, models)(images(batch, 0)))


def test_it_was_warmed_up(client: TritonClient) -> None:
    log = client.statistics("two")
    assert log["inference_count"] >= 9 and {1, 8} <= set(client.batch_sizes("two"))


def test_requests_are_one_call(client: TritonClient, server: TritonProcess, models: Path) -> None:
    client.load("batched")
    before = client.batch_sizes("batched")
    program = two(1, models)

    sent = [images(1, number) for number in range(4)]
    answers = at_once(server, "batched", [{"images": one} for one in sent])
    for answer, one in zip(answers, sent, strict=True):
        assert isinstance(answer, dict) and close(answer, program(one))
    after = client.batch_sizes("batched")
    assert {size: count - before.get(size, 0) for size, count in after.items()} == {1: 0, 4: 1, 8: 0}


def test_a_shape_outside_of_the_profiles_gets_our_words(client: TritonClient) -> None:
    client.load("sums")
    wrong, right = torch.ones(1, 32), torch.ones(1, 8)
    with pytest.raises(RequestError) as caught:
        client.infer("sums", {"series": wrong})
    assert caught.value.status == 500
    assert 'input "series" has the shape [1, 32]; wanted [1..8, 4..16]' in str(caught.value)
    torch.testing.assert_close(client.infer("sums", {"series": right})["output_0"], Sums()(right))
    largest = torch.ones(8, 16)
    torch.testing.assert_close(client.infer("sums", {"series": largest})["output_0"], Sums()(largest))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"images": torch.zeros(9, 6)}, "batch-size must be <= 8"),
        ({"images": torch.zeros(1, 7)}, "unexpected shape for input 'images'"),
        ({"images": torch.zeros(1, 6, dtype=torch.float64)}, "data-type"),
        ({"pictures": torch.zeros(1, 6)}, "pictures"),
    ],
)
def test_triton_refuses_what_the_configuration_rules_out(
    client: TritonClient, inputs: dict[str, Tensor], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        client.infer("two", inputs)


def test_every_dtype_and_a_number_for_each_row(client: TritonClient) -> None:
    client.load("kinds")
    x, ids = torch.tensor([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]]), torch.tensor([[5], [7]])  # a batch of the best size
    found = client.infer("kinds", {"x": x, "ids": ids})
    wanted = OtherKinds()(x, ids.flatten())
    assert list(found) == [f"output_{place}" for place in range(4)]
    for place, one in enumerate(wanted):
        expected = one.reshape(2, -1)
        torch.testing.assert_close(found[f"output_{place}"], expected)


def test_one_wrong_request_spoils_no_other_of_its_batch(client: TritonClient, server: TritonProcess) -> None:
    client.load("kinds")
    x = torch.tensor([[1.0, -2.0, 3.0]])
    right, wrong = at_once(server, "kinds", [{"x": x, "ids": torch.tensor([[id]])} for id in (9, 99)])
    assert isinstance(right, dict) and right["output_1"].item() == 27
    assert isinstance(wrong, RequestError) and "index" in str(wrong) and "OtherKinds" in str(wrong)


@pytest.mark.parametrize("x", [torch.tensor([[1.0, -1.0, 2.0]]), torch.ones(4, 3), torch.zeros(2, 3)])
def test_outputs_that_depend_on_values_are_served_without_batches(client: TritonClient, x: Tensor) -> None:
    if not client.is_ready("places"):
        client.load("places")
    assert torch.equal(client.infer("places", {"x": x})["output_0"], Positive()(x))


def test_a_damaged_program_leaves_the_model_unready(client: TritonClient) -> None:
    with pytest.raises(RequestError) as caught:
        client.load("damaged")
    assert "program.pt2" in str(caught.value) and "docs/troubleshooting.md#inputerror" in str(caught.value)
    assert not client.is_ready("damaged") and client.is_ready("two")


def test_another_program_than_the_configuration_tells_is_named(client: TritonClient) -> None:
    with pytest.raises(RequestError, match=r"config.pbtxt has the inputs series \(TYPE_FP32\), and the program x "):
        client.load("exchanged")
    assert not client.is_ready("exchanged")


def test_a_python_without_the_package_is_named(client: TritonClient, models: Path) -> None:
    environment = models.parent / "environment"
    venv.EnvBuilder(symlinks=True).create(environment)
    (site,) = environment.glob("lib/python3.*/site-packages")
    numpy = Path(np.__file__).parent  # Triton's own module imports it
    for folder in (numpy, numpy.with_name("numpy.libs")):
        (site / folder.name).symlink_to(folder)
    write(models.parent, "sums.pt2", "--name", "elsewhere", "--environment", str(environment))
    with pytest.raises(RequestError) as caught:
        client.load("elsewhere")
    assert f"the Python of {environment} has no module torch_nacelle; name an environment" in str(caught.value)


def test_ten_clients_get_their_own_answers(server: TritonProcess, models: Path) -> None:
    program = two(1, models)
    requests = [images(1 + seed % 3, seed) for seed in range(20)]
    expected = [list(program(one).values()) for one in requests]
    local = threading.local()

    def send(tensors: Sequence[Tensor]) -> list[Tensor]:
        if not hasattr(local, "client"):
            local.client = TritonClient(server.address)
        answer = local.client.infer("two", {"images": tensors[0]})
        return [answer["features"], answer["scores"]]

    figures = measure(send, [[one] for one in requests], clients=10, seconds=2, expected=expected)
    assert len(figures.latencies) >= 10


def test_a_reload_serves_the_new_program(client: TritonClient, models: Path) -> None:
    x = images(3, 0)
    write(models.parent, "two_2.pt2", "--name", "two", "--force")
    assert close(client.infer("two", {"images": x}), two(1, models)(x))  # the model that is loaded stays
    client.load("two")
    assert close(client.infer("two", {"images": x}), two(2, models)(x))


def test_a_failed_reload_keeps_the_model(client: TritonClient, models: Path) -> None:
    x = images(3, 0)
    before = client.infer("two", {"images": x})
    program = models / "two/1/program.pt2"
    content = program.read_bytes()
    program.unlink()  # the file that is loaded may be mapped
    program.write_bytes(content[:-1000])
    with pytest.raises(RequestError, match=r"program\.pt2"):
        client.load("two")
    assert close(client.infer("two", {"images": x}), before)
    program.unlink()
    program.write_bytes(content)


def test_a_killed_server_starts_again(client: TritonClient, server: TritonProcess) -> None:
    x = images(3, 0)
    before = client.infer("two", {"images": x})
    group = server.pid
    server.kill()
    with pytest.raises(OSError):
        client.infer("two", {"images": x})
    end = time.monotonic() + 120
    while _is_alive(group):  # the processes of its instances see that it is gone
        assert time.monotonic() < end, "processes of a killed server are left"
        time.sleep(0.1)
    server.start()
    assert close(client.infer("two", {"images": x}), before)


def _is_alive(group: int) -> bool:
    """True if a process of the group runs; one that has ended and that nobody has waited for does not."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = path.read_text(encoding="utf-8").rpartition(")")[2].split()[:3]
        except OSError:  # it has ended just now
            continue
        if int(its_group) == group and state not in "ZX":
            return True
    return False
