"""``nacelle diff`` of programs that are alike: what torch reads differently is told, and what it reads alike is not."""

import copy
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nacelle_cli.commands import diff, inspect
from tests.py.cli import samples
from tests.py.cli.commands import nacelle


class Values(torch.nn.Module):
    """Holds values of many types."""

    weight: torch.Tensor
    other: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.number = 1
        self.real = 0.0
        self.flag = True
        self.text = "one"
        self.listed = [1, 2]
        self.pair = (1, 2)
        self.named = {"a": 1, "b": 2}
        self.inner = torch.nn.ReLU()
        self.more = torch.nn.ReLU()
        self.register_buffer("weight", torch.arange(6.0).reshape(2, 3))
        self.register_buffer("other", torch.arange(6.0).reshape(2, 3) + 1)
        self.bias = torch.nn.Parameter(torch.zeros(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.more(self.inner(x)) + self.number


def save(path: Path, change: Callable[[Any], None] | None = None, extra: dict[str, str] | None = None) -> Path:
    module = Values()
    if change is not None:
        change(module)
    torch.jit.save(torch.jit.script(module), str(path), _extra_files=extra or {"notes.txt": "kept"})
    return path


def lines(old: Path, new: Path) -> dict[str, tuple[Any, Any]]:
    found = diff.compare(inspect.inspect_file(old), inspect.inspect_file(new))
    return {change.what: (change.old, change.new) for change in found}


def strides(module: Any) -> None:
    module.weight = torch.arange(6.0).as_strided((2, 3), (1, 2))


def offset(module: Any) -> None:
    module.weight = torch.arange(7.0)[1:].reshape(2, 3)


def larger_storage(module: Any) -> None:
    module.weight = torch.arange(8.0)[:6].reshape(2, 3)


def shared(module: Any) -> None:
    module.other = module.weight


def viewed(module: Any) -> None:
    both = torch.arange(12.0).reshape(2, 2, 3)
    module.weight, module.other = both[0], both[1]


def no_gradient(module: Any) -> None:
    module.bias.requires_grad_(False)


def training(module: Any) -> None:
    module.more.eval()


def set_to(name: str, value: Any) -> Callable[[Any], None]:
    return lambda module: setattr(module, name, value)


def negated(module: Any) -> None:
    module.weight = torch._neg_view(torch.arange(6.0).reshape(2, 3))


CHANGES: dict[str, tuple[Callable[[Any], None], str]] = {
    "strides": (strides, "value weight"),
    "an offset": (offset, "tensor weight"),
    "a larger storage": (larger_storage, "tensor weight"),
    "the same bytes in one tensor": (shared, "tensor other"),
    "two views": (viewed, "tensor weight"),
    "requires_grad": (no_gradient, "value bias"),
    "training": (training, "value more.training"),
    "a negative zero": (set_to("real", -0.0), "value real"),
    "a NaN": (set_to("real", float("nan")), "value real"),
    "an integer": (set_to("number", 2), "value number"),
    "a bool": (set_to("flag", False), "value flag"),
    "a text of one length": (set_to("text", "two"), "value text"),
    "a longer list": (set_to("listed", [1, 2, 3]), "value listed[2]"),
    "the order of a dict": (set_to("named", {"b": 2, "a": 1}), "value named"),
    "negation": (negated, "value weight"),
    "an integer that is a bool": (set_to("number", True), "value number"),
    "a real that is an integer": (set_to("real", 0), "value real"),
    "another type of module": (set_to("more", torch.nn.Sigmoid()), "operators aten::sigmoid"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_one_thing_that_differs_is_told(tmp_path: Path, name: str) -> None:
    change, what = CHANGES[name]
    old, new = save(tmp_path / "old.ts"), save(tmp_path / "new.ts", change)
    assert what in lines(old, new)
    assert what in lines(new, old)
    assert nacelle("diff", old, new).code == 1


def test_programs_that_torch_made_twice_are_the_same(tmp_path: Path) -> None:
    """torch numbers the classes of each anew, and its sources have other positions."""
    old = save(tmp_path / "old.ts")
    for i in range(12):
        torch.jit.script(Values())
        assert lines(old, save(tmp_path / f"new_{i}.ts")) == {}


def test_extra_files_of_one_length(tmp_path: Path) -> None:
    old, new = save(tmp_path / "old.ts"), save(tmp_path / "new.ts", extra={"notes.txt": "KEPT"})
    (change,) = lines(old, new).items()
    assert change[0] == "extra files notes.txt"
    assert all(str(side).startswith("sha256 ") for side in change[1])


def plus() -> torch.nn.Module:
    class Net(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x) + 1

    return Net()


def minus() -> torch.nn.Module:
    class Net(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x) - 1

    return Net()


class Both(torch.nn.Module):
    def __init__(self, first: torch.nn.Module, second: torch.nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.second(self.first(x) * 2)
        return result


def test_classes_of_one_name_that_change_places(tmp_path: Path) -> None:
    paths = []
    for name, (first, second) in (("old", (plus, minus)), ("new", (minus, plus)), ("again", (plus, minus))):
        path = tmp_path / f"{name}.ts"
        torch.jit.script(Both(first(), second())).save(str(path))
        paths.append(path)
    x = torch.ones(2)
    assert not torch.equal(torch.jit.load(str(paths[0]))(x), torch.jit.load(str(paths[1]))(x))
    found = lines(paths[0], paths[1])
    assert len(found) == 2
    assert all(what.startswith("code ") for what in found)
    assert lines(paths[0], paths[2]) == {}


def test_constants(tmp_path: Path) -> None:
    paths = []
    for name, scale in (("old", 2.0), ("new", 3.0)):
        path = tmp_path / f"{name}.ts"
        tensor = torch.full((2,), scale)
        torch.jit.trace(lambda x, tensor=tensor: x * tensor, torch.ones(2)).save(str(path))
        paths.append(path)
    assert "tensor CONSTANTS.c0" in lines(*paths)


def test_any_other_member(tmp_path: Path) -> None:
    old, new = save(tmp_path / "old.ts"), tmp_path / "new.ts"
    with zipfile.ZipFile(old) as archive, zipfile.ZipFile(new, "w") as out:
        for info in archive.infolist():
            content = archive.read(info)
            out.writestr(info.filename, b"7\n" if info.filename.endswith("/version") else content)
    assert list(lines(old, new)) == ["member version"]


def test_the_same_object_twice_and_a_copy_of_it(tmp_path: Path) -> None:
    class Held(torch.nn.Module):
        def __init__(self, first: torch.nn.Module, second: torch.nn.Module) -> None:
            super().__init__()
            self.first = first
            self.second = second

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.second(self.first(x))
            return result

    layer = torch.nn.Linear(2, 2)
    torch.jit.script(Held(layer, layer)).save(str(tmp_path / "old.ts"))
    torch.jit.script(Held(layer, copy.deepcopy(layer))).save(str(tmp_path / "new.ts"))
    assert lines(tmp_path / "old.ts", tmp_path / "new.ts")


def test_engines_that_were_made_twice_are_the_same(tmp_path: Path) -> None:
    samples.hybrid(tmp_path / "old.ts")
    samples.hybrid(tmp_path / "new.ts")
    assert lines(tmp_path / "old.ts", tmp_path / "new.ts") == {}
