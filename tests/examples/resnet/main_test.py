"""The ResNet example from outside."""

from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from examples.resnet import main
from examples.resnet.network import seeded_resnet18
from tests.examples.program import Run, call, succeed

RESNET = "examples/resnet/resnet"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resnet")


@pytest.fixture(scope="module")
def first_run(folder: Path) -> Run:
    return succeed(RESNET, "--side", "64", folder=folder)


def load(path: Path) -> torch.jit.ScriptModule:
    program: torch.jit.ScriptModule = torch.jit.load(str(path))
    return program


def test_engine_and_eager_pytorch_agree(first_run: Run) -> None:
    assert first_run.number("Largest difference to eager PyTorch") < 1e-4
    assert "Outputs: [3, 1000]" in first_run.output


def test_the_graph_is_printed(first_run: Run) -> None:
    graph = first_run.output[first_run.output.index("graph(") :]
    steps = [
        'prim::GetAttr[name="ResNet_trt_engine"]',
        "prim::ListConstruct",
        "tensorrt::execute_engine(",
        "ListUnpack",
    ]
    places = [graph.index(step) for step in steps]
    assert places == sorted(places)


@pytest.mark.parametrize("batch", [1, 8])
def test_the_saved_program_takes_any_batch_of_its_range(folder: Path, first_run: Run, batch: int) -> None:
    images = torch.randn(batch, 3, 64, 64)
    with torch.inference_mode():
        logits = load(folder / "resnet.ts")(images)
        torch.testing.assert_close(logits, seeded_resnet18()(images), atol=1e-4, rtol=0)


def test_a_batch_outside_of_its_range_is_refused(folder: Path, first_run: Run) -> None:
    with pytest.raises(Exception, match=r"images(.|\n)*9"):
        load(folder / "resnet.ts")(torch.zeros(9, 3, 64, 64))


def test_the_engine_is_in_the_file_and_listed(folder: Path, first_run: Run) -> None:
    (engine,) = nacelle.read(folder / "resnet.ts").engines
    assert engine.name == "ResNet"
    assert engine.path == "ResNet_trt_engine"
    assert engine.path in first_run.output and "images" in first_run.output


def test_weights_come_from_the_seed_alone() -> None:
    state = torch.random.get_rng_state()
    first, second, other = seeded_resnet18(), seeded_resnet18(), seeded_resnet18(seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    assert not torch.equal(first.head.weight, other.head.weight)
    assert sum(weight.numel() for weight in first.parameters()) == 11_689_512


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    ended = call(main.app, "--batch", "9", folder=tmp_path)
    assert ended.status == 2
    assert "--batch" in ended.error_text
    assert not list(tmp_path.iterdir())
