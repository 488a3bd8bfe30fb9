"""Hybrid programs: any submodule can become an engine, whatever its path."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle

X = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))


def chain(*names: str) -> torch.nn.Sequential:
    module = torch.nn.Sequential()
    for name in names:
        module.add_module(name, torch.nn.Linear(4, 4))
    return module


def names_of(program: torch.jit.ScriptModule) -> list[str]:
    return [engine.name for engine in nacelle.read(program).engines]


def check_saved(program: torch.jit.ScriptModule, module: torch.nn.Module, folder: Path) -> None:
    program.save(str(folder / "program.ts"))
    for one in (program, torch.jit.load(str(folder / "program.ts"))):
        torch.testing.assert_close(one(X), module(X))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("0", "engine_0"),
        ("12", "engine_12"),
        ("layer-1", "layer_1"),
        ("слой", "engine"),
        ("with space", "with_space"),
        ("_private", "_private"),
        ("9-x", "engine_9_x"),
        ("forward_", "forward_"),
        ("_", "engine"),
        ("--", "engine"),
    ],
)
def test_every_path_has_a_legal_name(path: str, name: str, tmp_path: Path) -> None:
    module = chain("first", path)
    program = nacelle.compile(module, {path: [X]}, backend="reference")
    assert names_of(program) == [name]
    check_saved(program, module, tmp_path)


def test_paths_whose_other_characters_differ_have_names_of_their_own(tmp_path: Path) -> None:
    module = chain("a-b", "a_b", "a b", "слой", "engine")
    program = nacelle.compile(module, {path: [X] for path in ("a b", "a-b", "a_b", "слой")}, backend="reference")
    assert sorted(names_of(program)) == ["a_b", "a_b_2", "a_b_3", "engine"]
    check_saved(program, module, tmp_path)


def test_no_two_paths_have_one_name(tmp_path: Path) -> None:
    class Nested(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = chain("b_2", "b")
            self.a_b = torch.nn.Linear(4, 4)
            self.a_b_2 = torch.nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.a_b_2(self.a_b(self.a(x)))
            return result

    module = Nested()
    inputs = {path: [X] for path in ("a.b", "a_b", "a.b_2", "a_b_2")}
    program = nacelle.compile(module, inputs, backend="reference")
    assert sorted(names_of(program)) == ["a_b", "a_b_2", "a_b_2_2", "a_b_2_3"]
    check_saved(program, module, tmp_path)
    again = nacelle.compile(module, inputs, backend="reference")
    assert names_of(again) == names_of(program)


def test_children_of_containers_in_a_module(tmp_path: Path) -> None:
    class Holder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.ModuleList([torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)])
            self.heads = torch.nn.ModuleDict({"box-2d": torch.nn.Linear(4, 4)})

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.layers:
                x = layer(x)
            result: torch.Tensor = self.heads["box-2d"](x)
            return result

    module = Holder()
    program = nacelle.compile(module, {"layers.1": [X], "heads.box-2d": [X]}, backend="reference")
    assert sorted(names_of(program)) == ["heads_box_2d", "layers_1"]
    check_saved(program, module, tmp_path)


def test_a_name_that_torch_cannot_read_from_a_file_is_refused() -> None:
    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Linear(4, 4)
            self.слой = torch.nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.слой(self.first(x))
            return result

    for path in ("first", "слой"):
        with pytest.raises(nacelle.InputError, match=r"the name 'слой.*' has letters outside of ASCII"):
            nacelle.compile(Named(), {path: [X]}, backend="reference")


class Shared(torch.nn.Module):
    """One part that two paths lead to, once through another module."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(4, 4)
        self.second = self.first
        self.inner = torch.nn.Sequential(self.first, torch.nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.inner(self.second(self.first(x)))
        return result


@pytest.mark.parametrize("paths", [["first"], ["second"], ["inner.0"], ["second", "first"], ["inner.0", "first"]])
def test_a_submodule_may_be_named_by_any_path(paths: list[str], tmp_path: Path) -> None:
    module = Shared()
    program = nacelle.compile(module, {path: [X] for path in paths}, backend="reference")
    assert set(names_of(program)) == {{"inner.0": "inner_0"}.get(paths[0], paths[0])}
    assert len({engine.plan for engine in nacelle.read(program).engines}) == 1
    check_saved(program, module, tmp_path)


def test_inputs_that_are_one_tensor_need_no_list() -> None:
    program = nacelle.compile(Shared(), {"first": X, "second": [X]}, backend="reference")
    assert names_of(program) == ["first"]


def test_two_paths_to_one_submodule_agree_on_its_inputs() -> None:
    with pytest.raises(nacelle.InputError, match="'second' and 'first' are one submodule"):
        nacelle.compile(Shared(), {"first": [X], "second": [torch.ones(3, 4)]}, backend="reference")
    with pytest.raises(nacelle.InputError, match="'first' is inside 'inner': only one of them can become an engine"):
        nacelle.compile(Shared(), {"first": [X], "inner": [X]}, backend="reference")


def test_a_path_that_leads_nowhere_is_told_with_all_that_do() -> None:
    with pytest.raises(
        nacelle.InputError, match=r"no submodule 'third'; it has: first, second, inner, inner\.0, inner\.1"
    ):
        nacelle.compile(Shared(), {"third": [X]}, backend="reference")


class Same(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class Viewed(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(-1)[2:]


class Held(torch.nn.Module):
    """A part, and something to keep."""

    kept: torch.Tensor

    def __init__(self, part: torch.nn.Module | None = None) -> None:
        super().__init__()
        self.part = torch.nn.Linear(4, 4) if part is None else part
        self.weight = torch.nn.Parameter(torch.zeros(4))
        self.register_buffer("kept", torch.zeros(4))
        self.held = [torch.zeros(4)]


class ChangesTheResult(Held):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.part(x)
        y += 1
        return x + y.sum()


class ChangesTheArgument(Held):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * 2
        y = self.part(x)
        torch.relu_(x[0]).mul_(3)
        return x + y.sum()


class ChangesInALoop(Held):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * 2
        y = x
        for _ in range(2):
            x[0].add_(1)
            y = self.part(x)
        return x + y.sum()


class ChangesInAFunction(Held):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.nn.functional.relu(self.part(x), inplace=True)
        return x + y.sum()


class ChangesOthers(Held):
    """It writes before the call, to a clone of the result, and not at all with relu."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * 2
        x.add_(1)
        y = self.part(x)
        z = y.clone()
        z.add_(1)
        held = [x]
        held.append(torch.nn.functional.relu(y))
        return x + y.sum() + z.sum() + held[1].sum()


RETURN_THEIR_INPUT = [Same, torch.nn.Identity, torch.nn.Dropout, torch.nn.Flatten, Viewed]


@pytest.mark.parametrize("part", RETURN_THEIR_INPUT)
@pytest.mark.parametrize("kind", [ChangesTheResult, ChangesTheArgument, ChangesInALoop, ChangesInAFunction])
def test_a_change_of_what_a_submodule_returns_of_its_input_is_refused(
    kind: type[Held], part: type[torch.nn.Module]
) -> None:
    for method in ("script", "trace"):
        with pytest.raises(
            nacelle.InputError,
            match=rf"submodule 'part' returns its input or a view of it, and forward of {kind.__name__} then changes "
            r"one of them in place \(\w+_ at [a-z_]+.py:\d+\), .*: clone the result of 'part' first",
        ):
            nacelle.compile(kind(part()), {"part": [X]}, backend="reference", method=method)


@pytest.mark.parametrize("part", [*RETURN_THEIR_INPUT, lambda: torch.nn.Linear(4, 4)])
def test_other_changes_are_made(part: Callable[[], torch.nn.Module], tmp_path: Path) -> None:
    module = ChangesOthers(part()).eval()
    check_saved(nacelle.compile(module, {"part": [X]}, backend="reference"), module, tmp_path)


@pytest.mark.parametrize("kind", [ChangesTheResult, ChangesTheArgument, ChangesInALoop, ChangesInAFunction])
def test_the_result_of_an_engine_that_makes_a_new_one_may_be_changed(kind: type[Held], tmp_path: Path) -> None:
    module = kind()
    check_saved(nacelle.compile(module, {"part": [X]}, backend="reference"), module, tmp_path)


class KeepsABuffer(Held):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.kept.add_(1)
        return self.part(x) + self.kept


class KeepsAnAssignedBuffer(Held):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.kept = self.kept + 1
        return self.part(x) + self.kept


class KeepsInAList(Held):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.held[0].add_(1)
        return self.part(x) + self.held[0]


class KeepsAParameter(Held):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.weight.detach().add_(1)
        return self.part(x) + self.weight


class KeepsInTwoPlaces(Held):
    def __init__(self) -> None:
        super().__init__()
        self.inner = KeepsABuffer(torch.nn.Tanh())
        self.inner.kept = self.kept
        self.row: torch.Tensor
        self.register_buffer("row", self.kept[1:3])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(self.part(x)) + self.kept + self.row.sum()


@pytest.mark.parametrize("kind", [KeepsABuffer, KeepsAnAssignedBuffer, KeepsInAList, KeepsAParameter, KeepsInTwoPlaces])
def test_what_the_rest_keeps_is_its_own(kind: type[Held]) -> None:
    module, other = kind(), kind()
    other.load_state_dict(module.state_dict())
    program = nacelle.compile(module, {"part": [X]}, backend="reference")
    for _ in range(3):
        torch.testing.assert_close(program(X), other(X))
    assert all(not tensor.any() for tensor in (module.kept, module.held[0], module.weight))


def test_parameters_that_the_rest_only_reads_are_not_copied() -> None:
    last = torch.nn.Linear(4, 4)
    program = nacelle.compile(torch.nn.Sequential(torch.nn.ReLU(), last), {"0": [X]}, backend="reference")
    assert next(program.parameters()).data_ptr() == last.weight.data_ptr()


@torch.jit.ignore  # type: ignore[untyped-decorator]
def in_python(x: torch.Tensor) -> torch.Tensor:
    return x * 2


class CallsPython(Held):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return in_python(self.part(x))


class CallsPythonInAMethod(Held):
    @torch.jit.ignore  # type: ignore[untyped-decorator]
    def doubled(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.part(x)
        return self.doubled(y) if x.shape[0] > 1 else y


class ExportsPython(Held):
    @torch.jit.export
    def other(self, x: torch.Tensor) -> torch.Tensor:
        return in_python(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.part(x)


class CallsUnused(Held):
    @torch.jit.unused
    def helper(self, x: torch.Tensor) -> torch.Tensor:
        return x + 3

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.part(self.helper(x))


class CallsUnusedInABranch(CallsUnused):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.dim() == 3:
            x = self.helper(x)
        return self.part(x)


def test_a_rest_that_raises_in_every_call_is_refused() -> None:
    with pytest.raises(nacelle.InputError, match=r"would raise an exception in every call: .* torch\.jit\.unused"):
        nacelle.compile(CallsUnused(), {"part": [X]})
    module = CallsUnusedInABranch()
    torch.testing.assert_close(nacelle.compile(module, {"part": [X]})(X), module(X))


@pytest.mark.parametrize(
    ("kind", "method", "function"),
    [
        (CallsPython, "forward", "in_python"),
        (CallsPythonInAMethod, "forward", "doubled"),
        (ExportsPython, "other", "in_python"),
    ],
)
def test_a_rest_that_calls_python_is_refused(kind: type[Held], method: str, function: str) -> None:
    for module, where, path in ((kind(), method, "part"), (torch.nn.Sequential(kind()), f"0.{method}", "0.part")):
        with pytest.raises(nacelle.InputError, match=f"^{where} calls the Python function .*{function}.*: remove"):
            nacelle.compile(module, {path: [X]}, backend="reference")


def test_a_submodule_that_calls_python_becomes_an_engine(tmp_path: Path) -> None:
    module = torch.nn.Sequential(CallsPython(), torch.nn.ReLU())
    check_saved(nacelle.compile(module, {"0": [X]}, backend="reference", method="trace"), module, tmp_path)
