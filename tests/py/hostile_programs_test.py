"""Small files that are much work to read: refused in words that name the limit, or read at small cost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from nacelle_cli.reading import limits, programs
from nacelle_cli.reading.errors import ReadingError
from tests.py import hostile_programs
from tests.py.hostile_programs import REFUSED, SOURCE, program, wide
from tests.py.zip_files import Entry

# Prints how a file is read, and by how much that made the process grow.
MEASURE = """
import pathlib, sys
from nacelle_cli.reading import programs
from nacelle_cli.reading.errors import ReadingError

def status(name):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))

path = pathlib.Path(sys.argv[1])
before = status("VmRSS")
try:
    programs.read(path)
    said = "read"
except ReadingError as error:
    said = str(error)
print(status("VmHWM") - before, said.encode("ascii", "backslashreplace").decode())
"""


def measured(path: Path) -> tuple[int, str]:
    """Bytes that reading takes, and what it says. A child reads: it may crash, and its memory is its own."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    grown, _, said = ended.stdout.strip().partition(" ")
    return int(grown), said


@pytest.mark.parametrize("name", REFUSED)
def test_refused_at_small_cost(name: str, tmp_path: Path) -> None:
    make, words = REFUSED[name]
    path = tmp_path / "small.ts"
    path.write_bytes(make())
    grown, said = measured(path)
    assert "small.ts: " in said
    assert words in said
    assert grown < (64 << 20) + 8 * path.stat().st_size


@pytest.mark.parametrize("name", hostile_programs.READ)
def test_read_at_small_cost(name: str, tmp_path: Path) -> None:
    path = tmp_path / "small.ts"
    path.write_bytes(hostile_programs.READ[name]())
    grown, said = measured(path)
    assert said == "read"
    assert grown < (64 << 20) + 8 * path.stat().st_size


@pytest.mark.parametrize(
    "name", ["a large extra file", "a tuple that shares itself", "a place in a memo that is far away"]
)
@pytest.mark.parametrize("way", ["read", "convert", "bench"])
def test_torch_is_not_asked_to_read_it(name: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise AssertionError("torch was asked to load it")

    monkeypatch.setattr(torch.jit, "load", load)
    path = tmp_path / "small.ts"
    path.write_bytes(REFUSED[name][0]())
    ways: dict[str, Callable[[], object]] = {
        "read": lambda: nacelle.read(path),
        "convert": lambda: nacelle.convert(path, tmp_path / "out.ts", abi_version=5),
        "bench": lambda: nacelle.bench(path, [torch.ones(3)], seconds=0.01),
    }
    with pytest.raises(nacelle.InputError) as told:
        ways[way]()
    assert REFUSED[name][1] in told.value.reason or "values: " in told.value.reason or "paths" in told.value.reason


@pytest.mark.parametrize(("setting", "count"), [("", 150_000), ("2", 250_000)])
def test_a_setting_raises_the_limits(setting: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(limits.VARIABLE, setting)
    path = tmp_path / "many.ts"
    path.write_bytes(program(wide(b"N", count)))
    with pytest.raises(ReadingError, match=rf"many\.ts: .*values: \d+ or more; wanted at most \d+.*{limits.VARIABLE}"):
        programs.read(path)
    monkeypatch.setenv(limits.VARIABLE, "3")
    assert len(programs.read(path).values) == count


@pytest.mark.parametrize("setting", ["0", "-1", "nan", "inf", "x", "0.5", "1e10"])
def test_a_setting_that_is_no_factor(setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(limits.VARIABLE, setting)
    path = tmp_path / "small.ts"
    path.write_bytes(program())
    with pytest.raises(ReadingError, match=f"{limits.VARIABLE} is '{setting}'; wanted a number from 1 to 1e9"):
        programs.read(path)


def test_deep_values_with_raised_limits_end_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(limits.VARIABLE, "1000000")
    path = tmp_path / "deep.ts"
    path.write_bytes(program(b"]" * 50_000 + b"a" * 49_999))
    with pytest.raises(ReadingError, match=r"deep\.ts: its values are nested too deeply"):
        programs.read(path)


def test_a_plan_that_is_deflated_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes are read from a file after that, in blocks."""
    from nacelle_cli.reading import zips

    plan = b"ftrt" + bytes(20) + bytes([11, 0, 0, 114]) + bytes(8 << 20)
    path = tmp_path / "plan.ts"
    record = hostile_programs.engine(b"3", b"net", b"0%9%0%0%GPU", plan)
    path.write_bytes(program(record, source=SOURCE))
    read: list[int] = []
    given = zips.Stream.readinto

    def count(stream: zips.Stream, buffer: object) -> int:
        read.append(given(stream, buffer))
        return read[-1]

    monkeypatch.setattr(zips.Stream, "readinto", count)
    (engine,) = programs.read(path).engines
    assert engine.plan is not None and engine.plan.size == len(plan)
    assert sum(read) < 2.1 * len(plan)  # once by the reader of the pickle, once into the file


DIFFERENT: dict[str, bytes] = {
    "a class that is called": b"c__torch__\nM\n}R",
    "an object that is built twice": hostile_programs.CLASS + b")\x81}b}b",
    "an object without a state": hostile_programs.CLASS + b")\x81",
    "an object with arguments": hostile_programs.CLASS + b"N\x85\x81}b",
    "an object that is kept before it is built": hostile_programs.CLASS + b")\x81q\0}bh\0}b",
    "an attribute that the class does not declare": hostile_programs.CLASS
    + b")\x81}"
    + hostile_programs.text(b"b")
    + b"Nsb",
    "a name as a value": b"cos\nsystem\n",
    "a name that torch skips": b"ctorch._tensor\n_rebuild_from_type_v2\n0N",
    "a number as a function": b"K\0)R",
    "a storage as a value": b"("
    + hostile_programs.text(b"storage")
    + b"ctorch\nFloatStorage\n"
    + hostile_programs.text(b"0")
    + hostile_programs.text(b"cpu")
    + b"K\1tQ",
    "a key that is there twice": b"}" + hostile_programs.text(b"k") + b"K\1s" + hostile_programs.text(b"k") + b"K\2s",
    "keys that are equal to Python alone": b"}K\1Ns\x88Ns",
    "an enum that is no enum": b"c__torch__\nM\nK\1R",
    "more values than one": b"NN",
    "a mark that is left": b"(N",
    "a tuple over a mark": b"N(N\x86",
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_torch_reads_in_another_way_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "small.ts"
    path.write_bytes(program(DIFFERENT[name]))
    with pytest.raises(ReadingError, match=r"small\.ts: data\.pkl"):
        programs.read(path)
    with pytest.raises(nacelle.InputError, match=r"small\.ts: data\.pkl"):
        nacelle.read(path)


SOURCES: dict[str, bytes] = {
    "a class twice": SOURCE + SOURCE,
    "a function twice": SOURCE + b"def f(x):\n  return x\ndef f(x):\n  return 1\n",
    "a method twice": SOURCE + b"  def f(self):\n    return 1\n  def f(self):\n    return 2\n",
    "a file in other letters": SOURCE + b"  b : __torch__.other.X\n",
}


@pytest.mark.parametrize("name", SOURCES)
def test_source_code_that_can_be_read_in_two_ways_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "small.ts"
    other = Entry(b"m/code/__torch__/Other.py", b"class X(Module):\n  a : int\n")
    path.write_bytes(program(source=SOURCES[name], others=(other,)))
    with pytest.raises(ReadingError, match=r"small\.ts: code/__torch__"):
        programs.read(path)


@pytest.mark.parametrize(
    "error",
    [
        UnicodeDecodeError("utf-8", b"torch says \xff\n", 11, 12, "invalid start byte"),
        IndexError("torch says so"),
        NotImplementedError("torch says so"),
        ValueError("torch says so"),
        TypeError("torch says so"),
        RuntimeError('torch says so\n  File "code/__torch__.py", line 3'),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_torch_are_of_one_class(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torch.jit, "load", load)
    path = tmp_path / "small.ts"
    path.write_bytes(program())
    with pytest.raises(
        nacelle.InputError, match=r"small\.ts(: entry code/__torch__\.py)? cannot be read as a TorchScript"
    ):
        nacelle.bench(path, [torch.ones(3)], seconds=0.01)


def test_a_name_of_torchs_own_that_is_not_utf_8(tmp_path: Path) -> None:
    """torch's message has the bytes in it, which Python's part of torch cannot tell."""
    path = tmp_path / "small.ts"
    path.write_bytes(program(b"ctorch._nothing\n\xff\xfe\n)R"))
    assert nacelle.read(path).engines == []
    with pytest.raises(nacelle.InputError, match=r"small\.ts"):
        nacelle.read(path).module
