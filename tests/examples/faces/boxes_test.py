"""Boxes, against the same rules written box by box."""

import pytest
import torch
from torch import Tensor

from examples.faces import boxes as bx

scripted_suppress = torch.jit.script(bx.suppress)


def overlap_of_two(a: list[float], b: list[float], of_smaller: bool) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    common = width * height
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return common / (min(areas) if of_smaller else sum(areas) - common)


def suppress_one_by_one(boxes: Tensor, scores: Tensor, threshold: float, of_smaller: bool) -> list[int]:
    kept: list[int] = []
    values = boxes.tolist()
    for index in sorted(range(len(values)), key=lambda i: -float(scores[i])):
        if all(overlap_of_two(values[index], values[other], of_smaller) <= threshold for other in kept):
            kept.append(index)
    return kept


def random_boxes(seed: int, count: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=random, dtype=torch.float64) * 60
    size = torch.rand(count, 2, generator=random, dtype=torch.float64) * 40 + 1
    scores = torch.rand(count, generator=random)
    return torch.cat([corner, corner + size], dim=1), scores


@pytest.mark.parametrize("of_smaller", [False, True])
@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.7])
@pytest.mark.parametrize("count", [1, 2, 17, 300])
def test_suppress_is_the_rule_applied_box_by_box(count: int, threshold: float, of_smaller: bool) -> None:
    boxes, scores = random_boxes(count, count)
    wanted = suppress_one_by_one(boxes, scores, threshold, of_smaller)
    assert bx.suppress(boxes, scores, threshold, of_smaller).tolist() == wanted
    assert scripted_suppress(boxes, scores, threshold, of_smaller).tolist() == wanted


def test_suppress_follows_a_long_chain() -> None:
    # Each overlaps only its neighbours: the first takes out the second, so the third stays, and so on.
    left = torch.arange(40.0)[:, None] * 6
    boxes = torch.cat([left, torch.zeros(40, 1), left + 10, torch.full((40, 1), 10.0)], dim=1)
    scores = torch.linspace(1.0, 0.1, 40)
    assert bx.suppress(boxes, scores, 0.2).tolist() == list(range(0, 40, 2))


def test_of_equal_scores_the_first_stays() -> None:
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0]]).repeat(50, 1)
    assert bx.suppress(boxes, torch.full((50,), 0.5), 0.5).tolist() == [0]


def test_no_boxes() -> None:
    assert bx.suppress(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []
    assert bx.square(torch.zeros(0, 4)).shape == (0, 4)


def test_overlap() -> None:
    boxes = torch.tensor(
        [[0.0, 0.0, 10.0, 10.0], [5.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0], [3.0, 3.0, 3.0, 3.0]]
    )
    union = [[1, 0.5, 0, 0], [0.5, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    smaller = [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert bx.overlap(boxes, boxes).tolist() == union
    assert bx.overlap(boxes, boxes, of_smaller=True).tolist() == smaller


def test_corrections_are_in_widths_and_heights() -> None:
    boxes = torch.tensor([[10.0, 20.0, 30.0, 60.0]])
    corrections = torch.tensor([[0.1, 0.1, -0.1, 0.5]])
    assert torch.equal(bx.correct(boxes, corrections), torch.tensor([[12.0, 24.0, 28.0, 80.0]]))


def test_squares_keep_centre_and_longer_side() -> None:
    boxes = torch.tensor([[10.0, 20.0, 30.0, 60.0], [0.0, 0.0, 8.0, 2.0]])
    assert bx.square(boxes).tolist() == [[0, 20, 40, 60], [0, -3, 8, 5]]


def test_clip() -> None:
    boxes = torch.tensor([[-5.0, 3.0, 50.0, 70.0]])
    assert bx.clip(boxes, height=60, width=40).tolist() == [[0, 3, 40, 60]]
