"""Shape laws: sizes of an engine's outputs as expressions of the sizes of its inputs.

A law is a sum of products of whole-number divisions, each of one input size:

    Law                 2 * ((x.2 + 1) // 2) * x.0 + 3
    ├── Term            2 * ((x.2 + 1) // 2) * x.0
    │   ├── Quotient        (x.2 + 1) // 2            x.2: dimension 2 of input x
    │   └── Quotient                             x.0
    └── Term            3

This holds constants, input sizes, affine functions of them, strided windows, flattened products and counts of anchors.
A size that no law gives is an Unknown with its range.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch_nacelle.errors import InputError

# Limits of what is parsed. Laws that are found are far below.
MAX_TEXT = 1 << 20
MAX_NUMBER = 1 << 62


class Dimension(NamedTuple):
    """A dimension of an input: the input's index in the order of a call, and the dimension's."""

    input: int
    dim: int


@dataclass(frozen=True, order=True)
class Quotient:
    """``(size + offset) // divisor`` for the size of an input dimension, rounded down. The divisor is at least 1."""

    dimension: Dimension
    offset: int = 0
    divisor: int = 1

    def apply(self, size: Any) -> Any:
        """Returns its value for a size: an int, or a torch.SymInt."""
        value = size + self.offset if self.offset else size
        return value // self.divisor if self.divisor != 1 else value

    def text(self, name: str) -> str:
        """Writes it for a dimension of this name."""
        sum_ = f"{name} {'-' if self.offset < 0 else '+'} {abs(self.offset)}" if self.offset else name
        if self.divisor == 1:
            return f"({sum_})" if self.offset else name
        return f"(({sum_}) // {self.divisor})" if self.offset else f"({name} // {self.divisor})"


@dataclass(frozen=True)
class Term:
    """A product of quotients and a coefficient other than 0; without quotients a constant."""

    coefficient: int
    factors: tuple[Quotient, ...] = ()


@dataclass(frozen=True)
class Law:
    """A sum of terms with different factors. Make it with `law`, which puts them in order; without terms it is 0."""

    terms: tuple[Term, ...] = ()

    def apply(self, sizes: Sequence[Sequence[Any]]) -> Any:
        """Returns its value for the sizes of all inputs: ints, or torch.SymInts. Only +, -, * and // touch them."""
        return self._sum(lambda factor: factor.apply(sizes[factor.dimension.input][factor.dimension.dim]))

    def at(self, size_of: Callable[[Dimension], int]) -> int:
        """Returns its value for the sizes that a function gives."""
        value: int = self._sum(lambda factor: factor.apply(size_of(factor.dimension)))
        return value

    def _sum(self, value_of: Callable[[Quotient], Any]) -> Any:
        result: Any = None
        for term in self.terms:
            value: Any = None
            for factor in term.factors:
                value = value_of(factor) if value is None else value * value_of(factor)
            if value is None:
                value = term.coefficient
            elif term.coefficient != 1:
                value = term.coefficient * value
            result = value if result is None else result + value
        return 0 if result is None else result

    def bounds(self, ranges: Mapping[Dimension, tuple[int, int]]) -> tuple[int, int]:
        """Returns numbers between which its value lies if each size lies in its range."""
        total_low = total_high = 0
        for term in self.terms:
            low = high = term.coefficient
            for factor in term.factors:
                ends = [factor.apply(end) for end in ranges[factor.dimension]]
                products = [one * end for one in (low, high) for end in ends]
                low, high = min(products), max(products)
            total_low, total_high = total_low + low, total_high + high
        return total_low, total_high

    @property
    def dimensions(self) -> frozenset[Dimension]:
        """The input dimensions that it takes."""
        return frozenset(factor.dimension for term in self.terms for factor in term.factors)

    def text(self, names: Sequence[str] | None = None) -> str:
        """Writes it for people, with the names of the inputs; without names as `parse_law` reads it."""

        def factor_text(factor: Quotient) -> str:
            index, dim = factor.dimension
            return factor.text(f"{index if names is None else names[index]}.{dim}")

        parts: list[str] = []
        for term in self.terms:
            factors = [factor_text(factor) for factor in term.factors]
            if not factors or abs(term.coefficient) != 1:
                factors.insert(0, str(abs(term.coefficient)))
            sign = "-" if term.coefficient < 0 else "+" if parts else ""
            parts.append(f"{sign} {' * '.join(factors)}" if parts else sign + " * ".join(factors))
        text = " ".join(parts) or "0"
        single = len(self.terms) == 1 and len(self.terms[0].factors) == 1 and self.terms[0].coefficient == 1
        return text[1:-1] if names is not None and single and text.startswith("(") else text


def law(terms: Iterable[Term]) -> Law:
    """Returns the sum of terms in canonical form: equal factors are one term, and the order is fixed."""
    sums: dict[tuple[Quotient, ...], int] = {}
    for term in terms:
        key = tuple(sorted(term.factors))
        sums[key] = sums.get(key, 0) + term.coefficient
    order = sorted(sums, key=lambda factors: (-len(factors), factors))
    return Law(tuple(Term(sums[key], key) for key in order if sums[key] != 0))


def constant(value: int) -> Law:
    """Returns the law of a fixed size."""
    return law([Term(value)])


Reason = Literal["depends on values", "no law"]


@dataclass(frozen=True)
class Unknown:
    """A size that no law gives: it depends on values, or none of the laws explains it. `max` is None if unbounded."""

    reason: Reason
    min: int = 0
    max: int | None = None

    def text(self) -> str:
        """Writes it as `parse_size` reads it: ``? 0 to 100 (depends on values)``."""
        most = "" if self.max is None else f" to {self.max}"
        return f"? {self.min}{most} ({self.reason})"


# Reading what Law.text and Unknown.text write.

_TOKEN = re.compile(r"(\d{1,19})\.(\d{1,19})|(\d{1,19})|(//|[-+*()])| ")
_UNKNOWN = re.compile(r"\? (\d{1,19})(?: to (\d{1,19}))? \((depends on values|no law)\)")


def _tokens(text: str) -> Iterator[Dimension | int | str]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError
        position = match.end()
        if match[1] is not None:
            yield Dimension(int(match[1]), int(match[2]))
        elif match[3] is not None:
            yield int(match[3])
        elif match[4] is not None:
            yield match[4]


class _Parser:
    """Reads a law from its tokens by recursive descent; none of its rules recurs."""

    def __init__(self, text: str) -> None:
        self._waiting = list(_tokens(text))[::-1]

    def _take(self, *wanted: str) -> bool:
        if self._waiting and self._waiting[-1] in wanted:
            self._waiting.pop()
            return True
        return False

    def _next(self, kind: type) -> Any:
        if not self._waiting or type(self._waiting[-1]) is not kind:
            raise ValueError
        value = self._waiting.pop()
        if isinstance(value, int) and value > MAX_NUMBER:
            raise ValueError
        return value

    def _need(self, token: str) -> None:
        if not self._take(token):
            raise ValueError

    def law(self) -> Law:
        terms = [self._term(-1 if self._take("-") else 1)]
        while self._waiting:
            sign = -1 if self._take("-") else 1
            if sign == 1:
                self._need("+")
            terms.append(self._term(sign))
        return law(terms)

    def _term(self, sign: int) -> Term:
        coefficient = 1
        if self._waiting and type(self._waiting[-1]) is int:
            coefficient = self._next(int)
            if not self._take("*"):
                return Term(sign * coefficient)
        factors = [self._factor()]
        while self._take("*"):
            factors.append(self._factor())
        return Term(sign * coefficient, tuple(factors))

    def _factor(self) -> Quotient:
        if not self._take("("):
            return Quotient(self._next(Dimension))
        inner = self._take("(")
        dimension = self._next(Dimension)
        offset = 0
        if self._take("+"):
            offset = self._next(int)
        elif self._take("-"):
            offset = -self._next(int)
        divisor = 1
        if inner:
            self._need(")")
        if inner or not offset:
            self._need("//")
            divisor = self._next(int)
        self._need(")")
        if divisor < 1:
            raise ValueError
        return Quotient(dimension, offset, divisor)


def parse_law(text: str) -> Law:
    """Reads the text that `Law.text` writes without names. Nothing is evaluated. Raises InputError for another text."""
    try:
        found = _Parser(text).law()
    except ValueError:
        found = None
    if found is None or found.text() != text:
        raise InputError(
            f"{text[:80]!r} is not a shape law; wanted a text such as '2 * ((0.2 + 1) // 2) + 3'"
        ) from None
    return found


def parse_size(text: str) -> Law | Unknown:
    """Reads a law or an Unknown. Raises InputError for another text."""
    match = _UNKNOWN.fullmatch(text)
    if match is None:
        return parse_law(text)
    reason: Reason = "no law" if match[3] == "no law" else "depends on values"
    return Unknown(reason, int(match[1]), None if match[2] is None else int(match[2]))


# The laws of a whole engine.


@dataclass(frozen=True)
class EngineLaws:
    """The laws of all outputs of an engine. `ranks` are those of its inputs, in the order of a call."""

    ranks: tuple[int, ...]
    outputs: tuple[tuple[Law | Unknown, ...], ...]

    def output_sizes(self, sizes: Sequence[Sequence[Any]]) -> list[list[Any]]:
        """Returns the sizes of each output: what the laws give, and Unknowns. `sizes` holds ints or torch.SymInts."""
        ranks = tuple(len(shape) for shape in sizes)
        if ranks != self.ranks:
            raise InputError(f"the inputs have the ranks {list(ranks)}; wanted {list(self.ranks)}")
        return [
            [size if isinstance(size, Unknown) else size.apply(sizes) for size in output] for output in self.outputs
        ]

    def text(self, input_names: Sequence[str], output_names: Sequence[str]) -> str:
        """Writes a line for each output for people: ``y: [x.0, 8, (x.2 + 1) // 2]``."""
        lines = []
        for name, output in zip(output_names, self.outputs, strict=True):
            sizes = [size.text() if isinstance(size, Unknown) else size.text(input_names) for size in output]
            lines.append(f"{name}: [{', '.join(sizes)}]")
        return "\n".join(lines)

    def dump(self) -> str:
        """Writes them as `load` reads them: the inputs' ranks in a line, then a line for each output."""
        lines = [", ".join(map(str, self.ranks))]
        lines += [", ".join(size.text() for size in output) for output in self.outputs]
        return "\n".join(lines)

    @staticmethod
    def load(text: str) -> EngineLaws:
        """Reads what `dump` wrote. Nothing is evaluated. Raises InputError for another text."""
        if len(text) > MAX_TEXT:
            raise InputError(f"the shape laws have {len(text)} characters; at most {MAX_TEXT} are read")
        first, *rest = text.split("\n")
        if not re.fullmatch(r"|\d{1,2}(, \d{1,2})*", first):
            raise InputError(f"{first[:80]!r} is not a list of ranks; shape laws begin with one such as '4, 2'")
        ranks = tuple(int(rank) for rank in first.split(", ") if rank)
        outputs = tuple(tuple(parse_size(size) for size in line.split(", ") if size) for line in rest)
        for dimension in (
            one for output in outputs for size in output if isinstance(size, Law) for one in size.dimensions
        ):
            if dimension.input >= len(ranks) or dimension.dim >= ranks[dimension.input]:
                raise InputError(
                    f"a shape law takes dimension {dimension.dim} of input {dimension.input}, which is not there"
                )
        return EngineLaws(ranks, outputs)


def upper_bounds(
    sizes: Sequence[Law | Unknown], ranges: Mapping[Dimension, tuple[int, int]], max_elements: int | None
) -> tuple[Law | Unknown, ...]:
    """Returns the sizes of an output, where its one unknown size that depends on values got its upper bound.

    `max_elements` is the most that the output can have. Nothing follows from it for several unknown sizes: if one is 0,
    the others may be anything.
    """
    unknown = [size for size in sizes if isinstance(size, Unknown)]
    if max_elements is None or len(unknown) != 1 or unknown[0].reason != "depends on values":
        return tuple(sizes)
    least = math.prod(max(size.bounds(ranges)[0], 0) for size in sizes if isinstance(size, Law))
    if least == 0:
        return tuple(sizes)
    bound = Unknown(unknown[0].reason, 0, max_elements // least)
    return tuple(bound if isinstance(size, Unknown) else size for size in sizes)
