"""A benchmark drawn."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacelle_cli.files import is_stream
from torch_nacelle._programs.program import PathLike
from torch_nacelle._runtime.files import replacing
from torch_nacelle.errors import InputError

if TYPE_CHECKING:
    from torch_nacelle._bench.figures import Benchmark, Parts, Throughput, Times

FORMATS = (".png", ".svg")
_COLOURS = {"host": "#3b6fb6", "device": "#5a9e4b", "end to end": "#c9782b"}


def check_plot(path: PathLike) -> None:
    """Raises InputError where a plot of that name cannot be drawn here; before anything is measured."""
    if _format(path) not in FORMATS:
        raise InputError(f"a plot is written as {' or '.join(FORMATS)}, found {path}")
    try:
        import matplotlib.figure  # noqa: F401 - whether it is there
    except ImportError as error:
        raise InputError("plots are drawn with the package matplotlib, which is not installed: install it") from error


def _format(path: PathLike) -> str:
    """The end of the name, which tells the format; a device or a pipe without one gets the first format."""
    suffix = Path(path).suffix
    return FORMATS[0] if not suffix and is_stream(path) else suffix


def save_plot(benchmark: "Benchmark", path: PathLike) -> None:
    """See ``Benchmark.save_plot``."""
    check_plot(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.5), layout="constrained")
    panels = figure.subplots(1, 2, width_ratios=(3, 2))
    shown = {"host": benchmark.host, "device": benchmark.on_device, "end to end": benchmark.end_to_end}
    if benchmark.end_to_end is benchmark.host:
        del shown["end to end"]
    _draw_latency(panels[0], {what: times for what, times in shown.items() if times is not None})
    _draw_throughput(panels[1], benchmark.throughput)
    if benchmark.parts is not None:
        panels[0].set_xlabel(panels[0].get_xlabel() + "\n" + _parts_text(benchmark.parts))
    inputs = ", ".join(f"{name}: {dtype} {list(shape)}" for name, dtype, shape in benchmark.inputs)
    figure.suptitle(f"{benchmark.device}; {inputs}", fontsize=11)
    figure.supxlabel(benchmark.conditions, fontsize=7, color="0.4")
    with replacing(path) as temporary:
        figure.savefig(temporary, format=_format(path)[1:], dpi=150)


def _draw_latency(panel: Any, shown: dict[str, "Times"]) -> None:
    """How many of the calls were done after how long, with the percentiles in the legend."""
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


def _draw_throughput(panel: Any, throughput: tuple["Throughput", ...]) -> None:
    labels = [str(one.threads) for one in throughput]
    bars = panel.bar(labels, [one.calls_per_second for one in throughput], color="#3b6fb6", width=0.6)
    panel.bar_label(bars, labels=[f"{one.calls_per_second:.4g}" for one in throughput], padding=2)
    panel.set(title="Throughput", xlabel="threads", ylabel="calls a second")
    panel.margins(y=0.1)


def _parts_text(parts: "Parts") -> str:
    named = {"engines": parts.engine, "runtime": parts.runtime, "rest of the program": parts.rest}
    return "of a call, profiled: " + ", ".join(f"{what} {value * 1000:.1f} µs" for what, value in named.items())
