"""Compiles the ONNX file into a program with one engine."""

from pathlib import Path

import torch

import torch_nacelle as nacelle
from examples.common.backend import Backend, build_options
from examples.speech.detector import CONTEXT, MAX_WINDOWS, STATE, WINDOW, SequenceDetector, SpeechDetector


def engine_inputs() -> list[nacelle.Input]:
    """The engine's inputs: a window with its context, the state, the rate."""
    return [
        nacelle.Input(shape=(1, CONTEXT + WINDOW), name="input"),
        nacelle.Input(shape=STATE, name="state"),
        nacelle.Input(shape=(), dtype=torch.int64, name="sr"),
    ]


def sequence_inputs() -> list[nacelle.Input]:
    """The inputs of the engine for many windows: the windows, and its two states."""
    most, width, state = MAX_WINDOWS, CONTEXT + WINDOW, (1, *STATE[1:])
    return [
        nacelle.Input(min=(1, width), opt=(most, width), max=(most, width), name="input"),
        nacelle.Input(shape=state, name="h"),
        nacelle.Input(shape=state, name="c"),
    ]


def is_sequence(model: Path) -> bool:
    """True if a file of silero-vad takes many windows at a time, by its name."""
    return model.stem.endswith("_sequence")


def detector_around(network: torch.nn.Module, model: Path) -> torch.nn.Module:
    """The whole detector with a network that was made from the model."""
    return (SequenceDetector if is_sequence(model) else SpeechDetector)(network).eval()


def compile_detector(model: Path, backend: Backend) -> torch.jit.ScriptModule:
    """Compiles the model to an engine of `backend`, and the loop around it to TorchScript."""
    inputs = sequence_inputs() if is_sequence(model) else engine_inputs()
    network = nacelle.compile(model, inputs, backend=backend, **build_options(backend))
    return torch.jit.script(detector_around(network, model))
