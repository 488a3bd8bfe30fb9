"""A file that was read, for a person and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nacelle_cli.loading import Loaded
from nacelle_cli.reading.containers.container import Container
from nacelle_cli.reading.plans import Plan
from nacelle_cli.reading.programs import Program
from nacelle_cli.reading.records import Engine
from nacelle_cli.render import facts


@dataclass
class Inspected:
    """A file that was read: one of `program`, `plan` and `container`, or an error."""

    path: Path
    program: Program | None = None
    plan: Plan | None = None
    container: Container | None = None
    loaded: dict[str, Loaded] = field(default_factory=dict)
    error: str = ""

    @property
    def sound(self) -> bool:
        """True if nothing that was read is damaged."""
        if self.program is not None or self.container is not None:
            return not any(engine.problem or (engine.plan and engine.plan.problem) for engine in self.engines)
        return self.plan is not None and not self.plan.problem

    @property
    def engines(self) -> list[Engine]:
        """The engines in it; none of a plan."""
        holder = self.program or self.container
        return holder.engines if holder is not None else []

    def facts(self) -> facts.Facts:
        """The facts, for JSON."""
        if self.program is not None:
            return facts.of_program(self.program, self.loaded)
        if self.container is not None:
            return facts.of_container(self.container, self.loaded)
        if self.plan is not None:
            return facts.of_plan_file(self.path, self.plan, self.loaded.get(""))
        return {"file": str(self.path), "kind": None, "error": self.error}
