"""``nacelle diff`` shows the differences between two programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from nacelle_cli import failures
from nacelle_cli.commands import inspect
from nacelle_cli.reading import contents, programs
from nacelle_cli.reading.containers.container import Container
from nacelle_cli.reading.programs import Program
from nacelle_cli.reading.records import Engine
from nacelle_cli.reading.texts import printable
from nacelle_cli.reading.walks import HeldTensor
from nacelle_cli.render import facts, output, show
from nacelle_cli.render.inspected import Inspected

_HELP = """Say what changed between two programs, two plans, or two other files that hold engines.

Engines field by field (plans by sha256), what forward takes and returns, tensors, operators, modules and extra files. \
If all of these are the same, everything else that torch reads: strides, types and order of values, which of them are \
shared, code. Of files of different kinds, such as a TorchScript and an exported program, the engines alone. Exit \
code 0 if they are the same, 1 if they differ.

[bold]Examples[/bold]

  nacelle diff old.ts new.ts
  nacelle diff model.ts converted.ts --json | jq -r '.changes[].what'
"""


@dataclass(frozen=True)
class Change:
    """A thing that is not the same in both; None if one of them lacks it."""

    what: str
    old: object
    new: object


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("diff", help=_HELP)(_diff)


def _diff(
    old: Annotated[Path, typer.Argument(help="A program or a plan.", metavar="OLD")],
    new: Annotated[Path, typer.Argument(help="Another one.", metavar="NEW")],
    json: output.Json = False,
) -> None:
    both = [_read(old), _read(new)]
    changes = compare(*both)
    if json:
        listed = [{"what": change.what, "old": change.old, "new": change.new} for change in changes]
        output.print_json({"old": str(old), "new": str(new), "same": not changes, "changes": listed})
    else:
        _print(both, changes)
    if changes:
        raise failures.Answer


def _read(path: Path) -> Inspected:
    found = inspect.inspect_file(path)
    if found.error:
        raise failures.CommandError(found.error)
    return found


def compare(old: Inspected, new: Inspected) -> list[Change]:
    """The changes, in the order in which a person would ask."""
    if old.plan is not None and new.plan is not None:
        return _changed("plan", facts.of_plan(old.plan), facts.of_plan(new.plan))
    if old.container is not None and new.container is not None and old.container.kind == new.container.kind:
        return _container_changes(old.container, new.container)
    if old.program is None or new.program is None:
        if old.plan is not None or new.plan is not None:
            raise failures.wrong_usage(
                f"{old.path} is {output.with_article(_kind(old))} and {new.path} {output.with_article(_kind(new))}; "
                "give two plans, or two files with engines (nacelle extract writes an engine's plan)"
            )
        return _changed("", {"kind": _kind(old)}, {"kind": _kind(new)}) + _engine_changes(*_matched(old, new))
    a, b = old.program, new.program
    changes = _changed("forward", {"": str(a.forward)}, {"": str(b.forward)})
    changes += _engine_changes(a.engines, b.engines)
    a_facts, b_facts = facts.of_program(a, {}), facts.of_program(b, {})
    changes += _tensor_changes(a, b)
    changes += _changed("value", a.values, b.values)
    for name in ("methods", "operators"):
        changes += _changed(name.replace("_", " "), _by_name(a_facts[name]), _by_name(b_facts[name]))
    changes += _extra_file_changes(a.path, a.extra_files, b.path, b.extra_files)
    changes += _changed("module", _types(a_facts["modules"]), _types(b_facts["modules"]))
    changes += _changed("code", _short(a.code), _short(b.code))
    return changes or _other_changes(a.path, b.path)


def _kind(one: Inspected) -> str:
    return one.container.kind if one.container is not None else "plan" if one.program is None else "TorchScript program"


def _matched(old: Inspected, new: Inspected) -> tuple[list[Engine], list[Engine]]:
    """The engines of two files of different kinds, a new one under the path of the old one that it is.

    It is the one of its path, else of its name or of its plan if only one in each file has it.
    """
    paths = {engine.path: engine.path for engine in new.engines if engine.path in _by_path(old.engines)}
    for key in (_name_of, _digest_of):
        taken = set(paths.values())
        olds = _single([engine for engine in old.engines if engine.path not in taken], key)
        news = _single([engine for engine in new.engines if engine.path not in paths], key)
        paths |= {path: olds[value] for value, path in news.items() if value in olds}
    return old.engines, [replace(engine, path=paths.get(engine.path, engine.path)) for engine in new.engines]


def _single(engines: list[Engine], key: Callable[[Engine], str]) -> dict[str, str]:
    """The path of each engine whose key no other has, by the key."""
    counts = Counter(map(key, engines))
    return {key(engine): engine.path for engine in engines if key(engine) and counts[key(engine)] == 1}


def _name_of(engine: Engine) -> str:
    return engine.record.name if engine.record is not None else ""


def _digest_of(engine: Engine) -> str:
    return engine.plan.sha256 if engine.plan is not None else ""


def _container_changes(old: Container, new: Container) -> list[Change]:
    """Engines first, then what else the file tells, then its members or bytes by sha256."""
    changes = []
    for what in ("inputs", "outputs"):
        sides = [{one.name: show.argument_text(one) for one in getattr(side, what) or ()} for side in (old, new)]
        changes += _changed(what.removesuffix("s"), *sides)
    changes += _engine_changes(old.engines, new.engines)
    changes += _changed("", old.details, new.details)
    changes += _tensor_changes(old, new)
    changes += _changed("operator", old.operators, new.operators)
    changes += _extra_file_changes(old.path, old.extra_sizes, new.path, new.extra_sizes)
    return changes or _changed("member", *(_short(contents.members_of(side.path)) for side in (old, new)))


def _extra_file_changes(old: Path, before: Mapping[str, int], new: Path, after: Mapping[str, int]) -> list[Change]:
    """Extra files by size, and those of one size by sha256."""
    changes = _changed("extra files", before, after)
    same = [name for name, size in before.items() if after.get(name) == size]
    digests = (
        [contents.digest_of(path, [f"extra/{name}" for name in same]) for path in (old, new)] if same else [{}] * 2
    )
    short = [{name.removeprefix("extra/"): digest for name, digest in side.items()} for side in digests]
    return changes + _changed("extra files", _short(short[0]), _short(short[1]))


def _other_changes(old: Path, new: Path) -> list[Change]:
    """Other differences in what torch reads. The first kind with a difference is shown: people ask for it first."""
    a, b = contents.read(old), contents.read(new)
    return (
        _changed("value", a.values, b.values)
        or _changed("code", _short(a.code), _short(b.code))
        or _changed("member", _short(a.members), _short(b.members))
        or _changed("pickle", _short(a.pickles), _short(b.pickles))
    )


def _short(digests: Mapping[str, str]) -> dict[str, str]:
    return {name: f"sha256 {digest[:12]}" for name, digest in digests.items()}


def _tensor_changes(old: Program | Container, new: Program | Container) -> list[Change]:
    """Tensors by path; their bytes are compared by sha256."""
    sides: list[dict[str, str]] = []
    for program in (old, new):
        if not program.held:
            sides.append({})
            continue
        digests = programs.hash_entries(program.path, (tensor.entry for tensor in program.held.values()))
        sides.append({path: _tensor(tensor, digests[tensor.entry]) for path, tensor in program.held.items()})
    return _changed("tensor", *sides)


def _tensor(tensor: HeldTensor, digest: str) -> str:
    return f"{tensor.sort.removesuffix('s')}, {tensor.dtype} {show.shape_text(tensor.shape)}, sha256 {digest[:12]}"


def _engine_changes(old: list[Engine], new: list[Engine]) -> list[Change]:
    """Engines by path: those that went, those that came, and field by field those that stayed."""
    before = {engine.path: facts.of_engine(engine, None) | {**engine.details, "plan": None} for engine in old}
    after = {engine.path: facts.of_engine(engine, None) | {**engine.details, "plan": None} for engine in new}
    plans = [{engine.path: facts.of_plan(engine.plan) if engine.plan else {} for engine in side} for side in (old, new)]
    metadata = [{e.path: e.record.metadata if e.record else b"" for e in side} for side in (old, new)]
    changes = []
    for path in dict.fromkeys([*before, *after]):
        what = f"engine {path}"
        if path not in before or path not in after:
            summary = [_summary(side.get(path)) for side in (_by_path(old), _by_path(new))]
            changes.append(Change(what, *summary))
            continue
        a, b = _flat(before[path]), _flat(after[path])
        changes += _changed(what, a, b)
        changes += _changed(f"{what} plan", _flat(plans[0][path]), _flat(plans[1][path]))
        if metadata[0][path] != metadata[1][path] and len(metadata[0][path]) == len(metadata[1][path]):
            changes.append(Change(f"{what} metadata", "one text", "another of the same length"))
    return changes


def _by_path(engines: list[Engine]) -> dict[str, Engine]:
    return {engine.path: engine for engine in engines}


def _summary(engine: Engine | None) -> str | None:
    if engine is None:
        return None
    return f"{engine.plan.description}, {engine.plan.size:,} bytes" if engine.plan else engine.problem


def _flat(values: Mapping[str, object]) -> dict[str, object]:
    """The fields with the flags as fields of their own; without the path, which always differs."""
    flags = values.get("flags")
    return {name: value for name, value in values.items() if name not in ("path", "flags")} | (
        flags if isinstance(flags, dict) else {}
    )


def _by_name(value: object) -> dict[str, object]:
    if isinstance(value, list):
        return {str(item["name"]): item["text"] for item in value}
    return value if isinstance(value, dict) else {}


def _types(tree: object) -> dict[str, object]:
    """The types of a tree of modules by path, torch's numbering of equal names left out."""
    found: dict[str, object] = {}
    todo = [("", tree)]
    while todo:
        path, module = todo.pop()
        if not isinstance(module, dict):
            continue
        found[path] = ".".join(part for part in module["type"].split(".") if not part.startswith("___torch_mangle_"))
        todo += [(f"{path}.{child['name']}".lstrip("."), child) for child in reversed(module["children"])]
    return found


def _changed(what: str, old: Mapping[str, object], new: Mapping[str, object]) -> list[Change]:
    names = dict.fromkeys([*old, *new])
    return [
        Change(f"{what} {name}".strip(), old.get(name), new.get(name))
        for name in names
        if old.get(name) != new.get(name)
    ]


def _print(both: list[Inspected], changes: list[Change]) -> None:
    page = show.Page(output.stdout())
    names = [printable(str(one.path)) for one in both]
    if not changes:
        page.text(f"{names[0]} and {names[1]} are the same in all that torch reads")
        return
    page.heading(f"{names[0]} -> {names[1]}", f"{len(changes)} change{'s' if len(changes) > 1 else ''}")
    for change in changes:
        page.blank()
        page.heading(printable(change.what), indent=2)
        page.row("-", _shown(change.old), "red", indent=4)
        page.row("+", _shown(change.new), "green", indent=4)


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(inner)}" for name, inner in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(_shown(item) for item in value) or "none"
    return printable(f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)) or "none"
