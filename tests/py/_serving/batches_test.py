"""Splits of batches, checked against every other way to split them."""

import functools

import pytest
import torch

from torch_nacelle import Input, InputError
from torch_nacelle._serving.batches import Piece, Sizes, allowed_sizes, check_inputs, split
from torch_nacelle._serving.interface import ServedInput

ALLOWED = [
    [Sizes(1, 8)],
    [Sizes(3, 8)],
    [Sizes(7, 8)],
    [Sizes(8, 8)],
    [Sizes(1, 1)],
    [Sizes(5, 6)],
    [Sizes(1, 2), Sizes(8, 8)],
    [Sizes(4, 4), Sizes(6, 6)],
    [Sizes(16, 32), Sizes(2, 4)],
]


def least_padding(rows: int, allowed: list[Sizes]) -> int:
    """Returns the fewest rows that any list of allowed sizes has more than `rows`."""
    sizes = sorted({size for one in allowed for size in range(one.min, one.max + 1)})

    @functools.cache
    def padding(left: int) -> int:
        return -left if left <= 0 else min(padding(left - size) for size in sizes)

    return padding(rows)


@pytest.mark.parametrize("allowed", ALLOWED, ids=str)
def test_pieces_cover_the_rows_in_order_in_allowed_sizes(allowed: list[Sizes]) -> None:
    for rows in range(100):
        pieces = split(rows, allowed)
        assert [row for piece in pieces for row in range(piece.start, piece.start + piece.rows)] == list(range(rows))
        for piece in pieces:
            assert any(one.min <= piece.size <= one.max for one in allowed), (rows, pieces)
        assert all(piece.size == piece.rows for piece in pieces[:-1]), (rows, pieces)


@pytest.mark.parametrize("allowed", [one for one in ALLOWED if len(one) == 1], ids=str)
def test_nothing_is_padded_if_a_split_does_without(allowed: list[Sizes]) -> None:
    for rows in range(100):
        padded = sum(piece.size - piece.rows for piece in split(rows, allowed))
        assert (padded == 0) == (least_padding(rows, allowed) == 0), rows


@pytest.mark.parametrize(
    ("rows", "allowed", "sizes"),
    [
        (21, [Sizes(1, 8)], [8, 8, 5]),
        (9, [Sizes(3, 8)], [5, 4]),
        (17, [Sizes(7, 8)], [8, 8, 7]),
        (21, [Sizes(7, 8)], [7, 7, 7]),
        (8, [Sizes(4, 4), Sizes(6, 6)], [4, 4]),
        (11, [Sizes(8, 8), Sizes(1, 2)], [8, 2, 1]),
        (2, [Sizes(16, 32), Sizes(3, 4)], [3]),
        (0, [Sizes(4, 8)], []),
    ],
)
def test_pieces_are_large(rows: int, allowed: list[Sizes], sizes: list[int]) -> None:
    assert [piece.size for piece in split(rows, allowed)] == sizes


def test_a_piece_is_a_copy_padded_with_its_last_row() -> None:
    rows = torch.arange(12).reshape(6, 2)
    piece = Piece(start=4, rows=2, size=4).of(rows)
    assert piece.tolist() == [[8, 9], [10, 11], [10, 11], [10, 11]]
    piece.zero_()
    assert rows[5].tolist() == [10, 11]


def served(**inputs: Input) -> list[ServedInput]:
    return [ServedInput(name, name, one) for name, one in inputs.items()]


def test_sizes_are_those_of_profiles_that_take_the_rows() -> None:
    images = Input(min=[(1, 3, 8), (1, 3, 32)], max=[(16, 3, 8), (2, 3, 64)])
    scale = Input(min=[(1, 1), (1, 1)], max=[(8, 1), (4, 1)])
    inputs = served(images=images, scale=scale)
    assert allowed_sizes(inputs, {"images": (3, 8), "scale": (1,)}) == [Sizes(1, 8)]
    assert allowed_sizes(inputs, {"images": (3, 40), "scale": (1,)}) == [Sizes(1, 2)]
    with pytest.raises(
        InputError, match=r'rows of input "images" have the shape \[3, 9\]; wanted \[3, 8\] or \[3, 32..64'
    ):
        allowed_sizes(inputs, {"images": (3, 9), "scale": (1,)})
    with pytest.raises(InputError, match=r'rows of input "scale" have the shape \[\]; wanted \[1\]'):
        allowed_sizes(inputs, {"images": (3, 8), "scale": ()})


def test_a_batch_has_a_row_at_least() -> None:
    assert allowed_sizes(served(x=Input(min=(0, 3), max=(4, 3))), {"x": (3,)}) == [Sizes(1, 4)]


def test_rows_that_fit_no_profile_together_are_refused() -> None:
    one = Input(min=[(1, 4), (1, 9)], max=[(8, 4), (8, 9)])
    with pytest.raises(InputError, match=r'takes rows of these shapes together: "a" \[4\], "b" \[9\]'):
        allowed_sizes(served(a=one, b=one), {"a": (4,), "b": (9,)})


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "no input for rows"),
        ({"x": Input(min=(1, 2), max=(8, 2)), "scale": Input(shape=())}, 'input "scale" has no dimension'),
        (
            {"x": Input(min=(1, 2), max=(8, 2)), "sizes": Input(shape=(2,))},
            'input "sizes" has the first dimension 2 and input "x" has a first dimension of 1..8',
        ),
        (
            {"x": Input(shape=(4, 2)), "y": Input(shape=(2, 2))},
            'input "y" has the first dimension 2 and input "x" has the first dimension 4',
        ),
        (
            {"x": Input(min=(1, 2), max=(4, 2)), "y": Input(min=(5, 2), max=(8, 2))},
            "no optimization profile has a batch",
        ),
    ],
)
def test_inputs_that_are_no_rows_are_refused(inputs: dict[str, Input], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_inputs(served(**inputs))
