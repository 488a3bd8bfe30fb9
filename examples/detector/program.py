"""The detector as an AOTInductor package."""

from pathlib import Path

import torch

import torch_nacelle as nacelle
from examples.common.backend import Backend, build_options, device_of
from examples.detector.model import CROP_SIDE, CROPS, LEVELS, SIDE, WINDOW, Detector


def save_package(detector: Detector, path: Path, backend: Backend = "reference") -> None:
    """Makes engines of the two networks and a package of the whole detector. Takes a C++ compiler a minute.

    Raises:
        Error: An engine cannot be built.
    """
    device = device_of(backend)
    sides = sorted(LEVELS)
    level = nacelle.Input(min=(1, 3, WINDOW, WINDOW), opt=(1, 3, 160, 160), max=(1, 3, sides[-1], sides[-1]))
    crops = nacelle.Input(shape=(CROPS, 3, CROP_SIDE, CROP_SIDE))
    module = nacelle.compile(
        detector.to(device),
        {"pnet": [level], "onet": [crops]},
        backend=backend,
        container="module",
        **build_options(backend),
    )
    image = nacelle.Input(shape=(SIDE, SIDE, 3), dtype=torch.uint8)
    nacelle.save(module, path, format="aotinductor", inputs=[image])
