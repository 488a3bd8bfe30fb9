"""Models that are traced since scripting them fails: taken if they compute the same, with a warning if in doubt."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.utils import parametrizations

import torch_nacelle as nacelle
from torch_nacelle import Input
from torch_nacelle._build.onnx import export

X = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
ROWS = Input(min=(1, 4), opt=(3, 4), max=(5, 4))

compile_ = functools.partial(nacelle.compile, backend="reference")


def unscriptable(x: torch.Tensor) -> torch.Tensor:
    values: dict[Any, torch.Tensor] = {"a": x, 1: x}  # TorchScript's dicts have keys of one type
    return values["a"]


class Part(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)


class LoopsOverRows(Part):
    """A trace of it is right for one number of rows alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = unscriptable(x)
        total = torch.zeros(4)
        for row in range(x.shape[0]):
            total = total + x[row]
        return total


class AsksForValues(Part):
    """A trace of it goes one way."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = unscriptable(x)
        if bool(x.abs().sum() < 1000.0):
            return x + 1.0
        return x - 1.0


class Plain(Part):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.linear(unscriptable(x))
        return result


class Unused(Part):
    @torch.jit.unused
    def times_two(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.times_two(self.linear(x))


class Ignored(Part):
    @torch.jit.ignore  # type: ignore[untyped-decorator]
    def times_two(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.times_two(self.linear(x))


class NoGrad(Part):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            result: torch.Tensor = self.linear(x)
            return result


class Autocast(Part):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y: torch.Tensor = self.linear(x)
        return y.float()


class Recorded(Part):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.profiler.record_function("linear"):
            result: torch.Tensor = self.linear(x)
            return result


class Masked(Part):
    def forward(self, x: torch.Tensor, mask=None) -> torch.Tensor:  # type: ignore[no-untyped-def]
        y: torch.Tensor = self.linear(x)
        return y if mask is None else y * mask


class KeywordOnly(Part):
    def forward(self, x: torch.Tensor, *rest: torch.Tensor, scale: float = 2.0) -> torch.Tensor:
        result: torch.Tensor = self.linear(x) * scale
        return result


@torch.jit.script
class Doubler:
    def __init__(self, x: torch.Tensor) -> None:
        self.x = x

    def get(self) -> torch.Tensor:
        return self.x * 2.0


class HoldsAScriptedClass(Part):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = Doubler(self.linear(x)).get()
        return result


TRACEABLE: dict[str, Callable[[], torch.nn.Module]] = {
    **{kind.__name__: kind for kind in (Unused, Ignored, NoGrad, Autocast, Recorded, Masked, KeywordOnly)},
    "scripted class": HoldsAScriptedClass,
    "weight_norm": lambda: torch.nn.Sequential(parametrizations.weight_norm(torch.nn.Linear(4, 4))),
    "old weight_norm": lambda: torch.nn.Sequential(torch.nn.utils.weight_norm(torch.nn.Linear(4, 4))),
    "spectral_norm": lambda: torch.nn.Sequential(parametrizations.spectral_norm(torch.nn.Linear(4, 4))),
    "orthogonal": lambda: torch.nn.Sequential(parametrizations.orthogonal(torch.nn.Linear(4, 4))),
    "GRU": lambda: torch.nn.GRU(4, 3),
    "RNN": lambda: torch.nn.RNN(4, 3),
}


@pytest.mark.parametrize("name", TRACEABLE)
def test_what_fails_as_a_script_is_built_from_a_trace(name: str) -> None:
    module = TRACEABLE[name]().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error", nacelle.TracingWarning)
        program = compile_(module, [X])
    for found, wanted in zip(program(X), module(X), strict=True):
        torch.testing.assert_close(found, wanted)


def test_the_error_has_the_reason_of_each_way() -> None:
    with pytest.raises(nacelle.InputError) as caught:
        compile_(LoopsOverRows(), [ROWS])
    assert "LoopsOverRows cannot become an engine; scripting it failed: " in caught.value.reason
    assert "keys must contain only a single type" in caught.value.reason
    assert "its trace cannot be accepted: " in caught.value.reason


def test_state_is_refused_with_one_reason_for_all_ways() -> None:
    class Sums(Part):
        total: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("total", torch.zeros(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.total = self.total + x.sum(0)
            return x + self.total

    with pytest.raises(nacelle.InputError, match=r"^forward changes "):
        compile_(Sums(), [X])


class ClampsRows(Part):
    """A trace of it differs for integers that are not 0 and 1."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = unscriptable(x)
        return x.clamp(0, 1) if x.shape[0] > 1 else x


class ClampsAnIndex(Part):
    """It takes no others."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(2, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.table(unscriptable(x))
        return result if x.shape[0] > 1 else self.table(x.clamp(0, 1))


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_a_trace_is_compared_on_other_integers_than_0_and_1(dtype: torch.dtype) -> None:
    rows = Input(min=(1, 4), opt=(3, 4), max=(5, 4), dtype=dtype)
    with pytest.raises(
        nacelle.InputError, match=r"its trace cannot be accepted: .* min, inputs of the shapes \[1, 4\]"
    ):
        compile_(ClampsRows(), [rows])
    with pytest.warns(nacelle.TracingWarning, match="is no copy of it"):
        compile_(ClampsRows(), [rows], method="trace")


def test_a_module_that_takes_0_and_1_alone_is_compared_on_these() -> None:
    module = ClampsAnIndex()
    rows = Input(min=(1, 4), opt=(3, 4), max=(5, 4), dtype=torch.int64)
    program = compile_(module, [rows])
    index = torch.tensor([[0, 1, 1, 0]])
    torch.testing.assert_close(program(index), module(index))


def test_state_in_a_plain_attribute_shows_in_a_second_run() -> None:
    class Counts(Part):
        calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return unscriptable(x) + self.calls

    with pytest.raises(nacelle.InputError, match='forward changes the attribute "calls"'):
        compile_(Counts(), [X])
    with pytest.raises(nacelle.InputError, match='forward changes the attribute "calls"'):
        compile_(Counts(), [ROWS])


def test_state_in_a_list_shows_where_outputs_are_empty() -> None:
    class Counts(Part):
        def __init__(self) -> None:
            super().__init__()
            self.counts = [1, 2]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.counts[0] += 1
            return unscriptable(x) + self.counts[0]

    module = Counts()
    for method in ("trace", "auto"):
        with pytest.raises(nacelle.InputError, match=r'forward changes the attribute "counts"'):
            compile_(module, [Input(min=(0, 4), opt=(0, 4), max=(4, 4))], method=method)
    assert module.counts == [1, 2]


def test_a_trace_is_compared_over_every_profile() -> None:
    class UpToThree(Part):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return unscriptable(x) * min(x.shape[0], 3)

    two = Input(min=[(3, 4), (1, 4)], opt=[(4, 4), (2, 4)], max=[(6, 4), (3, 4)])
    with pytest.raises(nacelle.InputError, match=r"accepted: .*tracing lost decisions at tracing_test.py:"):
        compile_(UpToThree(), [two])
    program = compile_(UpToThree(), [Input(min=(3, 4), opt=(4, 4), max=(6, 4))])
    torch.testing.assert_close(program(X.repeat(2, 1)), X.repeat(2, 1) * 3)


def test_a_trace_that_holds_for_all_shapes_is_taken_without_a_word() -> None:
    for kind, inputs in ((Plain, [ROWS]), (LoopsOverRows, [X])):
        module = kind().eval()
        with warnings.catch_warnings():
            warnings.simplefilter("error", nacelle.TracingWarning)
            program = compile_(module, inputs)
        torch.testing.assert_close(program(X), module(X))


def test_a_trace_that_values_may_lead_astray_is_told() -> None:
    with pytest.warns(nacelle.TracingWarning) as caught:
        compile_(AsksForValues(), [ROWS])
    (warning,) = caught
    assert warning.filename == __file__
    message = str(warning.message)
    assert message.startswith("AsksForValues is traced")
    assert "decide at tracing_test.py:" in message
    assert "scripting it failed: " in message


class EvenRows(Part):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1.0 if x.shape[0] % 2 == 0 else x - 1.0


class ReadsAnItem(Part):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * int((x > 0).sum().item() >= 0)


class UpToTen(Part):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * min(x.shape[0], 10) if x.shape[0] > 10 else x


@pytest.mark.parametrize(
    ("kind", "inputs", "words"),
    [
        (AsksForValues, [ROWS], r"goes one way only .* at tracing_test.py:\d+\. method='script'"),
        (ReadsAnItem, [ROWS], r"goes one way only .* at tracing_test.py:"),
        (UpToTen, [ROWS], r"goes one way only .* at tracing_test.py:"),
        (EvenRows, [Input((2, 4))], r"goes one way only .* at tracing_test.py:"),
        (
            EvenRows,
            [Input(min=(1, 4), opt=(3, 4), max=(4, 4))],
            r"is no copy of it: .*between min and max.* \[2, 4\].*tracing_test.py:",
        ),
        (LoopsOverRows, [Input(min=(3, 4), opt=(3, 4), max=(5, 4))], r"is no copy of it: .*max.* \[5, 4\]"),
    ],
)
@pytest.mark.parametrize("onnx", [False, True])
def test_a_trace_that_was_asked_for_tells_its_faults(
    onnx: bool, kind: type[torch.nn.Module], inputs: list[Any], words: str
) -> None:
    with pytest.warns(nacelle.TracingWarning, match=f"{kind.__name__} is traced, and the trace {words}") as caught:
        if onnx:
            named = [one.named("x") for one in inputs]
            export(kind().eval(), named, opset=17, method="trace")
        else:
            compile_(kind(), inputs, method="trace")
    assert caught[0].filename == __file__


@pytest.mark.parametrize("onnx", [False, True])
def test_a_trace_that_was_asked_for_and_lost_nothing_is_quiet(onnx: bool) -> None:
    for kind, inputs in ((Plain, [ROWS]), (LoopsOverRows, [Input.of(X)]), (NoGrad, [ROWS])):
        with warnings.catch_warnings():
            warnings.simplefilter("error", nacelle.TracingWarning)
            if onnx:
                export(kind().eval(), [inputs[0].named("x")], opset=17, method="trace")
            else:
                compile_(kind(), inputs, method="trace")


def test_the_shapes_of_the_traced_run_are_not_those_of_every_call() -> None:
    class Expands(Part):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = unscriptable(x)
            return (x + 0.0).gather(1, torch.arange(4).flip(0).unsqueeze(0).expand(x.shape[0], 4))

    for method in ("auto", "trace"):
        program = compile_(Expands(), [Input(min=(1, 4), opt=(1, 4), max=(2, 4))], method=method)
        torch.testing.assert_close(program(X), X.flip(1))


def test_as_an_error_the_warning_ends_the_build() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", nacelle.TracingWarning)
        with pytest.raises(nacelle.TracingWarning, match="AsksForValues is traced"):
            compile_(AsksForValues(), [ROWS])


def test_a_wrong_argument_has_one_reason() -> None:
    with pytest.raises(nacelle.InputError) as caught:
        compile_(Plain(), [X], method="trace", output_names=["a", "b"])
    assert caught.value.reason.startswith("the module returns 1 tensors; 2 output names were given")
