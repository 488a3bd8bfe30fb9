"""From the ONNX file to a program with one engine."""

from pathlib import Path

import torch

import torch_nacelle as nacelle
from examples.common.backend import Backend, build_options
from examples.speech.detector import CONTEXT, STATE, WINDOW, SpeechDetector


def engine_inputs() -> list[nacelle.Input]:
    """What the engine takes: a window with its context, the state, the rate."""
    return [
        nacelle.Input(shape=(1, CONTEXT + WINDOW), name="input"),
        nacelle.Input(shape=STATE, name="state"),
        nacelle.Input(shape=(), dtype=torch.int64, name="sr"),
    ]


def compile_detector(model: Path, backend: Backend) -> torch.jit.ScriptModule:
    """Compiles the model to an engine of `backend`, and the loop around it to TorchScript."""
    network = nacelle.compile(model, engine_inputs(), backend=backend, **build_options(backend))
    return torch.jit.script(SpeechDetector(network).eval())
