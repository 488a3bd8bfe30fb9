"""Texts of files do not reach the terminal as they are: no command prints what a terminal would obey."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import zipfile
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle_package
from nacelle_cli.reading import texts
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.render import output
from tests.py.cli import samples
from tests.py.cli.commands import nacelle
from tests.py.cli.terminal import terminal
from tests.py.networks import TwoHeads, seeded
from tests.py.record_files import with_record

# One of each kind: a title of the window, C1, marks of direction, separators of lines, a byte order mark, a tag.
EVIL = "\x1b]0;x\x07\x9b31m\x7f\x08\u202e\u2066\u2069\u200e\u200f\u061c\u2028\u2029\ufeff\U000e0041"
OBEYED = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f\ud800-\udfff]"
)
BYTES = EVIL.encode() + b"\xff"


def program(path: Path) -> None:
    module = nacelle_package.embed(
        nacelle_package.build_engine(seeded(TwoHeads), [samples.X]), name="net", abi_version=9
    )
    torch.jit.save(module, str(path), _extra_files={"notes.txt": "kept"})


def changed(source: Path, path: Path, old: bytes, new: bytes, *, name: bool = False) -> Path:
    """A copy with other bytes in its members, or with another name of a member."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(path, "w") as out:
        for info in archive.infolist():
            content, member = archive.read(info), info.filename
            if name:
                member = member.replace(old.decode(), new.decode("utf-8", "ignore"))
            else:
                content = content.replace(old, new)
            out.writestr(member, content)
    return path


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear_with_a_name = torch.nn.Linear(2, 2)
        self.text = "plain text"

    def forward(self, argument: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.linear_with_a_name(argument)
        return result


# Names and values of that program, in its pickle and its source.
TEXTS = ("linear_with_a_name", "plain text", "argument", "FloatStorage", "cpu", "torch_", "Linear")


def padded(size: int) -> bytes:
    """The given number of bytes of the evil text, so that the lengths in a pickle stay true."""
    return (EVIL.encode() * 3)[:size]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Programs with evil texts, by the place of the text."""
    folder = tmp_path_factory.mktemp("evil")
    plain, net = folder / "plain.ts", folder / "net.ts"
    program(plain)
    torch.jit.script(Net().eval()).save(str(net))
    found = {"plain": plain, "net": net}
    for i, place in enumerate(TEXTS):
        found[place] = changed(net, folder / f"net_{i}.ts", place.encode(), padded(len(place)))
    found["extra file"] = changed(plain, folder / "extra.ts", b"notes.txt", BYTES, name=True)
    found["member"] = changed(plain, folder / "member.ts", b"data.pkl", b"data" + BYTES, name=True)
    found["source"] = changed(plain, folder / "source.ts", b"code/", b"code/" + BYTES + b"/", name=True)
    record = [b"9", BYTES, b"0%9%0%0%" + BYTES, b"", BYTES, BYTES + b"2", b"0", BYTES, BYTES, b"0", b"0", BYTES]
    encoded = base64.b64encode(nacelle_package.read(plain).engines[0].plan)
    for number in range(len(record)):
        fields = [b"9", b"net", b"0%0%0%0%cpu", encoded, b"x", b"y", b"0", b"", b"linux_x86_64", b"0", b"0", b"0"]
        if number != 3:
            fields[number] = record[number] or BYTES
        made = with_record(plain, fields, folder)
        found[f"field {number}"] = made.rename(folder / f"field_{number}.ts")
    evil_name = folder / f"file {EVIL.replace('/', '')}.ts"
    evil_name.write_bytes(plain.read_bytes())
    found["path"] = evil_name
    (folder / f"folder{EVIL}").mkdir()
    found["folder"] = folder / f"folder{EVIL}"
    (folder / f"broken{EVIL}.ts").write_bytes(BYTES * 3)
    found["broken"] = folder / f"broken{EVIL}.ts"
    found["broken plan"] = folder / "broken.plan"
    found["broken plan"].write_bytes(b"ftrt" + BYTES * 20)
    found["missing"] = folder / f"missing{EVIL}.ts"
    return found


def commands(path: Path, plain: Path, out: Path) -> list[list[str | Path]]:
    made = out / f"out{EVIL}.ts"
    return [
        ["inspect", path],
        ["inspect", path, "--load"],
        ["inspect", path, "--graph"],
        ["inspect", path, "--json"],
        ["diff", plain, path],
        ["diff", path, plain, "--json"],
        ["doctor", path],
        ["doctor", path, "--json"],
        ["convert", path, "-o", made, "--abi", "5"],
        ["extract", path, "-o", out],
        ["run", path],
        ["run", path, "--input", "random:[1,3,8,8]", "--json"],
        ["bench", path],
        ["check", path, "--against", plain],
        ["check", plain, "--against", path],
        ["compile", path, "-o", made, "--backend", "reference"],
        ["compile", path, "-o", made, "--backend", EVIL, "-i", "[1,2]"],
    ]


PLACES = [
    "plain", "net", *TEXTS, "extra file", "member", "source", *(f"field {i}" for i in range(12)), "path", "folder",
    "broken", "broken plan", "missing",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_no_command_prints_what_a_terminal_obeys(files: dict[str, Path], place: str, tmp_path: Path) -> None:
    for command in commands(files[place], files["plain"], tmp_path):
        outcome = nacelle(*command)
        for printed in (outcome.out, outcome.err):
            found = OBEYED.search(printed)
            assert found is None, (command, printed[max(0, found.start() - 200) : found.end() + 20])
        if "--json" in command and outcome.code == 0:
            json.loads(outcome.out)


def test_colours_go_on_a_terminal(files: dict[str, Path]) -> None:
    path = files["field 1"]
    printed = terminal(f"nacelle inspect {path.name}", path.parent).out
    assert "\x1b[1;36m" in printed
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed).replace("\r", "")
    assert OBEYED.search(plain) is None
    assert r"\x1b]0;x\x07" in plain


def test_progress_is_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "300")
    with output.progress(f"Reading {EVIL}", total=2) as advance:
        advance(2)
    printed = capsys.readouterr().err
    assert "\x1b[?25l" in printed
    assert r"\u202e" in printed
    assert OBEYED.search(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed).replace("\r", "")) is None


def test_texts_for_people() -> None:
    assert texts.printable("a\x1b[31m\x9b\u202eé\u2028\U000e0041\ud800\udcff") == (
        r"a\x1b[31m\xc2\x9b\u202eé\u2028\U000e0041\xed\xa0\x80\xff"
    )
    assert texts.quoted("\u2066\n") == r'"\u2066\x0a"'
    assert str(ReadingError("x\u202e\x1b\nnext")) == "x\\u202e\\x1b\nnext"


def test_json_is_plain_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({EVIL: [EVIL, os.fsdecode(b"\xff")]})
    printed = capsys.readouterr().out
    assert OBEYED.search(printed) is None
    assert json.loads(printed) == {EVIL: [EVIL, "\udcff"]}
