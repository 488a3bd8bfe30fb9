"""Facts about programs, engines and plans as lines for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from nacelle_cli.loading import Loaded
from nacelle_cli.reading.containers.container import Container, Tensor
from nacelle_cli.reading.plans import Plan, TensorSpec
from nacelle_cli.reading.programs import Program
from nacelle_cli.reading.records import Engine
from nacelle_cli.reading.texts import printable, printable_lines
from nacelle_cli.reading.walks import Tensors
from nacelle_cli.render import output

LABEL_WIDTH = 13
_MAX_OPERATORS = 12

_NEUTRAL: dict[str, object] = {"target_platform": "unknown"}
_FLAG_TEXTS = {
    "hardware_compatible": "hardware compatible (any GPU of compute capability 8.0 or newer)",
    "requires_output_allocator": "asks for an output allocator (an output's shape depends on values)",
    "dynamic_resource_allocation": "device memory is taken for each run",
    "requires_native_multi_device": "talks to other devices",
}


class Page:
    """Lines on a console: headings, and labelled values that are wrapped beside their label on a terminal."""

    def __init__(self, console: Console) -> None:
        """Prints on `console`."""
        self._console = console

    def heading(self, text: str, detail: str = "", indent: int = 0) -> None:
        """Prints a heading: a name, and a few words about it."""
        line = Text.assemble(" " * indent, (text, "bold cyan"), f"  {detail}" if detail else "")
        self._console.print(line, soft_wrap=True)

    def row(self, label: str, value: str, style: str = "", indent: int = 2) -> None:
        """A labelled value; nothing for an empty one."""
        if not value:
            return
        before = indent + LABEL_WIDTH
        wanted = Text(value, style=style)
        wide = max(20, self._console.width - before)
        lines = wanted.wrap(self._console, wide) if self._console.is_terminal else wanted.split("\n")
        for i, line in enumerate(lines):
            line.rstrip()
            shown = Text.assemble(" " * indent, ((label + " " if i == 0 else "").ljust(LABEL_WIDTH), "dim"), line)
            self._console.print(shown, soft_wrap=True)

    def blank(self) -> None:
        """An empty line."""
        self._console.print()

    def text(self, text: str) -> None:
        """Text as it is."""
        self._console.print(Text(text), soft_wrap=True)


def size_and_bytes(size: int) -> str:
    """``"383,204 bytes (374.2 KiB)"``."""
    return f"{size:,} bytes ({output.size_text(size)})" if size >= 1024 else output.size_text(size)


def shape_text(shape: Iterable[int | str]) -> str:
    """``[1, 3, 32, 32]``."""
    return f"[{', '.join(str(extent) for extent in shape)}]"


def tensor_text(tensor: TensorSpec) -> str:
    """``x: float32 [-1, 3], from [1, 3] to [16, 3], best [8, 3]``, a range for each profile."""
    text = f"{printable(tensor.name)}: {printable(tensor.dtype)} {shape_text(tensor.shape)}"
    ranges = [(low, best, high) for low, best, high in tensor.profiles if low != high]
    for i, (low, best, high) in enumerate(ranges):
        which = f" in profile {i}" if len(ranges) > 1 else ""
        text += f",{which} from {shape_text(low)} to {shape_text(high)}, best {shape_text(best)}"
    return text


def flag_texts(flags: dict[str, object]) -> list[str]:
    """The flags of a record that are not neutral, for a person."""
    found = [text for name, text in _FLAG_TEXTS.items() if flags.get(name)]
    if flags.get("target_platform", "unknown") != "unknown":
        found.append(f"target platform {flags['target_platform']}")
    aliases = flags.get("aliased_io")
    for alias in aliases if isinstance(aliases, list) else []:
        found.append(f"output {alias[0]} is input {alias[1]} ({alias[2]})")
    return found


def engine_lines(page: Page, engine: Engine, loaded: Loaded | None) -> None:
    """The known facts of an engine."""
    page.heading(printable(engine.path), "engine", indent=2)
    page.row("problem", printable(engine.problem), "red", indent=4)
    if (record := engine.record) is not None:
        page.row("name", printable(record.name), indent=4)
        page.row("record", f"ABI version {record.version}", indent=4)
        page.row("built for", printable(record.device_description), indent=4)
        page.row("flags", "\n".join(printable(text) for text in flag_texts(record.flags)), indent=4)
        page.row("metadata", f"{output.size_text(len(record.metadata))}, not read" if record.metadata else "", indent=4)
    page.row("flags", "\n".join(printable(text) for text in flag_texts(dict(engine.flags))), indent=4)
    for label, value in engine.details.items():
        page.row(printable(label), printable(value), indent=4)
    if engine.plan is not None:
        plan_lines(page, engine.plan, indent=4)
    if record is not None or engine.plan is not None:
        names = (engine.input_names, engine.output_names)
        binding_lines(page, engine.plan, loaded, names, indent=4)
    if loaded is not None:
        loaded_lines(page, loaded, indent=4)


def plan_lines(page: Page, plan: Plan, indent: int) -> None:
    """The known facts of a plan by itself."""
    page.row("plan", printable(plan.description), "red" if plan.problem else "", indent)
    page.row("size", size_and_bytes(plan.size), indent=indent)
    page.row("sha256", plan.sha256, indent=indent)


def binding_lines(
    page: Page, plan: Plan | None, loaded: Loaded | None, names: tuple[Sequence[str], Sequence[str]], indent: int
) -> None:
    """Inputs and outputs: as the library tells, else as the plan does, else the names that the record keeps."""
    told = bindings(plan, loaded)
    for label, specs, recorded in (("inputs", told[0], names[0]), ("outputs", told[1], names[1])):
        if specs is not None:
            page.row(label, "\n".join(tensor_text(tensor) for tensor in specs), indent=indent)
        elif recorded:
            page.row(
                label, f"{', '.join(printable(name) for name in recorded)} (names; --load tells more)", indent=indent
            )
        else:
            page.row(label, "only the plan's own library can tell: --load asks it", "dim", indent=indent)
    count = loaded.optimization_profile_count if loaded and loaded.ready else plan.profile_count if plan else None
    page.row("profiles", f"{count}" if count is not None and count > 1 else "", indent=indent)


def bindings(
    plan: Plan | None, loaded: Loaded | None
) -> tuple[tuple[TensorSpec, ...] | None, tuple[TensorSpec, ...] | None]:
    """Inputs and outputs with dtypes and shapes: the engine's if it is set up, else the plan's; None if not known."""
    if loaded is not None and loaded.ready:
        return loaded.inputs, loaded.outputs
    return (plan.inputs, plan.outputs) if plan is not None else (None, None)


def loaded_lines(page: Page, loaded: Loaded, indent: int) -> None:
    """The facts that an engine told once it was set up, or the reason why it was not."""
    if not loaded.ready:
        page.row("cannot run", printable_lines(loaded.reason), "red", indent)
        return
    page.row("runs on", printable(loaded.runs_on), "green", indent)
    shown = [f"{layer.name}{f' ({layer.kind})' if layer.kind else ''}" for layer in loaded.layers]
    page.row("layers", "\n".join(printable(line) for line in shown) or "the library tells none", indent=indent)


def program_lines(page: Page, program: Program, loaded: dict[str, Loaded]) -> None:
    """The known facts of a program."""
    page.heading(printable(str(program.path)), f"TorchScript program, {size_and_bytes(program.size)}")
    page.row("forward", str(program.forward) if program.forward else "none")
    page.row("also", "\n".join(str(method) for method in program.methods))
    page.row("engines", "none" if not program.engines else str(len(program.engines)))
    for sort, tensors in program.tensors.items():
        page.row("tensors" if sort == "others" else sort, tensors_text(tensors))
    page.row("operators", operators_text(program.operators))
    page.row("extra files", extra_files_text(program.extra_files))
    page.row("not read", "\n".join(printable(problem) for problem in program.problems), "yellow")
    for engine in program.engines:
        page.blank()
        engine_lines(page, engine, loaded.get(engine.path))


def container_lines(page: Page, container: Container, loaded: dict[str, Loaded]) -> None:
    """The known facts of another file that holds engines."""
    page.heading(printable(str(container.path)), f"{container.kind}, {size_and_bytes(container.size)}")
    for label, tensors in (("inputs", container.inputs), ("outputs", container.outputs)):
        page.row(label, "" if tensors is None else "\n".join(map(argument_text, tensors)) or "none")
    for label, value in container.details.items():
        page.row(printable(label), printable(value))
    page.row("engines", "none" if not container.engines else str(len(container.engines)))
    for sort, sums in container.tensors.items():
        page.row(sort, tensors_text(sums))
    page.row("operators", printable(operators_text(container.operators)))
    page.row("extra files", extra_files_text(container.extra_sizes))
    page.row("not read", "\n".join(printable(problem) for problem in container.problems), "yellow")
    for engine in container.engines:
        page.blank()
        engine_lines(page, engine, loaded.get(engine.path))


def argument_text(tensor: Tensor) -> str:
    """``x: float32 [s77, 3]``."""
    shape = "" if tensor.shape is None else f" {shape_text(tensor.shape)}"
    return printable(f"{tensor.name}: {tensor.dtype}{shape}")


def tensors_text(tensors: Tensors) -> str:
    """``"4 tensors, 45 elements, 180 bytes (float32)"``; empty if there are none."""
    if not tensors.count:
        return ""
    dtypes = ", ".join(sorted(tensors.dtypes))
    count = "1 tensor" if tensors.count == 1 else f"{tensors.count:,} tensors"
    return f"{count}, {tensors.elements:,} elements, {output.size_text(tensors.size)} ({dtypes})"


def extra_files_text(sizes: Mapping[str, int]) -> str:
    """``"notes.txt (4 bytes)"``; empty if there are none."""
    return ", ".join(f"{printable(name)} ({output.size_text(size)})" for name, size in sizes.items())


def operators_text(operators: Counter[str]) -> str:
    """The operators that a program calls, the most frequent first."""
    common = sorted(operators.items(), key=lambda item: (-item[1], item[0]))
    shown = [name if count == 1 else f"{name} x{count}" for name, count in common[:_MAX_OPERATORS]]
    rest = len(common) - len(shown)
    return ", ".join(shown) + (f" and {rest} more (--json lists all)" if rest else "")
