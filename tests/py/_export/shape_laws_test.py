"""Laws are found in what functions answer, are right wherever they were not asked, and are not found where none is."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest

from torch_nacelle._export.shape_laws import (
    Dimension,
    EngineLaws,
    Law,
    Quotient,
    Term,
    Unknown,
    constant,
    law,
    parse_law,
    parse_size,
    upper_bounds,
)
from torch_nacelle._export.shape_laws_fit import MAX_POINTS, Box, fit
from torch_nacelle._export.shape_laws_products import Sizes
from torch_nacelle.errors import InputError

Range = tuple[int, int, int]
Function = Callable[..., Sequence[int]]

X = [Dimension(0, i) for i in range(4)]
IMAGE = [(1, 8, 16), (32, 640, 1280), (32, 640, 1280)]
NAMES = ["x", "y"]


def box(ranges: Sequence[Range]) -> Box:
    low, opt, high = zip(*ranges, strict=True)
    return Box(tuple(low), tuple(opt), tuple(high))


def found(
    function: Function,
    *profiles: Sequence[Range],
    dimensions: Sequence[Dimension] | None = None,
    accepts: Callable[..., bool] = lambda *_: True,
) -> list[Law | Unknown]:
    """Returns the laws of a function of all input sizes. Checks the number of points that it is asked at."""
    boxes = [box(ranges) for ranges in profiles]
    asked: list[Sizes] = []

    def ask(points: Sequence[Sizes]) -> list[Sizes | None]:
        asked.extend(points)
        assert all(any(one.holds(point) for one in boxes) for point in points)
        return [tuple(function(*point)) if accepts(*point) else None for point in points]

    laws = fit(dimensions or X[: len(profiles[0])], boxes, ask)
    assert len(asked) == len(set(asked)) <= MAX_POINTS
    return laws


def texts(laws: Sequence[Law | Unknown]) -> list[str]:
    return [one.text() if isinstance(one, Unknown) else one.text(NAMES) for one in laws]


def test_convolutions_and_affine_functions() -> None:
    laws = found(lambda n, h, w: (n, 8, (h + 1) // 2, (w - 3) // 4 + 1, 4 * h + 1, 3 * h // 2), IMAGE)
    assert texts(laws) == ["x.0", "8", "(x.1 + 1) // 2", "(x.2 + 1) // 4", "4 * x.1 + 1", "x.1 + (x.1 // 2)"]


def test_products() -> None:
    laws = found(lambda n, h, w: (h * w, ((h + 2) // 2) * ((w + 2) // 2) + 1, n * h * w, h * (h // 3 + 1) + w), IMAGE)
    assert texts(laws) == [
        "x.1 * x.2",
        "((x.1 + 2) // 2) * ((x.2 + 2) // 2) + 1",
        "x.0 * x.1 * x.2",
        "x.1 * ((x.1 + 3) // 3) + x.2",
    ]


def test_counts_of_anchors() -> None:
    levels = [(8, 4), (16, 6), (32, 6), (64, 6)]
    laws = found(lambda n, h, w: (sum(a * -(-h // c) * -(-w // c) for c, a in levels),), IMAGE)
    assert texts(laws) == [
        "4 * ((x.1 + 7) // 8) * ((x.2 + 7) // 8) + 6 * ((x.1 + 15) // 16) * ((x.2 + 15) // 16) + "
        "6 * ((x.1 + 31) // 32) * ((x.2 + 31) // 32) + 6 * ((x.1 + 63) // 64) * ((x.2 + 63) // 64)"
    ]


def test_sizes_that_are_accepted_in_steps() -> None:
    laws = found(
        lambda n, h, w: (sum((h // c) * (w // c) for c in (8, 16, 32)), h // 8, h * 4 + 1),
        IMAGE,
        accepts=lambda n, h, w: h % 32 == 0 and w % 32 == 0,
    )
    assert texts(laws) == ["21 * (x.1 // 32) * (x.2 // 32)", "x.1 // 8", "4 * x.1 + 1"]


TWO = [Dimension(0, 0), Dimension(1, 0)]
BATCHES = [(1, 4, 64), (1, 4, 64)]


def test_sizes_that_are_accepted_together() -> None:
    laws = found(lambda n, m: (n, n + m), BATCHES, dimensions=TWO, accepts=lambda n, m: n == m)
    assert texts(laws) == ["x.0", "2 * x.0"]
    doubled = found(lambda a, b: (a + 1, b), [(2, 4, 40), (4, 8, 80)], dimensions=TWO, accepts=lambda a, b: b == 2 * a)
    assert texts(doubled) == ["x.0 + 1", "2 * x.0"]


def test_an_input_that_is_expanded_gives_no_law_where_either_may_be_1() -> None:
    either = found(lambda n, m: (max(n, m), m), BATCHES, dimensions=TWO, accepts=lambda n, m: n == m or min(n, m) == 1)
    assert texts(either) == ["? 0 (no law)", "y.0"]
    first = found(lambda n, m: (m,), BATCHES, dimensions=TWO, accepts=lambda n, m: n in (1, m))
    assert texts(first) == ["y.0"]


def test_many_inputs_with_one_batch_size() -> None:
    dimensions = [Dimension(i, dim) for i in range(60) for dim in (0, 2)]
    ranges = [(1, 2, 8), (1, 128, 2048)] * 60

    def accepts(*sizes: int) -> bool:
        return len(set(sizes[::2])) == 1 and len(set(sizes[1::2])) == 1

    laws = found(lambda *sizes: (sizes[0], sizes[1] + 1), ranges, dimensions=dimensions, accepts=accepts)
    assert [one.text() for one in laws] == ["0.0", "0.2 + 1"]


def test_several_profiles() -> None:
    fixed = [[(1, 1, 1), (size, size, size), (size, size, size)] for size in (224, 256, 320)]
    assert texts(found(lambda n, h, w: (n, h // 32, w // 16 + 1), *fixed)) == ["1", "x.1 // 32", "(x.1 + 16) // 16"]
    apart = [[(1, 1, 1), (100, 150, 200)], [(8, 8, 8), (100, 150, 200)]]
    assert texts(found(lambda n, h: (n, n * (h // 2)), *apart)) == ["x.0", "x.0 * (x.1 // 2)"]
    # A law of one profile that is wrong in another one is none.
    assert texts(found(lambda h: (h if h <= 200 else 7,), [(100, 150, 200)], [(500, 600, 700)])) == ["? 0 (no law)"]


def test_few_points_are_all_asked() -> None:
    assert texts(found(lambda n: (n, 5), [(3, 3, 3)])) == ["3", "5"]
    laws = found(lambda h: ((h + 10) // 32, (h + 3) // 50), [(1, 20, 100)])
    assert texts(laws) == ["(x.0 + 10) // 32", "(x.0 + 3) // 50"]


def test_sizes_that_depend_on_values() -> None:
    assert texts(found(lambda n: (-1, n), [(3, 5, 300)])) == ["? 0 (depends on values)", "x.0"]


def test_no_answers_give_no_laws() -> None:
    assert found(lambda n: (n,), [(1, 2, 3)], accepts=lambda n: False) == []


def test_few_answers_in_a_wide_range_give_no_laws() -> None:
    named = set(zip(*IMAGE, strict=True))
    assert texts(found(lambda *sizes: (8,), IMAGE, accepts=lambda *sizes: sizes in named)) == ["? 0 (no law)"]


LAWLESS: dict[str, Function] = {
    "a limit": lambda n, h, w: (min(h, 600),),
    "a lower limit": lambda n, h, w: (max(h, 40),),
    "the larger one": lambda n, h, w: (max(h, w),),
    "a root": lambda n, h, w: (math.isqrt(h * w),),
    "a power of 2": lambda n, h, w: (1 << h.bit_length(),),
    "bits": lambda n, h, w: (h ^ w,),
    "a divisor": lambda n, h, w: (math.gcd(h, w),),
    "a quotient of a product": lambda n, h, w: (h * w // 7,),
    "a quotient of a square": lambda n, h, w: (h * h // 5,),
    "a quotient of sizes": lambda n, h, w: (h // n,),
    "a limit of a product": lambda n, h, w: (min(h * w, 300000),),
    "a threshold": lambda n, h, w: (h * w if h > 300 else 5,),
}


@pytest.mark.parametrize("name", LAWLESS)
def test_functions_without_a_law(name: str) -> None:
    assert texts(found(LAWLESS[name], IMAGE)) == ["? 0 (no law)"]


def random_quotient(chance: random.Random, dimension: Dimension, most: int, divisors: Sequence[int]) -> Quotient:
    """Returns a division whose period shows three times among so many sizes."""
    divisor = chance.choice([1, *(one for one in divisors if 3 * one <= most)])
    return Quotient(dimension, chance.randint(0, 2 * divisor) if divisor > 1 else 0, divisor)


def random_law(chance: random.Random, ranges: Sequence[Range]) -> Law:
    terms = [Term(chance.randint(0, 3))]
    divisors = chance.choice([[2, 4, 8, 16, 32], [3, 6, 12], [5, 10], [7], [64]])
    for _ in range(chance.randint(1, 3)):
        chosen = chance.sample(range(len(ranges)), chance.randint(1, min(2, len(ranges))))
        factors = (random_quotient(chance, X[i], ranges[i][2] - ranges[i][0], divisors) for i in chosen)
        terms.append(Term(chance.choice([1, 1, 2, 3, 6]), tuple(factors)))
    return law(terms)


def random_range(chance: random.Random) -> Range:
    low = chance.choice([1, 1, 2, 7, 32, 100])
    high = low + chance.choice([0, 1, 3, 10, 50, 300, 1000])
    return low, chance.randint(low, high), high


@pytest.mark.parametrize("seed", range(60))
def test_random_laws_are_found_and_right_everywhere(seed: int) -> None:
    chance = random.Random(seed)
    ranges = [random_range(chance) for _ in range(chance.randint(1, 3))]
    truth = [random_law(chance, ranges) for _ in range(4)]
    laws = found(lambda *sizes: [one.apply([sizes]) for one in truth], ranges)
    for _ in range(2000):
        sizes = [chance.randint(low, high) for low, _, high in ranges]
        for one, true in zip(laws, truth, strict=True):
            assert isinstance(one, Law), (true.text(), ranges)
            assert one.apply([sizes]) == true.apply([sizes]), (true.text(), one.text(), ranges)


@pytest.mark.parametrize("seed", range(40))
def test_a_disturbed_law_is_never_found_wrong(seed: int) -> None:
    chance = random.Random(1000 + seed)
    ranges = [random_range(chance) for _ in range(2)]
    base = random_law(chance, ranges)
    limit = base.apply([[opt for _, opt, _ in ranges]]) + chance.randint(0, 5)
    disturbances: list[Callable[[int, Sequence[int]], int]] = [
        lambda value, _: min(value, limit),
        lambda value, _: max(value, limit),
        lambda value, sizes: value + math.isqrt(sizes[0]),
        lambda value, sizes: value + min(sizes),
        lambda value, sizes: value * sizes[0] // 7,
    ]

    def disturbed(*sizes: int) -> list[int]:
        return [change(base.apply([sizes]), sizes) for change in disturbances]

    laws = found(disturbed, ranges)
    for _ in range(2000):
        sizes = [chance.randint(low, high) for low, _, high in ranges]
        for one, true in zip(laws, disturbed(*sizes), strict=True):
            assert isinstance(one, Unknown) or one.apply([sizes]) == true, (one.text(), ranges, sizes)


def test_texts_are_read_back() -> None:
    chance = random.Random(5)
    for _ in range(500):
        one = random_law(chance, [random_range(chance) for _ in range(3)])
        assert parse_law(one.text()) == one
    assert parse_law("0") == Law() == constant(0)
    assert parse_law("-2 * ((0.2 - 1) // 2) * 1.0 + 3").apply([[0, 0, 5], [4]]) == -2 * 2 * 4 + 3
    for unknown in (Unknown("no law"), Unknown("depends on values", 0, 100)):
        assert parse_size(unknown.text()) == unknown


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "0.0 +", "+ 0.0", "1 * 2", "0.0 * 2", "((0.0 + 1) // 0)", "(0.0 + 1) // 2", "0.0  + 1", "- 1", "01"),
        *("0.0 + 0.0", "1 + 0.0", "9" * 40, "(" * 5000, "0.0 ** 2", "(0.0)", "0.0 // 2", "__import__('os')"),
        "? 0 (because)",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a shape law"):
        parse_size(text)


def test_laws_of_an_engine_are_written_and_read() -> None:
    laws = EngineLaws(
        (2, 1),
        ((parse_law("((0.1 + 1) // 2) + 3"), Unknown("depends on values", 0, 9)), (), (constant(4),)),
    )
    assert laws.dump() == "2, 1\n((0.1 + 1) // 2) + 3, ? 0 to 9 (depends on values)\n\n4"
    assert EngineLaws.load(laws.dump()) == laws
    assert laws.text(NAMES, ["a", "b", "c"]) == (
        "a: [((x.1 + 1) // 2) + 3, ? 0 to 9 (depends on values)]\nb: []\nc: [4]"
    )
    assert laws.output_sizes([[1, 4], [5]]) == [[5, Unknown("depends on values", 0, 9)], [], [4]]
    with pytest.raises(InputError, match=r"the inputs have the ranks \[2\]; wanted \[2, 1\]"):
        laws.output_sizes([[1, 4]])
    with pytest.raises(InputError, match="takes dimension 1 of input 1, which is not there"):
        EngineLaws.load("2, 1\n1.1")
    with pytest.raises(InputError, match="is not a list of ranks"):
        EngineLaws.load("ranks\n4")


def test_the_most_elements_bound_one_unknown_size() -> None:
    unknown = Unknown("depends on values")
    ranges = {X[0]: (2, 8)}
    assert upper_bounds([unknown, law([Term(3, (Quotient(X[0]),))])], ranges, 100)[0] == Unknown(
        "depends on values", 0, 16
    )
    unbounded: list[list[Law | Unknown]] = [
        [unknown, unknown],
        [Unknown("no law"), constant(2)],
        [unknown, law([Term(0)])],
    ]
    for sizes in unbounded:
        assert list(upper_bounds(sizes, ranges, 100)) == sizes
    assert list(upper_bounds([unknown], ranges, None)) == [unknown]
