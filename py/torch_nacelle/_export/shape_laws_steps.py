"""The steps of an output size along one input size: whole-number divisions whose sum or product it is.

Positions are numbers of steps along a line, from its start on.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction

from torch_nacelle._export.shape_laws import Dimension, Quotient

MAX_QUOTIENTS = 10  # along one input size


@dataclass(frozen=True)
class Pulse:
    """``(position + offset) // period``: one step up in each period. With the period 1 it is the position."""

    offset: int
    period: int


def find_products(values: list[int], far: dict[int, int], whole: bool) -> list[tuple[Pulse, ...]] | None:
    """Returns the pulses whose sum, or sum of products, the values are; None if there are none, empty for a constant.

    `values` are those at consecutive positions from 0 on, `far` those at other positions. `whole` is True if `far`
    holds all positions that there are.
    """
    if min([*values, *far.values()], default=-1) < 0:
        return None
    if len({*values, *far.values()}) <= 1:
        return []
    pulses = _find_pulses(values, far)
    if pulses is None and whole:
        pulses = _find_line(far) or (_find_single(values) if len(values) == len(far) else None)
    if pulses is not None:
        return [(pulse,) for pulse in pulses] if len(pulses) <= MAX_QUOTIENTS else None
    return _find_squares(values, far)


def _find_pulses(values: list[int], far: dict[int, int]) -> list[Pulse] | None:
    """Returns pulses that give values whose steps repeat, near and far."""
    steps = [after - before for before, after in itertools.pairwise(values)]
    for period in range(1, len(steps) // 2 + 1):
        if steps[period:] != steps[:-period]:
            continue
        rise = sum(steps[:period])
        if all(value == values[position % period] + position // period * rise for position, value in far.items()):
            return _pulses_of(steps[:period])
    return None


def _pulses_of(steps: list[int]) -> list[Pulse]:
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
                pulses.append(Pulse(divisor - 1 - residue, divisor))
        candidates.append(pulses)
    return min(candidates, key=len)


def _find_line(far: dict[int, int]) -> list[Pulse] | None:
    """Returns the position as a pulse if all values lie on a line."""
    (first, value), (second, other), *_ = far.items()
    rise = Fraction(other - value, second - first)
    on_line = all(size - value == rise * (position - first) for position, size in far.items())
    return [Pulse(0, 1)] if on_line else None


def _find_single(values: list[int]) -> list[Pulse] | None:
    """Returns the pulse of values that rise by one amount after equally many positions, which all are known."""
    steps = [after - before for before, after in itertools.pairwise(values)]
    jumps = [position for position, step in enumerate(steps) if step]
    distances = {after - before for before, after in itertools.pairwise(jumps)}
    if len({steps[position] for position in jumps}) != 1 or len(distances) > 1:
        return None
    period = distances.pop() if distances else len(values)
    if jumps[0] >= period or len(steps) - 1 - jumps[-1] >= period:
        return None
    return [Pulse(period - 1 - jumps[0], period)]


def _find_squares(values: list[int], far: dict[int, int]) -> list[tuple[Pulse, ...]] | None:
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


def quotient_of(dimension: Dimension, start: int, step: int, pulse: Pulse) -> Quotient:
    """Returns a pulse along a line as a division of the size itself, but for a constant.

    The size is ``start + step * position``, so that offsets up to the next multiple of `step` mean the same: 0 is
    taken if it is one of them.
    """
    period = step * pulse.period
    offset = (step * pulse.offset - start) % period
    return Quotient(dimension, 0 if offset + step > period else offset, period)
