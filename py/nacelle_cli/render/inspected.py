"""A file that was read, for a person and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nacelle_cli.loading import Loaded
from nacelle_cli.reading.plans import Plan
from nacelle_cli.reading.programs import Program
from nacelle_cli.render import facts


@dataclass
class Inspected:
    """A file that was read: one of `program` and `plan`, or an error."""

    path: Path
    program: Program | None = None
    plan: Plan | None = None
    loaded: dict[str, Loaded] = field(default_factory=dict)
    error: str = ""

    @property
    def sound(self) -> bool:
        """True if nothing that was read is damaged."""
        if self.program is not None:
            return not any(engine.problem or (engine.plan and engine.plan.problem) for engine in self.program.engines)
        return self.plan is not None and not self.plan.problem

    def facts(self) -> facts.Facts:
        """The facts, for JSON."""
        if self.program is not None:
            return facts.of_program(self.program, self.loaded)
        if self.plan is not None:
            return facts.of_plan_file(self.path, self.plan, self.loaded.get(""))
        return {"file": str(self.path), "kind": None, "error": self.error}
