"""Models as people have them: a way to an engine is found, and what is accepted computes what the model computes."""

import contextlib
import functools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from torch.export import Dim

import torch_nacelle as nacelle
from torch_nacelle import _C, Input
from torch_nacelle._build.onnx import Exports, export
from torch_nacelle._runtime.input import with_names

SEQUENCES = Input(min=(1, 3, 8), opt=(2, 5, 8), max=(4, 7, 8))
TARGETS = Input(min=(1, 2, 8), opt=(2, 4, 8), max=(4, 6, 8))
IMAGES = Input(min=(1, 3, 8, 8), opt=(2, 3, 12, 8), max=(4, 3, 16, 16))
ROWS = Input(min=(1, 4), opt=(3, 4), max=(8, 4))

compile_ = functools.partial(nacelle.compile, backend="reference")


def unscriptable(x: torch.Tensor) -> torch.Tensor:
    values: dict[Any, torch.Tensor] = {"a": x, 1: x}  # TorchScript's dicts have keys of one type
    return values["a"]


class Attention(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.attention(x, x, x)


class WithState(torch.nn.Module):
    """A recurrent network with a first state of the batch's size."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(8, 4, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = torch.zeros(1, x.shape[0], 4)
        y: torch.Tensor = self.lstm(x, (state, state))[0]
        return y


class Anchors(torch.nn.Module):
    """It keeps anchors for the last size that it saw, as detectors do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.anchors = torch.empty(0)
        self.shape: Any = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(x)
        if self.shape != y.shape:
            self.anchors = torch.arange(y.shape[-2]).float()[:, None] * 10.0 + torch.arange(y.shape[-1]).float()
            self.shape = y.shape
        return y + self.anchors


class Auxiliary(torch.nn.Module):
    """As a script it also returns what is None in eval mode, as torchvision's GoogLeNet does."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Linear(4, 4)
        self.head = torch.nn.Linear(4, 2)
        self.auxiliary = torch.nn.Linear(4, 2)

    def forward(self, x: torch.Tensor):  # type: ignore[no-untyped-def]
        y = self.body(x)
        other: torch.Tensor | None = self.auxiliary(y) if self.training else None
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return self.head(y), other
        return self.head(y)


class OtherAsAScript(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return x * 3.0
        return x * 2.0


class Steps(torch.nn.Module):
    """A loop over a size, which a script keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = torch.zeros_like(x[:, 0])
        for step in range(x.shape[1]):
            total = torch.tanh(self.linear(x[:, step]) + total)
        return total


class Integer(torch.nn.Module):
    """A size that becomes a number in a trace, and none in torch.export's program."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = int(unscriptable(x).shape[0])
        return x + torch.arange(rows)[:, None]


class Noisy(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand_like(x)


def program_of_all_sizes() -> torch.export.ExportedProgram:
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    return torch.export.export(layer, (torch.rand(2, 5, 8),), dynamic_shapes=({0: Dim.AUTO, 1: Dim.AUTO},))


MODELS: dict[str, tuple[Callable[[], Any], list[Input]]] = {
    "MultiheadAttention": (Attention, [SEQUENCES]),
    "TransformerEncoder": (
        lambda: torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2),
        [SEQUENCES],
    ),
    "TransformerDecoderLayer": (
        lambda: torch.nn.TransformerDecoderLayer(8, 2, 16, batch_first=True),
        [TARGETS, SEQUENCES],
    ),
    "Transformer": (lambda: torch.nn.Transformer(8, 2, 1, 1, 16, batch_first=True), [SEQUENCES, TARGETS]),
    "GRU": (lambda: torch.nn.GRU(8, 4, batch_first=True), [SEQUENCES]),
    "LSTM with a state": (WithState, [SEQUENCES]),
    "anchors": (Anchors, [IMAGES]),
    "auxiliary outputs": (Auxiliary, [ROWS]),
    "another script": (OtherAsAScript, [ROWS]),
    "loop over a size": (Steps, [SEQUENCES]),
    "int of a size": (Integer, [ROWS]),
    "program of all sizes": (program_of_all_sizes, [SEQUENCES]),
}


@functools.cache
def model(name: str) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = MODELS[name][0]()
    return made if isinstance(made, torch.export.ExportedProgram) else made.eval()


def cases(inputs: Sequence[Input]) -> Iterator[list[torch.Tensor]]:
    for extent in ("min", "opt", "max"):
        yield [torch.randn(getattr(one.ranges[0], extent)) for one in inputs]


def outputs(of: Any, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    with torch.no_grad():
        result = (of.module() if isinstance(of, torch.export.ExportedProgram) else of)(*tensors)
    return [result] if isinstance(result, torch.Tensor) else list(result)


@pytest.mark.parametrize("name", MODELS)
def test_every_container_computes_the_same_over_the_range(name: str, tmp_path: Path) -> None:
    inputs = MODELS[name][1]
    module = compile_(model(name), inputs, container="module", check=True)
    nacelle.save(module, tmp_path / "x.ts")
    nacelle.save(module, tmp_path / "x.pt2")
    for program in (module, nacelle.load(tmp_path / "x.ts"), nacelle.load(tmp_path / "x.pt2")):
        for tensors in cases(inputs):
            for found, wanted in zip(outputs(program, tensors), outputs(model(name), tensors), strict=True):
                torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_the_onnx_model_computes_the_same_over_the_range(name: str) -> None:
    inputs = with_names(MODELS[name][1])
    session = onnxruntime.InferenceSession(export(model(name), inputs, opset=17).model)
    for tensors in cases(inputs):
        feed = {one.name: tensor.numpy() for one, tensor in zip(inputs, tensors, strict=True)}
        for found, wanted in zip(session.run(None, feed), outputs(model(name), tensors), strict=True):
            torch.testing.assert_close(torch.from_numpy(found), wanted, rtol=1e-4, atol=1e-5)


def test_a_script_that_was_asked_for_is_taken_and_the_check_finds_it() -> None:
    compile_(OtherAsAScript(), [ROWS], method="script")
    with pytest.raises(nacelle.CheckError, match="something else than the original"):
        compile_(OtherAsAScript(), [ROWS], method="script", check=True)


def test_random_numbers_are_no_difference() -> None:
    program = compile_(Noisy(), [ROWS])
    assert not torch.equal(program(torch.zeros(3, 4)), program(torch.zeros(3, 4)))


class AllButFive(torch.nn.Module):
    """A trace of it is right at min, opt and max, and wrong for five rows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return unscriptable(x) * 2.0 if x.shape[0] == 5 else x + 1.0


def test_a_decision_between_min_and_max_is_found() -> None:
    with pytest.raises(nacelle.InputError, match=r"its trace cannot be accepted: .*between min and max.*\[5, 4\]"):
        compile_(AllButFive(), [ROWS])
    with pytest.warns(nacelle.TracingWarning, match=r"no copy of it: .*\[5, 4\]"):
        compile_(AllButFive(), [ROWS], method="trace")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nacelle.TracingWarning)
        with pytest.raises(nacelle.CheckError, match=r"between min and max, inputs of the shapes \[5, 4\]"):
            compile_(AllButFive(), [ROWS], method="trace", check=True)


def test_sizes_between_that_the_model_does_not_take_are_left_out() -> None:
    class Pairs(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.reshape(-1, 2, 4).sum(1)

    compile_(Pairs(), [Input(min=(2, 4), opt=(4, 4), max=(8, 4))], check=True)


class Comprehension(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = unscriptable(x)
        return torch.stack([x[row] * 2.0 for row in range(x.shape[0])])


class While(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, row = unscriptable(x), 0
        while row < x.shape[0]:
            x, row = x + x[row], row + 1
        return x


class Inner(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = []
        for row in range(x.shape[0]):
            rows.append(x[row] * 2.0)
        return torch.stack(rows)


class Layers(torch.nn.Module):
    """Its loop over layers runs as often for any size, and is not told."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList([Inner(), Inner()])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = unscriptable(x)
        for layer in self.layers:
            x = layer(x)
        return x


class Calls(torch.nn.Module):
    """The work of a step is in another function."""

    def step(self, x: torch.Tensor, row: int) -> torch.Tensor:
        return torch.tanh(x + x[row])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = unscriptable(x)
        for row in range(x.shape[0]):
            x = self.step(x, row)
        return x


def line_of(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize(
    ("kind", "text", "head"),
    [
        (Comprehension, "[x[row] * 2.0 for row", "for row in range(x.shape[0])"),
        (While, "while row < x.shape[0]:", "while row < x.shape[0]"),
        (Layers, "for row in range(x.shape[0]):\n            rows", "for row in range(x.shape[0])"),
        (Calls, "for row in range(x.shape[0]):\n            x = self.step", "for row in range(x.shape[0])"),
    ],
)
@pytest.mark.parametrize("onnx", [False, True])
def test_a_loop_that_tracing_unrolled_is_named(onnx: bool, kind: type[torch.nn.Module], text: str, head: str) -> None:
    source = Path(__file__).read_text()
    line = source[: source.index(text)].count("\n") + 1
    with pytest.raises(nacelle.InputError) as caught:
        if onnx:
            export(kind(), with_names([ROWS]), opset=17)
        else:
            compile_(kind(), [ROWS])
    reason = caught.value.reason
    assert f"tracing unrolls the loop at ways_test.py:{line} ({head}), which runs as often as a size says: " in reason
    assert "put it into a function under torch.jit.script" in reason
    assert "for layer in" not in reason
    assert "Traceback" not in reason
    assert "_slow_forward" not in reason


def test_what_the_message_on_a_loop_advises_helps() -> None:
    @torch.jit.script
    def steps(x: torch.Tensor) -> torch.Tensor:
        for row in range(x.shape[0]):
            x = x + x[row]
        return x

    class Advised(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return steps(unscriptable(x))

    compile_(Advised(), [ROWS], check=True)
    compile_(Calls(), [Input((3, 4))], check=True)


def test_a_number_that_tracing_kept_is_named() -> None:
    class Ceils(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            half = math.ceil(int(unscriptable(x).shape[0]) / 2)  # the number
            return x + half if x.shape[0] != 5 else x  # torch.export's program is right for all but five

    with pytest.raises(nacelle.InputError) as caught:
        compile_(Ceils(), [ROWS])
    place = f"ways_test.py:{line_of('return x + half if')}"
    assert f"tracing keeps a number that follows from a size at {place}: compute it from x.shape" in caught.value.reason
    assert (
        "exporting it with torch.export failed: the ExportedProgram is right only if x.size()[0] != 5, which does not"
    )


class ScriptLosesNothing(torch.nn.Module):
    """Its trace is right, but lost a decision about values, so its script comes first."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool(x.abs().sum() < 0):
            return x - 1.0
        return x + 1.0


def test_a_trace_comes_after_a_script_that_the_builder_refuses() -> None:
    exports = Exports(ScriptLosesNothing(), with_names([ROWS]), opset=17)
    script = exports.next()
    assert b"If" in script.model
    exports.failed(nacelle.InputError("the parser cannot read If"))
    with pytest.warns(nacelle.TracingWarning, match="the parser cannot read If"):
        trace = exports.next()
    assert b"If" not in trace.model
    exports.failed(nacelle.InputError("the parser cannot read Add"))
    exported = []
    with contextlib.suppress(nacelle.InputError):
        exported.append(exports.next())
    if exported:
        exports.failed(nacelle.InputError("the parser cannot read that"))
    with pytest.raises(nacelle.InputError) as caught:
        exports.next()
    for words in (
        "ScriptLosesNothing cannot become an engine; no engine can be built from its script: the parser cannot read If",
        "no engine can be built from its trace: the parser cannot read Add",
        "torch.export",
    ):
        assert words in caught.value.reason


def test_a_script_that_computes_something_else_is_not_exported() -> None:
    class Other(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if torch.jit.is_scripting() or bool(x.abs().sum() < 0):  # type: ignore[attr-defined]
                return x - 1.0
            return x + 1.0

    with pytest.warns(nacelle.TracingWarning, match="the program computes something else than the original"):
        exports = Exports(Other(), with_names([ROWS]), opset=17)
        session = onnxruntime.InferenceSession(exports.next().model)
    (found,) = session.run(None, {"input_0": torch.zeros(2, 4).numpy()})
    assert torch.equal(torch.from_numpy(found), torch.ones(2, 4))


class Refuses:
    """A builder that takes no model with an If."""

    path = "/opt/libnvinfer.so.10"
    parser = "/opt/libnvonnxparser.so.10"
    release = "10.9.0"
    kind = "full"
    problem = ""
    onnx_opset = 20
    description = "TensorRT 10.9.0"


def test_build_engine_tries_the_next_model(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def build(*arguments: Any) -> tuple[bytes, None]:
        tried.append(b"If" in arguments[2])
        if tried[-1]:
            raise nacelle.InputError("no model with If")
        return b"plan", None

    monkeypatch.setattr(_C, "builders", lambda path: [Refuses])
    monkeypatch.setattr(_C, "build_tensorrt", build)
    with pytest.warns(nacelle.TracingWarning, match="no model with If"):
        plan = nacelle.build_engine(ScriptLosesNothing(), [ROWS], backend="tensorrt")
    assert plan == b"plan"
    assert tried == [True, False]


def test_one_reason_is_told_once() -> None:
    exports = Exports(torch.nn.Linear(4, 2), with_names([ROWS]), opset=17)
    for _ in range(2):
        exports.next()
        exports.failed(nacelle.InputError("an option is wrong"))
    with pytest.raises(nacelle.InputError, match=r"^an option is wrong\n"):
        exports.next()


def test_the_trial_runs_leave_the_module_as_it_is() -> None:
    module = Anchors().eval()
    anchors = module.anchors
    for make in (lambda: compile_(module, [IMAGES]), lambda: export(module, with_names([IMAGES]), opset=17)):
        make()
        assert module.shape is None
        assert module.anchors is anchors
