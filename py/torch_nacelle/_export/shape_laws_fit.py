"""The search for shape laws: asks for output sizes at chosen input sizes, and fits laws to the answers.

A law is found in three steps, each of which asks for more points:

1. Along one input size, with the others fixed, the output size is a sum of divisions of different periods: its steps
   from one size to the next repeat. The steps say which divisions (`_find_quotients`).
2. With several input sizes, the output size is a sum of products of those divisions. Its coefficients follow from as
   many points as there are products (`_solve`).
3. The law must give every size that was answered, at points that the first two steps did not use too: the ends of the
   ranges, neighbours, sizes varied one by one and jointly, in each optimization profile. One miss, and it is dropped.

Sizes that the engine only takes together (one batch size for two inputs) are varied together; sizes that it takes in
steps only (multiples of 32) are varied in those steps.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from torch_nacelle._export.shape_laws import Dimension, Law, Quotient, Term, Unknown, law

# All input sizes in a row, or all output sizes in a row; -1 is an output size that depends on values.
Sizes = tuple[int, ...]

# Where a size is, and what it may be: its dimension, and its (min, opt, max) in each box.
_Place = tuple[int, tuple[tuple[int, int, int], ...]]

# Returns the output sizes at each point; None for a point that the engine refuses.
Ask = Callable[[Sequence[Sizes]], Sequence[Sizes | None]]

MAX_POINTS = 2000  # asked in all
MIN_ANSWERS = 24  # if not all points are asked; with fewer, no law is tested enough
MAX_STEPS = 1 << 40  # along a line
MAX_ALL = 256  # if there are no more points than this, all are asked
NEAR_COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 20, 24, 28, 30, 32, 48, 64, 96, 128, 256)
MAX_PAIRS = 8  # of sizes that are tried together
WINDOWS = (20, 44, 100, 200, 320)  # consecutive sizes that are looked at, until the steps repeat
MAX_QUOTIENTS = 10  # along one input size
MAX_PRODUCTS = 256  # of a law before equal ones are joined
MAX_SINGLE = 150  # points for the check that differ from a profile's minimum, optimum or maximum in one size
RANDOM_POINTS = 48  # for the check, in each optimization profile


@dataclass(frozen=True)
class Box:
    """The sizes that an optimization profile allows: from `min` to `max`."""

    min: Sizes
    opt: Sizes
    max: Sizes

    def holds(self, point: Sizes) -> bool:
        """True if the profile allows the point."""
        return all(low <= size <= high for low, size, high in zip(self.min, point, self.max, strict=True))


def fit(dimensions: Sequence[Dimension], boxes: Sequence[Box], ask: Ask) -> list[Law | Unknown]:
    """Returns the law of each output size. `dimensions` names the input sizes of a point, in their order.

    Without an answer at the minimum, optimum or maximum of some box the list is empty.
    """
    return _Search(dimensions, boxes, ask).run()


class _Answers:
    """What the engine answered so far. Asks for no point twice, and for none outside of the boxes."""

    def __init__(self, boxes: Sequence[Box], ask: Ask) -> None:
        self._boxes = boxes
        self._ask = ask
        self._known: dict[Sizes, Sizes | None] = {}

    def ask(self, points: Iterable[Sizes]) -> list[Sizes | None]:
        """Returns the answer at each point; None if it was refused, or is not allowed."""
        points = list(points)
        new = [one for one in dict.fromkeys(points) if one not in self._known and self.allows(one)]
        new = new[: max(MAX_POINTS - len(self._known), 0)]
        self._known.update(zip(new, self._ask(new), strict=True))
        return [self._known.get(point) for point in points]

    def allows(self, point: Sizes) -> bool:
        return any(box.holds(point) for box in self._boxes)

    def accepted(self) -> list[tuple[Sizes, Sizes]]:
        """Returns the points that were not refused, with their answers."""
        return [(point, answer) for point, answer in self._known.items() if answer is not None]


@dataclass(frozen=True)
class _Variable:
    """Input sizes that vary together, each by its own step. The first one stands for all."""

    steps: tuple[tuple[int, int], ...]  # index of the size, and its step

    @property
    def index(self) -> int:
        return self.steps[0][0]

    @property
    def step(self) -> int:
        return self.steps[0][1]

    def moved(self, point: Sizes, count: int) -> Sizes:
        """Returns the point that is `count` steps away."""
        sizes = list(point)
        for index, step in self.steps:
            sizes[index] += count * step
        return tuple(sizes)

    def times(self, factor: int) -> _Variable:
        return _Variable(tuple((index, step * factor) for index, step in self.steps))


@dataclass
class _Line:
    """Answers along a variable: consecutive ones, and some far away."""

    variable: _Variable
    start: Sizes
    window: list[Sizes]  # answers at start, start + step, …
    far: dict[int, Sizes]  # answers by the number of steps from start
    whole: bool  # True if `far` holds all that the boxes allow and the engine accepts


@dataclass
class _Features:
    """Functions of one input size that laws are products of; the first one is 1."""

    variable: _Variable
    products: list[tuple[Quotient, ...]]


class _Search:
    def __init__(self, dimensions: Sequence[Dimension], boxes: Sequence[Box], ask: Ask) -> None:
        self._dimensions = dimensions
        self._boxes = boxes
        self._answers = _Answers(boxes, ask)
        self._random = random.Random(0)
        self._index = {dimension: i for i, dimension in enumerate(dimensions)}
        self._low = tuple(min(box.min[i] for box in boxes) for i in range(len(dimensions)))
        self._high = tuple(max(box.max[i] for box in boxes) for i in range(len(dimensions)))
        self._free = [i for i in range(len(dimensions)) if self._low[i] < self._high[i]]

    def run(self) -> list[Law | Unknown]:
        named = [point for box in self._boxes for point in (box.min, box.opt, box.max)]
        bases = [point for point, answer in zip(named, self._answers.ask(named), strict=True) if answer is not None]
        if not bases:
            return []
        found: list[Law | Unknown | None] = [None] * len(self._answers.ask(bases[:1])[0] or ())
        complete = self._ask_all()
        variables = self._find_variables(bases[min(1, len(bases) - 1)])
        if not complete:
            self._ask_for_check(variables)
            if len(self._answers.accepted()) < MIN_ANSWERS:
                bases = []
        for base in dict.fromkeys(bases):
            self._drop_dependent(found)
            missing = [i for i, size in enumerate(found) if size is None]
            if not missing:
                break
            for index, candidate in self._candidates(base, variables, missing):
                found[index] = self._checked(candidate, index, variables)
        self._drop_dependent(found)
        # A later base may have asked for points that contradict a law of an earlier one.
        laws = [size if size is not None else Unknown("no law") for size in found]
        return [
            Unknown("no law") if isinstance(size, Law) and not self._fits(size, index) else size
            for index, size in enumerate(laws)
        ]

    # The points.

    def _ask_all(self) -> bool:
        """Asks for every point, if there are few. Returns True if it did."""
        count = sum(
            math.prod(high - low + 1 for low, high in zip(box.min, box.max, strict=True)) for box in self._boxes
        )
        if count > MAX_ALL:
            return False
        for box in self._boxes:
            ranges = (range(low, high + 1) for low, high in zip(box.min, box.max, strict=True))
            self._answers.ask(itertools.product(*ranges))
        return True

    def _find_variables(self, base: Sizes) -> list[_Variable]:
        """Returns the sizes that vary alone from `base`, then those that vary only with others."""
        variables = []
        stuck: dict[int, _Place] = {}
        for i in self._free:
            place = self._place(i)
            # If one size of many alike does not vary alone, the others do not either.
            variable = None if place in stuck.values() else self._in_steps(base, _Variable(((i, 1),)))
            if variable is None:
                stuck[i] = place
            else:
                variables.append(variable)
        while stuck:
            for group in self._groups(base, stuck):
                variable = self._in_steps(base, _Variable(group))
                if variable is not None:
                    variables.append(variable)
                    break
            else:
                group = ((min(stuck), 1),)
            stuck = {i: place for i, place in stuck.items() if i not in dict(group)}
        return variables

    def _place(self, index: int) -> _Place:
        ranges = tuple((box.min[index], box.opt[index], box.max[index]) for box in self._boxes)
        return self._dimensions[index].dim, ranges

    def _groups(self, base: Sizes, stuck: dict[int, _Place]) -> Iterator[tuple[tuple[int, int], ...]]:
        """Yields sets of sizes that may have to vary together, with the step of each. All hold the first stuck size."""
        first, *others = sorted(stuck)
        alike = [i for i in others if stuck[i] == stuck[first]]
        equal = [i for i in others if stuck[i][1] == stuck[first][1]]
        for group in (alike, equal, *([i] for i in others[:MAX_PAIRS])):
            if group:
                yield tuple((i, 1) for i in (first, *group))
        for box in self._boxes:
            for end in (box.min, box.opt, box.max):
                steps = [(i, end[i] - base[i]) for i in sorted(stuck) if end[i] != base[i]]
                if len(steps) > 1 and steps[0][0] == first:
                    divisor = math.gcd(*(step for _, step in steps)) * (1 if steps[0][1] > 0 else -1)
                    yield tuple((i, step // divisor) for i, step in steps)

    def _in_steps(self, base: Sizes, variable: _Variable) -> _Variable | None:
        """Returns the variable with the largest step that reaches all that the engine accepts; None if it accepts none.

        A size of 1 counts only if there is nothing else: an input of batch size 1 goes with any other one.
        """
        counts = {end[variable.index] - base[variable.index] for box in self._boxes for end in (box.min, box.max)}
        accepted: list[int] = []
        for near in (NEAR_COUNTS[:1], NEAR_COUNTS):
            counts |= {sign * count for count in near for sign in (1, -1)}
            tried = sorted((one for one in counts if one), key=lambda one: (abs(one), one))
            allowed = [one for one in tried if self._answers.allows(variable.moved(base, one))]
            answers = self._answers.ask(variable.moved(base, one) for one in allowed)
            accepted = [one for one, answer in zip(allowed, answers, strict=True) if answer is not None]
            if 1 in accepted or -1 in accepted:
                break
        of_size_1 = sum(base[variable.index] + count == 1 for count in accepted)
        if not accepted or of_size_1 == len(accepted) < len(allowed):
            return None
        return variable.times(math.gcd(*accepted))

    def _ask_for_check(self, variables: list[_Variable]) -> None:
        """Asks for the points that laws are checked at."""
        for box in self._boxes:
            starts = (box.min, box.opt, box.max)
            single = [(*start[:i], end[i], *start[i + 1 :]) for i in self._free for start in starts for end in starts]
            points = self._random.sample(single, min(len(single), MAX_SINGLE))
            for start in starts:
                points += [variable.moved(start, count) for variable in variables for count in (-2, -1, 1, 2)]
            for _ in range(RANDOM_POINTS):
                points.append(self._random_point(box, variables))
                points.append(tuple(self._random.randint(*ends) for ends in zip(box.min, box.max, strict=True)))
            self._answers.ask([*points, *self._tied_points(box)])

    def _random_point(self, box: Box, variables: list[_Variable]) -> Sizes:
        """Returns a point that the engine is likely to accept; half of them differ from the optimum in one size."""
        point = box.opt
        chosen = variables if self._random.random() < 0.5 else self._random.sample(variables, min(len(variables), 1))
        for variable in chosen:
            index = variable.index
            ends = sorted(math.trunc((end[index] - point[index]) / variable.step) for end in (box.min, box.max))
            # Small and large numbers of steps alike.
            count = self._random.randint(*ends)
            if self._random.random() < 0.3:
                count = int(count * self._random.random() ** 3)
            point = variable.moved(point, count)
        return point

    def _tied_points(self, box: Box) -> Iterator[Sizes]:
        """Yields points with equal sizes: all of those that have the same range, and each two of them."""
        same: dict[tuple[int, int], list[int]] = {}
        for i in self._free:
            same.setdefault((box.min[i], box.max[i]), []).append(i)
        for (low, high), indices in same.items():
            groups = [indices, *itertools.islice(itertools.combinations(indices, 2), 12)]
            for group in groups:
                for _ in range(4):
                    size = self._random.randint(low, high)
                    yield tuple(size if i in group else box.opt[i] for i in range(len(box.opt)))

    # Candidates.

    def _candidates(self, base: Sizes, variables: list[_Variable], missing: list[int]) -> Iterator[tuple[int, Law]]:
        """Yields a law for each missing output size that has one near `base`."""
        features: dict[int, list[_Features] | None] = {index: [] for index in missing}
        for variable in variables:
            for index, found in self._features(base, variable, missing).items():
                known = features[index]
                if known is not None:
                    features[index] = None if found is None else [*known, found]
        grids = []
        for index, one in features.items():
            if one is None or math.prod(len(f.products) for f in one) > MAX_PRODUCTS:
                continue
            grid = _Grid.choose(base, [f for f in one if len(f.products) > 1], self._answers.allows)
            if grid is not None:
                grids.append((index, grid))
        self._answers.ask(point for _, grid in grids for point in grid.points())
        steps = [(self._dimensions[one.index], base[one.index], one.step) for one in variables]
        for index, grid in grids:
            answers = self._answers.ask(grid.points())
            values = [answer[index] for answer in answers if answer is not None]
            terms = grid.terms(values) if len(values) == len(answers) and min(values) >= 0 else None
            if terms is not None:
                yield index, _simplest(terms, steps)

    def _features(self, base: Sizes, variable: _Variable, missing: list[int]) -> dict[int, _Features | None]:
        """Returns the features of each missing output size along a variable; None if its steps do not repeat."""
        found: dict[int, _Features | None] = {}
        waiting = missing
        for length in WINDOWS:
            line = self._line(base, variable, length)
            dimension = self._dimensions[variable.index]
            start = line.start[variable.index]
            for index in waiting:
                products = _find_products(line, index)
                if products is None:
                    found[index] = None
                    continue
                quotients = [
                    tuple(_quotient(dimension, start, variable.step, one) for one in product) for product in products
                ]
                found[index] = _Features(variable, [(), *quotients])
            waiting = [index for index in waiting if found[index] is None]
            if not waiting or len(line.window) < length:
                break
        return found

    def _line(self, base: Sizes, variable: _Variable, length: int) -> _Line:
        """Asks for `length` consecutive points, from a few below `base` on, and for some far away."""
        spans = self._spans(base, variable)
        begin, end = next(span for span in spans if span[0] <= 0 <= span[1])
        first = max(begin, min(-3, end + 1 - length))
        start = variable.moved(base, first)
        count = min(length, end + 1 - first)
        answers = self._answers.ask(variable.moved(start, i) for i in range(count))
        window = list(itertools.takewhile(lambda answer: answer is not None, answers))
        total = sum(high - low + 1 for low, high in spans)
        if total <= length:
            positions = {i for low, high in spans for i in range(low, high + 1)}
        else:
            chosen = random.Random(length)
            positions = {i for low, high in spans for i in (low, low + 1, high - 1, high) if low <= i <= high}
            positions |= {chosen.randint(*spans[i % len(spans)]) for i in range(10)}
        steps = sorted(position - first for position in positions)
        far = zip(steps, self._answers.ask(variable.moved(start, step) for step in steps), strict=True)
        return _Line(
            variable,
            start,
            [one for one in window if one is not None],
            {step: answer for step, answer in far if answer is not None},
            total <= length,
        )

    def _spans(self, base: Sizes, variable: _Variable) -> list[tuple[int, int]]:
        """Returns the numbers of steps from `base` that stay in a box, as ranges (first, last) without overlaps."""
        spans = []
        for box in self._boxes:
            low, high = -MAX_STEPS, MAX_STEPS
            for index, size in enumerate(base):
                step = dict(variable.steps).get(index, 0)
                ends = (box.min[index] - size, box.max[index] - size)
                if step == 0:
                    high = high if ends[0] <= 0 <= ends[1] else low - 1
                else:
                    below, above = sorted(end / step for end in ends)
                    low, high = max(low, math.ceil(below)), min(high, math.floor(above))
            if low <= high:
                spans.append((low, high))
        merged: list[tuple[int, int]] = []
        for low, high in sorted(spans):
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        return merged

    # Checks.

    def _drop_dependent(self, found: list[Law | Unknown | None]) -> None:
        """Marks the output sizes that depend on values in any answer."""
        for _, answer in self._answers.accepted():
            for index, size in enumerate(answer):
                if size < 0:
                    found[index] = Unknown("depends on values")

    def _checked(self, candidate: Law, index: int, variables: list[_Variable]) -> Law | None:
        """Returns the law if it gives every answer, perhaps of other ones of the sizes that vary together."""
        tied = [variable.steps for variable in variables if self._dimensions[variable.index] in candidate.dimensions]
        choices = itertools.product(*([i for i, step in steps if step == steps[0][1]] for steps in tied))
        for choice in itertools.islice(choices, 16):
            others = {self._dimensions[steps[0][0]]: self._dimensions[i] for steps, i in zip(tied, choice, strict=True)}
            moved = _renamed(candidate, others)
            if self._fits(moved, index):
                return moved
        return None

    def _fits(self, candidate: Law, index: int) -> bool:
        return all(
            answer[index] == candidate.at(lambda dimension: point[self._index[dimension]])  # noqa: B023
            for point, answer in self._answers.accepted()
        )


def _renamed(candidate: Law, others: dict[Dimension, Dimension]) -> Law:
    """Returns a law of other input sizes."""
    return law(
        Term(
            term.coefficient,
            tuple(
                Quotient(others.get(factor.dimension, factor.dimension), factor.offset, factor.divisor)
                for factor in term.factors
            ),
        )
        for term in candidate.terms
    )


# Along one input size. Positions are numbers of steps from the start of a line; a pulse is a division of a position.


@dataclass(frozen=True)
class _Pulse:
    """``(position + offset) // period``: one step up in each period. With the period 1 it is the position."""

    offset: int
    period: int


def _find_products(line: _Line, index: int) -> list[tuple[_Pulse, ...]] | None:
    """Returns the pulses whose sum, or sum of products, the output size is along a line; None if there are none.

    Empty if it is constant.
    """
    values = [answer[index] for answer in line.window]
    far = {position: answer[index] for position, answer in line.far.items()}
    if min([*values, *far.values()], default=-1) < 0:
        return None
    if len({*values, *far.values()}) <= 1:
        return []
    pulses = _find_pulses(values, far)
    if pulses is None and line.whole:
        pulses = _find_line(far) or (_find_single(values) if len(values) == len(far) else None)
    if pulses is not None:
        return [(pulse,) for pulse in pulses] if len(pulses) <= MAX_QUOTIENTS else None
    return _find_squares(values, far)


def _find_pulses(values: list[int], far: dict[int, int]) -> list[_Pulse] | None:
    """Returns pulses that give values whose steps repeat, near and far."""
    steps = [after - before for before, after in itertools.pairwise(values)]
    for period in range(1, len(steps) // 2 + 1):
        if steps[period:] != steps[:-period]:
            continue
        rise = sum(steps[:period])
        if all(value == values[position % period] + position // period * rise for position, value in far.items()):
            return _pulses_of(steps[:period])
    return None


def _pulses_of(steps: list[int]) -> list[_Pulse]:
    """Returns few pulses whose sum has these steps in each period. Pulses of short periods are taken out first."""
    period = len(steps)
    candidates = []
    for smallest in (False, True):
        rest = list(steps)
        pulses = []
        for divisor in (one for one in range(1, period + 1) if period % one == 0):
            for residue in range(divisor):
                members = rest[residue::divisor]
                # The step that most have; of equally many the smallest, or the smallest at once.
                counts = {step: members.count(step) for step in members}
                common = min(counts, key=lambda step: (0 if smallest else -counts[step], abs(step), step))
                if common == 0:
                    continue
                for position in range(residue, period, divisor):
                    rest[position] -= common
                # The step from `residue` to the next position is a step up of this pulse.
                pulses.append(_Pulse(divisor - 1 - residue, divisor))
        candidates.append(pulses)
    return min(candidates, key=len)


def _find_line(far: dict[int, int]) -> list[_Pulse] | None:
    """Returns the position as a pulse if all values lie on a line."""
    (first, value), (second, other), *_ = far.items()
    rise = Fraction(other - value, second - first)
    on_line = all(size - value == rise * (position - first) for position, size in far.items())
    return [_Pulse(0, 1)] if on_line else None


def _find_single(values: list[int]) -> list[_Pulse] | None:
    """Returns the pulse of values that rise by one amount after equally many positions, which all are known."""
    steps = [after - before for before, after in itertools.pairwise(values)]
    jumps = [position for position, step in enumerate(steps) if step]
    distances = {after - before for before, after in itertools.pairwise(jumps)}
    if len({steps[position] for position in jumps}) != 1 or len(distances) > 1:
        return None
    period = distances.pop() if distances else len(values)
    if jumps[0] >= period or len(steps) - 1 - jumps[-1] >= period:
        return None
    return [_Pulse(period - 1 - jumps[0], period)]


def _find_squares(values: list[int], far: dict[int, int]) -> list[tuple[_Pulse, ...]] | None:
    """Returns pulses and their products in pairs, for values whose steps of steps repeat."""
    for period in range(1, (len(values) - 1) // 3 + 1):
        rises = [after - before for before, after in zip(values, values[period:], strict=False)]
        second = {after - before for before, after in zip(rises, rises[period:], strict=False)}
        if len(second) != 1:
            continue
        curve = second.pop()

        def value(position: int, period: int = period, rises: list[int] = rises, curve: int = curve) -> int:
            turns, place = divmod(position, period)
            return values[place] + turns * rises[place] + turns * (turns - 1) // 2 * curve

        if any(size != value(position) for position, size in far.items()):
            continue
        pulses = _find_pulses(rises, {})
        if pulses is None or len(pulses) > 3:
            return None
        pairs = itertools.combinations_with_replacement(pulses, 2)
        return [*((pulse,) for pulse in pulses), *pairs]
    return None


def _quotient(dimension: Dimension, start: int, step: int, pulse: _Pulse) -> Quotient:
    """Returns a pulse along a line as a division of the size itself, but for a constant.

    The size is ``start + step * position``, so that offsets up to the next multiple of `step` mean the same: 0 is
    taken if it is one of them.
    """
    period = step * pulse.period
    offset = (step * pulse.offset - start) % period
    return Quotient(dimension, 0 if offset + step > period else offset, period)


# Sums of products.


class _Grid:
    """Points that combine a few sizes of each variable: as many as it has features. They tell all coefficients.

    The sizes of a variable are such that the values of its features there form a matrix that has an inverse.
    """

    def __init__(self, base: Sizes, features: Sequence[_Features], sizes: Sequence[tuple[list[int], _Matrix]]) -> None:
        self._base = base
        self._features = features
        self._sizes = sizes

    @staticmethod
    def choose(base: Sizes, features: Sequence[_Features], allows: Callable[[Sizes], bool]) -> _Grid | None:
        """Returns a grid around `base`; None if the features are not independent on the allowed points."""
        sizes = []
        for one in features:
            chosen = _independent(base, one, allows)
            if chosen is None:
                return None
            sizes.append(chosen)
        return _Grid(base, features, sizes)

    def points(self) -> list[Sizes]:
        """Returns the points, those of the last variable varying fastest."""
        points = [self._base]
        for one, (counts, _) in zip(self._features, self._sizes, strict=True):
            points = [one.variable.moved(point, count) for point in points for count in counts]
        return points

    def terms(self, values: Sequence[int]) -> list[Term] | None:
        """Returns the sum of products that has these values at the points; None if it has other than whole numbers."""
        rest: list[Fraction] = [Fraction(value) for value in values]
        for _, (counts, inverse) in zip(self._features, self._sizes, strict=True):
            # The first axis is used up, and comes back as the last one.
            size = len(rest) // len(counts)
            rest = [
                sum((row[i] * rest[i * size + j] for i in range(len(counts))), Fraction())
                for j in range(size)
                for row in inverse
            ]
        if any(one.denominator != 1 for one in rest):
            return None
        products = itertools.product(*(one.products for one in self._features))
        return [
            Term(int(coefficient), tuple(itertools.chain(*factors)))
            for coefficient, factors in zip(rest, products, strict=True)
            if coefficient
        ]


_Matrix = list[list[Fraction]]


def _independent(base: Sizes, features: _Features, allows: Callable[[Sizes], bool]) -> tuple[list[int], _Matrix] | None:
    """Returns numbers of steps from `base`, and the inverse of the matrix of the features' values there."""
    variable = features.variable
    width = len(features.products)
    period = max((factor.divisor for product in features.products for factor in product), default=1)
    reach = (width + 1) * max(period // variable.step, 1)
    counts: list[int] = []
    echelon: list[tuple[int, list[Fraction]]] = []  # rows with the column of their first number, which is 1
    rows: _Matrix = []
    for count in sorted(range(-reach, reach + 1), key=lambda one: (abs(one), -one)):
        if not allows(variable.moved(base, count)):
            continue
        size = base[variable.index] + count * variable.step
        row = [Fraction(math.prod(factor.apply(size) for factor in product)) for product in features.products]
        rest = list(row)
        for column, other in echelon:
            rest = [one - rest[column] * two for one, two in zip(rest, other, strict=True)]
        pivot = next((column for column, value in enumerate(rest) if value), None)
        if pivot is None:
            continue
        echelon.append((pivot, [value / rest[pivot] for value in rest]))
        counts.append(count)
        rows.append(row)
        if len(rows) == width:
            return counts, _inverse(rows)
    return None


def _inverse(matrix: _Matrix) -> _Matrix:
    """Returns the inverse of a matrix that has one."""
    size = len(matrix)
    rows = [[*row, *(Fraction(int(i == j)) for j in range(size))] for i, row in enumerate(matrix)]
    for column in range(size):
        pivot = next(i for i in range(column, size) if rows[i][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for i in range(size):
            if i != column and rows[i][column]:
                rows[i] = [one - rows[i][column] * two for one, two in zip(rows[i], rows[column], strict=True)]
    return [row[size:] for row in rows]


# Simpler forms of the same law.


def _simplest(terms: Sequence[Term], variables: Sequence[tuple[Dimension, int, int]]) -> Law:
    """Returns a law with few terms. `variables` says of a dimension that its sizes are ``start + n * step``."""
    found = law(terms)
    for dimension, start, step in variables:
        if step > 1:
            found = _refined(found, dimension, start, step)
    for _ in range(2):
        for quotient in sorted({factor for term in found.terms for factor in term.factors}):
            found = _shifted_best(found, quotient)
    return found


def _replaced(old: Law, quotient: Quotient, factor: Quotient, scale: int, shift: int) -> Law:
    """Returns the law with ``(factor + shift) / scale`` in place of a quotient. The scale divides its coefficients."""
    terms = list(old.terms)
    done: list[Term] = []
    while terms:
        term = terms.pop()
        if quotient not in term.factors:
            done.append(term)
            continue
        rest = list(term.factors)
        rest.remove(quotient)
        coefficient = term.coefficient // scale
        done_factors = tuple(rest)
        terms.append(Term(coefficient * shift, done_factors))
        # A second power of the quotient is replaced in the next rounds.
        terms.append(Term(coefficient, (*done_factors, factor)))
    return law(done)


def _refined(found: Law, dimension: Dimension, start: int, step: int) -> Law:
    """Returns the law with ``size // (step / k)`` in place of ``k * (size // step)``: equal on sizes of these steps."""
    quotient = Quotient(dimension, 0, step)
    coefficients = [term.coefficient for term in found.terms if quotient in term.factors]
    powers = [term.factors.count(quotient) for term in found.terms]
    scale = math.gcd(step, *coefficients)
    if not coefficients or scale == 1 or max(powers) > 1:
        return found
    # size // step is (size - rest) / step.
    rest = start % step
    divisor = step // scale
    if divisor == 1:
        return _replaced(found, quotient, Quotient(dimension), scale, -rest)
    return _replaced(
        found, quotient, Quotient(dimension, rest % divisor and -(rest % divisor), divisor), scale, -(rest // divisor)
    )


def _shifted_best(found: Law, quotient: Quotient) -> Law:
    """Returns the law with ``quotient + n`` as a factor where that saves terms: `n` full periods in the offset."""
    sums = {term.factors: term.coefficient for term in found.terms}
    shifts = set()
    for term in found.terms:
        if quotient in term.factors:
            rest = list(term.factors)
            rest.remove(quotient)
            ratio = Fraction(sums.get(tuple(rest), 0), term.coefficient)
            if ratio.denominator == 1 and 0 < abs(ratio) <= 8:
                shifts.add(int(ratio))
    # A sum of a size and a number is no product; two sums are.
    gain = 2 if quotient.divisor == 1 else 1
    best = found
    for shift in sorted(shifts, key=lambda one: (abs(one), one)):
        moved = Quotient(quotient.dimension, quotient.offset + shift * quotient.divisor, quotient.divisor)
        other = _replaced(found, quotient, moved, 1, -shift)
        if len(other.terms) < len(best.terms) and len(other.terms) <= len(found.terms) - gain:
            best = other
    return best
