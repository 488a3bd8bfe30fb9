"""Finds speech with an engine that is made from an ONNX file. Run it with `./bazelw run //examples/speech`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor

import torch_nacelle as nacelle
from examples.common.backend import Backend, device_of
from examples.common.fresh_process import FreshProcessError, FreshRun, run_in_fresh_process
from examples.common.onnxruntime_model import OnnxRuntimeModel
from examples.common.terminal import engine_table, largest_difference, make_console, step, user_path
from examples.speech.data import ANNOTATION, MODEL, RECORDING, SEQUENCE
from examples.speech.detector import RATE
from examples.speech.program import compile_detector, detector_around
from examples.speech.segments import Segment, agreement, inside, read_annotation, segments
from examples.speech.sound import SoundError, noise, read_sound, tone
from examples.speech.timeline import bars, ruler

WIDTH = 96  # of the time lines

app = typer.Typer(add_completion=False)


@app.command()
def main(
    sound: Annotated[
        Path | None, typer.Option(help="The WAV file to look for speech in.", show_default="a conversation of 30 s")
    ] = None,
    output: Annotated[Path, typer.Option(help="The folder for speech.ts; made if it is not there.")] = Path(),
    backend: Annotated[
        Backend, typer.Option(help="What builds and runs the engine; reference: on the CPU.")
    ] = "reference",
    model: Annotated[
        Path | None, typer.Option(help="The ONNX file of silero-vad.", show_default="the one that the build fetched")
    ] = None,
) -> None:
    """Build a speech detector from an ONNX file, save it as one file, and run that file in a fresh process.

    The model takes 32 ms at a time and hands its state on; it is an engine, and the loop over the
    sound is TorchScript. A tone and white noise, which are no speech, are run beside the sound.
    """
    console = make_console()
    try:
        _run(console, sound, user_path(output), backend, model)
    except SoundError as error:
        raise typer.BadParameter(str(error), param_hint="--sound") from error
    except (nacelle.Error, FreshProcessError, OSError) as error:
        Console(stderr=True).print("[red]error:[/red]", end=" ")
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _run(console: Console, sound: Path | None, output: Path, backend: Backend, model: Path | None) -> None:
    annotation = read_annotation(ANNOTATION) if sound is None and ANNOTATION.exists() else None
    sound = _fetched(RECORDING, "--sound") if sound is None else user_path(sound)
    # Many windows at a time are fewer calls, and calls are what the network for one window costs on a GPU.
    default = MODEL if backend == "reference" else SEQUENCE
    model = _fetched(default, "--model") if model is None else user_path(model)
    samples = read_sound(sound)
    output.mkdir(parents=True, exist_ok=True)
    program = output / "speech.ts"
    with step(console, f"Build an engine from {model.name} ({backend}), save {program.name}"):
        compile_detector(model, backend).save(str(program))
    sounds = torch.stack([samples, tone(samples.numel()), noise(samples.numel())])
    with step(console, "Load and run it in a fresh process, which does not know the model"):
        run = run_in_fresh_process(program, [sounds], device_of(backend), threads=1)
    with step(console, "Run the same detector with onnxruntime"):
        other = _run_onnxruntime(model, sounds)
    _report(console, program, sound, run, annotation)
    if other is None:
        console.print("[yellow]onnxruntime is not installed: there is nothing to compare with.[/yellow]")
    else:
        console.print(f"Largest difference to onnxruntime: {largest_difference(run.outputs, [other]):.3g}")
    console.print(f"Fresh process: loaded in {run.load_seconds:.2f} s, first run {run.run_seconds:.2f} s")


def _fetched(path: Path, option: str) -> Path:
    if not path.exists():
        raise typer.BadParameter("needed if the program is not started by Bazel", param_hint=option)
    return path


def _run_onnxruntime(model: Path, sounds: Tensor) -> Tensor | None:
    try:
        network = OnnxRuntimeModel(model)
    except ImportError:
        return None
    with torch.inference_mode():
        result: Tensor = detector_around(network, model)(sounds)
        return result


def _report(console: Console, program: Path, sound: Path, run: FreshRun, annotation: Sequence[Segment] | None) -> None:
    console.print(engine_table(program))
    probabilities = [row.tolist() for row in run.outputs[0]]
    windows = len(probabilities[0])
    seconds = windows * 512 / RATE
    found = segments(probabilities[0])
    lines = {"seconds": ruler(seconds, min(WIDTH, windows)), sound.name: bars(probabilities[0], WIDTH)}
    if annotation is not None:
        lines["noted by a person"] = bars([float(speech) for speech in inside(annotation, windows)], WIDTH)
    lines.update({"a tone": bars(probabilities[1], WIDTH), "white noise": bars(probabilities[2], WIDTH)})
    width = max(map(len, lines))
    console.print("Probability of speech over time")
    for name, line in lines.items():
        # Not through rich, which would take brackets and long lines for its own.
        typer.echo(f"{name:>{width}} |{line}|")
    console.print(_segment_table(found) if found else f"No speech found in {sound.name}.")
    for name, row in zip(("Tone", "Noise"), probabilities[1:], strict=True):
        console.print(f"{name}, highest probability of speech: {max(row):.3f}")
    if annotation is not None:
        console.print(f"Windows in which detector and person agree: {agreement(found, annotation, windows):.1%}")


def _segment_table(found: Sequence[Segment]) -> Table:
    table = Table(title="Speech, in seconds", title_justify="left")
    for column in ("from", "to", "length"):
        table.add_column(column, justify="right")
    for begin, end in found:
        table.add_row(f"{begin:.2f}", f"{end:.2f}", f"{end - begin:.2f}")
    return table


if __name__ == "__main__":
    app()
