"""The search for shape laws: asks for output sizes at chosen input sizes, and fits laws to the answers.

A law is found in three steps, each of which asks for more points:

1. Along one input size, with the others fixed, the output size is a sum of divisions of different periods: its steps
   from one size to the next repeat. The steps say which divisions (shape_laws_steps).
2. With several input sizes, the output size is a sum of products of those divisions. Its coefficients follow from as
   many points as there are products (shape_laws_products).
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

from torch_nacelle._export.shape_laws import Dimension, Law, Quotient, Term, Unknown, law
from torch_nacelle._export.shape_laws_products import Features, Grid, Sizes, Variable, simplest
from torch_nacelle._export.shape_laws_steps import find_products, quotient_of

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
    """The answers of the engine so far. Asks for no point twice, and for none outside of the boxes."""

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


@dataclass
class _Line:
    """Answers along a variable: consecutive ones, and some far away."""

    variable: Variable
    start: Sizes
    window: list[Sizes]  # answers at start, start + step, …
    far: dict[int, Sizes]  # answers by the number of steps from start
    whole: bool  # True if `far` holds all that the boxes allow and the engine accepts


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

    def _find_variables(self, base: Sizes) -> list[Variable]:
        """Returns the sizes that vary alone from `base`, then those that vary only with others."""
        variables = []
        stuck: dict[int, _Place] = {}
        for i in self._free:
            place = self._place(i)
            # If one size of many alike does not vary alone, the others do not either.
            variable = None if place in stuck.values() else self._in_steps(base, Variable(((i, 1),)))
            if variable is None:
                stuck[i] = place
            else:
                variables.append(variable)
        while stuck:
            for group in self._groups(base, stuck):
                variable = self._in_steps(base, Variable(group))
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

    def _in_steps(self, base: Sizes, variable: Variable) -> Variable | None:
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

    def _ask_for_check(self, variables: list[Variable]) -> None:
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

    def _random_point(self, box: Box, variables: list[Variable]) -> Sizes:
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

    def _candidates(self, base: Sizes, variables: list[Variable], missing: list[int]) -> Iterator[tuple[int, Law]]:
        """Yields a law for each missing output size that has one near `base`."""
        features: dict[int, list[Features] | None] = {index: [] for index in missing}
        for variable in variables:
            for index, found in self._features(base, variable, missing).items():
                known = features[index]
                if known is not None:
                    features[index] = None if found is None else [*known, found]
        grids = []
        for index, one in features.items():
            if one is None or math.prod(len(f.products) for f in one) > MAX_PRODUCTS:
                continue
            grid = Grid.choose(base, [f for f in one if len(f.products) > 1], self._answers.allows)
            if grid is not None:
                grids.append((index, grid))
        self._answers.ask(point for _, grid in grids for point in grid.points())
        steps = [(self._dimensions[one.index], base[one.index], one.step) for one in variables]
        for index, grid in grids:
            answers = self._answers.ask(grid.points())
            values = [answer[index] for answer in answers if answer is not None]
            terms = grid.terms(values) if len(values) == len(answers) and min(values) >= 0 else None
            if terms is not None:
                yield index, simplest(terms, steps)

    def _features(self, base: Sizes, variable: Variable, missing: list[int]) -> dict[int, Features | None]:
        """Returns the features of each missing output size along a variable; None if its steps do not repeat."""
        found: dict[int, Features | None] = {}
        waiting = missing
        for length in WINDOWS:
            line = self._line(base, variable, length)
            dimension = self._dimensions[variable.index]
            start = line.start[variable.index]
            for index in waiting:
                values = [answer[index] for answer in line.window]
                far = {position: answer[index] for position, answer in line.far.items()}
                products = find_products(values, far, line.whole)
                if products is None:
                    found[index] = None
                    continue
                quotients = [
                    tuple(quotient_of(dimension, start, variable.step, one) for one in product) for product in products
                ]
                found[index] = Features(variable, [(), *quotients])
            waiting = [index for index in waiting if found[index] is None]
            if not waiting or len(line.window) < length:
                break
        return found

    def _line(self, base: Sizes, variable: Variable, length: int) -> _Line:
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

    def _spans(self, base: Sizes, variable: Variable) -> list[tuple[int, int]]:
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

    def _checked(self, candidate: Law, index: int, variables: list[Variable]) -> Law | None:
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
