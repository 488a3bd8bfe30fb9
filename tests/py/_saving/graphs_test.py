"""Programs of engines alone as graphs of torch.fx."""

from __future__ import annotations

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.engine_kinds import BATCHED, Doubled, TwoOutputs, X
from torch_nacelle._saving import graphs


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["x", "mask"], ["x", "mask"]),
        (["class", "images:0"], ["input_0", "input_1"]),
        (["__x", "x"], ["input_0", "x"]),
        (["state.h.0", "a-b"], ["state_h_0", "a_b"]),
        (["a.b", "a_b"], ["a_b", "input_1"]),
        (["input_1", "a:b"], ["input_0", "input_1"]),  # the second would be the first's name
    ],
)
def test_arguments_are_named_after_inputs_if_python_can(names: list[str], wanted: list[str]) -> None:
    class Sum(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x + y

    module = nacelle.compile(Sum(), [BATCHED.named(name) for name in names], container="module")
    assert isinstance(module, nacelle.EngineModule)
    graph, inputs, _ = graphs.of_engine(module)
    assert isinstance(graph, torch.fx.GraphModule)
    placeholders = [node.name for node in graph.graph.nodes if node.op == "placeholder"]
    assert placeholders == [one.name for one in inputs] == wanted
    torch.testing.assert_close(graph(X, X), X + X)


@pytest.mark.parametrize("returns", ["list", "tuple", None])
def test_a_graph_returns_what_the_module_returns(returns: str | None) -> None:
    module = nacelle.EngineModule(nacelle.build_engine(TwoOutputs(), [BATCHED]), returns=returns)
    graph, *_ = graphs.of_engine(module)
    assert type(graph(X)) is type(module(X))
    torch.testing.assert_close(graph(X), module(X))


def test_a_tuple_of_one_stays_a_tuple() -> None:
    module = nacelle.EngineModule(nacelle.build_engine(Doubled(), [BATCHED]), returns="tuple")
    assert isinstance(graphs.of_engine(module)[0](X), tuple)


def test_the_inputs_of_a_script_program_are_those_of_its_engines() -> None:
    graph, inputs = graphs.of_script(nacelle.compile(TwoOutputs(), [BATCHED]))
    (found,) = inputs
    assert found is not None
    assert found.ranges == BATCHED.ranges
    torch.testing.assert_close(graph(X), TwoOutputs()(X))


class Unused(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.engine = nacelle.compile(Doubled(), [BATCHED])

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.engine(x)


def test_an_argument_that_goes_to_no_engine_is_unknown() -> None:
    _, inputs = graphs.of_script(torch.jit.script(Unused()))
    assert inputs[0] is not None and inputs[1] is None
    with pytest.raises(nacelle.InputError, match="the inputs of argument 1 of"):
        nacelle.save(torch.jit.script(Unused()), "x.pt2")
