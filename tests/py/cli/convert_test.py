"""``nacelle convert`` and ``nacelle strip``."""

import base64
import os
import pickle
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle_package
from tests.py.cli.commands import nacelle
from tests.py.networks import TwoHeads, seeded
from tests.py.record_files import with_record

X = torch.rand(1, 3, 8, 8)
VERSIONS = range(3, 11)
UPSTREAM = os.environ.get("NACELLE_UPSTREAM_DATA")
needs_upstream = pytest.mark.skipif(
    not UPSTREAM, reason="programs that Torch-TensorRT saved: set NACELLE_UPSTREAM_DATA to their folder"
)

# The value of a field when every field is set, the version that has it first, and its value when it is not set.
FIELDS = {
    "input_names": (4, ["input_0"], []),
    "output_names": (4, ["output_1", "output_0"], []),
    "hardware_compatible": (5, True, False),
    "metadata": (6, base64.b64encode(pickle.dumps([1])).decode(), ""),
    "target_platform": (6, "windows_x86_64", "unknown"),
    "requires_output_allocator": (7, True, False),
    "resource_allocation": (8, True, False),
    "requires_native_multi_device": (9, True, False),
    "aliased_io": (10, [("output_1", "input_0", "kv")], []),
}
# The values that a conversion writes into fields that the source's version lacks: this machine's platform, the plan's.
FILLED = {"input_names": ["input_0"], "output_names": ["output_0", "output_1"], "target_platform": "linux_x86_64"}


def values(engine: nacelle_package.EngineInfo) -> dict[str, object]:
    named = {name: engine.flags.get(name, getattr(engine, name, None)) for name in FIELDS}
    return named | {"resource_allocation": engine.flags["dynamic_resource_allocation"]}


@pytest.fixture(scope="module")
def by_version(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Programs of every version, with every field set that it has."""
    folder: Path = tmp_path_factory.mktemp("programs")
    plan = nacelle_package.build_engine(seeded(TwoHeads), [X])
    nacelle_package.embed(plan, name="net").save(str(folder / "plain.ts"))
    texts = ["input_0", "output_1%output_0", "1", FIELDS["metadata"][1], "windows_x86_64", "1", "1", "1"]
    record = [b"10", b"net", b"0%0%0%0%cpu", base64.b64encode(plan), *(str(text).encode() for text in texts)]
    newest = with_record(folder / "plain.ts", [*record, b"output_1@input_0@kv"], folder).rename(folder / "10.ts")
    result = {10: newest}
    for version in range(3, 10):
        result[version] = folder / f"{version}.ts"
        outcome = nacelle("convert", newest, result[version], "--abi", str(version), *drops(10, version))
        assert outcome.code == 0, outcome.err
    return result


def drops(source: int, destination: int) -> list[str]:
    """Options that accept the loss of every field that `source` has and `destination` has not."""
    lost = [name for name, (since, _, _) in FIELDS.items() if destination < since <= source]
    return [argument for name in lost for argument in ("--drop", name)]


@pytest.mark.parametrize("destination", VERSIONS)
@pytest.mark.parametrize("source", VERSIONS)
def test_every_version_to_every_other(
    by_version: dict[int, Path], source: int, destination: int, tmp_path: Path
) -> None:
    out = tmp_path / "out.ts"
    lost = [name for name, (since, _, _) in FIELDS.items() if destination < since <= source and name != "input_names"]
    refused = nacelle("convert", by_version[source], out, "--abi", str(destination))
    if lost:
        assert refused.code == 1
        assert all(name in refused.words for name in lost), refused.err
        assert not out.exists()
    outcome = nacelle("convert", by_version[source], out, "--abi", str(destination), *drops(source, destination))
    assert (outcome.code, outcome.err) == (0, "")
    assert f"net_trt_engine: ABI version {source} -> {destination}\n" in outcome.out
    (engine,) = nacelle_package.read(out).engines
    assert engine.abi_version == destination
    expected = {}
    for name, (since, value, neutral) in FIELDS.items():
        added = FILLED.get(name, neutral) if since <= destination else neutral
        expected[name] = value if since <= min(source, destination) else added
    assert values(engine) == expected
    assert engine.plan == nacelle_package.read(by_version[10]).engines[0].plan


def test_the_platform_of_a_plan_that_cannot_run_here(tmp_path: Path) -> None:
    plan = b"ftrt" + bytes(20) + bytes([10, 3, 0, 26]) + bytes(100)
    path = tmp_path / "program.ts"
    (tmp_path / "net.plan").write_bytes(plan)
    embed: list[str | Path] = [
        "embed",
        tmp_path / "net.plan",
        "-o",
        path,
        "--device",
        "0%9%0%0%NVIDIA H100",
        "--inputs",
        "x",
    ]
    assert nacelle(*embed, "--outputs", "y").code == 0

    def platform() -> object:
        return nacelle_package.read(path).engines[0].flags["target_platform"]

    assert nacelle("convert", path, path, "--abi", "9").code == 0
    assert platform() == "linux_x86_64"
    assert nacelle("convert", path, path, "--abi", "9", "--platform", "windows_arm64").code == 0
    assert platform() == "windows_arm64"
    outcome = nacelle("convert", path, path, "--abi", "9", "--platform", "windows")
    assert outcome.code == 1
    assert "wanted one of linux_x86_64, linux_aarch64, windows_x86_64, windows_arm64, unknown" in outcome.words
    assert nacelle(*embed, "--outputs", "y", "--abi", "8", "--platform", "linux_aarch64").code == 0
    assert platform() == "linux_aarch64"


def test_facts_as_json_and_a_file_in_place(by_version: dict[int, Path], tmp_path: Path) -> None:
    path = tmp_path / "program.ts"
    path.write_bytes(by_version[4].read_bytes())
    outcome = nacelle("convert", path, path, "--abi", "9", "--json")
    engines = [{"path": "net_trt_engine", "abi_version": 9, "former_abi_version": 4}]
    assert outcome.json == {"output": str(path), "engines": engines}
    assert nacelle_package.read(path).engines[0].abi_version == 9
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{3}", "{out}", "--abi", "11"], 1, "11"),
        (["{3}", "{out}", "--abi", "three"], 2, "Invalid value for '--abi'"),
        (["{3}", "{out}"], 2, "Missing option '--abi'"),
        (["{3}", "{out}", "--abi", "4", "--drop", "colour"], 1, "colour"),
        (["{out}", "{out}", "--abi", "4"], 1, "there is no file"),
        (["{3}", "{out}/no/out.ts", "--abi", "4"], 1, "there is no folder"),
    ],
)
def test_bad_input(by_version: dict[int, Path], arguments: list[str], code: int, words: str, tmp_path: Path) -> None:
    places = {"{3}": str(by_version[3]), "{out}": str(tmp_path / "out.ts")}
    for mark, path in places.items():
        arguments = [argument.replace(mark, path) for argument in arguments]
    outcome = nacelle("convert", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert words in outcome.words
    assert list(tmp_path.iterdir()) == []


@needs_upstream
@pytest.mark.parametrize("name", ["abi5_trt8.6.1_a100.ts", "abi9_trt11.0.0_rtx5090.ts"])
def test_programs_of_torch_tensorrt_go_to_every_version_and_back(name: str, tmp_path: Path) -> None:
    source = Path(UPSTREAM or "", name)
    (wanted,) = nacelle_package.read(source).engines
    for version in VERSIONS:
        out = tmp_path / f"{version}.ts"
        outcome = nacelle("convert", source, out, "--abi", str(version), *drops(wanted.abi_version, version))
        assert outcome.code == 0, outcome.err
        back = tmp_path / "back.ts"
        assert nacelle("convert", out, back, "--abi", str(wanted.abi_version)).code == 0
        (found,) = nacelle_package.read(back).engines
        assert (found.plan, found.name, found.device) == (wanted.plan, wanted.name, wanted.device)
        if version >= wanted.abi_version:
            assert values(found) == values(wanted)


def test_stripped(by_version: dict[int, Path], tmp_path: Path) -> None:
    out = tmp_path / "clean.ts"
    outcome = nacelle("strip", by_version[10], "-o", out)
    size = len(str(FIELDS["metadata"][1]))
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"net_trt_engine: removed metadata, pickle in base64, {size} bytes\nwrote {out}\n"
    before, after = (values(nacelle_package.read(path).engines[0]) for path in (by_version[10], out))
    assert after == before | {"metadata": ""}
    again = nacelle("strip", out, "--output", out, "--json")
    assert again.json == {"output": str(out), "removed": []}
    assert nacelle("strip", out, "-o", out).out == f"wrote {out}; no engine had metadata\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["missing.ts", "-o", "out.ts"], 1, "there is no file missing.ts"),
        (["missing.ts"], 2, "Missing option '--output'"),
        ([], 2, "Missing argument 'FILE'"),
    ],
)
def test_what_cannot_be_stripped(arguments: list[str], code: int, words: str) -> None:
    outcome = nacelle("strip", *arguments)
    assert outcome.code == code
    assert words in outcome.words
