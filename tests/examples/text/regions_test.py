"""Regions and boxes."""

import pytest
import torch
from torch import Tensor

from examples.text import regions
from examples.text.characters import texts


def mask(*rows: str) -> Tensor:
    return torch.tensor([[letter != "." for letter in row] for row in rows])


def test_regions_are_told_apart_and_corners_connect() -> None:
    labels = regions.label(mask("##..#", "..#.#", "....#", "#...."))
    assert labels.unique().numel() == 4
    assert labels[0, 0] == labels[0, 1] == labels[1, 2] != 0
    assert labels[0, 4] == labels[2, 4] != labels[0, 0]
    assert labels[0, 2] == 0


def test_long_and_winding_regions_are_one() -> None:
    snake = torch.zeros(41, 60, dtype=torch.bool)
    snake[::2] = True
    snake[1::4, -1] = True
    snake[3::4, 0] = True
    assert regions.label(snake).unique().numel() == 2
    assert regions.label(torch.ones(1, 3000, dtype=torch.bool)).unique().numel() == 1


def test_random_regions_are_those_of_a_search() -> None:
    random = torch.rand(40, 50, generator=torch.Generator().manual_seed(1)) > 0.6
    labels = regions.label(random)
    seen = torch.zeros_like(random)
    count = 0
    for row, column in torch.nonzero(random).tolist():
        if seen[row, column]:
            continue
        count += 1
        reached, open_ = set(), [(row, column)]
        while open_:
            y, x = open_.pop()
            if (y, x) in reached or not (0 <= y < 40 and 0 <= x < 50) or not random[y, x]:
                continue
            reached.add((y, x))
            open_ += [(y + a, x + b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
        places = torch.tensor(sorted(reached))
        seen[places[:, 0], places[:, 1]] = True
        assert labels[places[:, 0], places[:, 1]].unique().numel() == 1
    assert labels.unique().numel() == count + 1


def test_boxes_and_means() -> None:
    labels = regions.label(mask("##...", "##...", "....#"))
    probabilities = torch.tensor([[0.5, 0.7, 0, 0, 0], [0.5, 0.7, 0, 0, 0], [0, 0, 0, 0, 0.9]])
    boxes, means = regions.boxes_of(labels, probabilities)
    assert sorted(boxes.tolist()) == [[0, 0, 2, 2], [4, 2, 5, 3]]
    assert sorted(means.tolist()) == pytest.approx([0.6, 0.9])
    boxes, means = regions.boxes_of(torch.zeros(3, 3, dtype=torch.int64), torch.zeros(3, 3))
    assert boxes.shape == (0, 4) and means.shape == (0,)


def test_growth_spreads_the_area_around_the_edges() -> None:
    grown = regions.grow(torch.tensor([[10.0, 20.0, 110.0, 40.0]]), 1.2)
    assert grown[0].tolist() == pytest.approx([0.0, 10.0, 120.0, 50.0], abs=1e-3)


def test_lines_are_read_from_top_to_bottom_and_left_to_right() -> None:
    boxes = torch.tensor([[300.0, 12, 400, 40], [10, 100, 90, 130], [10, 10, 90, 42], [120, 8, 260, 44]])
    assert regions.reading_order(boxes).tolist() == [2, 3, 0, 1]
    assert regions.reading_order(torch.zeros(0, 4)).tolist() == []


def test_codes_become_texts() -> None:
    assert texts(torch.tensor([[1, 2, -1], [3, 3, 1]]), ["", "a", "b", "c"]) == ["ab", "cca"]
    assert texts(torch.zeros(0, 0, dtype=torch.int64), []) == []
