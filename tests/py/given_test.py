"""Arguments of callers, such as a tensor for a list or a text for a number: an answer or a clear error."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import Detector, TwoHeads, seeded
from torch_nacelle import Input

X = torch.rand(2, 3, 8, 8)
X_INPUT = Input(shape=(2, 3, 8, 8))
REFERENCE: Any = {"backend": "reference"}


def compiled(inputs: Any, **others: Any) -> torch.jit.ScriptModule:
    return nacelle.compile(seeded(TwoHeads), inputs, **REFERENCE, **others)


@pytest.fixture(scope="module")
def program() -> torch.jit.ScriptModule:
    return compiled([X], name="net")


@pytest.fixture(scope="module")
def plan() -> bytes:
    return nacelle.build_engine(torch.nn.ReLU(), [torch.rand(2)], **REFERENCE)


@pytest.mark.parametrize("inputs", [X, X_INPUT, (X,), [X_INPUT]], ids=["tensor", "Input", "tuple", "list"])
def test_one_input_needs_no_list(inputs: Any, program: torch.jit.ScriptModule) -> None:
    module = seeded(TwoHeads)
    wanted = module(X)
    for made in (
        compiled(inputs),
        compiled([X], check=inputs),
        nacelle.embed(nacelle.build_engine(module, inputs, **REFERENCE)),
        nacelle.compile(torch.export.export(module, (X,)), inputs, **REFERENCE),
    ):
        torch.testing.assert_close(made(X), wanted)
    assert nacelle.check(program, module, inputs).passed
    detector = seeded(Detector)
    torch.testing.assert_close(nacelle.compile(detector, {"backbone": inputs}, **REFERENCE)(X), detector(X))


@pytest.mark.parametrize("value", [torch.rand(3), torch.rand(()), torch.rand(0)], ids=["1d", "0d", "empty"])
def test_one_tensor_of_any_rank(value: torch.Tensor) -> None:
    made = nacelle.compile(torch.nn.ReLU(), value, **REFERENCE)
    torch.testing.assert_close(made(value), value)
    assert nacelle.check(made, torch.nn.ReLU(), value).passed
    assert nacelle.bench(made, value, seconds=0.01).inputs == (("input_0", "float32", tuple(value.shape)),)


NO_INPUTS: dict[str, tuple[Any, str]] = {
    "array": (X.numpy(), "of type ndarray; wanted a list .*: make a tensor of the array with torch.from_numpy"),
    "text": ("x", "of type str; wanted a list with a tensor or a torch_nacelle.Input for each input"),
    "number": (3, "of type int; wanted a list"),
    "set": ({X}, "of type set; wanted a list"),
    "array in a list": ([X.numpy()], "tensor or a torch_nacelle.Input, found ndarray: make a tensor of the array"),
    "shape": ((2, 3, 8, 8), "tensor or a torch_nacelle.Input, found int"),
    "shape in a list": ([(2, 3, 8, 8)], r"found tuple: give torch_nacelle\.Input\(shape=\(2, 3, 8, 8\)\)"),
}


@pytest.mark.parametrize("which", NO_INPUTS)
def test_what_describes_no_inputs(which: str, program: torch.jit.ScriptModule) -> None:
    value, words = NO_INPUTS[which]
    ways: list[Callable[[], object]] = [
        lambda: compiled(value),
        lambda: nacelle.build_engine(seeded(TwoHeads), value, **REFERENCE),
        lambda: nacelle.compile(seeded(Detector), {"backbone": value}, **REFERENCE),
    ]
    if which != "shape in a list":  # a list of lists of tensors is several calls
        ways += [lambda: nacelle.check(program, seeded(TwoHeads), value), lambda: compiled([X], check=value)]
    for way in ways:
        with pytest.raises(nacelle.InputError, match=words):
            way()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (X.numpy(), "inputs is of type ndarray; wanted a list"),
        ([X.numpy()], "input input_0 is of type ndarray; a program is called with tensors"),
        (X_INPUT, "input input_0 is of type Input; a program is called with tensors"),
        ({"input_0": 3}, "input input_0 is of type int; a program is called with tensors"),
        ({"x": X}, "forward has no argument x; it has: input_0"),
        ([], "an input for argument input_0 of forward is missing; given: none"),
        ({}, "an input for argument input_0 of forward is missing; given: none"),
        ([X, X], r"forward takes 1 arguments \(input_0\), found 2 inputs"),
        ("x", "inputs is of type str; wanted a list"),
        (3, "inputs is of type int; wanted a list"),
    ],
    ids=str,
)
def test_what_a_program_cannot_be_measured_with(program: torch.jit.ScriptModule, value: Any, words: str) -> None:
    with pytest.raises(nacelle.InputError, match=words):
        nacelle.bench(program, value, seconds=0.01)


def bench_with(**arguments: Any) -> Callable[..., object]:
    return lambda program, **_: nacelle.bench(program, X, **({"seconds": 0.01} | arguments))


def configured(**settings: Any) -> Callable[..., object]:
    return lambda program, **_: nacelle.configure(program, **settings)


def embedded(**arguments: Any) -> Callable[..., object]:
    return lambda plan, **_: nacelle.embed(plan, **arguments)


def converted(**arguments: Any) -> Callable[..., object]:
    return lambda path, **_: nacelle.convert(path, **({"destination": path, "abi_version": 5} | arguments))


WRONG: list[tuple[Callable[..., object], str]] = [
    (bench_with(seconds="1"), "seconds is '1'; wanted more than 0 and a finite number"),
    (bench_with(seconds=float("inf")), "seconds is inf; wanted more than 0 and a finite number"),
    (bench_with(threads=2), "threads is 2; wanted a list of one number or more"),
    (bench_with(threads="2"), "threads is '2'; wanted a list of one number or more"),
    (bench_with(threads=[1.5]), r"threads is \[1\.5\]; wanted a list of one number or more"),
    (bench_with(device="gpu"), "there is no device 'gpu'; give cpu, cuda or cuda:1"),
    (configured(max_contexts="3"), "setting max_contexts is '3'; wanted a whole number"),
    (configured(max_contexts=None), "setting max_contexts is None; wanted a whole number"),
    (configured(plan_copies=1.5), "setting plan_copies is 1.5; wanted a whole number"),
    (configured(max_contexts=2**40), "setting max_contexts is 1099511627776; wanted a whole number"),
    (configured(optimization_profile="x"), "setting optimization_profile is 'x'; wanted a whole number or None"),
    (configured(move_inputs="yes"), "setting move_inputs is 'yes'; wanted True or False"),
    (configured(engine=0), "engine is of type int; wanted its path, as nacelle.read"),
    (lambda program, **_: nacelle.profile(program, 0).__enter__(), "engine is of type int; wanted its path"),  # type: ignore[arg-type]
    (lambda program, **_: nacelle.to(program, "gpu"), "there is no device 'gpu'; give cpu, cuda or cuda:1"),
    (lambda program, **_: nacelle.to(program, None), "there is no device None; give cpu"),  # type: ignore[arg-type]
    (lambda program, **_: nacelle.check(program, seeded(TwoHeads), X, threshold="a"), "threshold is 'a'; wanted a num"),  # type: ignore[arg-type]
    (
        lambda program, **_: nacelle.check(program, seeded(TwoHeads), X, threshold=-1),
        "threshold is -1; wanted a number",
    ),
    (lambda program, **_: nacelle.check(program, seeded(TwoHeads), threshold=float("nan")), "threshold is nan; wanted"),
    (
        lambda program, **_: nacelle.check(program, seeded(TwoHeads), seed=2**70),
        "seed is 1180591620717411303424; wanted",
    ),
    (embedded(name=3), "name is of type int; wanted a text"),
    (embedded(name="\udcff"), "which UTF-8 cannot hold; wanted another name"),
    (
        embedded(input_names="input_0"),
        r"input_names is the text 'input_0'; wanted a list of texts, such as \['input_0'\]",
    ),
    (embedded(output_names=[3]), r"output_names\[0\] is of type int; wanted a text"),
    (embedded(output_names=3), "output_names is of type int; wanted a list of texts"),
    (embedded(abi_version="3"), "abi_version is '3'; wanted a whole number"),
    (embedded(abi_version=2**70), "abi_version is 1180591620717411303424; wanted a number of 64 bits"),
    (embedded(hardware_compatible="yes"), "hardware_compatible is 'yes'; wanted True or False"),
    (embedded(device=0), 'there is no device "0"; give cpu, cuda, cuda:1'),
    (converted(abi_version="5"), "abi_version is '5'; wanted a whole number"),
    (converted(abi_version=None), "abi_version is None; wanted a whole number"),
    (converted(drop="metadata"), r"drop is the text 'metadata'; wanted a list of texts, such as \['metadata'\]"),
    (converted(destination=None), "found NoneType; wanted the path of the file to write"),
    (converted(destination=io.BytesIO()), "found BytesIO; wanted the path of the file to write"),
    (lambda path, **_: nacelle.replace(path, "net", None, path), "plan is of type NoneType; wanted bytes, or the path"),  # type: ignore[arg-type]
    (lambda path, **_: nacelle.replace(path, "net", bytearray(3), path), "plan is of type bytearray; wanted bytes"),  # type: ignore[arg-type]
    (lambda **_: compiled(X, name=3), "name is of type int; wanted a text"),
    (lambda **_: compiled(X, name="Модель"), "wanted an identifier, .*use letters, digits"),
    (lambda **_: compiled(X, output_names="out"), "output_names is the text 'out'; wanted a list of texts"),
    (lambda **_: compiled(X, output_names=["a", 3]), r"output_names\[1\] is of type int; wanted a text"),
    (lambda **_: compiled(X, data_dependent="output_0"), "data_dependent is the text 'output_0'; wanted a list"),
    (lambda **_: compiled(X, abi_version="5"), "abi_version is '5'; wanted a whole number"),
    (lambda **_: compiled(X, device="gpu"), 'there is no device "gpu"; give cpu, cuda, cuda:1'),
]


@pytest.mark.parametrize(("function", "words"), WRONG, ids=[re.sub(r"\W+", " ", words) for _, words in WRONG])
def test_what_is_of_another_type_is_told(
    program: torch.jit.ScriptModule, plan: bytes, tmp_path: Path, function: Callable[..., object], words: str
) -> None:
    path = tmp_path / "program.ts"
    program.save(str(path))
    before = path.read_bytes()
    with pytest.raises(nacelle.InputError, match=words):
        function(program=program, plan=plan, path=path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["program.ts"]


def test_a_folder_is_not_written(program: torch.jit.ScriptModule, tmp_path: Path) -> None:
    program.save(str(tmp_path / "program.ts"))
    with pytest.raises(IsADirectoryError, match=r"cannot write .*: it is a folder; name a file in it"):
        nacelle.convert(tmp_path / "program.ts", tmp_path, abi_version=5)
    assert [one.name for one in tmp_path.iterdir()] == ["program.ts"]


def test_numbers_of_numpy_and_torch_are_numbers(plan: bytes) -> None:
    (engine,) = nacelle.read(nacelle.embed(plan, abi_version=np.int64(7))).engines
    assert engine.abi_version == 7
    sizes: list[Any] = [torch.tensor([2, 3]), (np.int32(2), torch.tensor(3)), np.array([2, 3])]
    assert {Input(shape=shape).shape for shape in sizes} == {(2, 3)}


def test_keyword_calls_say_the_names(program: torch.jit.ScriptModule) -> None:
    torch.testing.assert_close(program(input_0=X), seeded(TwoHeads)(X))
    with pytest.raises(RuntimeError, match=r"missing value for argument 'input_0'.*Tensor input_0"):
        program(x=X)

    class Calls(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = seeded(TwoHeads)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.inner(x=x)

    with pytest.raises(
        nacelle.InputError, match=r"whose forward takes tensors under these names: inner\(input_0\); torch"
    ):
        nacelle.compile(Calls(), {"inner": X}, **REFERENCE)


@pytest.mark.parametrize(
    ("class_name", "wanted"),
    [
        ("Модель", "engine"),
        ("模型", "engine"),
        ("Café", "Caf_"),
        ("a b", "a_b"),
        ("2Net", "engine_2Net"),
        ("Net-2", "Net_2"),
    ],
)
def test_an_engine_is_named_after_any_class(class_name: str, wanted: str, tmp_path: Path) -> None:
    module = type(class_name, (torch.nn.ReLU,), {})()
    program = nacelle.compile(module, torch.rand(2), **REFERENCE)
    assert nacelle.read(program).engines[0].name == wanted
    program.save(str(tmp_path / "program.ts"))
    x = torch.randn(2)
    torch.testing.assert_close(torch.jit.load(str(tmp_path / "program.ts"))(x), torch.relu(x))


class Convolves(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.convolution(x))


def test_modules_that_onednn_has_changed_are_refused() -> None:
    script = torch.jit.script(Convolves().eval())
    optimized = torch.jit.optimize_for_inference(torch.jit.freeze(script))
    for make in (nacelle.compile, nacelle.build_engine):
        with pytest.raises(
            nacelle.InputError, match=r"^Convolves: its graph has .*mkldnn.*optimize_for_inference.*as it was before"
        ):
            make(optimized, X, **REFERENCE)
    torch.testing.assert_close(nacelle.compile(torch.jit.freeze(script), X, **REFERENCE)(X), script(X))

    class Blocked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("weight", torch.rand(2, 2).to_mkldnn())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    with pytest.raises(
        nacelle.InputError, match=r"Blocked: tensor 'weight' has the layout torch\._mkldnn; wanted torch"
    ):
        nacelle.compile(Blocked(), X, **REFERENCE)


def test_inputs_that_no_memory_holds() -> None:
    """2^50 numbers are more than the addresses of a process."""
    with pytest.raises(
        nacelle.InputError, match=r"memory.*input_0 is float32 \[1125899906842624\], 4503599627370496 bytes"
    ):
        nacelle.compile(torch.nn.ReLU(), Input(shape=(2**50,)), **REFERENCE)
