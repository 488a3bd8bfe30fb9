"""Destinations of commands: every command that names a file to write takes links, devices, pipes, and odd names."""

import io
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.py.cli import samples
from tests.py.cli.commands import nacelle
from tests.py.cli.terminal import Outcome, pipe


def is_program(content: bytes) -> bool:
    return zipfile.ZipFile(io.BytesIO(content)).testzip() is None


def is_plan(content: bytes) -> bool:
    return content.startswith(b"nref")


def is_page(content: bytes) -> bool:
    return content.lower().startswith(b"<!doctype html>") and content.rstrip().endswith(b"</html>")


def is_arrays(content: bytes) -> bool:
    return sorted(np.load(io.BytesIO(content))) == ["output_0", "output_1"]


def is_picture(content: bytes) -> bool:
    return content.startswith(b"\x89PNG")


# A command, {} for the file that it writes, and what that is.
WRITERS: dict[str, tuple[list[str], Callable[[bytes], bool]]] = {
    "convert": (["convert", "model.ts", "{}", "--abi", "9"], is_program),
    "strip": (["strip", "model.ts", "-o", "{}"], is_program),
    "extract": (["extract", "model.ts", "net", "-o", "{}"], is_plan),
    "replace": (["replace", "model.ts", "net", "net.plan", "-o", "{}"], is_program),
    "embed": (["embed", "net.plan", "-o", "{}"], is_program),
    "compile": (["compile", "original.ts", "-i", "[1,3,8,8]", "-o", "{}"], is_program),
    "inspect": (["inspect", "model.ts", "--html", "{}"], is_page),
    "run": (["run", "model.ts", "-o", "{}"], is_arrays),
    "bench": (["bench", "model.ts", "--seconds", "0.01", "--threads", "1", "--plot", "{}"], is_picture),
}
SUFFIX = {"run": ".npz", "bench": ".png"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("files")
    samples.model_files(made)
    return made


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def call(way: str, destination: "str | Path") -> Outcome:
    return nacelle(*(str(destination) if word == "{}" else word for word in WRITERS[way][0]))


@pytest.mark.parametrize("way", WRITERS)
def test_a_link_stays_and_its_target_is_written(way: str, tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    link = tmp_path / ("link" + SUFFIX.get(way, ".ts"))
    link.symlink_to("else/target")
    for former in (None, b"old"):
        if former is not None:
            (tmp_path / "else" / "target").write_bytes(former)
        outcome = call(way, link)
        assert outcome.code == 0, outcome.err
        assert os.readlink(link) == "else/target"
        assert WRITERS[way][1]((tmp_path / "else" / "target").read_bytes())
    assert os.listdir(tmp_path / "else") == ["target"]


@pytest.mark.parametrize("way", WRITERS)
def test_a_pipe_gets_the_file(way: str, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[bytes] = []
    thread = threading.Thread(target=lambda: read.append(path.read_bytes()))
    thread.start()
    outcome = call(way, path)
    if outcome.code != 0:  # let the reader go
        os.close(os.open(path, os.O_RDWR))
    thread.join(60)
    assert outcome.code == 0, outcome.err
    assert WRITERS[way][1](read[0])
    assert path.is_fifo()


@pytest.mark.parametrize("way", WRITERS)
def test_a_device_stays_one(way: str) -> None:
    """A terminal, which nothing can take the place of."""
    ours, theirs = os.openpty()
    read = bytearray()

    def reader() -> None:
        try:
            while block := os.read(ours, 1 << 16):
                read.extend(block)
        except OSError:  # how a terminal says that it is closed
            pass

    thread = threading.Thread(target=reader)
    thread.start()
    path = os.ttyname(theirs)
    before = os.stat(path)
    outcome = call(way, path)
    after = os.stat(path)
    os.close(theirs)
    thread.join(60)
    os.close(ours)
    assert outcome.code == 0, outcome.err
    assert (before.st_ino, before.st_rdev) == (after.st_ino, after.st_rdev)
    assert len(read) > 100


def started(command: list[bytes], folder: Path, variables: dict[str, str]) -> "subprocess.CompletedProcess[bytes]":
    """Runs a command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from nacelle_cli.app import main; main()", *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(("way", "as_json"), [*((way, False) for way in WRITERS), ("convert", True), ("run", True)])
def test_standard_output_gets_the_file_alone(way: str, as_json: bool, folder: Path) -> None:
    command = [b"/dev/stdout" if word == "{}" else word.encode() for word in WRITERS[way][0]]
    result = started([*command, *[b"--json"][: int(as_json)]], folder, {})
    assert result.returncode == 0, result.stderr
    assert WRITERS[way][1](result.stdout)
    assert (b"{" if as_json else b"wrote /dev/stdout") in result.stderr


def test_standard_output_that_is_a_file_is_written_on(folder: Path) -> None:
    outcome = pipe("(echo before; nacelle extract model.ts net -o /dev/stdout; echo after) > out", folder)
    assert (outcome.code, outcome.out) == (0, "")
    plan = (folder / "net.plan").read_bytes()
    assert (folder / "out").read_bytes() == b"before\n" + plan + b"after\n"


def test_commands_read_what_a_command_writes(folder: Path) -> None:
    outcome = pipe("nacelle extract model.ts net -o >(cat > .copy; mv .copy copy)", folder)
    assert outcome.code == 0, outcome.err
    while not (folder / "copy").exists():  # bash does not wait for the reader
        time.sleep(0.05)
    assert (folder / "copy").read_bytes() == (folder / "net.plan").read_bytes()


@pytest.mark.parametrize("way", WRITERS)
@pytest.mark.parametrize(
    ("destination", "code", "words"),
    [
        ("", 2, "the path is empty; name the file to write"),
        ("new/", 2, "new/ ends with /, and so names a folder; name a file in it"),
        ("none/new", 1, "cannot write none/new: there is no folder none"),
        ("net.plan/new", 1, "cannot write net.plan/new: net.plan is no folder"),
        ("loop", 1, "loop: Too many levels of symbolic links"),
        ("x" * 256, 1, "File name too long"),
    ],
    ids=["empty", "slash", "none", "file", "loop", "long"],
)
def test_paths_that_cannot_be_written(way: str, destination: str, code: int, words: str, folder: Path) -> None:
    suffix = SUFFIX.get(way, "")
    if destination and not destination.endswith("/"):
        destination, words = (
            destination + suffix,
            words.replace("new:", f"new{suffix}:").replace("loop:", f"loop{suffix}:"),
        )
    elif destination and way == "run":
        return  # a folder is welcome
    loop = folder / f"loop{suffix}"
    if not loop.is_symlink():
        loop.symlink_to(loop.name)
    before = sorted(os.listdir(folder))
    outcome = call(way, destination)
    assert (outcome.code, outcome.out) == (code, ""), outcome.err
    assert words in outcome.words
    assert sorted(os.listdir(folder)) == before


def test_outputs_go_into_a_folder_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "nothing").symlink_to("none/there")
    for given in (f"{tmp_path}/link", f"{tmp_path}/link/", f"{tmp_path}/new/"):
        assert call("run", given).code == 0
        assert sorted(os.listdir(given)) == ["output_0.npy", "output_1.npy"]
    outcome = call("run", tmp_path / "file")
    assert (outcome.code, (tmp_path / "file").read_bytes()) == (1, b"old")
    assert "file: it is no folder, and a name without .npz or .npy at its end is a folder's" in outcome.words
    assert "it is a link to" in call("run", tmp_path / "nothing").words


# Python's encodings in a locale, with the variables that bring it there.
LOCALES = {
    "C": {"LC_ALL": "C"},
    "C.UTF-8": {"LC_ALL": "C.UTF-8"},
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "strict": {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "utf-8:strict"},
}


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("way", ["inspect", "bench"])  # one without torch, and one that prints more than ASCII
def test_names_in_any_locale(way: str, locale: str, folder: Path) -> None:
    """Names that are not ASCII, and not even UTF-8: the file is written, and the command ends well."""
    suffix = SUFFIX.get(way, ".html").encode()
    name = b"w\xc3\xa4\xff" + suffix
    command = [name if word == "{}" else word.encode() for word in WRITERS[way][0]]
    outcome = started(command, folder, LOCALES[locale])
    assert outcome.returncode == 0, outcome.stderr
    assert WRITERS[way][1]((folder / os.fsdecode(name)).read_bytes())
    assert b"wrote w" in outcome.stdout + outcome.stderr
    (folder / os.fsdecode(name)).unlink()
