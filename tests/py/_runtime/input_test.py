"""The values that an Input accepts, and its errors for others."""

from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from torch_nacelle import Input
from torch_nacelle._runtime.input import optimization_profiles

VALUES: dict[str, object] = {"shape": (2,), "dtype": torch.int64}


def test_a_fixed_shape() -> None:
    one = Input(shape=(1, 3, 4))
    assert one.shape == (1, 3, 4)
    assert one.dtype == torch.float32
    assert not one.dynamic
    assert one.ranges == ()


def test_a_tensor_gives_its_dtype_and_shape() -> None:
    one = Input.of(torch.zeros(2, 5, dtype=torch.int32))
    assert (one.shape, one.dtype) == ((2, 5), torch.int32)


def test_a_range_gives_dynamic_dimensions_where_it_varies() -> None:
    one = Input(min=(1, 3, 8), opt=(4, 3, 8), max=(16, 3, 64), name="x")
    assert one.shape == (-1, 3, -1)
    assert one.dynamic
    assert one.ranges[0].opt == (4, 3, 8)
    assert one.name == "x"


def test_opt_is_max_where_it_is_left_out() -> None:
    assert Input(min=(1,), max=(9,)).ranges[0].opt == (9,)


def test_several_ranges() -> None:
    one = Input(min=[(1, 2), (8, 2)], opt=[(1, 2), (8, 2)], max=[(4, 2), (32, 2)])
    assert one.shape == (-1, 2)
    assert [allowed.max for allowed in one.ranges] == [(4, 2), (32, 2)]


def test_fixed_ranges_that_differ_are_dynamic() -> None:
    assert Input(min=[(1,), (2,)], max=[(1,), (2,)]).shape == (-1,)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, ["give a shape, or min, opt and max"]),
        ({"shape": (1, -1)}, ["(1, -1)", "min, opt, max"]),
        ({"shape": (1, -2)}, ["0 or more"]),
        ({"min": (1, 2)}, ["both min and max", "only min"]),
        ({"max": (1, 2)}, ["both min and max", "only max"]),
        ({"min": (1, 2), "max": (1,)}, ["must all have 2 dimensions"]),
        ({"min": (4,), "max": (2,)}, ["dimension 0", "min 4", "max 2"]),
        ({"min": (1,), "opt": (9,), "max": (2,)}, ["opt 9", "ascend"]),
        ({"min": [(1,), (2,)], "max": [(3,)]}, ["a shape per optimization profile"]),
        ({"shape": (2, 3), "min": (1, 3), "max": (4, 3)}, ["(2, 3)", "(-1, 3)"]),
        ({"opt": (1, 2)}, ["both min and max", "only opt"]),
        (VALUES | {"min_values": (1, 2)}, ["both min_values and max_values", "only min_values"]),
        (VALUES | {"min_values": (4, 1), "max_values": (2, 1)}, ["element 0", "min_values 4", "max_values 2"]),
        (VALUES | {"min_values": (1, 1), "max_values": (2,)}, ["must all have 2 elements"]),
        (VALUES | {"min_values": [(1, 1)], "max_values": [(2, 2), (3, 3)]}, ["a list per optimization profile"]),
        (VALUES | {"min_values": (1,), "max_values": (2,)}, ["[2]", "1 elements"]),
        ({"shape": (2,), "min_values": (1, 1), "max_values": (2, 2)}, ["int32 or int64", "float32"]),
        (VALUES | {"shape": (1, 2), "min_values": (1, 1), "max_values": (2, 2)}, ["one dimension or none", "[1, 2]"]),
        (
            {"min": (1,), "max": (2,), "dtype": torch.int64, "min_values": (1,), "max_values": (2,)},
            ["a fixed shape", "[-1]"],
        ),
        (
            {"shape": (1,), "dtype": torch.int32, "min_values": (1,), "max_values": (2**40,)},
            [str(2**40), "no int32"],
        ),
    ],
)
def test_contradictions_are_named(arguments: dict[str, object], words: list[str]) -> None:
    with pytest.raises(nacelle.InputError) as caught:
        Input(**arguments)  # type: ignore[arg-type]
    for word in words:
        assert word in str(caught.value)


def test_values_that_decide_about_shapes() -> None:
    one = Input(
        shape=(2,), dtype=torch.int64, name="target", min_values=(1, -1), opt_values=(3, 4), max_values=(12, 12)
    )
    assert not one.dynamic
    assert one.range_count == 1
    assert [(values.min, values.opt, values.max) for values in one.values] == [((1, -1), (3, 4), (12, 12))]
    assert torch.equal(one.example(), torch.tensor([3, 4]))
    assert optimization_profiles([one]) == [{"target": ([1, -1], [3, 4], [12, 12])}]
    assert one.named("other").values == one.values


def test_a_scalar_that_decides_about_shapes() -> None:
    one = Input(shape=(), dtype=torch.int32, min_values=(1,), max_values=(8,))
    assert torch.equal(one.example(), torch.tensor(8, dtype=torch.int32))


def test_values_and_shapes_in_the_same_optimization_profiles() -> None:
    target = Input(shape=(1,), dtype=torch.int64, name="n", min_values=[(1,), (5,)], max_values=[(4,), (9,)])
    rows = Input(min=[(1, 2), (5, 2)], max=[(4, 2), (9, 2)], name="x")
    other = Input(shape=(3,), name="y")
    assert optimization_profiles([rows, target, other], ["n", "x", "y"]) == [
        {"x": ([1, 2], [4, 2], [4, 2]), "n": ([1], [4], [4]), "y": ([3], [3], [3])},
        {"x": ([5, 2], [9, 2], [9, 2]), "n": ([5], [9], [9]), "y": ([3], [3], [3])},
    ]
    with pytest.raises(nacelle.InputError, match="x has 2, n has 1"):
        optimization_profiles([rows, Input(shape=(1,), dtype=torch.int64, name="n", min_values=(1,), max_values=(4,))])


def test_other_things_are_no_inputs() -> None:
    with pytest.raises(nacelle.InputError, match="found list"):
        Input.of([1, 2, 3])  # type: ignore[arg-type]


SIZES = [
    ({"max": (2**63,), "min": (1,)}, "max, dimension 0, is 9223372036854775808; wanted a number of 64 bits"),
    ({"shape": (2**64, 2)}, "shape, dimension 0, is 18446744073709551616; wanted a number of 64 bits"),
    ({"shape": (3, -(2**64))}, "shape, dimension 1, is -18446744073709551616; wanted a number of 64 bits"),
    ({"max": (2**62,), "min": (1,)}, r"float32 \[4611686018427387904\] takes 18446744073709551616 bytes; wanted less"),
    ({"shape": (2**20,) * 4}, "takes 4835703278458516698824704 bytes; wanted less than 2"),
    ({"shape": (2**61,), "dtype": torch.float64}, "takes 18446744073709551616 bytes"),
    ({"min": [(1,), (1,)], "max": [(2,), (2**62,)]}, "takes 18446744073709551616 bytes"),
    ({"min": (-1,), "max": (3,)}, r"min is \(-1,\): sizes of dimensions are 0 or more"),
    ({"shape": (2.5,)}, "shape, dimension 0, is 2.5; wanted a whole number"),
    ({"min": (1.0,), "max": (4,)}, "min, dimension 0, is 1.0; wanted a whole number"),
    ({"shape": (None, 3)}, "shape, dimension 0, is None; wanted a whole number"),
    ({"shape": ((2, 3),)}, r"shape, dimension 0, is \(2, 3\); wanted a whole number"),
    ({"shape": ("2", "3")}, "shape, dimension 0, is '2'; wanted a whole number"),
    ({"shape": "23"}, "shape is '23'; wanted a shape of whole numbers"),
    ({"shape": 3}, "shape is 3; wanted a shape of whole numbers"),
    ({"min": 1, "max": 4}, "min is 1; wanted a shape of whole numbers, or one per optimization profile"),
    ({"min": [(1,), 2], "max": [(3,), 4]}, r"min, dimension 0, is \(1,\); wanted a whole number"),
    ({"shape": (2,), "dtype": "float32"}, "dtype is 'float32'; wanted one of torch's, such as torch.float32"),
    ({"shape": (2,), "dtype": None}, "dtype is None; wanted one of torch's"),
    ({"shape": (2,), "name": 3}, "an Input's name is of type int; wanted a text"),
    ({"shape": (2,), "name": "\udcff"}, "which UTF-8 cannot hold; wanted another name"),
]


@pytest.mark.parametrize(("arguments", "words"), SIZES, ids=[words for _, words in SIZES])
def test_numbers_that_are_no_sizes(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(nacelle.InputError, match=words):
        Input(**arguments)


NO_VALUES = [
    (
        {"min_values": (1,), "max_values": (2**63,)},
        "max_values, element 0, is 9223372036854775808; wanted a number of 64",
    ),
    ({"min_values": ("ab",), "max_values": (3,)}, "min_values, element 0, is 'ab'; wanted a whole number"),
    ({"min_values": (0.5,), "max_values": (3,)}, "min_values, element 0, is 0.5; wanted a whole number"),
    ({"min_values": 1, "max_values": 3}, "min_values is 1; wanted a list of whole numbers, or one per"),
]


@pytest.mark.parametrize(("arguments", "words"), NO_VALUES, ids=[words for _, words in NO_VALUES])
def test_numbers_that_are_no_values(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(nacelle.InputError, match=words):
        Input(shape=(1,), dtype=torch.int64, **arguments)


def test_sizes_of_zero_and_of_over_31_bits_are_sizes() -> None:
    assert Input(min=(0,), max=(2**31,)).ranges[0].max == (2**31,)
    assert Input(shape=(0, 2**62)).shape == (0, 2**62)
    assert Input(shape=torch.rand(2, 3).shape).shape == (2, 3)
    assert Input(shape=range(3)).shape == (0, 1, 2)
