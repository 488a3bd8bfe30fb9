"""generate_slot_tables.py refuses tables that break what the binding takes for granted."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

MAIN = runpy.run_path("core/tensorrt/generate_slot_tables.py")["main"]
TABLES = Path("third_party/tensorrt/slots")

Table = dict[str, Any]

LOGGER = "nvinfer1::v_1_0::ILogger"
ENGINE = "nvinfer1::apiv::VCudaEngine"


@pytest.fixture
def newest() -> Table:
    """The newest table."""
    loaded: Table = json.loads((TABLES / "11.1.0.106.json").read_text(encoding="utf-8"))
    return loaded


class Generated(NamedTuple):
    """The outcome of a run of the generator."""

    returncode: int
    stderr: str


def generate(folder: Path, *tables: Table, rtx: Table | None = None) -> Generated:
    """Runs the generator over tables written to `folder`; TensorRT-RTX has, unless told, what the first one has."""
    arguments = ["--header", str(folder / "t.h"), "--source", str(folder / "t.cc"), "--rtx", str(folder / "rtx.json")]
    same = {"release": "1.7.1.116", "base": tables[0]["release"], "slots": {}}
    (folder / "rtx.json").write_text(json.dumps(rtx or same), encoding="utf-8")
    for number, table in enumerate(tables):
        path = folder / f"{number}.json"
        path.write_text(json.dumps(table), encoding="utf-8")
        arguments.append(str(path))
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        returncode = MAIN(arguments)
    return Generated(returncode, errors.getvalue())


def later(table: Table, release: str = "11.2.0.1") -> Table:
    """A copy of a table as a later release."""
    changed = copy.deepcopy(table)
    changed["release"] = release
    return changed


def append(table: Table, class_name: str, name: str, params: list[str] | None = None) -> None:
    """Adds a function at the end of a class."""
    entries = table["classes"][class_name]
    entries.append({"slot": len(entries), "name": name, "ret": "int", "params": params or [], "const": True})


def test_a_release_that_grows_at_its_end_is_taken(tmp_path: Path, newest: Table) -> None:
    grown = later(newest)
    append(grown, ENGINE, "getSomethingNew")
    result = generate(tmp_path, grown, newest)
    assert result.returncode == 0, result.stderr
    assert "  kCudaEngine_getSomethingNew,\n" in (tmp_path / "t.h").read_text(encoding="utf-8")
    source = (tmp_path / "t.cc").read_text(encoding="utf-8")
    assert source.index("{{11, 1, 0, 106}") < source.index("{{11, 2, 0, 1}"), "ascending, whatever the order given"


def test_equal_releases_share_their_arrays(tmp_path: Path, newest: Table) -> None:
    generate(tmp_path, newest)
    one = (tmp_path / "t.cc").read_text(encoding="utf-8")
    generate(tmp_path, newest, later(newest))
    two = (tmp_path / "t.cc").read_text(encoding="utf-8")
    assert two.count("kSlots0[]") == 1
    assert "kSlots1[]" not in two
    assert 0 < len(two) - len(one) < 100


def test_the_same_tables_give_the_same_text(tmp_path: Path, newest: Table) -> None:
    generate(tmp_path, newest)
    first = (tmp_path / "t.h").read_bytes() + (tmp_path / "t.cc").read_bytes()
    generate(tmp_path, newest)
    assert (tmp_path / "t.h").read_bytes() + (tmp_path / "t.cc").read_bytes() == first


def insert_in_the_middle(table: Table) -> None:
    entries = table["classes"][ENGINE]
    entries.insert(4, {"slot": 4, "name": "getIntruder", "ret": "int", "params": [], "const": True})
    for slot, entry in enumerate(entries):
        entry["slot"] = slot


def change_parameters(table: Table) -> None:
    for entry in table["classes"][ENGINE]:
        if entry["name"] == "getProfileShape":
            entry["params"] = ["const char *", "nvinfer1::OptProfileSelector", "int"]


def change_result(table: Table) -> None:
    for entry in table["classes"][ENGINE]:
        if entry["name"] == "getNbLayers":
            entry["ret"] = "long"


def leave_a_gap(table: Table) -> None:
    table["classes"][ENGINE][3]["slot"] = 30


def change_enum(table: Table) -> None:
    table["enums"]["nvinfer1::DataType"]["values"]["kHALF"] = 7


def change_struct(table: Table) -> None:
    table["structs"]["nvinfer1::Dims64"]["size"] = 80


def lose_dims(table: Table) -> None:
    del table["structs"]["nvinfer1::Dims64"]


def repeat_overload(table: Table) -> None:
    append(table, ENGINE, "getNew", ["int"])
    append(table, ENGINE, "getNew", ["int"])
    append(table, ENGINE, "getNew", ["int"])


def name_a_class_twice(table: Table) -> None:
    table["classes"]["nvinfer1::v_2_0::ILogger"] = table["classes"][LOGGER]


def shorten_release(table: Table) -> None:
    table["release"] = "11.2"


def repeat_release(table: Table) -> None:
    table["release"] = "11.1.0.106"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (insert_in_the_middle, "CudaEngine of 11.2.0.1 does not begin as in 11.1.0.106"),
        (change_parameters, "CudaEngine_getProfileShape"),
        (change_result, "CudaEngine_getNbLayers is long"),
        (leave_a_gap, "slot 30; wanted slot 3"),
        (change_enum, "DataType::kHALF is 7 in 11.2.0.1 and 1 before"),
        (change_struct, "Dims64 of 11.2.0.1"),
        (lose_dims, "exactly one of Dims32 and Dims64"),
        (repeat_overload, "two functions that would both be called CudaEngine_getNew_int"),
        (name_a_class_twice, "both called Logger"),
        (shorten_release, "not four numbers"),
        (repeat_release, "two tables are of the same release"),
    ],
)
def test_what_breaks_the_binding_is_refused(
    tmp_path: Path, newest: Table, change: Callable[[Table], None], message: str
) -> None:
    changed = later(newest)
    change(changed)
    result = generate(tmp_path, newest, changed)
    assert result.returncode == 1
    assert message in result.stderr
    assert not (tmp_path / "t.h").exists()


def test_a_new_major_release_may_move_slots(tmp_path: Path, newest: Table) -> None:
    changed = later(newest, "12.0.0.1")
    insert_in_the_middle(changed)
    result = generate(tmp_path, newest, changed)
    assert result.returncode == 0, result.stderr


def test_overloads_are_told_apart(tmp_path: Path) -> None:
    table = json.loads((TABLES / "10.0.1.6.json").read_text(encoding="utf-8"))
    assert generate(tmp_path, table).returncode == 0
    header = (tmp_path / "t.h").read_text(encoding="utf-8")
    assert "  kRuntime_deserializeCudaEngine,\n  kRuntime_deserializeCudaEngine_streamReader,\n" in header


def test_tensorrt_rtx_takes_the_slots_that_differ(tmp_path: Path, newest: Table) -> None:
    rtx = {"release": "1.9.0.1", "base": "11.1.0.106", "slots": {"OutputAllocator": {"notifyShape": -1}}}
    assert generate(tmp_path, newest, rtx=rtx).returncode == 0
    assert "Release RtxRelease() { return {1, 9, 0, 1}; }" in (tmp_path / "t.cc").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"base": "12.0.0.1"}, "builds on 12.0.0.1, which has no table"),
        ({"slots": {"CudaEngine": {"getNames": 3}}}, "has no CudaEngine_getNames"),
    ],
)
def test_tensorrt_rtx_builds_on_what_is_there(
    tmp_path: Path, newest: Table, change: dict[str, Any], reason: str
) -> None:
    done = generate(tmp_path, newest, rtx={"release": "1.9.0.1", "base": "11.1.0.106", "slots": {}} | change)
    assert done.returncode == 1
    assert reason in done.stderr
