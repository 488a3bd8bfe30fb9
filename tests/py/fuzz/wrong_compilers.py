"""Things that compile wrongly, each in one way: the fuzzer has to notice each."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.py.fuzz.judge import Nacelle


class Faithful(Nacelle):
    """Takes a deep copy for the program, so that state, hooks and structure are the module's own: nothing is wrong.

    A program is a Python object here, and its file a number: what it was when it was saved.
    """

    def __init__(self) -> None:
        self._saved: dict[str, Any] = {}

    def compile(self, module: torch.nn.Module, inputs: Any, method: str) -> Any:
        """A copy in eval mode."""
        program = copy.deepcopy(module)
        for part in program.modules():
            part.training = False
        return self.change(program)

    def change(self, program: torch.nn.Module) -> Any:
        """The program with a fault."""
        return program

    def save(self, program: Any, path: Path) -> None:
        """Keeps a copy."""
        self._saved[str(path)] = copy.deepcopy(program)

    def load(self, path: Path) -> Any:
        """A copy of the copy."""
        return copy.deepcopy(self._saved[str(path)])


class NoHooks(Faithful):
    """Drops hooks."""

    def change(self, program: torch.nn.Module) -> Any:
        """Without hooks."""
        for part in program.modules():
            part._forward_hooks.clear()
            part._forward_pre_hooks.clear()
        return program


class NoPatches(Faithful):
    """Runs the class's forward instead of an instance's own."""

    def change(self, program: torch.nn.Module) -> Any:
        """Compiles with the forward of each class."""
        for part in program.modules():
            part.__dict__.pop("forward", None)
        return program


class SharedState(Faithful):
    """Programs from one file are one program."""

    def load(self, path: Path) -> Any:
        """The same each time."""
        return self._saved[str(path)]


class KeptState(Faithful):
    """Adds how often it was called."""

    def change(self, program: torch.nn.Module) -> Any:
        """A counter around it."""
        calls = [0]

        def run(*tensors: torch.Tensor) -> Any:
            calls[0] += 1
            return _each(program(*tensors), lambda one: one + calls[0] - 1 if one.is_floating_point() else one)

        return run

    def save(self, program: Any, path: Path) -> None:
        """Keeps it itself: functions are not copied."""
        self._saved[str(path)] = program


class ForgottenState(KeptState):
    """Begins anew with each call."""

    def change(self, program: torch.nn.Module) -> Any:
        """A copy for each call."""
        return lambda *tensors: copy.deepcopy(program)(*tensors)


class BareTensors(KeptState):
    """Returns a bare tensor for a tuple or a list of one."""

    def change(self, program: torch.nn.Module) -> Any:
        """Unpacked."""

        def run(*tensors: torch.Tensor) -> Any:
            result = program(*tensors)
            return result[0] if isinstance(result, (tuple, list)) and len(result) == 1 else result

        return run


class Tuples(KeptState):
    """Returns a tuple for a list."""

    def change(self, program: torch.nn.Module) -> Any:
        """Returns a tuple."""

        def run(*tensors: torch.Tensor) -> Any:
            result = program(*tensors)
            return tuple(result) if isinstance(result, list) else result

        return run


class OneDtype(KeptState):
    """Returns float32 for other floats."""

    def change(self, program: torch.nn.Module) -> Any:
        """Converted."""
        return lambda *tensors: _each(program(*tensors), lambda one: one.float() if one.dtype == torch.float16 else one)


class Inaccurate(KeptState):
    """Is off by a little."""

    def change(self, program: torch.nn.Module) -> Any:
        """Multiplied."""
        return lambda *tensors: _each(
            program(*tensors), lambda one: one * (1 + 1e-3) if one.dtype == torch.float32 else one
        )


class OneRow(KeptState):
    """Leaves the last rows out if there are more than three."""

    def change(self, program: torch.nn.Module) -> Any:
        """Returns fewer rows."""
        return lambda *tensors: _each(program(*tensors), lambda one: one[:3] if one.dim() else one)


class Training(Faithful):
    """Runs in training mode."""

    def change(self, program: torch.nn.Module) -> Any:
        """Compiles in training mode, without the random parts."""
        for part in program.modules():
            part.training = not isinstance(part, torch.nn.Dropout)
        return program


class WritesItsConstants(KeptState):
    """Gives its caller the memory of its own constants."""

    def change(self, program: torch.nn.Module) -> Any:
        """The same result again, in the same memory."""
        results: dict[tuple[Any, ...], Any] = {}

        def run(*tensors: torch.Tensor) -> Any:
            key = tuple((tuple(one.shape), str(one.tolist())) for one in tensors)
            if key not in results:
                results[key] = program(*tensors)
            return results[key]

        return run


class ChangesModes(Faithful):
    """Leaves the source in eval mode."""

    def compile(self, module: torch.nn.Module, inputs: Any, method: str) -> Any:
        """A copy, of a module that is in eval mode now."""
        module.eval()
        return super().compile(module, inputs, method)


class ChangesBuffers(Faithful):
    """Runs the source to see what it does."""

    def compile(self, module: torch.nn.Module, inputs: Any, method: str) -> Any:
        """A copy, of a module that was run."""
        program = super().compile(module, inputs, method)
        if not isinstance(inputs, dict):
            with torch.no_grad():
                module(*(one.example() for one in inputs))
        return program


class RemovesHooks(Faithful):
    """Takes hooks off the source."""

    def compile(self, module: torch.nn.Module, inputs: Any, method: str) -> Any:
        """A copy, of a module that had hooks."""
        program = super().compile(module, inputs, method)
        for part in module.modules():
            part._forward_hooks.clear()
        return program


class RawErrors(Nacelle):
    """Raises what Python raises."""

    def compile(self, module: torch.nn.Module, inputs: Any, method: str) -> Any:
        """No program."""
        raise AttributeError("'Root' object has no attribute 'training'")


class RawErrorsOfCalls(KeptState):
    """Refuses every call."""

    def change(self, program: torch.nn.Module) -> Any:
        """No result."""

        def run(*tensors: torch.Tensor) -> Any:
            raise RuntimeError("no result")

        return run


class SilentTraces(Nacelle):
    """Takes a trace for every shape, and says nothing."""

    def compile(self, module: torch.nn.Module, inputs: Any, method: str) -> Any:
        """Traced once."""
        for part in module.modules():
            part.training = False
        tensors = tuple(one.example() for one in inputs)
        return torch.jit.trace(module, tensors, check_trace=False)


class Crashes(Nacelle):
    """Ends the process."""

    def compile(self, module: torch.nn.Module, inputs: Any, method: str) -> Any:
        """No program, and no process."""
        os.abort()


class Hangs(Nacelle):
    """Never comes back."""

    def compile(self, module: torch.nn.Module, inputs: Any, method: str) -> Any:
        """No program."""
        while True:
            time.sleep(1)


def _each(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, (list, tuple)):
        items = [_each(one, change) for one in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        return {key: _each(one, change) for key, one in value.items()}
    return value
