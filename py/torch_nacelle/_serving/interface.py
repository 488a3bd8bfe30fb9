"""The inputs and outputs of a program as a server offers them: names, dtypes, and shapes with the sizes that vary."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from torch_nacelle._programs.arguments import At, Fill, arguments, example_tensor
from torch_nacelle._programs.running import caller, device_of, named_inputs
from torch_nacelle._programs.signatures import only_engine
from torch_nacelle._programs.structures import flat, key_of
from torch_nacelle._runtime.holders import AnyProgram
from torch_nacelle._runtime.input import Input, Shape, ShapeRange
from torch_nacelle._runtime.settings import to
from torch_nacelle._saving.load import load
from torch_nacelle.errors import Error, InputError

_ENDS: tuple[At, ...] = ("min", "opt", "max")
_FILLS: tuple[Fill, ...] = ("random", "zeros", "ones")

# The exceptions of a program's own operations and asserts; Nacelle's errors are RuntimeErrors.
_REFUSALS = (RuntimeError, AssertionError, LookupError, TypeError, ValueError)


@dataclass(frozen=True)
class ServedInput:
    """An input of a program.

    Attributes:
        name: The engine's name of it, if the program gives it to an engine as it is; else the argument's.
        argument: The name of the program's argument.
        input: Its dtype and shapes.
    """

    name: str
    argument: str
    input: Input

    def range_in(self, profile: int) -> ShapeRange:
        """The shapes in an optimization profile; the last one if it has fewer, its shape if that is fixed."""
        if not self.input.dynamic:
            return ShapeRange(self.input.shape, self.input.shape, self.input.shape)
        return self.input.ranges[min(profile, len(self.input.ranges) - 1)]


@dataclass(frozen=True)
class ServedOutput:
    """An output of a program.

    Attributes:
        name: The engine's name of it, if the program is this engine alone; else its place in the result.
        dtype: Its dtype.
        shape: Its shape, with -1 for a size that is not the same in all calls.
    """

    name: str
    dtype: torch.dtype
    shape: Shape


@dataclass(frozen=True)
class Batches:
    """The batches that a program takes: requests that are put together along the first dimension.

    Attributes:
        max: The largest batch; every one from 1 to it is allowed.
        best: The batches that the optimization profiles are fastest at, ascending.
    """

    max: int
    best: tuple[int, ...]


class Interface:
    """The inputs of a program, and the way to call it with them in a row.

    Attributes:
        program: The program.
        inputs: In the order of a call.
        device: The device that the program takes its inputs on.
    """

    def __init__(self, program: AnyProgram, device: str | torch.device | None = None) -> None:
        """Reads the inputs; sets up the engines that they go to.

        Args:
            program: The program.
            device: The device that it was loaded on; left out, as ``device_of`` tells it.

        Raises:
            InputError: The dtype and shapes of an argument are not known.
        """
        self.inputs = list(_inputs(program))
        self.device = device_of(program) if device is None else torch.device(device)
        self.program = program
        self._call: Callable[..., Any] = caller(program, [one.argument for one in self.inputs])
        engine = only_engine(program)
        self._engine_outputs = [str(name) for name, *_ in engine.outputs()] if engine is not None else []

    @property
    def profile_count(self) -> int:
        """The number of optimization profiles, 1 if no shape varies."""
        return max((len(one.input.ranges) for one in self.inputs), default=1) or 1

    def call(self, tensors: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
        """Calls the program with tensors for its inputs, in their order, and names the tensors of its result.

        They are moved to the program's device; the outputs stay there. Values of a result that are None are left out.

        Raises:
            InputError: A value in the result is no tensor.
            Error: The call raised it.
        """
        moved = [tensor.to(self.device) for tensor in tensors]
        with torch.inference_mode():
            try:
                return self._named(self._call(*moved))
            except Error:
                raise
            except Exception:
                # Shapes that an exported program was not made for: torch's own words name no input.
                named_inputs(
                    self.program, {one.argument: tensor for one, tensor in zip(self.inputs, moved, strict=True)}
                )
                raise

    def examples(
        self, profile: int = 0, at: At = "opt", fill: Fill = "random", batch: int | None = None
    ) -> list[torch.Tensor]:
        """Makes tensors to call the program with, of the shapes of an optimization profile; see ``example_inputs``.

        Args:
            profile: The optimization profile.
            at: Which shapes of it, and values that decide about shapes.
            fill: The other values.
            batch: The size of the first dimension, in place of the profile's.
        """
        generator = torch.Generator("cpu").manual_seed(0)
        made = []
        for one in self.inputs:
            if values := one.input.values:
                made.append(one.input.tensor_of(getattr(values[min(profile, len(values) - 1)], at)))
                continue
            shape: Shape = getattr(one.range_in(profile), at)
            shape = shape if batch is None else (batch, *shape[1:])
            made.append(example_tensor(shape, one.input.dtype, fill=fill, generator=generator))
        return made

    def example_call(self, profile: int = 0, at: At = "opt", batch: int | None = None) -> dict[str, torch.Tensor]:
        """Calls the program with made-up inputs: random ones, or zeros or ones if it refuses those.

        Raises:
            Error: It refuses all of them; it is the error of the first call.
        """
        failed: Exception | None = None
        for fill in _FILLS:
            try:
                return self.call(self.examples(profile, at, fill, batch))
            except _REFUSALS as error:
                failed = failed or error
        assert failed is not None
        raise failed

    def takes_zeros(self, batch: int | None = None) -> bool:
        """True if the program can be called with zeros in all inputs, of the best shapes."""
        if any(one.input.values for one in self.inputs):
            return False
        try:
            self.call(self.examples(fill="zeros", batch=batch))
        except _REFUSALS:
            return False
        return True

    def batches(self) -> Batches:
        """Tells the batches that every request may be part of, whatever the rest of its shape is.

        Raises:
            InputError: The program cannot be given several requests as one batch; the message says why.
        """
        for one in self.inputs:
            if not one.input.shape or one.input.shape[0] != -1:
                raise InputError(
                    f'input "{one.name}" has the shape {list(one.input.shape)}; wanted a first dimension that varies, '
                    "for the batch"
                )
        if not self.inputs:
            raise InputError("the program has no inputs; wanted one with a first dimension that varies, for the batch")
        cases = [[one.range_in(profile) for one in self.inputs] for profile in range(self.profile_count)]
        sizes = [_sizes_beside(case, cases) for case in cases]
        for beside in sizes:
            if _largest_from_one(beside) == 0:
                raise InputError(
                    f"the smallest batch is {min(beside)[0]}, and a server passes single requests on; wanted an "
                    "optimization profile that begins with a batch of 1"
                )
        most = min(map(_largest_from_one, sizes))
        best = {min(max(size.opt[0] for size in case), most) for case in cases}
        return Batches(most, tuple(sorted(best)))

    def outputs(self, batches: Batches | None) -> list[ServedOutput]:
        """Tells the outputs, from calls with made-up inputs of the least, the best and the largest shapes.

        The first dimension of the outputs is left out of their shapes if there are batches.

        Args:
            batches: The batches that the program gets; None if each call is one request.

        Raises:
            InputError: The number of outputs or a dtype varies; or there are batches, and an output has none of their
                rows for each request.
            Error: A call raised it.
        """
        found: list[dict[str, torch.Tensor]] = []
        for batch, outputs in self._example_calls(batches):
            if batch is not None:
                check_rows(outputs, batch)
            if found and {name: one.dtype for name, one in outputs.items()} != {
                name: one.dtype for name, one in found[0].items()
            }:
                raise InputError(
                    f"the program returns {_described(found[0])} for some inputs and {_described(outputs)} for others; "
                    "wanted the same outputs for all"
                )
            found.append(outputs)
        first = 0 if batches is None else 1
        return [
            ServedOutput(name, one.dtype, _common_shape([tuple(each[name].shape[first:]) for each in found], name))
            for name, one in found[0].items()
        ]

    def _example_calls(self, batches: Batches | None) -> Iterator[tuple[int | None, dict[str, torch.Tensor]]]:
        """Makes the calls that tell the outputs; gives the batch of each, if there are batches, and its outputs."""
        sizes: Sequence[int | None] = [None] if batches is None else sorted({1, batches.best[0], batches.max})
        for size in sizes:
            yield size, self.example_call(batch=size)
        for profile in range(self.profile_count):
            for at in _ENDS:
                yield sizes[-1], self.example_call(profile, at, sizes[-1])
        for fill in _FILLS[1:]:  # outputs whose sizes depend on values
            with contextlib.suppress(*_REFUSALS):
                outputs = self.call(self.examples(fill=fill, batch=sizes[0]))
                yield sizes[0], outputs

    def _named(self, result: Any) -> dict[str, torch.Tensor]:
        leaves = [(path, leaf) for path, leaf in flat(result) if leaf is not None]
        names = [_leaf_name(path) for path, _ in leaves]
        if len(self._engine_outputs) == len(names):
            names = self._engine_outputs
        elif len(set(names)) < len(names):
            names = [f"output_{place}" for place in range(len(names))]
        for name, (_, leaf) in zip(names, leaves, strict=True):
            if not isinstance(leaf, torch.Tensor):
                raise InputError(
                    f'output "{name}" is of type {type(leaf).__name__}; wanted a tensor: a server answers with tensors'
                )
        return {name: leaf for name, (_, leaf) in zip(names, leaves, strict=True)}


def _inputs(program: AnyProgram) -> Iterator[ServedInput]:
    told = [argument for argument in arguments(program) if argument.required]
    for argument in told:
        if argument.input is None:
            raise InputError(
                f"the dtype and shapes of argument {argument.name} are not known: {argument.why_unknown}; wanted a "
                "program that tells them: one of an engine alone, or an exported program or package of nacelle.save"
            )
    names = [argument.input.name or argument.name for argument in told if argument.input is not None]
    if len(set(names)) < len(names):
        names = [argument.name for argument in told]
    for name, argument in zip(names, told, strict=True):
        assert argument.input is not None
        yield ServedInput(name, argument.name, argument.input)


def _leaf_name(path: Sequence[Any]) -> str:
    """A name for a tensor in a result: ``output``, ``output_1``, ``scores``, ``boxes_0``."""
    keys = list(map(key_of, path))
    if not keys or isinstance(keys[0], int):
        keys.insert(0, "output")
    return "_".join(map(str, keys))


def _sizes_beside(case: Sequence[ShapeRange], cases: Sequence[Sequence[ShapeRange]]) -> list[tuple[int, int]]:
    """The ranges of the batch in all optimization profiles that allow whatever else `case` allows."""
    return [
        (max(size.min[0] for size in other), min(size.max[0] for size in other))
        for other in cases
        if all(
            low >= least and high <= most
            for own, allowed in zip(case, other, strict=True)
            for low, high, least, most in zip(own.min[1:], own.max[1:], allowed.min[1:], allowed.max[1:], strict=True)
        )
    ]


def _largest_from_one(ranges: Sequence[tuple[int, int]]) -> int:
    """The largest number that is reached from 1 within the ranges; 0 if none has 1."""
    reached = 0
    for low, high in sorted(ranges):
        if low <= reached + 1:
            reached = max(reached, high)
    return reached


def check_rows(outputs: dict[str, torch.Tensor], batch: int) -> None:
    """Raises InputError unless every output has as many rows as the batch."""
    for name, output in outputs.items():
        if not output.shape or output.shape[0] != batch:
            raise InputError(
                f'output "{name}" has the shape {list(output.shape)} for a batch of {batch}; wanted {batch} as its '
                "first size, so that each request gets its own rows"
            )


def _common_shape(shapes: Sequence[Shape], name: str) -> Shape:
    if len({len(shape) for shape in shapes}) > 1:
        listed = " and ".join(sorted({str(list(shape)) for shape in shapes}))
        raise InputError(
            f'output "{name}" has the shapes {listed} for different inputs; wanted the same number of dimensions'
        )
    return tuple(sizes[0] if len(set(sizes)) == 1 else -1 for sizes in zip(*shapes, strict=True))


def _described(outputs: dict[str, torch.Tensor]) -> str:
    return ", ".join(f"{name} ({str(one.dtype).removeprefix('torch.')})" for name, one in outputs.items())


def load_on(path: Path, device: str | torch.device | None) -> tuple[Any, Interface]:
    """Loads a program with its tensors and engines on a device; left out, on the one that they were saved on."""
    program = load(path, device)
    if device is not None and isinstance(program, torch.jit.ScriptModule):
        to(program, device)  # loading has moved its tensors alone
    return program, Interface(program, device)
