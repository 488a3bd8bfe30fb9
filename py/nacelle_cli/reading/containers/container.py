"""The facts in a file that holds engines and is neither a TorchScript program nor a plan."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nacelle_cli.reading import limits, plans, texts
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.plans import PlanBytes
from nacelle_cli.reading.records import Engine
from nacelle_cli.reading.walks import HeldTensor, Tensors

# Notes of what is not read are kept up to this number.
_MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a program. An extent is a number, or the text of a size that is not fixed."""

    name: str
    dtype: str
    shape: tuple[int | str, ...] | None


@dataclass
class Container:
    """The facts in a file.

    Attributes:
        path: The file.
        size: Its bytes.
        kind: ``"exported program"``, ``"AOTInductor package"``, ``"ONNX model"``, ``"ExecuTorch program"`` or
            ``"ultralytics engine"``.
        engines: In the order of the file.
        inputs: The program's inputs; None if code alone knows them.
        outputs: The same of its outputs.
        operators: The operators in its graph, by count.
        details: Other facts, for a person.
        extra_files: Texts of the file that belong beside its plan, by a name.
        extra_sizes: Bytes of each file that was saved beside the program, by name.
        tensors: Its ``parameters``, ``buffers`` and ``constants``, in sum.
        held: Each tensor by its name in the program.
        problems: Parts that are not read, and why, for a person.
    """

    path: Path
    size: int
    kind: str
    engines: list[Engine] = field(default_factory=list)
    inputs: list[Tensor] | None = None
    outputs: list[Tensor] | None = None
    operators: Counter[str] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)
    extra_files: dict[str, bytes] = field(default_factory=dict)
    extra_sizes: dict[str, int] = field(default_factory=dict)
    tensors: dict[str, Tensors] = field(default_factory=dict)
    held: dict[str, HeldTensor] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, engine: Engine, allowed: limits.Limits) -> None:
        """Adds an engine.

        Raises:
            ReadingError: There are more than the limit allows.
        """
        self.engines.append(engine)
        if len(self.engines) > allowed.engines:
            raise limits.exceeded(str(self.path), "engines", len(self.engines), allowed.engines)

    def note(self, problem: str) -> None:
        """Keeps a note of what is not read; of very many, the first."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(problem)

    def engine(self, wanted: str) -> Engine:
        """The engine at a path, or of a name that only one has.

        Raises:
            ReadingError: There is none, or there are several of that name.
        """
        found = [engine for engine in self.engines if engine.path == wanted]
        found = found or [engine for engine in self.engines if engine.record and engine.record.name == wanted]
        if len(found) == 1:
            return found[0]
        listed = ", ".join(engine.path for engine in self.engines[:_MOST_PROBLEMS]) or "none"
        count = "no engine" if not found else f"{len(found)} engines"
        raise ReadingError(f"{self.path} has {count} {texts.quoted(wanted)}; it has: {listed}")


def bare_engine(
    path: str,
    size: int,
    part: Callable[[int, int], bytes],
    *,
    input_names: tuple[str, ...] = (),
    output_names: tuple[str, ...] = (),
    specs: tuple[tuple[plans.TensorSpec, ...], tuple[plans.TensorSpec, ...]] | None = None,
    details: dict[str, str] | None = None,
    flags: dict[str, object] | None = None,
) -> Engine:
    """The engine of a plan without a record; `specs` are its inputs and outputs as its container has them."""
    stored = PlanBytes(size, part, encoded=False)
    if size == 0:
        return Engine(path, None, None, "the plan is empty; wanted a serialized engine", details=details or {})
    plan = plans.read(stored)
    if specs is not None and plan.inputs is None:
        plan = dataclasses.replace(plan, inputs=specs[0], outputs=specs[1])
    return Engine(path, None, plan, "", stored, input_names, output_names, details or {}, flags or {})


def short(text: str, limit: int = 200) -> str:
    """A text of a file in one line, cut off if it is long."""
    line = re.sub(r"\s+", " ", text[: 4 * limit]).strip()
    return line if len(line) <= limit else line[:limit] + " …"
