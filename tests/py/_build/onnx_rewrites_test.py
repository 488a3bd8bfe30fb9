"""Rewriting of ONNX models for parsers, and the words about what a parser refuses."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from torch import nn

from torch_nacelle._build.onnx_einsum import small, with_small_letters
from torch_nacelle._build.refused_parts import refused_parts

TWENTY = "".join(chr(ord("A") + index) for index in range(20))


def model(*nodes: onnx.NodeProto) -> bytes:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "y")]
    graph = helper.make_graph(
        list(nodes), "graph", values, [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)]
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    return bytes(made.SerializeToString())


def shapes(equation: str) -> list[tuple[int, ...]]:
    """Shapes for an equation, of another size for each letter, with two dimensions for an ellipsis."""
    sizes = {letter: 2 + place for place, letter in enumerate(sorted(set(equation) - set(".,-> ")))}
    terms = equation.replace(" ", "").split("->")[0].split(",")
    return [tuple(sizes[letter] for letter in term.replace("...", "")) for term in terms]


@pytest.mark.parametrize(
    ("equation", "wanted"),
    [
        ("BHWC,HWZ->BZC", "bhwc,hwz->bzc"),
        ("aB,Ab->aA", "ad,cb->ac"),  # B and b are two indices, and so are A and a
        ("B T, B T -> B", "b t, b t -> b"),
        ("...Ba,...Aa->...AB", "...ba,...ca->...cb"),
        ("ab,bc->ac", "ab,bc->ac"),
        (f"{TWENTY},abcdefgh->a", f"{TWENTY},abcdefgh->a"),  # there are not so many small letters
    ],
)
def test_capital_letters_become_small_ones_that_are_free(equation: str, wanted: str) -> None:
    found = small(equation)
    letters = set(equation) - set(".,-> ")
    assert len(set(found) - set(".,-> ")) == len(letters)
    assert found == wanted
    if len(letters) < 10:
        values = [np.random.default_rng(0).random(shape) for shape in shapes(equation)]
        np.testing.assert_allclose(np.einsum(found, *values), np.einsum(equation, *values))


def test_models_with_equations_are_rewritten_and_others_stay_as_they_are() -> None:
    capital = model(helper.make_node("Einsum", ["x", "y"], ["z"], equation="Ab,bA->A"))
    (node,) = onnx.load_model_from_string(with_small_letters(capital)).graph.node
    assert node.attribute[0].s == b"ab,ba->a"
    for other in (
        model(helper.make_node("Einsum", ["x", "y"], ["z"], equation="ab,ba->a")),
        model(helper.make_node("Add", ["x", "y"], ["z"], name="Einsum")),
    ):
        assert with_small_letters(other) is other


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
        self.head = nn.Linear(2, 2)
        self.act = nn.ReLU()


@pytest.mark.parametrize(
    ("names", "reason", "wanted"),
    [
        (
            ["/body/1/1/NonZero", "/head/Gemm"],
            'node 0 ("/body/1/1/NonZero", operator NonZero): no plugin',
            ["NonZero is of submodule 'body.1.1'", '{"body.0": inputs, "body.1.0": inputs, "head": inputs}'],
        ),
        (
            ["/body/1/body.1.1/NonZero", "/NonZero"],
            "node 0 ('/body/1/body.1.1/NonZero', operator NonZero): no plugin",
            ["NonZero is of submodule 'body.1.1', of the module's own forward"],
        ),
        (["/NonZero"], 'node 0 ("/NonZero", operator NonZero): no', ['{"body": inputs, "head": inputs}']),
        (["/NonZero"], 'node 7 ("of another model", operator NonZero): no', []),
        (["/NonZero"], "the model: broken", []),
    ],
)
def test_what_is_refused_is_told_by_submodule(names: list[str], reason: str, wanted: list[str]) -> None:
    nodes = [
        helper.make_node(name.rsplit("/", 1)[-1], ["x"], [f"o{place}"], name=name) for place, name in enumerate(names)
    ]
    words = refused_parts(reason, model(*nodes), Nested())
    assert bool(words) == bool(wanted)
    for word in wanted:
        assert word in words
