"""Files that are no programs, or damaged: every command says what ``inspect`` says."""

from pathlib import Path

import pytest

from tests.py import damaged_files
from tests.py.cli.commands import nacelle
from tests.py.cli.terminal import pipe

ALL = damaged_files.NOT_PROGRAMS | damaged_files.NO_ARCHIVES
COMMANDS = {
    "run": ["run", "{}"],
    "bench": ["bench", "{}", "--seconds", "0.01"],
    "convert": ["convert", "{}", "out.ts", "--abi", "5"],
    "strip": ["strip", "{}", "-o", "out.ts"],
    "extract": ["extract", "{}", "backbone", "-o", "out.plan"],
    "replace": ["replace", "{}", "backbone", "plan.ts", "-o", "out.ts"],
    "check": ["check", "{}", "--against", "good.ts"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("files")
    damaged_files.write(made)
    return made


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def error_of(command: list[str], name: str) -> str:
    outcome = nacelle(*(name if argument == "{}" else argument for argument in command))
    assert (outcome.code, outcome.out) == (1, "")
    assert not Path("out.ts").exists()
    lines = outcome.err.splitlines()
    assert lines[1:] in ([], ["See docs/troubleshooting.md#inputerror"])
    return lines[0]


@pytest.mark.parametrize("name", damaged_files.NOT_PROGRAMS)
def test_all_say_what_inspect_says(name: str) -> None:
    wanted = error_of(["inspect", "{}"], name)
    assert wanted.startswith("nacelle: " + damaged_files.NOT_PROGRAMS[name])
    assert {error_of(command, name) for command in COMMANDS.values()} == {wanted}


@pytest.mark.parametrize("name", damaged_files.NO_ARCHIVES)
def test_all_say_the_same_of_what_may_be_a_plan(name: str) -> None:
    (words,) = {error_of(command, name) for command in COMMANDS.values() if command[0] != "extract"}
    assert ALL[name] in words
    assert error_of(COMMANDS["extract"], name).startswith(f"nacelle: {name} is ")


@pytest.mark.parametrize("name", damaged_files.SILENT)
def test_no_damage_is_written_again(name: str) -> None:
    for command in ("convert", "strip", "extract", "replace"):
        assert error_of(COMMANDS[command], name).startswith("nacelle: " + damaged_files.SILENT[name])


def test_in_a_process_of_its_own(folder: Path) -> None:
    outcome = pipe("nacelle convert half.ts out.ts --abi 9", folder)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("nacelle: " + damaged_files.NOT_PROGRAMS["half.ts"])
    assert "Traceback" not in outcome.err


def test_a_model_to_compile_or_to_check_against() -> None:
    for name in ("half.ts", "module.ts", "weights.ts", "other.ts", "constants.ts", "empty.ts"):
        for command in (["check", "good.ts", "--against", "{}"], ["compile", "{}", "-o", "out.ts", "-i", "[1,3,8,8]"]):
            assert error_of(command, name).startswith("nacelle: " + damaged_files.NOT_PROGRAMS[name])
