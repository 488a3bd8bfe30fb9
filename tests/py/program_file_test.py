"""Programs as files: read as torch reads them, and changed in their records alone."""

from __future__ import annotations

import base64
import io
import os
import random
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.cli import samples
from tests.py.networks import Detector, TwoHeads, seeded
from tests.py.record_files import with_record

X = samples.X
UPSTREAM = sorted(Path(os.environ.get("NACELLE_UPSTREAM_DATA", "/nowhere")).glob("*.ts"))
FACTS = (
    "path", "abi_version", "name", "device", "device_description", "plan_size", "input_names", "output_names", "flags",
    "metadata", "plan", "plan_release",
)  # fmt: skip


class Twins(torch.nn.Module):
    """Two engines, which may be equal."""

    def __init__(self, left: torch.nn.Module, right: torch.nn.Module) -> None:
        super().__init__()
        self.left = left
        self.right = right
        self.text = "0"  # a text that records have, too

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.left(x)[0], self.right(x)[1]


def _plan() -> bytes:
    return nacelle.build_engine(seeded(TwoHeads), [X])


def equal_plans(path: Path) -> None:
    torch.jit.script(Twins(nacelle.embed(_plan(), name="a"), nacelle.embed(_plan(), name="b"))).save(str(path))


def equal_plans_and_texts(path: Path) -> None:
    engines = [nacelle.embed(_plan(), name="a", abi_version=version) for version in (9, 10)]
    torch.jit.script(Twins(*engines)).save(str(path))


def held_twice(path: Path) -> None:
    program = nacelle.embed(_plan(), name="a", abi_version=5)
    torch.jit.script(Twins(program, program)).save(str(path))


def frozen(path: Path) -> None:
    torch.jit.freeze(nacelle.compile(seeded(Detector), {"backbone": [X]})).save(str(path))


def frozen_with_two_engines(path: Path) -> None:
    program = nacelle.compile(seeded(Detector), {"backbone": [X], "head": [torch.rand(1, 8)]}, abi_version=9)
    torch.jit.freeze(program).save(str(path))


def two_engines(path: Path) -> None:
    program = nacelle.compile(seeded(Detector), {"backbone": [X], "head.box": [torch.rand(1, 8)]}, abi_version=9)
    program.save(str(path))


def without_engines(path: Path) -> None:
    torch.jit.script(seeded(TwoHeads)).save(str(path))


def deflated(path: Path) -> None:
    two_engines(path.with_suffix(".stored"))
    with (
        zipfile.ZipFile(path.with_suffix(".stored")) as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out,
    ):
        for info in source.infolist():
            out.writestr(info.filename, source.read(info))
    path.with_suffix(".stored").unlink()


def large_plan(path: Path) -> None:
    """A plan that is read in several blocks."""
    samples.whole(path.with_suffix(".small"))
    samples.large(path.with_suffix(".small"), path, 5_000_000)
    path.with_suffix(".small").unlink()


def long_texts(path: Path) -> None:
    """The texts of the record as torch pickles those of 4 GiB."""
    samples.whole(path.with_suffix(".short"))
    fields = [b"5", b"\xffnet", b"0%0%0%0%cpu", base64.b64encode(_plan()), b"input_0", b"output_0%output_1", b"0"]
    samples.replace_record(path.with_suffix(".short"), fields, path, samples.long_string)
    path.with_suffix(".short").unlink()


def of_version(version: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        nacelle.compile(seeded(TwoHeads), [X], name="net", abi_version=version).save(str(path))

    make.__name__ = f"version_{version}"
    return make


MAKERS: list[Callable[[Path], None]] = [
    samples.hybrid, samples.for_gpu, samples.held_in_containers, samples.whole, equal_plans, equal_plans_and_texts,
    held_twice, frozen, frozen_with_two_engines, two_engines, without_engines, deflated, large_plan, long_texts,
    *map(of_version, range(3, 11)),
]  # fmt: skip


def upstream(path: Path) -> Callable[[Path], None]:
    def make(copy: Path) -> None:
        copy.write_bytes(path.read_bytes())

    make.__name__ = path.stem
    return make


@pytest.fixture(params=[*MAKERS, *map(upstream, UPSTREAM)], ids=lambda make: make.__name__)
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path: Path = tmp_path / "program.ts"
    request.param(path)
    return path


def facts(program: nacelle.Program) -> list[dict[str, Any]]:
    return [{name: getattr(engine, name) for name in FACTS} for engine in program.engines]


def as_torch_loads(path: Path) -> nacelle.Program:
    return nacelle.read(torch.jit.load(str(path), map_location="cpu"))


def packed(path: Path) -> dict[str, tuple[int, int, bytes]]:
    """By name each entry's method, checksum and bytes as they lie in the file."""
    content = path.read_bytes()
    found = {}
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            lengths = content[info.header_offset + 26 : info.header_offset + 30]
            start = (
                info.header_offset + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
            )
            found[info.filename] = (info.compress_type, info.CRC, content[start : start + info.compress_size])
    return found


def test_it_is_read_as_torch_loads_it(program: Path) -> None:
    wanted = facts(as_torch_loads(program))
    assert facts(nacelle.read(program)) == wanted
    with program.open("rb") as file:
        assert facts(nacelle.read(io.BytesIO(file.read()))) == wanted
    read = nacelle.read(program)
    assert facts(nacelle.read(read.module)) == wanted == facts(read)


def check_the_rest(before: Path, after: Path, *, changed: bool = True) -> None:
    """Asserts that the files differ in their pickles alone, and torch reads the same around the engines."""
    old, new = packed(before), packed(after)
    assert list(old) == list(new)
    differ = {name.partition("/")[2] for name in old if old[name] != new[name]}
    assert differ <= {"data.pkl", "constants.pkl"}
    assert bool(differ) == changed
    modules = [torch.jit.load(str(path), map_location="cpu") for path in (before, after)]
    states = [module.state_dict() for module in modules]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    for old_part, new_part in zip(*(list(module.modules()) for module in modules), strict=True):
        for name in dir(old_part):
            value = None if name.startswith("__") else getattr(old_part, name, None)
            if isinstance(value, (bool, int, float, str)):
                assert getattr(new_part, name) == value, name
    codes = [module.code if hasattr(module, "forward") else "" for module in modules]
    assert codes[0] == codes[1]


DROP = [
    "metadata",
    "target_platform",
    "hardware_compatible",
    "input_names",
    "output_names",
    "requires_output_allocator",
]


@pytest.mark.parametrize("version", [3, 6, 10])
def test_converted_as_the_loaded_module_is(program: Path, version: int, tmp_path: Path) -> None:
    wanted = as_torch_loads(program)
    wanted.convert(version, DROP)
    before = {engine.path: engine for engine in nacelle.read(program).engines}
    nacelle.convert(program, tmp_path / "new.ts", abi_version=version, drop=DROP)
    assert facts(nacelle.read(tmp_path / "new.ts")) == facts(as_torch_loads(tmp_path / "new.ts")) == facts(wanted)
    check_the_rest(program, tmp_path / "new.ts", changed=any(one.abi_version != version for one in before.values()))
    nacelle.convert(tmp_path / "new.ts", tmp_path / "again.ts", abi_version=version, drop=DROP)
    assert (tmp_path / "again.ts").read_bytes() == (tmp_path / "new.ts").read_bytes()


def test_stripped_and_replaced(program: Path, tmp_path: Path) -> None:
    engines = nacelle.read(program).engines
    removed = nacelle.strip(program, tmp_path / "stripped.ts")
    assert len(removed) == sum(bool(engine.metadata) for engine in engines)
    check_the_rest(program, tmp_path / "stripped.ts", changed=bool(removed))
    for i, engine in enumerate(engines):
        plan = engine.plan + b"\0"  # damaged, and so not set up
        nacelle.replace(program, engine.path, plan, tmp_path / "replaced.ts")
        wanted = facts(nacelle.read(program))
        found = facts(as_torch_loads(tmp_path / "replaced.ts"))
        assert found == facts(nacelle.read(tmp_path / "replaced.ts"))
        assert found[i]["plan"] == plan
        for old, new in zip(wanted, found, strict=True):
            assert new["plan"] in (old["plan"], plan)
            assert [new[name] for name in FACTS[:5] + FACTS[6:10]] == [old[name] for name in FACTS[:5] + FACTS[6:10]]
        check_the_rest(program, tmp_path / "replaced.ts")


def test_a_plan_that_two_engines_have_is_written_once(tmp_path: Path) -> None:
    equal_plans(tmp_path / "program.ts")
    for version in (3, 10, 9, 3):
        nacelle.convert(tmp_path / "program.ts", tmp_path / "program.ts", abi_version=version)
        with zipfile.ZipFile(tmp_path / "program.ts") as archive:
            content = archive.read("program/data.pkl")
        assert content.count(_plan() if version == 3 else base64.b64encode(_plan())) == 1
        torch.testing.assert_close(torch.jit.load(str(tmp_path / "program.ts"))(X), seeded(TwoHeads)(X))


def test_what_is_held_open_does_not_change_with_its_path(tmp_path: Path) -> None:
    two_engines(tmp_path / "program.ts")
    program = nacelle.read(tmp_path / "program.ts")
    wanted = facts(program)
    without_engines(tmp_path / "other.ts")
    (tmp_path / "other.ts").replace(tmp_path / "program.ts")
    assert facts(program) == wanted
    program.save(tmp_path / "program.ts")
    assert facts(nacelle.read(tmp_path / "program.ts")) == wanted
    assert len(nacelle.read(program.module).engines) == 2


def test_changes_reach_the_module_and_the_file(tmp_path: Path) -> None:
    samples.hybrid(tmp_path / "program.ts")
    program = nacelle.read(tmp_path / "program.ts")
    assert program.extra_files == {"notes.txt": b"kept"}
    program.extra_files["more.txt"] = b"new"
    program.convert(10)
    program.save(tmp_path / "new.ts")
    assert nacelle.read(tmp_path / "new.ts").extra_files == {"notes.txt": b"kept", "more.txt": b"new"}
    assert nacelle.read(program.module).engines[0].abi_version == 10
    program.convert(9)
    program.save(tmp_path / "module.ts")
    again = nacelle.read(tmp_path / "module.ts")
    assert (again.engines[0].abi_version, again.extra_files) == (9, {"notes.txt": b"kept", "more.txt": b"new"})


@pytest.mark.parametrize("field", [b"", b"\xff", b"a" * 70_000, bytes(70_000)])
def test_texts_of_any_bytes_stay(field: bytes, tmp_path: Path) -> None:
    samples.whole(tmp_path / "program.ts")
    fields = [b"9", b"net" + field, b"0%0%0%0%cpu", base64.b64encode(_plan()), b"input_0", b"output_0%output_1", b"0"]
    source = with_record(tmp_path / "program.ts", [*fields, field, b"linux_x86_64", b"0", b"0", b"0"], tmp_path)
    wanted = facts(as_torch_loads(source))
    assert facts(nacelle.read(source)) == wanted
    nacelle.convert(source, tmp_path / "ten.ts", abi_version=10)
    nacelle.convert(tmp_path / "ten.ts", tmp_path / "nine.ts", abi_version=9)
    assert facts(as_torch_loads(tmp_path / "nine.ts")) == wanted


def test_tensors_of_a_device_that_is_not_here_stay_there(tmp_path: Path) -> None:
    """torch reads such a program only on a machine with that device; its records are converted everywhere."""
    samples.hybrid(tmp_path / "hybrid.ts")
    with zipfile.ZipFile(tmp_path / "hybrid.ts") as archive, zipfile.ZipFile(tmp_path / "moved.ts", "w") as out:
        for item in archive.infolist():
            content = archive.read(item)
            if item.filename == "hybrid/data.pkl":
                before, text, after = content.rpartition(b"X\x03\x00\x00\x00cpu")
                assert text
                content = before + b"X\x06\x00\x00\x00cuda:1" + after
            out.writestr(item.filename, content)
    nacelle.convert(tmp_path / "moved.ts", tmp_path / "new.ts", abi_version=9)
    (engine,) = nacelle.read(tmp_path / "new.ts").engines
    assert (engine.abi_version, engine.input_names) == (9, ["input_0"])
    with zipfile.ZipFile(tmp_path / "new.ts") as archive:
        assert b"X\x06\x00\x00\x00cuda:1" in archive.read("hybrid/data.pkl")


def test_mutated_programs_are_refused_or_rewritten(tmp_path: Path) -> None:
    """Wrong bytes in a pickle end in an error of Nacelle, or the program is read, and what is written of it is too."""
    equal_plans_and_texts(tmp_path / "program.ts")
    with zipfile.ZipFile(tmp_path / "program.ts") as archive:
        content = {info.filename: archive.read(info) for info in archive.infolist()}
    original = content["program/data.pkl"]
    plan = base64.b64encode(_plan())
    start = original.index(plan)
    numbers = random.Random(3)
    written = refused = 0
    for _ in range(250):
        changed = bytearray(original)
        for _ in range(numbers.choice([1, 1, 2, 5])):
            place = numbers.randrange(len(changed) - len(plan))
            place += len(plan) if place >= start else 0  # the plan's bytes are most of the file, and no operations
            changed[place] = numbers.choice([numbers.randrange(256), original[numbers.randrange(len(original))]])
        content["program/data.pkl"] = bytes(changed)
        with zipfile.ZipFile(tmp_path / "mutated.ts", "w") as out:
            for name, data in content.items():
                out.writestr(name, data)
        try:
            before = facts(nacelle.read(tmp_path / "mutated.ts"))
            nacelle.convert(tmp_path / "mutated.ts", tmp_path / "new.ts", abi_version=10, drop=DROP)
            nacelle.strip(tmp_path / "new.ts", tmp_path / "new.ts")
        except nacelle.Error:
            refused += 1
            continue
        after = facts(nacelle.read(tmp_path / "new.ts"))
        kept = ("path", "name", "device", "plan")
        assert [[one[name] for name in kept] for one in after] == [[one[name] for name in kept] for one in before]
        assert {one["abi_version"] for one in after} <= {10}
        written += 1
    assert written >= 20
    assert refused >= 100


_MEASURED = """
import resource, sys
import torch_nacelle as nacelle
from nacelle_cli.arguments import models
from nacelle_cli.commands import inspect
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
for version in (10, 9):
    nacelle.convert(sys.argv[1], sys.argv[2], abi_version=version, drop=["metadata"])
    (engine,) = nacelle.read(sys.argv[2]).engines
nacelle.strip(sys.argv[1], sys.argv[2])
print(peak() - before)
"""


def test_the_memory_of_a_conversion_is_less_than_the_file(tmp_path: Path) -> None:
    samples.whole(tmp_path / "small.ts")
    samples.large(tmp_path / "small.ts", tmp_path / "large.ts", 200_000_000)
    size = (tmp_path / "large.ts").stat().st_size
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, tmp_path / "large.ts", tmp_path / "out.ts"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < size
