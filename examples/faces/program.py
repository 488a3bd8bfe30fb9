"""Compiles the detector into a program with three engines."""

import torch

import torch_nacelle as nacelle
from examples.common.backend import Backend, build_options, device_of
from examples.faces.detector import MAX_CROPS, MAX_SIDE, ONET_SIDE, RNET_SIDE, WINDOW, FaceDetector


def engine_inputs() -> dict[str, list[nacelle.Input]]:
    """The inputs of each engine: P-Net one image of any height and width, R-Net and O-Net any number of crops."""
    return {
        "pnet": [nacelle.Input(min=(1, 3, WINDOW, WINDOW), opt=(1, 3, 320, 320), max=(1, 3, MAX_SIDE, MAX_SIDE))],
        "rnet": [_crops(RNET_SIDE)],
        "onet": [_crops(ONET_SIDE)],
    }


def _crops(side: int) -> nacelle.Input:
    return nacelle.Input(min=(1, 3, side, side), opt=(32, 3, side, side), max=(MAX_CROPS, 3, side, side))


def compile_detector(detector: FaceDetector, backend: Backend) -> torch.jit.ScriptModule:
    """Compiles the three networks to engines of `backend`, and all that is around them to TorchScript."""
    return nacelle.compile(detector.to(device_of(backend)), engine_inputs(), backend=backend, **build_options(backend))
