"""Reports of ``nacelle.check``: every output of every call, compared."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

_COLUMNS = ("case", "inputs", "output", "relative error", "")


@dataclass(frozen=True)
class Comparison:
    """Two tensors compared.

    Attributes:
        error: The relative error: the largest difference by the largest value that was wanted; for integers and truths
            the share of elements that differ. Infinite if `problem` says why there is none.
        problem: The reason why values cannot be compared: a shape, a dtype, NaNs elsewhere; else empty.
        index: The element that is off most.
        found: Its value.
        wanted: The value that it should have.
    """

    error: float
    problem: str = ""
    index: tuple[int, ...] = ()
    found: float = 0.0
    wanted: float = 0.0

    @staticmethod
    def failed(problem: str) -> "Comparison":
        """A comparison that cannot be made."""
        return Comparison(math.inf, problem)

    def within(self, threshold: float) -> bool:
        """True if the error is allowed."""
        return not self.problem and self.error <= threshold

    @property
    def element_error(self) -> float:
        """The relative error of the element that is off most by itself: |found - wanted| / |wanted|."""
        difference = abs(self.found - self.wanted)
        if difference == 0.0:
            return 0.0
        return difference / abs(self.wanted) if self.wanted else math.inf

    @property
    def summary(self) -> str:
        """The comparison for a person."""
        if self.problem:
            return self.problem
        where = f"[{', '.join(map(str, self.index))}]"
        return f"relative error {self.error:.2e}; element {where} is {self.found:.6g}; wanted {self.wanted:.6g}"


@dataclass(frozen=True)
class OutputCheck:
    """One output of one call, compared.

    Attributes:
        case: The name of the call: ``"optimization profile 0, max"``, ``"given inputs 1"``.
        input_shapes: The shapes of its inputs.
        output: The output's name, or ``"output 1"``.
        comparison: The output compared with the original's.
    """

    case: str
    input_shapes: tuple[tuple[int, ...], ...]
    output: str
    comparison: Comparison


@dataclass(frozen=True)
class CheckReport:
    """The result of ``check``.

    Attributes:
        outputs: Every output of every call.
        precision: The precision that the engines compute in.
        threshold: The relative error that was allowed.
        notes: Remarks for a reader, such as dtypes that differ because TensorRT has none of that kind.
    """

    outputs: tuple[OutputCheck, ...]
    precision: str
    threshold: float
    notes: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """True if every output is within the threshold."""
        return all(one.comparison.within(self.threshold) for one in self.outputs)

    @property
    def worst(self) -> OutputCheck:
        """The output that is off most; one whose shape, dtype or NaNs differ comes first."""
        return max(self.outputs, key=lambda one: (bool(one.comparison.problem), one.comparison.error))

    def __str__(self) -> str:
        """A plain table."""
        rows = [_COLUMNS, *self._rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
        lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, self._summary(), *self.notes])

    def __rich__(self) -> "Table":
        """A table for a terminal."""
        from rich.table import Table

        table = Table(*_COLUMNS, caption="\n".join([self._summary(), *self.notes]))
        for row, one in zip(self._rows(), self.outputs, strict=True):
            table.add_row(*row, style="" if one.comparison.within(self.threshold) else "red")
        return table

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                one.case,
                " ".join(str(list(shape)) for shape in one.input_shapes),
                one.output,
                one.comparison.problem or f"{one.comparison.error:.2e}",
                "ok" if one.comparison.within(self.threshold) else "FAILED",
            )
            for one in self.outputs
        ]

    def _summary(self) -> str:
        return f"relative error allowed: {self.threshold:g} ({self.precision}); worst: {self.worst.comparison.summary}"
