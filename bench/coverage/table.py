"""The table of results, and their counts."""

from collections.abc import Mapping
from typing import Any

COLUMNS = ("architecture", "backend", "as it comes", "method", "exporter", "seconds", "why not")

Results = Mapping[str, Mapping[str, Mapping[str, Any]]]

_LONGEST = 160  # letters of an error in the table; the JSON file has more


def counts(results: Results, families: Mapping[str, str]) -> str:
    """A line for each family and backend: how many compile as they come, of how many; then for all."""
    lines = []
    backends = sorted({backend for of in results.values() for backend in of})
    for backend in backends:
        done = {name: bool(of[backend]["ok"]) for name, of in results.items() if backend in of and name in families}
        for family in dict.fromkeys(families.values()):
            ok = [done[name] for name in done if families[name] == family]
            if ok:
                lines.append(f"{backend}: {family}: {sum(ok)} of {len(ok)}")
        lines.append(f"{backend}: {sum(done.values())} of {len(done)}")
    return "\n".join(lines)


def markdown(results: Results, families: Mapping[str, str]) -> str:
    """The table, in the order of `families`, with the counts below it."""
    lines = [COLUMNS, ("---",) * len(COLUMNS)]
    lines += [
        _row(name, backend, result) for name in families for backend, result in sorted(results.get(name, {}).items())
    ]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return table + "\n" + "".join(f"- {line}\n" for line in counts(results, families).splitlines())


def _row(name: str, backend: str, result: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        name,
        backend,
        "yes" if result["ok"] else "no",
        str(result.get("method", "")),
        str(result.get("exporter", "")),
        f"{result['seconds']:.1f}",
        "" if result["ok"] else _why(result),
    )


def _why(result: Mapping[str, Any]) -> str:
    line = " ".join(str(result["error"]).split())
    short = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
    return f"{result['stage']}: {short}".replace("|", "\\|")
