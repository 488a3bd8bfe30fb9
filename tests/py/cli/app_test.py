"""The program around the commands: help, version, completion, exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import torch_nacelle as nacelle
from nacelle_cli import app
from nacelle_cli.render import output
from tests.py.cli.terminal import pipe, terminal


def test_help_names_every_command(tmp_path: Path) -> None:
    outcome = pipe("nacelle --help && nacelle -h > /dev/null", tmp_path)
    assert outcome.code == 0
    names = {command.name for command in app.make_app().registered_commands}
    assert {"inspect", "doctor", "diff"} <= names
    assert names <= set(outcome.out.split())


def test_every_command_has_help_with_an_example(tmp_path: Path) -> None:
    names = [command.name for command in app.make_app().registered_commands]
    assert {"inspect", "doctor", "diff"} <= set(names)
    outcome = pipe("; ".join(f"nacelle {name} --help" for name in names), tmp_path)
    assert outcome.code == 0
    for name in names:
        assert f"nacelle {name} " in outcome.out.replace(f"Usage: nacelle {name} ", ""), f"{name} has no example"


def test_version(tmp_path: Path) -> None:
    outcome = pipe("nacelle --version", tmp_path)
    wanted = f"nacelle {nacelle.__version__}, for torch {nacelle.TORCH_RELEASE}\n"
    assert (outcome.code, outcome.out, outcome.err) == (0, wanted, "")


def test_the_module_is_the_same_program(tmp_path: Path) -> None:
    outcome = pipe(f"'{sys.executable}' -m torch_nacelle --version; nacelle --version", tmp_path)
    first, second = outcome.out.splitlines()
    assert first == second


def test_no_command_and_wrong_commands_are_wrong_usage(tmp_path: Path) -> None:
    assert pipe("nacelle", tmp_path).code == 2
    outcome = pipe("nacelle inspekt x.ts", tmp_path)
    assert outcome.code == 2
    assert "No such command 'inspekt'. Did you mean 'inspect'?" in outcome.words


def test_torch_is_not_imported_for_help_and_completion(tmp_path: Path) -> None:
    script = "nacelle --help > /dev/null; nacelle --show-completion bash > /dev/null"
    for line in pipe(script, tmp_path, PYTHONPROFILEIMPORTTIME="1").err.splitlines():
        assert line.rpartition("|")[2].strip() not in ("torch", "torch_nacelle")


def test_completion(tmp_path: Path) -> None:
    environment = {"_NACELLE_COMPLETE": "complete_bash", "COMP_WORDS": "nacelle ins", "COMP_CWORD": "1"}
    outcome = pipe("nacelle", tmp_path, **environment)
    assert outcome.out.split() == ["inspect"]


def test_a_message_is_in_colour_on_a_terminal_only(tmp_path: Path) -> None:
    assert pipe("nacelle inspect missing.ts", tmp_path).err == "nacelle: missing.ts: No such file or directory\n"
    assert "\x1b[1;31mnacelle: \x1b[0mmissing.ts" in terminal("nacelle inspect missing.ts", tmp_path).out
    plain = terminal("nacelle inspect missing.ts", tmp_path, NO_COLOR="1").out
    assert "\x1b[1;31m" not in plain
    assert "missing.ts: No such file or directory" in plain


# A command whose reading never ends, and that says when it has begun.
ENDLESS = """
import os, time
from nacelle_cli.app import main
from nacelle_cli.reading import archives

def first_bytes(path):
    os.write(1, b"reading")
    time.sleep(600)

archives.first_bytes = first_bytes
main()
"""


def test_an_interrupted_command_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ENDLESS, "inspect", "program.ts"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    (tmp_path / "program.ts").write_bytes(b"")
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    assert process.stdout is not None
    assert process.stdout.read(7) == b"reading"
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=600)
    assert (process.returncode, message) == (130, b"nacelle: interrupted\n")


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    outcome = pipe("nacelle inspect <(echo text)", tmp_path)
    assert outcome.code == 1
    assert "since it is a pipe or a device; copy it into a file first" in outcome.err


def test_sizes() -> None:
    sizes = {0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1536: "1.5 KiB", 100 << 20: "100.0 MiB", 3 << 40: "3.0 TiB"}
    assert {size: output.size_text(size) for size in sizes} == sizes
