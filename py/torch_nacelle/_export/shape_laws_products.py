"""Sums of products of divisions: their coefficients from a few answers, and their simplest forms."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from torch_nacelle._export.shape_laws import Dimension, Law, Quotient, Term, law

# All input sizes in a row, or all output sizes in a row; -1 is an output size that depends on values.
Sizes = tuple[int, ...]

_Matrix = list[list[Fraction]]


@dataclass(frozen=True)
class Variable:
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

    def times(self, factor: int) -> Variable:
        return Variable(tuple((index, step * factor) for index, step in self.steps))


@dataclass
class Features:
    """Functions of one input size that laws are products of; the first one is 1."""

    variable: Variable
    products: list[tuple[Quotient, ...]]


class Grid:
    """Points that combine a few sizes of each variable: as many as it has features. They tell all coefficients.

    The sizes of a variable are such that the values of its features there form a matrix that has an inverse.
    """

    def __init__(self, base: Sizes, features: Sequence[Features], sizes: Sequence[tuple[list[int], _Matrix]]) -> None:
        self._base = base
        self._features = features
        self._sizes = sizes

    @staticmethod
    def choose(base: Sizes, features: Sequence[Features], allows: Callable[[Sizes], bool]) -> Grid | None:
        """Returns a grid around `base`; None if the features are not independent on the allowed points."""
        sizes = []
        for one in features:
            chosen = _independent(base, one, allows)
            if chosen is None:
                return None
            sizes.append(chosen)
        return Grid(base, features, sizes)

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


def _independent(base: Sizes, features: Features, allows: Callable[[Sizes], bool]) -> tuple[list[int], _Matrix] | None:
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


def simplest(terms: Sequence[Term], variables: Sequence[tuple[Dimension, int, int]]) -> Law:
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
