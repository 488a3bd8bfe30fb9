"""check: programs that compute what they should, and that do not."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

import torch_nacelle as nacelle
from tests.py.networks import Detector, Quantized, TwoHeads, seeded
from torch_nacelle import Input
from torch_nacelle._check.check import THRESHOLDS, precision_of
from torch_nacelle._check.compare import compare

IMAGES = Input(min=(1, 3, 8, 8), opt=(2, 3, 8, 8), max=(4, 3, 8, 8))
TWO_HEADS = Path("tests/data/two_heads/two_heads.onnx")


def program_of(function: Callable[..., Any], inputs: list[Any]) -> torch.jit.ScriptModule:
    class Module(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            return function(x)

    return nacelle.compile(Module(), inputs, backend="reference", method="trace")


class Function(torch.nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors: torch.Tensor) -> Any:
        return self.function(*tensors)


def off_by(error: float) -> torch.nn.Module:
    """TwoHeads whose boxes are off by `error`, measured by the largest."""

    class Off(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = seeded(TwoHeads)
            self.error = error

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            classes, boxes = self.module(x)
            boxes = boxes.clone()
            boxes[-1, 2] += self.error * boxes.abs().max()
            return classes, boxes

    return Off()


def test_every_profile_is_run_at_min_opt_and_max() -> None:
    two = Input(min=[(1, 3, 8, 8), (5, 3, 8, 8)], opt=[(2, 3, 8, 8), (6, 3, 8, 8)], max=[(4, 3, 8, 8), (8, 3, 8, 8)])
    module = seeded(TwoHeads)
    program = nacelle.compile(module, [two], backend="reference")
    report = nacelle.check(program, module)
    cases = [(one.case, one.input_shapes[0][0]) for one in report.outputs if one.output == "output_1"]
    assert cases == [
        ("optimization profile 0, min", 1),
        ("optimization profile 0, opt", 2),
        ("optimization profile 0, max", 4),
        ("optimization profile 1, min", 5),
        ("optimization profile 1, opt", 6),
        ("optimization profile 1, max", 8),
    ]
    assert report.passed
    assert len(report.outputs) == 12
    program(torch.ones(2, 3, 8, 8))  # no profile is left chosen: both ranges are open
    program(torch.ones(7, 3, 8, 8))


def test_what_is_off_is_named() -> None:
    program = nacelle.compile(seeded(TwoHeads), [IMAGES], backend="reference")
    assert nacelle.check(program, off_by(0.9e-3)).passed
    with pytest.raises(nacelle.CheckError) as caught:
        nacelle.check(program, off_by(0.02))
    message = str(caught.value)
    for words in (
        "in 3 of 6 outputs",
        "optimization profile 0, ",
        "inputs of the shapes [",
        "output_1: relative error 2.00e-02; element [",
        ", 2] is ",
        "wanted ",
        "allowed is a relative error of 0.001 (fp32)",
    ):
        assert words in message
    report = caught.value.report
    assert [one.comparison.within(report.threshold) for one in report.outputs] == [True, False] * 3
    assert report.worst.output == "output_1"
    assert nacelle.check(program, off_by(0.02), threshold=0.03).passed
    assert nacelle.check(program, off_by(0.009), precision="fp16").threshold == 1e-2
    with pytest.raises(nacelle.InputError, match="no precision 'fp8'; there are: fp32, tf32, fp16, bf16, int8"):
        nacelle.check(program, off_by(0.0), precision="fp8")  # type: ignore[arg-type]


def test_the_report_prints_as_a_table() -> None:
    program = nacelle.compile(seeded(TwoHeads), [torch.ones(1, 3, 8, 8)], backend="reference")
    report = nacelle.check(program, seeded(TwoHeads))
    lines = str(report).splitlines()
    assert lines[0].split() == ["case", "inputs", "output", "relative", "error"]
    assert lines[1].split() == ["fixed", "shapes", "[1,", "3,", "8,", "8]", "output_0", "0.00e+00", "ok"]
    assert lines[3].startswith("relative error allowed: 0.001 (fp32); worst: relative error 0.00e+00")
    console = Console(width=120, record=True, quiet=True, file=None)
    with console.capture() as captured:
        Console(width=120, file=console.file)
    text = Console(width=120, record=True)
    with text.capture() as captured:
        text.print(report)
    assert "output_1" in captured.get()
    assert "relative error allowed" in captured.get()


@pytest.mark.parametrize(
    ("found", "wanted", "error"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 4.1], [1.0, 4.0], 0.025),
        ([0.1, 4.0], [0.0, 4.0], 0.025),
        ([0.0, -4.4], [0.0, -4.0], 0.1),
        ([0.0, 0.5], [0.0, 0.0], 0.5),
        ([math.inf, math.nan, 1.0], [math.inf, math.nan, 1.0], 0.0),
        ([math.inf, 3.0], [math.inf, 2.0], 0.5),
    ],
)
def test_relative_error(found: list[float], wanted: list[float], error: float) -> None:
    comparison = compare(torch.tensor(found), torch.tensor(wanted))
    assert comparison.problem == ""
    assert comparison.error == pytest.approx(error, rel=1e-6)
    assert comparison.within(error * 1.001)
    assert error == 0.0 or not comparison.within(error * 0.999)


def test_the_worst_element_is_found() -> None:
    wanted = torch.arange(24.0).reshape(2, 3, 4)
    found = wanted.clone()
    found[1, 0, 2] += 2.3
    comparison = compare(found, wanted)
    assert comparison.index == (1, 0, 2)
    assert comparison.found == pytest.approx(16.3)
    assert comparison.wanted == 14.0
    assert comparison.error == pytest.approx(0.1)
    assert comparison.element_error == pytest.approx(2.3 / 14)


def test_integers_count_by_share() -> None:
    assert compare(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 9, 4])).error == 0.25
    assert compare(torch.tensor([True, False]), torch.tensor([True, True])).error == 0.5
    assert compare(torch.zeros(0), torch.zeros(0)).error == 0.0
    # TensorRT before 10 has no int64.
    assert compare(torch.tensor([1, 2], dtype=torch.int32), torch.tensor([1, 2])).error == 0.0


@pytest.mark.parametrize(
    ("found", "wanted", "words"),
    [
        (torch.zeros(2, 3), torch.zeros(3, 2), "shape [2, 3]; wanted [3, 2]"),
        (torch.zeros(2), torch.zeros(2, dtype=torch.float16), "dtype float32; wanted float16"),
        (
            torch.tensor([1.0, math.nan]),
            torch.tensor([1.0, 2.0]),
            "1 of 2 elements are NaN or infinite on one side only",
        ),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, math.nan]), "element [1] is 2; wanted nan"),
        (torch.tensor([math.inf]), torch.tensor([-math.inf]), "element [0] is inf; wanted -inf"),
    ],
)
def test_what_cannot_be_measured_fails_at_any_threshold(found: torch.Tensor, wanted: torch.Tensor, words: str) -> None:
    comparison = compare(found, wanted)
    assert words in comparison.problem
    assert words in comparison.summary
    assert not comparison.within(1e9)


def test_shapes_dtypes_and_counts_of_outputs_must_be_the_same() -> None:
    program = program_of(lambda x: x * 2.0, [torch.ones(2, 3)])
    for function, words in (
        (lambda x: (x * 2.0).t(), r"shape \[2, 3\]; wanted \[3, 2\]"),
        (lambda x: (x * 2.0).half(), "dtype float32; wanted float16"),
        (lambda x: (x * 2.0, x), "1 outputs; wanted 2"),
        (lambda x: x * math.nan, "NaN or infinite on one side only"),
    ):
        with pytest.raises(nacelle.CheckError, match=words):
            nacelle.check(program, Function(function), threshold=1e9)


def test_given_tensors_are_taken() -> None:
    program = program_of(torch.relu, [Input(min=(1,), max=(4,))])
    wrong = Function(lambda x: x)  # right for what is not negative
    report = nacelle.check(program, wrong, [torch.ones(3)])
    assert [(one.case, one.input_shapes) for one in report.outputs] == [("given inputs", ((3,),))]
    with pytest.raises(nacelle.CheckError, match="worst: given inputs 1, "):
        nacelle.check(program, wrong, [[torch.ones(3)], [-torch.ones(2)]])
    with pytest.raises(nacelle.InputError, match="inputs is empty"):
        nacelle.check(program, wrong, [])


def test_values_are_made_up_from_the_seed() -> None:
    seen: list[torch.Tensor] = []

    def record(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.clone())
        return torch.relu(x)

    program = program_of(torch.relu, [Input(min=(8,), max=(9,))])
    nacelle.check(program, Function(record))
    nacelle.check(program, Function(record))
    nacelle.check(program, Function(record), seed=1)
    sizes = [8, 9, 9]
    assert [len(one) for one in seen] == sizes * 3
    assert all(torch.equal(one, other) for one, other in zip(seen[:3], seen[3:6], strict=True))
    assert not torch.equal(seen[0], seen[6])
    assert not torch.equal(seen[1], seen[2])


def test_the_original_is_left_as_it_is_and_run_in_eval_mode() -> None:
    class Drops(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop = torch.nn.Dropout(0.5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.drop(x)

    module = Drops().train()
    program = nacelle.compile(module, [torch.ones(50)], backend="reference", check=True)
    assert nacelle.check(program, module).passed
    assert module.training
    assert module.drop.training


def test_onnx_originals_run_in_onnxruntime(tmp_path: Path) -> None:
    module = seeded(TwoHeads)
    path = tmp_path / "two_heads.onnx"
    torch.onnx.export(
        module, (torch.ones(2, 3, 8, 8),), str(path), dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}}
    )
    program = nacelle.compile(module, [IMAGES], backend="reference")
    assert nacelle.check(program, path).passed
    assert nacelle.check(program, path.read_bytes()).passed
    with pytest.raises(nacelle.InputError, match="the original must be an nn"):
        nacelle.check(program, 3)


def test_originals_that_fail_are_told() -> None:
    program = program_of(torch.relu, [torch.ones(2)])
    with pytest.raises(
        nacelle.InputError, match=r"the original fails on fixed shapes \(float32 \[2\]\): .*give inputs"
    ):
        nacelle.check(program, torch.nn.Linear(3, 3))


def test_hybrid_programs_are_checked_by_engine_or_as_a_whole() -> None:
    module = seeded(Detector)
    engines = {"backbone": [IMAGES], "head.box": [Input(min=(1, 8), max=(4, 8))]}
    nacelle.compile(module, engines, backend="reference", check=True)
    program = nacelle.compile(module, engines, backend="reference", check=[IMAGES])
    assert len(nacelle.check(program, module).outputs) == 6
    head = nacelle.compile(module, {"head": [Input(min=(1, 8), max=(4, 8))]}, backend="reference")
    with pytest.raises(nacelle.InputError, match=r"of argument x are not known: it goes to no engine directly; give"):
        nacelle.check(head, module)
    assert len(nacelle.check(program, module, [IMAGES]).outputs) == 6


ORIGINALS_WITHOUT_A_MODE = [
    "compiled",
    "hybrid",
    "frozen",
    "frozen trace",
    "optimized",
    "loaded",
    "held",
    "held frozen",
]


class Holder(torch.nn.Module):
    """Returns what another module returns; names of tensors differ."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        classes, boxes = self.inner(x)
        return classes, boxes


def without_a_mode(which: str, module: torch.nn.Module, folder: Path) -> torch.nn.Module:
    """`module` in a form that has no attribute training, or holds a part that has none."""
    if which == "compiled":
        return nacelle.compile(module, [IMAGES], backend="reference", name="other")
    if which in ("hybrid", "loaded"):
        hybrid = nacelle.compile(Holder(module), {"inner": [IMAGES]}, backend="reference")
        hybrid.save(str(folder / "hybrid.ts"))
        return torch.jit.load(str(folder / "hybrid.ts")) if which == "loaded" else hybrid
    if which == "held":
        return torch.nn.Sequential(nacelle.compile(module, [IMAGES], backend="reference"))
    script = torch.jit.trace(module, torch.rand(2, 3, 8, 8)) if which == "frozen trace" else torch.jit.script(module)
    if which == "optimized":
        return torch.jit.optimize_for_inference(script)
    frozen = torch.jit.freeze(script)
    return Holder(frozen) if which == "held frozen" else frozen


@pytest.mark.parametrize("which", ORIGINALS_WITHOUT_A_MODE)
def test_originals_that_have_no_mode(which: str, tmp_path: Path) -> None:
    module = seeded(TwoHeads)
    program = nacelle.compile(module, [IMAGES], backend="reference")
    original = without_a_mode(which, module, tmp_path)
    report = nacelle.check(program, original, [IMAGES])
    assert len(report.outputs) == 3 * 2
    assert report.passed
    with pytest.raises(nacelle.CheckError, match="worst: optimization profile 0, "):
        nacelle.check(program, without_a_mode(which, off_by(0.1).eval(), tmp_path), [IMAGES])


def test_an_original_with_engines_is_called_as_a_program() -> None:
    """Its engines may take int32 for tensors of int64, as those of TensorRT before 10 do."""
    program = nacelle.compile(Function(lambda x: x + 1), [torch.ones(3, dtype=torch.int64)], method="trace")
    narrow = nacelle.compile(Function(lambda x: x + 1), [torch.ones(3, dtype=torch.int32)], method="trace")
    report = nacelle.check(program, narrow, [torch.tensor([1, 2, 3])])
    assert report.passed
    assert report.notes == ("output_0 is int64 and was int32: compared by value",)


def test_frozen_models_are_compiled_and_checked() -> None:
    frozen = torch.jit.freeze(torch.jit.script(seeded(TwoHeads)))
    nacelle.compile(frozen, [IMAGES], backend="reference", check=True)
    nacelle.compile(Holder(frozen), {"inner": [IMAGES]}, backend="reference", check=True)


def test_an_engine_does_not_become_a_part_of_another() -> None:
    compiled = nacelle.compile(seeded(TwoHeads), [IMAGES], backend="reference")
    for model, inputs in ((compiled, [IMAGES]), (Holder(compiled), {"inner": [IMAGES]})):
        with pytest.raises(nacelle.InputError, match="tensorrt::execute_engine, which is not one of torch's own"):
            nacelle.compile(model, inputs, backend="reference")


def test_parts_that_have_a_mode_keep_it() -> None:
    module = seeded(TwoHeads)
    program = nacelle.compile(module, [IMAGES], backend="reference")
    original = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.jit.freeze(torch.jit.script(module))).train()
    assert nacelle.check(program, original, [IMAGES]).passed
    assert original.training
    assert original[0].training


def test_a_module_that_holds_the_program_is_checked() -> None:
    module = seeded(TwoHeads)
    program = nacelle.compile(module, [IMAGES], backend="reference")
    assert nacelle.check(torch.nn.Sequential(program), module, [IMAGES]).passed


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (seeded(TwoHeads), "TwoHeads holds no program; wanted a program, as nacelle.compile or torch.jit.load"),
        ("a.ts", "found str; wanted a program, .*: load the file with torch.jit.load"),
        (Path("a.ts"), "found PosixPath; .*: load the file with torch.jit.load"),
        (None, "found NoneType; wanted a program"),
        (torch.ones(2), "found Tensor; wanted a program"),
    ],
    ids=["module", "text", "path", "none", "tensor"],
)
def test_what_is_no_program_is_told(program: Any, words: str) -> None:
    with pytest.raises(nacelle.InputError, match=words):
        nacelle.check(program, seeded(TwoHeads), [IMAGES])


def test_what_is_read_is_told_from_what_is_loaded() -> None:
    module = seeded(TwoHeads)
    read = nacelle.read(nacelle.compile(module, [IMAGES], backend="reference"))
    with pytest.raises(nacelle.InputError, match=r"found Program; wanted a program, .*: give its \.module"):
        nacelle.check(read, module)  # type: ignore[arg-type]
    assert nacelle.check(read.module, module).passed


class Random(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand_like(x)


def test_a_module_with_scales_for_int8() -> None:
    inputs = [Input(min=(1, 4, 16, 16), max=(4, 4, 16, 16))]
    nacelle.compile(seeded(Quantized), inputs, backend="reference", check=True)


def test_compile_raises_what_check_finds() -> None:
    with pytest.raises(nacelle.CheckError, match="optimization profile 0, "):
        nacelle.compile(Random(), [Input(min=(1, 4), max=(2, 4))], backend="reference", check=True)

    class Holder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.random = Random()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.random(x)

    with pytest.raises(nacelle.CheckError, match="fixed shapes, inputs of the shapes"):
        nacelle.compile(Holder(), {"random": [torch.ones(4)]}, backend="reference", check=True)


@pytest.mark.parametrize(
    ("backend", "options", "dtype", "wanted"),
    [
        ("reference", {}, torch.float32, "fp32"),
        ("reference", {}, torch.float16, "fp16"),
        ("tensorrt", {}, torch.float32, "tf32"),  # TensorRT's own default
        ("tensorrt", {"tf32": False}, torch.float32, "fp32"),
        ("tensorrt", {"tf32": False, "fp16": True}, torch.float32, "fp16"),
        ("tensorrt", {"fp16": True, "bf16": True}, torch.float32, "bf16"),
        ("tensorrt", {"int8": True}, torch.float32, "int8"),
        ("tensorrt", {"strongly_typed": True}, torch.bfloat16, "bf16"),
    ],
)
def test_the_threshold_follows_the_precision(
    backend: str, options: dict[str, object], dtype: torch.dtype, wanted: str
) -> None:
    assert precision_of(backend, options, [Input(shape=(1,), dtype=dtype)]) == wanted
    assert wanted in THRESHOLDS
