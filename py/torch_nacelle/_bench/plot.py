"""Draws a benchmark."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nacelle_cli.files import is_stream
from torch_nacelle._bench.figures import CallParts, Throughput, Times
from torch_nacelle._programs.program import PathLike
from torch_nacelle._runtime.files import replacing
from torch_nacelle.errors import InputError

FORMATS = (".png", ".svg")
_COLOURS = {"host": "#3b6fb6", "device": "#5a9e4b", "end to end": "#c9782b"}


def check_plot(path: PathLike) -> None:
    """Raises InputError if a plot of that name cannot be drawn here. Called before anything is measured."""
    if _format(path) not in FORMATS:
        raise InputError(f"a plot is written as {' or '.join(FORMATS)}, found {path}")
    try:
        import matplotlib.figure  # noqa: F401 - whether it is there
    except ImportError as error:
        raise InputError(
            "plots are drawn with the package matplotlib, which is not installed: pip install matplotlib"
        ) from error


def _format(path: PathLike) -> str:
    """The format, by the end of the name; a device or a pipe whose name has none gets the first format."""
    suffix = Path(path).suffix
    return FORMATS[0] if not suffix and is_stream(path) else suffix


def save_plot(
    path: PathLike,
    latency: Mapping[str, Times],
    throughput: tuple[Throughput, ...],
    parts: CallParts | None,
    *,
    title: str,
    conditions: str,
) -> None:
    """Draws a benchmark; see ``Benchmark.save_plot``."""
    check_plot(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.5), layout="constrained")
    panels = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_latency(panels[0], latency)
    _draw_throughput(panels[1], throughput)
    if parts is not None:
        panels[0].set_xlabel(panels[0].get_xlabel() + "\n" + _parts_text(parts))
    figure.suptitle(title, fontsize=11)
    figure.supxlabel(conditions, fontsize=7, color="0.4")
    with replacing(path) as temporary:
        figure.savefig(temporary, format=_format(path)[1:], dpi=150)


def _draw_latency(panel: Any, shown: Mapping[str, Times]) -> None:
    """Draws the share of calls that had ended after a time, with the percentiles in the legend."""
    for what, times in shown.items():
        ordered = sorted(times.samples)
        share = [100 * (i + 1) / len(ordered) for i in range(len(ordered))]
        percentiles = ", ".join(f"p{percent} {times.percentile(percent):.3g}" for percent in (50, 90, 99))
        panel.step(ordered, share, where="post", color=_COLOURS[what], label=f"{what}: {percentiles} ms")
    for percent in (50, 90, 99):
        panel.axhline(percent, color="0.85", linewidth=0.8, zorder=0)
    panel.set(title="Latency", xlabel="ms", ylabel="% of calls", xscale="log", ylim=(0, 101), yticks=(0, 50, 90, 99))
    panel.xaxis.set_major_formatter("{x:g}")
    panel.legend(loc="lower right", fontsize=9)


def _draw_throughput(panel: Any, throughput: tuple[Throughput, ...]) -> None:
    labels = [str(one.threads) for one in throughput]
    bars = panel.bar(labels, [one.calls_per_second for one in throughput], color="#3b6fb6", width=0.6)
    panel.bar_label(bars, labels=[f"{one.calls_per_second:.4g}" for one in throughput], padding=2)
    panel.set(title="Throughput", xlabel="threads", ylabel="calls a second")
    panel.margins(y=0.1)


def _parts_text(parts: CallParts) -> str:
    named = {"engines": parts.engine, "runtime": parts.runtime, "rest of the program": parts.rest}
    return "of a call, profiled: " + ", ".join(f"{what} {value * 1000:.1f} µs" for what, value in named.items())
