"""The structure that forward of a program returns: a tensor, a tuple or a list, as the model's does."""

from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from torch_nacelle._build.engine import Method
from torch_nacelle._build.onnx import export
from torch_nacelle._runtime.input import with_names

X = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))


class Part(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)


class Tensor(Part):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.linear(x)
        return result


class TupleOfOne(Part):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.linear(x),)


class TupleOfTwo(Part):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.linear(x), x


class ListOfOne(Part):
    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [self.linear(x)]


class ListOfTwo(Part):
    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [self.linear(x), x]


class ListInALoop(Part):
    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        results: list[torch.Tensor] = []
        for _ in range(3):
            x = self.linear(x)
            results.append(x)
        return results


class Last(torch.nn.Module):
    """Takes the last of what a part returns."""

    def __init__(self, part: torch.nn.Module) -> None:
        super().__init__()
        self.part = part
        self.head = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.head(self.part(x)[-1])
        return result


KINDS = [Tensor, TupleOfOne, TupleOfTwo, ListOfOne, ListOfTwo, ListInALoop]


def assert_same(found: object, wanted: object) -> None:
    """The same types and values, all the way down."""
    assert type(found) is type(wanted)
    if isinstance(found, torch.Tensor):
        torch.testing.assert_close(found, wanted)
        return
    assert isinstance(found, (tuple, list)) and isinstance(wanted, (tuple, list))
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("method", ["auto", "script", "trace"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_program_returns_what_the_module_returns(kind: type[Part], method: Method, tmp_path: Path) -> None:
    module = kind()
    program = nacelle.compile(module, [X], backend="reference", method=method)
    assert_same(program(X), module(X))
    program.save(str(tmp_path / "program.ts"))
    assert_same(torch.jit.load(str(tmp_path / "program.ts"))(X), module(X))


@pytest.mark.parametrize("kind", KINDS)
def test_so_do_programs_of_other_sources(kind: type[Part]) -> None:
    module = kind().eval()
    assert_same(nacelle.compile(torch.jit.script(module), [X], backend="reference")(X), module(X))
    exported = torch.export.export(module, (X,))
    assert_same(nacelle.compile(exported, [X], backend="reference")(X), exported.module()(X))


@pytest.mark.parametrize("kind", KINDS)
def test_so_does_a_submodule_of_a_hybrid_program(kind: type[Part]) -> None:
    module = Last(kind())
    program = nacelle.compile(module, {"part": [X]}, backend="reference")
    assert_same(program(X), module(X))


@pytest.mark.parametrize("method", ["auto", "script", "trace"])
def test_an_exported_model_knows_how_its_module_returns(method: Method) -> None:
    wanted = {Tensor: "tensor", TupleOfOne: "tuple", TupleOfTwo: "tuple", ListOfOne: "list", ListOfTwo: "list"}
    inputs = with_names([nacelle.Input(shape=(2, 4))])
    for kind, returns in wanted.items():
        if method == "script" and returns == "list":
            continue  # ONNX's list is a sequence, which is no output of an engine
        assert export(kind(), inputs, opset=17, method=method).returns == returns


def test_so_does_an_engine_from_the_cache(tmp_path: Path) -> None:
    for _ in range(2):
        module = ListOfOne()
        program = nacelle.compile(module, [X], backend="reference", engine_cache=tmp_path)
        assert_same(program(X), module(X))


def test_embed_returns_one_tensor_by_itself_and_several_as_a_tuple() -> None:
    for kind in (TupleOfOne, ListOfOne):
        assert isinstance(nacelle.embed(nacelle.build_engine(kind(), [X], backend="reference"))(X), torch.Tensor)
    assert isinstance(nacelle.embed(nacelle.build_engine(ListOfTwo(), [X], backend="reference"))(X), tuple)


def test_the_graph_of_one_tensor_and_of_a_tuple_is_upstreams() -> None:
    one = nacelle.compile(Tensor(), [X], backend="reference").graph
    assert [node.kind() for node in one.nodes()] == [
        "prim::GetAttr",
        "prim::ListConstruct",
        "tensorrt::execute_engine",
        "prim::ListUnpack",
    ]
    several = nacelle.compile(TupleOfTwo(), [X], backend="reference").graph
    assert [node.kind() for node in several.nodes()][3:] == ["prim::ListUnpack", "prim::TupleConstruct"]
