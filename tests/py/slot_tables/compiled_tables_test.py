"""The tables that are compiled in are those of third_party/tensorrt/slots, and those are as they were when made.

The files are read here without the generator's code, so that a mistake of the generator shows.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections import defaultdict
from functools import cache
from pathlib import Path

ABI = Path("third_party/tensorrt/slots")

# The classes of which a few functions are known; the last three are not in every file.
IN_PART = {"NetworkDefinition", "Tensor", "Layer", "Parser", "ParserError"}

FLAGS = {"BuilderFlag", "NetworkDefinitionCreationFlag", "PreviewFeature", "TacticSource"}

Slots = dict[int, str]


@cache
def compiled() -> dict[str, dict[str, Slots]]:
    """Release, class: the functions by slot, as the program has them. The key "" has the width of extents."""
    text = subprocess.run(["tests/py/slot_tables/print_slot_tables"], check=True, capture_output=True, text=True).stdout
    found: dict[str, dict[str, Slots]] = defaultdict(lambda: defaultdict(dict))
    for line in text.splitlines():
        release, width, name, slot, method = line.split()
        if name in FLAGS:
            continue
        assert method.startswith(name + "::")
        found[release][name][int(slot)] = method.removeprefix(name + "::")
        found[release][""][0] = width
    return found


def short(name: str, names: list[str]) -> str:
    """nvinfer1::apiv::VRuntime is Runtime, nvinfer1::IRuntime IRuntime, and nvinfer1::ILogger, a callback, Logger."""
    last = name.split("::")[-1]
    if last.startswith("V") or any(other.endswith("::V" + last[1:]) for other in names):
        return last.removeprefix("V")
    return last.removeprefix("I")


def same(entry: dict[str, str], method: str) -> bool:
    """True if a compiled name is that of a function in a file: overloads have something after an underscore."""
    if entry["name"] == "~":
        return method == {"complete": "destroy", "deleting": "delete"}[entry["dtor"]]
    return method == entry["name"] or method.startswith(entry["name"] + "_")


def test_every_slot_of_every_release() -> None:
    files = sorted(ABI.glob("*.json"))
    assert {file.stem for file in files} == {release for release in compiled() if not release.startswith("RTX-")}
    for file in files:
        data = json.loads(file.read_text(encoding="utf-8"))
        classes = compiled()[data["release"]]
        (width,) = (name[-2:] for name in data["structs"] if name.endswith(("Dims32", "Dims64")))
        assert classes[""] == {0: width}
        names = {name: short(name, list(data["classes"])) for name in data["classes"]}
        assert set(names.values()) | IN_PART == set(classes) - {""} | IN_PART
        for name, ours in names.items():
            slots, entries = classes[ours], data["classes"][name]
            assert ours in IN_PART or set(slots) == set(range(len(entries)))
            wrong = [(slot, method) for slot, method in slots.items() if not same(entries[slot], method)]
            assert wrong == [], f"{file.name}: {name}"


def test_tensorrt_rtx_differs_where_its_file_says() -> None:
    (file,) = Path("third_party/tensorrt/rtx").glob("*.json")
    data = json.loads(file.read_text(encoding="utf-8"))
    ours, base = compiled()[f"RTX-{data['release']}"], compiled()[data["base"]]
    for name in base:
        moved = data["slots"].get(name, {})
        expected = {moved.get(method, slot): method for slot, method in base[name].items()}
        assert ours[name] == {slot: method for slot, method in expected.items() if slot != -1}, name


def test_the_files_are_as_they_were_when_they_were_made() -> None:
    listed = [line.split() for line in (ABI / "SHA256SUMS").read_text(encoding="utf-8").splitlines()]
    found = [[hashlib.sha256(file.read_bytes()).hexdigest(), file.name] for file in sorted(ABI.glob("*.json"))]
    assert sorted(found) == sorted(listed)
