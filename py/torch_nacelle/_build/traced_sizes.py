"""Finds the places in a model's source where a trace kept a size of the run that it followed.

torch's tracer runs Python's loops and records what is done in them, so a loop over ``range(x.shape[1])`` is in the
graph as often as it ran; and a size that goes through ``int`` is a number in it. The tracer tells neither. Two traces
of different sizes do: they have different numbers of operators for a line of the loop, and different constants.
"""

import ast
import functools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

_TORCH = str(Path(torch.__file__).parent)

_PACKAGE = str(Path(__file__).parents[1])

_FRAME = re.compile(r"(?P<file>.+)\((?P<line>\d+)\): (?P<function>\S+)")

_INTERPRETER = "failed in the TorchScript interpreter"

_LOOPS = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)

_MOST = 3  # places in a message


@dataclass(frozen=True)
class Place:
    """A line in the source of a model."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{Path(self.file).name}:{self.line}"


def reason(error: BaseException) -> str:
    """The last line of an error of TorchScript's interpreter, and the line of the model; empty for another error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines or _INTERPRETER not in lines[0]:
        return ""
    place = next(_model_frames("\n".join(lines)), None)
    return f"{lines[-1]}{f' (at {place})' if place else ''}"


def advice(one: torch.jit.ScriptModule, other: torch.jit.ScriptModule) -> str:
    """A clause that names what two traces of different sizes do not have in common, and what helps; may be empty."""
    loops = _unrolled(one, other)
    if loops:
        return (
            f"tracing unrolls {_listed(loops)}, which runs as often as a size says: write it as one operator over the "
            f"whole dimension, put it into a function under torch.jit.script, or give this dimension one fixed size"
        )
    numbers = _constants(one, other)
    if numbers:
        return (
            f"tracing keeps a number that follows from a size at {_listed(numbers)}: compute it from x.shape or "
            f"x.size() without int(), math or numpy, or give this dimension one fixed size"
        )
    return ""


def _listed(places: Sequence[str]) -> str:
    rest = f" and {len(places) - _MOST} more" if len(places) > _MOST else ""
    return ", ".join(places[:_MOST]) + rest


def _unrolled(one: torch.jit.ScriptModule, other: torch.jit.ScriptModule) -> list[str]:
    """Loops, as ``model.py:12 (for step in range(length))``, with another number of operators in each trace.

    A loop around such a loop, such as one over layers, is left out.
    """
    counts = [Counter(filter(None, map(_stack, _nodes(trace)))) for trace in (one, other)]
    stacks = [stack for stack in {**counts[0], **counts[1]} if counts[0][stack] != counts[1][stack]]
    loops = [[loop for loop in map(_loop_around, stack) if loop] for stack in stacks]
    outer = {loop for inner, *rest in filter(None, loops) for loop in rest if loop != inner}
    return list(dict.fromkeys(inner for inner, *_ in filter(None, loops) if inner not in outer))


def _constants(one: torch.jit.ScriptModule, other: torch.jit.ScriptModule) -> list[str]:
    """Lines whose constants differ, if the traces are alike otherwise."""
    nodes = [list(_nodes(trace)) for trace in (one, other)]
    if [node.kind() for node in nodes[0]] != [node.kind() for node in nodes[1]]:
        return []
    places = [
        stack[0]
        for first, second in zip(*nodes, strict=True)
        if _number(first) != _number(second) and (stack := _stack(first))
    ]
    return list(dict.fromkeys(map(str, places)))


def _nodes(trace: torch.jit.ScriptModule) -> Iterator[Any]:
    yield from trace.inlined_graph.nodes()


def _number(node: Any) -> object:
    """The number that a node stands for, if it is a constant that is one."""
    if node.kind() != "prim::Constant":
        return None
    value = node.output().toIValue()
    if isinstance(value, torch.Tensor):
        return value.item() if value.numel() == 1 else None
    return value if isinstance(value, (bool, int, float)) else None


def _stack(node: Any) -> tuple[Place, ...]:
    """The lines of the model that lead to a node, the innermost first."""
    return tuple(_model_frames(node.sourceRange()))


def _model_frames(text: str) -> Iterator[Place]:
    """The frames of a traceback that are neither torch's nor this package's, up to the call of the tracer."""
    for line in text.splitlines():
        frame = _FRAME.fullmatch(line.strip())
        if frame is None:
            continue
        file = frame["file"]
        if file.startswith(_TORCH):
            if frame["function"] == "trace_module":
                return
            continue
        if not file.startswith(_PACKAGE):
            yield Place(file, int(frame["line"]))


def _loop_around(place: Place) -> str | None:
    """The innermost loop around a line, in words."""
    around = [loop for loop in _loops(place.file) if loop.lineno <= place.line <= (loop.end_lineno or loop.lineno)]
    if not around:
        return None
    loop: Any = max(around, key=lambda one: one.lineno)
    if isinstance(loop, ast.While):
        head = f"while {ast.unparse(loop.test)}"
    else:
        first = loop if isinstance(loop, ast.For) else loop.generators[0]
        head = f"for {ast.unparse(first.target)} in {ast.unparse(first.iter)}"
    return f"the loop at {Place(place.file, loop.lineno)} ({head})"


@functools.lru_cache(maxsize=64)
def _loops(file: str) -> tuple[Any, ...]:
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):  # no file, or one that has changed
        return ()
    return tuple(node for node in ast.walk(tree) if isinstance(node, _LOOPS))
