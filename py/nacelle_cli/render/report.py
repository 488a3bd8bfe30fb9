"""The report of ``nacelle inspect --html``: one page that holds all it needs, and runs no script.

The page is made from the template beside this file. Everything that comes from a program is escaped by the template,
and the page's own policy keeps a browser from loading or running anything.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from nacelle_cli import files
from nacelle_cli.failures import CommandError
from nacelle_cli.reading import traces
from nacelle_cli.reading.texts import printable
from nacelle_cli.reading.walks import Module
from nacelle_cli.render import output, show
from nacelle_cli.render.inspected import Inspected

_TEMPLATE = "report.html.jinja"
_MIN_SHARE = 0.0005


@dataclass(frozen=True)
class TreeRow:
    """A line of the module tree."""

    depth: int
    module: Module

    @property
    def short_type(self) -> str:
        """The last part of the type's name."""
        return self.module.type.rpartition(".")[2]


@dataclass(frozen=True)
class Segment:
    """A layer in the strip of a call.

    Begin and width are in per mille of the call; `weight` is its time divided by the slowest layer's.
    """

    name: str
    start: float
    width: float
    weight: float
    mean_ms: float
    share: float


def write(path: Path, inspected: Sequence[Inspected], profile: Path | None) -> None:
    """Writes a report; `path` is whole at any time.

    Args:
        path: The page.
        inspected: The files that were read without errors.
        profile: A trace that ``nacelle.profile`` saved of one of the programs.

    Raises:
        CommandError: There is nothing to report, or the trace is of other engines.
        OSError: A file cannot be read or written.
    """
    if not inspected:
        raise CommandError(f"{path} is not written: no file could be read")
    times = traces.read(profile) if profile is not None else {}
    _check_engines(times, inspected, profile)
    files.write_text(path, render(inspected, times))


def render(inspected: Sequence[Inspected], times: dict[str, traces.EngineTimes]) -> str:
    """The page."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "size": output.size_text,
        "size_and_bytes": show.size_and_bytes,
        "shape": show.shape_text,
        "printable": printable,
        "flags": show.flag_texts,
        "milliseconds": _milliseconds,
    }
    template = importlib.resources.files("nacelle_cli.render").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(template).render(
        inspected=inspected,
        times=times,
        tree=_tree,
        segments=_segments,
        bindings=show.bindings,
        tensors_text=show.tensors_text,
        title=", ".join(one.path.name for one in inspected),
    )


def _check_engines(times: dict[str, traces.EngineTimes], inspected: Sequence[Inspected], profile: Path | None) -> None:
    known = {engine.path for one in inspected if one.program for engine in one.program.engines}
    unknown = [engine for engine in times if engine not in known]
    if unknown:
        raise CommandError(
            f"{profile} is a trace of {', '.join(unknown)}; the programs have "
            f"{', '.join(sorted(known)) or 'no engines'}: give the trace of one of these programs"
        )


def _tree(module: Module) -> list[TreeRow]:
    rows: list[TreeRow] = []
    todo = [TreeRow(0, module)]
    while todo:
        row = todo.pop()
        rows.append(row)
        todo += [TreeRow(row.depth + 1, child) for child in reversed(row.module.children)]
    return rows


def _segments(times: traces.EngineTimes) -> list[Segment]:
    """The layers of a mean call, side by side."""
    total = times.layers_ms
    found: list[Segment] = []
    start = 0.0
    most = max((layer.total_ms for layer in times.layers), default=0.0)
    for layer in times.layers:
        share = layer.total_ms / total if total > 0 else 0.0
        if share >= _MIN_SHARE:
            weight = layer.total_ms / most
            found.append(Segment(layer.name, start * 1000, share * 1000, weight, layer.mean_ms, share))
        start += share
    return found


def _milliseconds(value: float) -> str:
    """``"12.3 ms"``, ``"45.6 µs"``."""
    return f"{value:.3g} ms" if value >= 1 else f"{value * 1000:.3g} µs"
