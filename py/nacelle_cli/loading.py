"""Sets engines up to read the facts that their library has. This imports torch, and may take seconds."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacelle_cli.reading.plans import TensorSpec


@dataclass(frozen=True)
class Layer:
    """A layer of an engine, as its inspector names it; the kind is empty if it does not say."""

    name: str
    kind: str = ""


@dataclass(frozen=True)
class Loaded:
    """The facts that an engine told.

    Attributes:
        ready: True if it can run here.
        reason: Why it cannot; empty if it can.
        runs_on: The device and the library: ``"cuda:0 with TensorRT 10.3.0.26 (full) at …"``.
        optimization_profile_count: Number of optimization profiles.
        inputs: In the order of a call.
        outputs: The same.
        layers: As the inspector lists them; how much it tells is set when a plan is built.
    """

    ready: bool
    reason: str = ""
    runs_on: str = ""
    optimization_profile_count: int | None = None
    inputs: tuple[TensorSpec, ...] | None = None
    outputs: tuple[TensorSpec, ...] | None = None
    layers: tuple[Layer, ...] = ()


def of_program(path: Path, engines: list[str]) -> dict[str, Loaded]:
    """Sets up the engines of a program one after the other, and asks each. The program around them is not loaded.

    Args:
        path: The program.
        engines: Paths of its engines.
    """
    import torch_nacelle as nacelle

    program = nacelle.read(path)
    return {engine: _ask(program.set_up(engine)) for engine in dict.fromkeys(engines)}


def of_plan(path: Path) -> Loaded:
    """Sets up a plan from a file of its own, on the current device."""
    import torch_nacelle as nacelle

    try:
        return _ask(nacelle.embed(path.read_bytes()).engine_trt_engine)
    except nacelle.Error as error:
        return Loaded(ready=False, reason=str(error))


def _ask(engine: Any) -> Loaded:
    reason = engine.why_not_ready()
    if reason:
        return Loaded(ready=False, reason=reason)
    runs_on = re.search(r"^  runs on: (.*)$", str(engine), re.MULTILINE)
    return Loaded(
        ready=True,
        runs_on=runs_on[1] if runs_on else "",
        optimization_profile_count=engine.optimization_profile_count(),
        inputs=tuple(map(TensorSpec.of, engine.inputs())),
        outputs=tuple(map(TensorSpec.of, engine.outputs())),
        layers=_layers(engine.layer_information()),
    )


def _layers(information: str) -> tuple[Layer, ...]:
    """The layers in an inspector's JSON: a list of names, or of objects if the plan was built to tell more."""
    try:
        listed = json.loads(information).get("Layers", [])
    except (ValueError, AttributeError):
        return ()
    found = []
    for layer in listed:
        if isinstance(layer, dict):
            found.append(Layer(str(layer.get("Name", "")), str(layer.get("LayerType", ""))))
        else:
            found.append(Layer(str(layer)))
    return tuple(found)
