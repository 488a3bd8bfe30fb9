"""Programs whose engine is damaged: whatever reads, loads or calls them gives an error that says what is wrong.

The programs are good ones in whose pickle the record is replaced, as a damaged or a hostile file may have it.
"""

import base64
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import TwoHeads, seeded
from tests.py.record_files import with_record

X = torch.rand(1, 3, 8, 8)
PLAN = nacelle.build_engine(seeded(TwoHeads), [X])
ENCODED = base64.b64encode(PLAN)
NAMES = (b"input_0", b"output_0%output_1")
VERSION_3 = [b"3", b"net", b"0%0%0%0%cpu", PLAN]
VERSION_5 = [b"5", b"net", b"0%0%0%0%cpu", ENCODED, *NAMES, b"0"]
VERSION_10 = [b"10", *VERSION_5[1:], b"", b"linux_x86_64", b"0", b"0", b"0", b""]

WAYS = [
    pytest.param(nacelle.read, id="read"),
    pytest.param(lambda path: torch.jit.load(str(path)), id="load"),
    pytest.param(lambda path: nacelle.convert(path, path.with_name("out.ts"), abi_version=4), id="convert"),
]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("programs") / "good.ts"
    nacelle.embed(PLAN, name="net").save(str(path))
    return path


def replaced(fields: list[bytes], index: int, value: bytes) -> list[bytes]:
    return [*fields[:index], value, *fields[index + 1 :]]


@pytest.mark.parametrize("fields", [VERSION_3, VERSION_5, VERSION_10], ids=["3", "5", "10"])
def test_the_same_with_good_records(good: Path, fields: list[bytes], tmp_path: Path) -> None:
    program = with_record(good, fields, tmp_path)
    (engine,) = nacelle.read(program).engines
    assert (engine.abi_version, engine.name, engine.plan) == (int(fields[0]), "net", PLAN)
    torch.testing.assert_close(torch.jit.load(str(program))(X), seeded(TwoHeads)(X))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([], ["no fields", "wanted an ABI version"]),
        (replaced(VERSION_3, 0, b"2"), ["ABI version 2;", "versions 3 to 10 can be read"]),
        (replaced(VERSION_3, 0, b"11"), ["ABI version 11;", "versions 3 to 10 can be read", "update Nacelle"]),
        (replaced(VERSION_3, 0, b"three"), ['field 0 (abi_version): "three"', "wanted 3 to 10"]),
        (VERSION_3[:-1], ["ABI version 3 has 3 fields", "wanted 4: abi_version, name, device, engine"]),
        ([*VERSION_3, b""], ["ABI version 3 has 5 fields", "wanted 4"]),
        (VERSION_10[:-1], ["ABI version 10 has 12 fields", "wanted 13"]),
        (replaced(VERSION_3, 3, b""), ["field 3 (engine): the plan is empty"]),
        (replaced(VERSION_3, 2, b"cuda"), ['field 2 (device): device "cuda"', "wanted id%major%minor%type%name"]),
        (replaced(VERSION_3, 2, b"0%8%6%0%\xff%"), ["field 2 (device)", "\\xff"]),
        (
            replaced(VERSION_5, 3, ENCODED[:-1]),
            ["field 3 (engine): base64 of ", "wanted a multiple of four"],
        ),
        (replaced(VERSION_5, 3, b"*" + ENCODED[1:]), ['field 3 (engine): base64 has "*" at position 0', "wanted A-Z"]),
        (replaced(VERSION_5, 3, PLAN + b"   "[: -len(PLAN) % 4]), ["field 3 (engine): base64 has "]),
        (replaced(VERSION_5, 4, b"a%a"), ["field 4 (input_names)", '"a", is there twice']),
        (replaced(VERSION_5, 6, b"yes"), ['field 6 (hardware_compatible): flag is "yes"', "wanted 0 or 1"]),
        (
            replaced(VERSION_10, 8, b"beos"),
            ['field 8 (target_platform): platform is "beos"', "wanted one of linux"],
        ),
        (replaced(VERSION_10, 10, b"2"), ['field 10 (resource_allocation): strategy is "2"', "wanted 0 (static)"]),
        (replaced(VERSION_10, 12, b"output_0@x@k"), ['field 12 (aliased_io): alias names the input "x"', '"input_0"']),
        (replaced(VERSION_10, 12, b"@" * 1_000_000), ["field 12 (aliased_io)", "1000001 parts"]),
    ],
)
def test_a_bad_record(
    good: Path, way: Callable[[Path], object], fields: list[bytes], words: list[str], tmp_path: Path
) -> None:
    with pytest.raises(nacelle.RecordError) as caught:
        way(with_record(good, fields, tmp_path))
    for word in words:
        assert word in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert not (tmp_path / "out.ts").exists()


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (b"garbage", ["not a plan that is known: 7 bytes", "garbage", "wanted one of the magics"]),
        (bytes(100_000), ["not a plan that is known: 100000 bytes", "00 00 00 00"]),
        (PLAN[:6], ["plan of 6 bytes", "cut off"]),
        (b"nref" + bytes(100), ["format version 0", "wanted 1 or more"]),
        (PLAN[:4] + b"\x63" + PLAN[5:], ["99"]),
        (PLAN[:-1], []),
        (PLAN[: len(PLAN) // 2], []),
        (PLAN + b"more", []),
        (PLAN[:8] + bytes(len(PLAN) - 8), []),
        (PLAN[:200] + b"\xff" * 100 + PLAN[300:], []),
    ],
)
def test_a_bad_plan(good: Path, plan: bytes, words: list[str], tmp_path: Path) -> None:
    program = with_record(good, replaced(VERSION_3, 3, plan), tmp_path)
    (engine,) = nacelle.read(program).engines
    assert engine.plan == plan
    loaded = torch.jit.load(str(program))  # an engine that cannot run here loads, and says why when it is called
    with pytest.raises(nacelle.PlanError) as caught:
        loaded(X)
    for word in ['engine "net" cannot run here: ', *words]:
        assert word in str(caught.value)


def test_texts_that_are_not_utf8_are_shown(good: Path, tmp_path: Path) -> None:
    fields = [b"5", b"\xffname", b"0%0%0%0%\xfe", ENCODED, b"in\xfd", b"out\xfc%o", b"0"]
    (engine,) = nacelle.read(with_record(good, fields, tmp_path)).engines
    assert (engine.name, engine.device) == ("\\xffname", "0%0%0%0%\\xfe")
    assert (engine.input_names, engine.output_names) == (["in\\xfd"], ["out\\xfc", "o"])
    nacelle.convert(tmp_path / "damaged.ts", tmp_path / "new.ts", abi_version=10)
    nacelle.convert(tmp_path / "new.ts", tmp_path / "back.ts", abi_version=5)
    with zipfile.ZipFile(tmp_path / "back.ts") as archive:
        pickle = archive.read("good/data.pkl")
    for field in fields[1:3]:
        assert field in pickle
