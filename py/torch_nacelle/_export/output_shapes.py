"""The shapes of an engine's outputs, as expressions of the sizes of its inputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch.utils._python_dispatch import _disable_current_modes

from torch_nacelle import _C
from torch_nacelle._export import engine_laws
from torch_nacelle._export.shape_laws import Unknown
from torch_nacelle.errors import InputError

Size: TypeAlias = int | torch.SymInt


@dataclass(frozen=True)
class InputTensor:
    """An input of an engine.

    Attributes:
        name: Its name in the plan.
        shape: -1 for a dynamic dimension.
        ranges: The least and the greatest size of each dimension, over all optimization profiles.
    """

    name: str
    shape: tuple[int, ...]
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class OutputTensor:
    """An output of an engine.

    Attributes:
        name: Its name in the plan.
        dtype: Its dtype.
        shape: -1 for a dimension that is not fixed.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]


@dataclass(frozen=True)
class EngineTensors:
    """The name of an engine, and its inputs and outputs in the order of a call."""

    name: str
    inputs: tuple[InputTensor, ...]
    outputs: tuple[OutputTensor, ...]

    @classmethod
    def of(cls, engine: torch.ScriptObject) -> "EngineTensors":
        """Asks the engine, which is set up for it.

        Raises:
            Error: The engine cannot be set up here.
        """
        inputs = []
        for name, _, shape, profiles in engine.inputs():  # type: ignore[attr-defined]
            least = [min(sizes) for sizes in zip(*(profile[0] for profile in profiles), strict=True)]
            greatest = [max(sizes) for sizes in zip(*(profile[2] for profile in profiles), strict=True)]
            inputs.append(InputTensor(name, tuple(shape), tuple(zip(least, greatest, strict=True))))
        outputs = [
            OutputTensor(name, getattr(torch, dtype), tuple(shape))
            for name, dtype, shape, _ in engine.outputs()  # type: ignore[attr-defined]
        ]
        return cls(engine.name(), tuple(inputs), tuple(outputs))  # type: ignore[attr-defined]


def output_shapes(
    engine: torch.ScriptObject, tensors: EngineTensors, input_shapes: Sequence[Sequence[Size]]
) -> list[list[Size | Unknown]]:
    """Returns the shapes of the outputs; Unknown for a size that is not known before the engine has run.

    If sizes of inputs are symbols, the engine's shape laws (shape_laws.py) give those of the outputs. The symbols are
    bounded by the optimization profiles from then on, as a branch on them would.

    Raises:
        InputError: No optimization profile allows the shapes.
    """
    _bound(tensors, input_shapes)
    if all(isinstance(size, int) for shape in input_shapes for size in shape):
        with _disable_current_modes():  # the reference engine finds shapes with torch
            point: list[list[int]] = [[int(size) for size in shape] for shape in input_shapes]
            (shapes,), _ = _C.infer_shapes(engine, None, [(point, [])])
        if shapes is not None and all(size >= 0 for shape in shapes for size in shape):
            return [list(shape) for shape in shapes]
    with _disable_current_modes():
        laws = engine_laws.laws_of(engine)
    return laws.output_sizes(input_shapes)


def _bound(tensors: EngineTensors, input_shapes: Sequence[Sequence[Size]]) -> None:
    if len(input_shapes) != len(tensors.inputs):
        names = ", ".join(tensor.name for tensor in tensors.inputs)
        raise InputError(
            f'engine "{tensors.name}" got {len(input_shapes)} inputs; wanted {len(tensors.inputs)}: {names}'
        )
    for index, (tensor, shape) in enumerate(zip(tensors.inputs, input_shapes, strict=True)):
        which = f'input "{tensor.name}" (number {index}) of engine "{tensors.name}"'
        if len(shape) != len(tensor.shape):
            raise InputError(
                f"{which} has {len(shape)} dimensions, {list(shape)}, wanted {len(tensor.shape)}: {list(tensor.shape)}"
            )
        for dimension, (size, (least, greatest)) in enumerate(zip(shape, tensor.ranges, strict=True)):
            if isinstance(size, int):
                continue  # checked with the others
            wanted = str(least) if least == greatest else f"{least} to {greatest}"
            message = f"{which}: dimension {dimension} must be {wanted}, as the engine's optimization profiles allow"
            torch._check(size >= least, lambda message=message: message)
            torch._check(size <= greatest, lambda message=message: message)
