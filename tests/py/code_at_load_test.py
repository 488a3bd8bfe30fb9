"""Programs that bring code which loading them runs: nothing runs it but what says so and was told to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from nacelle_cli import loading
from nacelle_cli.reading import code_at_load
from nacelle_cli.reading.archives import Archive
from tests.py import programs_with_code
from tests.py.cli.commands import nacelle as command
from tests.py.networks import TwoHeads, seeded

X = programs_with_code.X


def read(path: Path) -> None:
    program = nacelle.read(path)
    (engine,) = program.engines
    assert engine.plan == nacelle.build_engine(seeded(TwoHeads), [X])
    assert engine.plan_release.startswith("reference engine")
    assert program.extra_files == {}
    program.convert(10)
    program.save(path.with_name("saved.ts"))


def of_open_file(path: Path) -> None:
    with path.open("rb") as file:
        assert len(nacelle.read(file).engines) == 1


def convert(path: Path) -> None:
    for version in (3, 10):
        nacelle.convert(path, path.with_name("converted.ts"), abi_version=version, drop=["metadata", "target_platform"])


def replace(path: Path) -> None:
    (engine,) = nacelle.read(path).engines
    nacelle.replace(path, engine.path, engine.plan, path.with_name("replaced.ts"))


def set_up(path: Path) -> None:
    (engine,) = nacelle.read(path).engines
    assert loading.of_program(path, [engine.path])[engine.path].ready


def by_command(*arguments: str) -> Callable[[Path], None]:
    def call(path: Path) -> None:
        filled = [argument.format(file=path, out=path.with_name("out")) for argument in arguments]
        outcome = command(*filled)
        assert outcome.code == 0, outcome.err

    return call


WAYS = {
    "read": read,
    "open file": of_open_file,
    "convert": convert,
    "strip": lambda path: nacelle.strip(path, path.with_name("stripped.ts")),
    "extract": lambda path: nacelle.extract(path, nacelle.read(path).engines[0].path, path.with_name("net.plan")),
    "replace": replace,
    "set up": set_up,
    "nacelle inspect": by_command("inspect", "{file}"),
    "nacelle inspect --load": by_command("inspect", "{file}", "--load"),
    "nacelle inspect --html": by_command("inspect", "{file}", "--html", "{out}.html"),
    "nacelle doctor": by_command("doctor", "{file}"),
    "nacelle convert": by_command("convert", "{file}", "{out}.ts", "--abi", "10"),
    "nacelle strip": by_command("strip", "{file}", "-o", "{out}.ts"),
    "nacelle extract": by_command("extract", "{file}", "net", "-o", "{out}.plan"),
    "nacelle diff": by_command("diff", "{file}", "{file}"),
}


@pytest.fixture(params=programs_with_code.ALL, ids=lambda make: make.__name__)
def program(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A program, and the file that its code makes."""
    path, mark = tmp_path / "program.ts", tmp_path / "mark"
    request.param(path, mark)
    mark.unlink(missing_ok=True)
    return path, mark


def test_torch_runs_it(program: tuple[Path, Path]) -> None:
    path, mark = program
    torch.jit.load(str(path))
    assert mark.read_bytes() == b"AAAA"


@pytest.mark.parametrize("way", WAYS)
def test_it_is_not_run(program: tuple[Path, Path], way: str) -> None:
    path, mark = program
    WAYS[way](path)
    assert not mark.exists()


def test_what_loads_refuses_it_unless_it_is_allowed(program: tuple[Path, Path]) -> None:
    path, mark = program
    with pytest.raises(nacelle.InputError) as caught:
        nacelle.read(path).module
    assert caught.value.reason.startswith(f"{path} brings code that loading it runs (")
    assert "allow_code=True (--allow-code)" in caught.value.reason
    outcome = command("inspect", path, "--graph")
    assert (outcome.code, "brings code that loading it runs" in outcome.words) == (1, True)
    assert not mark.exists()
    module = nacelle.read(path, allow_code=True).module
    assert mark.read_bytes() == b"AAAA"
    assert len(nacelle.read(module).engines) == 1
    mark.unlink()
    assert command("inspect", path, "--graph", "--allow-code").code == 0
    assert mark.exists()


def test_the_flag_is_for_the_graph(tmp_path: Path) -> None:
    outcome = command("inspect", tmp_path / "any.ts", "--allow-code")
    assert (outcome.code, "give --graph too" in outcome.words) == (2, True)


class Plain(torch.nn.Module):
    """Values of each kind that torch prints as defaults and constants."""

    __constants__ = ("listed", "number")

    def __init__(self) -> None:
        super().__init__()
        self.listed = [1, -2]
        self.number = float("inf")

    def forward(
        self,
        x: torch.Tensor,
        a: int = -3,
        b: float = float("inf"),
        c: str = "a'\n\\é",
        d: tuple[int, float] = (1, -0.5),
        f: torch.Tensor | None = None,
        g: bool = True,
        h: torch.device = torch.device("cpu"),
        i: float = float("nan"),
        j: complex = 1 + 2j,
    ) -> torch.Tensor:
        for number in self.listed:
            x = x + number
        return x * self.number


def test_plain_values_are_no_code(tmp_path: Path) -> None:
    torch.jit.script(Plain()).save(str(tmp_path / "plain.ts"))
    with Archive(tmp_path / "plain.ts") as archive:
        assert list(code_at_load.reasons(archive)) == []
    assert nacelle.read(tmp_path / "plain.ts").module(X).shape == X.shape
