"""Compiles two ONNX files into a program with two engines."""

from pathlib import Path

import torch

import torch_nacelle as nacelle
from examples.common.backend import Backend, build_options
from examples.text.data import DETECTION, RECOGNITION
from examples.text.reader import LINE_HEIGHT, MAX_LINE, MAX_SIDE, MIN_LINE, STEP, TextReader


def images() -> nacelle.Input:
    """The input of the detecting engine: an image whose sides are multiples of 32."""
    return nacelle.Input(min=(1, 3, STEP, STEP), opt=(1, 3, 320, 640), max=(1, 3, MAX_SIDE, MAX_SIDE), name="x")


def lines() -> nacelle.Input:
    """The input of the reading engine: a line of any length."""
    return nacelle.Input(
        min=(1, 3, LINE_HEIGHT, MIN_LINE), opt=(1, 3, LINE_HEIGHT, 320), max=(1, 3, LINE_HEIGHT, MAX_LINE), name="x"
    )


def compile_reader(models: Path, backend: Backend, cache: Path | None = None) -> torch.jit.ScriptModule:
    """Compiles both models to engines of `backend`, and all that is around them to TorchScript.

    TensorRT's builds are long, so they show their progress, and may be kept in the folder `cache`.
    """
    options = build_options(backend)
    if cache is not None:
        options = {**options, "engine_cache": cache / "engines", "timing_cache": cache / "times"}
    shows = backend != "reference"
    detector = nacelle.compile(models / DETECTION, [images()], backend=backend, progress=shows, **options)
    recognizer = nacelle.compile(models / RECOGNITION, [lines()], backend=backend, progress=shows, **options)
    return torch.jit.script(TextReader(detector, recognizer).eval())
