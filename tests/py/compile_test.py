"""Programs made from modules, with build_engine, embed and compile."""

import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import Detector, TwoHeads, seeded
from torch_nacelle import Input

IMAGES = Input(min=(1, 3, 8, 8), opt=(2, 3, 8, 8), max=(4, 3, 8, 8))


def assert_same(found: tuple[torch.Tensor, ...], wanted: tuple[torch.Tensor, ...]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_a_program_computes_what_the_module_computes() -> None:
    module = seeded(TwoHeads)
    program = nacelle.compile(module, [IMAGES])
    for batch in (1, 2, 4):
        x = torch.randn(batch, 3, 8, 8)
        assert_same(program(x), module(x))


def test_a_saved_program_runs_in_a_fresh_process(tmp_path: Path) -> None:
    module = seeded(TwoHeads)
    x = torch.randn(2, 3, 8, 8)
    nacelle.compile(module, [IMAGES]).save(str(tmp_path / "program.ts"))
    torch.save(x, tmp_path / "x.pt")
    code = (
        "import sys, torch, torch_nacelle; folder = sys.argv[1]\n"
        "program = torch.jit.load(folder + '/program.ts')\n"
        "torch.save(program(torch.load(folder + '/x.pt')), folder + '/y.pt')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert_same(torch.load(tmp_path / "y.pt"), module(x))


def test_the_same_arguments_give_the_same_plan_and_file(tmp_path: Path) -> None:
    plans = [nacelle.build_engine(seeded(TwoHeads), [IMAGES]) for _ in range(2)]
    assert plans[0] == plans[1]
    files = [tmp_path / folder / "net.ts" for folder in ("a", "b")]  # torch writes a file's name into it
    for path in files:
        path.parent.mkdir()
        nacelle.embed(plans[0], name="net").save(str(path))
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_module_is_left_as_it_is() -> None:
    module = seeded(TwoHeads).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    nacelle.compile(module, [torch.randn(1, 3, 8, 8)])
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_tensors_describe_inputs() -> None:
    program = nacelle.compile(seeded(TwoHeads), [torch.randn(1, 3, 8, 8)])
    with pytest.raises(nacelle.InputError, match="dimension 0 is 2; wanted 1"):
        program(torch.randn(2, 3, 8, 8))


def test_the_engine_tells_what_it_takes() -> None:
    program = nacelle.compile(seeded(TwoHeads), [IMAGES], name="net")
    engine = program.net_trt_engine
    assert engine.name() == "net"
    assert engine.abi_version() == 3
    assert engine.plan_release() == "reference engine, plan format 1"
    assert engine.inputs() == [
        ("input_0", "float32", [-1, 3, 8, 8], [[[1, 3, 8, 8], [2, 3, 8, 8], [4, 3, 8, 8]]]),
    ]
    assert [(name, dtype, shape) for name, dtype, shape, _ in engine.outputs()] == [
        ("output_0", "float32", [-1, 10]),
        ("output_1", "float32", [-1, 4]),
    ]
    assert engine.optimization_profile_count() == 1
    assert engine.why_not_ready() == ""
    assert "input_0: float32 [-1, 3, 8, 8], from [1, 3, 8, 8] to [4, 3, 8, 8]" in str(engine)


def test_submodules_become_engines_and_the_rest_stays_torchscript() -> None:
    module = seeded(Detector)
    program = nacelle.compile(
        module,
        {"backbone": [IMAGES], "head.box": [Input(min=(1, 8), max=(4, 8))]},
    )
    assert [engine.path for engine in nacelle.read(program).engines] == [
        "backbone.backbone_trt_engine",
        "head.box.head_box_trt_engine",
    ]
    for sign in (1.0, -1.0):
        x = sign * torch.rand(3, 3, 8, 8)
        assert_same(program(x), module(x))
    assert isinstance(module.get_submodule("backbone.conv"), torch.nn.Conv2d)


def test_hybrid_programs_are_in_eval_mode() -> None:
    module = seeded(Detector)
    x = torch.rand(1, 3, 8, 8)
    wanted = module(x)
    program = nacelle.compile(module.train(), {"backbone": [IMAGES]})
    assert_same(program(x), wanted)
    assert module.training


def test_a_submodule_used_twice_is_one_engine() -> None:
    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Linear(4, 4)
            self.second = self.first

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(x))

    module = seeded(Twice)
    program = nacelle.compile(module, {"first": [torch.ones(1, 4)]})
    x = torch.randn(1, 4)
    torch.testing.assert_close(program(x), module(x))


def test_control_flow_is_kept_by_scripting() -> None:
    class Branch(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if bool(x.sum() > 0):
                return x + 1.0
            return x - 1.0

    program = nacelle.compile(Branch(), [torch.ones(2)])
    assert torch.equal(program(torch.ones(2)), torch.full((2,), 2.0))
    assert torch.equal(program(-torch.ones(2)), torch.full((2,), -2.0))


def test_what_cannot_be_scripted_is_traced() -> None:
    class Keyed(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            values: dict[object, torch.Tensor] = {"a": x, 1: x}  # TorchScript's dicts have keys of one type
            return values["a"] * 2.0

    program = nacelle.compile(Keyed(), [torch.ones(2)])
    assert torch.equal(program(torch.ones(2)), torch.full((2,), 2.0))
    with pytest.raises(nacelle.InputError, match="scripting it failed"):
        nacelle.compile(Keyed(), [torch.ones(2)], method="script")


@pytest.mark.parametrize(
    "dtype",
    [torch.float32, torch.float16, torch.bfloat16, torch.int8, torch.int32, torch.int64, torch.uint8, torch.bool],
)
def test_every_dtype_goes_through(dtype: torch.dtype) -> None:
    class Flip(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flip(0)

    x = torch.tensor([0, 1, 1, 0, 0]).to(dtype)
    program = nacelle.compile(Flip(), [x])
    y = program(x)
    assert y.dtype == dtype
    assert torch.equal(y, x.flip(0))


def test_names_of_inputs_and_outputs() -> None:
    plan = nacelle.build_engine(
        seeded(TwoHeads), [Input(shape=(1, 3, 8, 8), name="image")], output_names=["classes", "boxes"]
    )
    program = nacelle.embed(plan, abi_version=4, output_names=["boxes", "classes"])
    (engine,) = nacelle.read(program).engines
    assert (engine.input_names, engine.output_names) == (["image"], ["boxes", "classes"])
    boxes, classes = program(torch.randn(1, 3, 8, 8))
    assert (boxes.shape, classes.shape) == ((1, 4), (1, 10))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: nacelle.build_engine(seeded(TwoHeads), []), nacelle.InputError, ["inputs is empty"]),
        (
            lambda: nacelle.build_engine(seeded(TwoHeads), [IMAGES], backend="gpu"),  # type: ignore[arg-type]
            nacelle.InputError,
            ["no backend 'gpu'", "reference"],
        ),
        (lambda: nacelle.build_engine(3, [IMAGES]), nacelle.InputError, ["found int"]),  # type: ignore[arg-type]
        (
            lambda: nacelle.build_engine(seeded(TwoHeads), [torch.ones(1, 3, 8, 8, dtype=torch.float64)]),
            nacelle.InputError,
            ["input_0", "float64"],
        ),
        (
            lambda: nacelle.build_engine(seeded(TwoHeads), [torch.ones(1, 4, 8, 8)]),
            nacelle.InputError,
            ["[1, 4, 8, 8]"],
        ),
        (
            lambda: nacelle.compile(seeded(Detector), {"neck": [IMAGES]}),
            nacelle.InputError,
            ["no submodule 'neck'", "backbone"],
        ),
        (
            lambda: nacelle.compile(seeded(Detector), {"head": [IMAGES], "head.box": [IMAGES]}),
            nacelle.InputError,
            ["'head.box' is inside 'head'"],
        ),
        (lambda: nacelle.embed("text"), nacelle.InputError, ["must be bytes, found str"]),  # type: ignore[arg-type]
        (lambda: nacelle.embed(b"not a plan"), nacelle.PlanError, ["not a plan"]),
    ],
)
def test_what_is_wrong_is_named(call: object, error: type[Exception], words: list[str]) -> None:
    with pytest.raises(error) as caught:
        call()  # type: ignore[operator]
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("method", ["script", "trace"])
def test_an_operator_that_changed_since_the_first_archives_is_in_a_plan(method: Literal["script", "trace"]) -> None:
    # torch writes the version of such an archive under another name, ".data/version".
    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.GELU())
    program = nacelle.compile(module, [nacelle.Input(shape=(2, 4))], backend="reference", method=method, check=True)
    assert program(torch.zeros(2, 4)).shape == (2, 4)
