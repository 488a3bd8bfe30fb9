"""What an Input accepts, and what it says about what it does not."""

import pytest
import torch

import torch_nacelle as nacelle
from torch_nacelle import Input


def test_a_fixed_shape() -> None:
    one = Input(shape=(1, 3, 4))
    assert one.shape == (1, 3, 4)
    assert one.dtype == torch.float32
    assert not one.dynamic
    assert one.profiles == ()


def test_a_tensor_gives_its_dtype_and_shape() -> None:
    one = Input.of(torch.zeros(2, 5, dtype=torch.int32))
    assert (one.shape, one.dtype) == ((2, 5), torch.int32)


def test_a_range_gives_dynamic_dimensions_where_it_varies() -> None:
    one = Input(min=(1, 3, 8), opt=(4, 3, 8), max=(16, 3, 64), name="x")
    assert one.shape == (-1, 3, -1)
    assert one.dynamic
    assert one.profiles[0].opt == (4, 3, 8)
    assert one.name == "x"


def test_opt_is_max_where_it_is_left_out() -> None:
    assert Input(min=(1,), max=(9,)).profiles[0].opt == (9,)


def test_several_profiles() -> None:
    one = Input(min=[(1, 2), (8, 2)], opt=[(1, 2), (8, 2)], max=[(4, 2), (32, 2)])
    assert one.shape == (-1, 2)
    assert [profile.max for profile in one.profiles] == [(4, 2), (32, 2)]


def test_fixed_profiles_that_differ_are_dynamic() -> None:
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
    ],
)
def test_contradictions_are_named(arguments: dict[str, object], words: list[str]) -> None:
    with pytest.raises(nacelle.InputError) as caught:
        Input(**arguments)  # type: ignore[arg-type]
    for word in words:
        assert word in str(caught.value)


def test_other_things_are_no_inputs() -> None:
    with pytest.raises(nacelle.InputError, match="found list"):
        Input.of([1, 2, 3])  # type: ignore[arg-type]
