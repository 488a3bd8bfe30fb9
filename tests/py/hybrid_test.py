"""Hybrid programs: any submodule can become an engine, whatever its path."""

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
        ("layer-1", "layer_2d1"),
        ("слой", "_441_43b_43e_439"),
        ("with space", "with_20space"),
        ("_private", "_private"),
        ("9-x", "engine_9_2dx"),
        ("forward_", "forward_"),
    ],
)
def test_every_path_has_a_legal_name(path: str, name: str, tmp_path: Path) -> None:
    module = chain("first", path)
    program = nacelle.compile(module, {path: [X]}, backend="reference")
    assert names_of(program) == [name]
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
    assert sorted(names_of(program)) == ["heads_box_2d2d", "layers_1"]
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
