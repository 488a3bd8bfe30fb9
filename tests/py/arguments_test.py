"""The inputs of programs, told by their engines."""

import os
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import Detector, Head, TwoHeads, seeded
from torch_nacelle import arguments, device_of, example_inputs, example_tensor

RANGE = nacelle.Input(min=(1, 3, 8, 8), opt=(4, 3, 8, 8), max=(8, 3, 8, 8))
UPSTREAM = os.environ.get("NACELLE_UPSTREAM_DATA")


def test_an_engine_by_itself() -> None:
    (argument,) = arguments(nacelle.compile(seeded(TwoHeads), [RANGE], name="net"))
    assert (argument.name, argument.engine) == ("input_0", "net_trt_engine")
    assert argument.input is not None
    assert (argument.input.shape, argument.input.ranges) == (RANGE.shape, RANGE.ranges)
    assert argument.input.dtype == torch.float32


def test_an_engine_inside_of_a_program() -> None:
    (argument,) = arguments(nacelle.compile(seeded(Detector), {"backbone": [RANGE]}))
    assert (argument.name, argument.engine) == ("x", "backbone.backbone_trt_engine")


def test_what_goes_to_no_engine() -> None:
    program = nacelle.compile(seeded(Detector), {"head": [torch.rand(1, 8)]})
    (argument,) = arguments(program)
    assert (argument.name, argument.input, argument.engine) == ("x", None, None)
    with pytest.raises(
        nacelle.InputError, match=r"argument x are not known: it goes to no engine directly; give a tensor"
    ):
        example_inputs(program)


class Swapped(torch.nn.Module):
    def forward(self, image: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        return image.sum() + tokens.sum()


class Around(torch.nn.Module):
    """Gives its engine the arguments in another order, and has one with a default."""

    def __init__(self, engine: torch.nn.Module) -> None:
        super().__init__()
        self.engine = engine

    def forward(self, tokens: torch.Tensor, image: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        return self.engine(image, tokens) * scale


def test_arguments_in_another_order() -> None:
    tokens = nacelle.Input(
        min=[(1, 2), (1, 8)], opt=[(1, 4), (1, 16)], max=[(1, 8), (1, 32)], dtype=torch.int64, name="tokens"
    )
    image = nacelle.Input(shape=(1, 3, 8, 8), name="image")
    program = torch.jit.script(Around(nacelle.compile(Swapped(), [image, tokens])))
    found = {argument.name: argument.input for argument in arguments(program)}
    assert list(found) == ["tokens", "image", "scale"]
    assert [argument.name for argument in arguments(program) if not argument.required] == ["scale"]
    assert found["tokens"] == tokens
    shapes = {
        (profile, at): example_inputs(program, optimization_profile=profile, at=at)["tokens"].shape[1]
        for profile in (0, 1)
        for at in ("min", "opt", "max")
    }
    assert list(shapes.values()) == [2, 4, 8, 8, 16, 32]
    program(**example_inputs(program, optimization_profile=1, at="max"))


def test_made_up_values() -> None:
    generator = torch.Generator().manual_seed(0)
    assert set(example_tensor((1000,), torch.int64, generator=generator).tolist()) == set(range(10))
    assert set(example_tensor((100,), torch.bool, generator=generator).tolist()) == {False, True}
    assert abs(float(example_tensor((10000,), torch.float16, generator=generator).float().std()) - 1) < 0.1
    assert example_tensor((2,), torch.float32, fill="ones").tolist() == [1, 1]
    assert example_tensor((), torch.int32, fill="zeros").item() == 0


def test_a_program_of_the_reference_engine_is_on_the_cpu() -> None:
    assert device_of(nacelle.compile(seeded(Head), [torch.rand(1, 8)])) == torch.device("cpu")


@pytest.mark.skipif(
    not UPSTREAM, reason="programs that Torch-TensorRT saved: set NACELLE_UPSTREAM_DATA to their folder"
)
def test_an_engine_that_cannot_be_set_up() -> None:
    program = torch.jit.load(str(Path(UPSTREAM or "", "abi9_trt11.0.0_rtx5090.ts")), map_location="cpu")
    if not program._run_on_acc_0.engine.why_not_ready():
        return
    (argument,) = arguments(program)
    assert (argument.name, argument.engine, argument.input) == ("x", "_run_on_acc_0.engine", None)
    with pytest.raises(
        nacelle.InputError, match=r"argument x .*\"_run_on_acc_0_engine\" cannot run here.*give a tensor"
    ):
        example_inputs(program)
