"""Plans out of programs, other plans into them, metadata removed."""

import base64
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import Detector, TwoHeads, seeded
from tests.py.record_files import with_record

X = torch.rand(1, 3, 8, 8)
UPSTREAM = os.environ.get("NACELLE_UPSTREAM_DATA")
needs_upstream = pytest.mark.skipif(
    not UPSTREAM, reason="programs that Torch-TensorRT saved: set NACELLE_UPSTREAM_DATA to their folder"
)
FIELDS = ("abi_version", "name", "device", "input_names", "output_names", "flags", "metadata")


class OtherHeads(TwoHeads):
    """The same tensors, other weights and one more operation."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores, boxes = super().forward(x)
        return scores, boxes * 2


def plan_of(module: torch.nn.Module, x: torch.Tensor = X) -> bytes:
    return nacelle.build_engine(module, [x], name="net")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "program.ts"
    nacelle.compile(seeded(TwoHeads), [X], name="net", abi_version=9).save(str(path))
    return path


@pytest.fixture
def two_engines(tmp_path: Path) -> Path:
    path = tmp_path / "two.ts"
    features = torch.rand(1, 8)
    nacelle.compile(seeded(Detector), {"backbone": [X], "head": [features]}).save(str(path))
    return path


class Twins(torch.nn.Module):
    """Two engines of one name."""

    def __init__(self, left: torch.nn.Module, right: torch.nn.Module) -> None:
        super().__init__()
        self.left = left
        self.right = right

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.left(x)[0], self.right(x)[0]


def test_an_engine_is_found_by_path_and_by_name(two_engines: Path) -> None:
    program = nacelle.read(two_engines)
    assert program.engine("head.head_trt_engine").name == "head"
    assert program.engine("head").path == "head.head_trt_engine"


def test_an_unknown_engine(two_engines: Path, tmp_path: Path) -> None:
    with pytest.raises(nacelle.InputError) as caught:
        nacelle.extract(two_engines, "neck", tmp_path / "x.plan")
    assert caught.value.reason == (
        "the program has no engine 'neck'; it has: backbone.backbone_trt_engine (name 'backbone'), "
        "head.head_trt_engine (name 'head')"
    )
    assert not (tmp_path / "x.plan").exists()


def test_a_name_that_two_engines_have(tmp_path: Path) -> None:
    twins = Twins(nacelle.embed(plan_of(seeded(TwoHeads))), nacelle.embed(plan_of(seeded(OtherHeads))))
    torch.jit.script(twins).save(str(tmp_path / "twins.ts"))
    with pytest.raises(nacelle.InputError, match=r"2 engines .* named 'engine': give a path; it has: left\.engine_trt"):
        nacelle.extract(tmp_path / "twins.ts", "engine", tmp_path / "x.plan")
    nacelle.extract(tmp_path / "twins.ts", "right.engine_trt_engine", tmp_path / "right.plan")
    assert (tmp_path / "right.plan").read_bytes() == plan_of(seeded(OtherHeads))


def test_a_plan_comes_out_byte_for_byte(two_engines: Path, tmp_path: Path) -> None:
    engine = nacelle.extract(two_engines, "backbone", tmp_path / "x.plan")
    assert (tmp_path / "x.plan").read_bytes() == engine.plan == nacelle.read(two_engines).engine("backbone").plan


@pytest.mark.parametrize("version", range(3, 11))
def test_a_replaced_plan_runs_and_the_record_stays(version: int, tmp_path: Path) -> None:
    path = tmp_path / "program.ts"
    nacelle.compile(seeded(TwoHeads), [X], name="net", abi_version=version).save(str(path))
    (before,) = nacelle.read(path).engines
    replaced = nacelle.replace(path, "net", plan_of(seeded(OtherHeads)), path)
    (after,) = nacelle.read(path).engines
    assert after.plan == replaced.engine.plan == plan_of(seeded(OtherHeads))
    assert [getattr(after, field) for field in FIELDS] == [getattr(before, field) for field in FIELDS]
    assert (replaced.checked, replaced.why_unchecked) == (("names", "dtypes", "ranks"), "")
    torch.testing.assert_close(torch.jit.load(str(path))(X), seeded(OtherHeads)(X))


def test_only_the_named_engine_is_replaced(two_engines: Path, tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(11)
        other = Detector().eval().backbone
    plan = nacelle.build_engine(other, [X])
    (tmp_path / "new.plan").write_bytes(plan)
    out = tmp_path / "out.ts"
    nacelle.replace(two_engines, "backbone", tmp_path / "new.plan", out)
    assert nacelle.read(out).engine("backbone").plan == plan
    assert nacelle.read(out).engine("head").plan == nacelle.read(two_engines).engine("head").plan
    wanted = seeded(Detector)
    wanted.backbone = other
    torch.testing.assert_close(torch.jit.load(str(out))(X), wanted(X))


class HeldTwice(torch.nn.Module):
    """One engine in two attributes."""

    def __init__(self, engine: torch.ScriptObject) -> None:
        super().__init__()
        self.first = engine
        self.second = engine

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return torch.ops.tensorrt.execute_engine([x], self.second)


def test_an_engine_that_is_held_twice_is_replaced_in_both_places(tmp_path: Path) -> None:
    engine = nacelle.embed(plan_of(seeded(TwoHeads))).engine_trt_engine
    path = tmp_path / "twice.ts"
    torch.jit.script(HeldTwice(engine)).save(str(path))
    assert [engine.path for engine in nacelle.read(path).engines] == ["first", "second"]
    nacelle.replace(path, "second", plan_of(seeded(OtherHeads)), path)
    assert [engine.plan for engine in nacelle.read(path).engines] == [plan_of(seeded(OtherHeads))] * 2
    torch.testing.assert_close(torch.jit.load(str(path))(X), list(seeded(OtherHeads)(X)))


class OneHead(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (
            plan_of(OneHead()),
            ["other outputs than engine net_trt_engine", "found output_0: float32 [1, 3]", "wanted output_0: float32"],
        ),
        (
            nacelle.build_engine(seeded(TwoHeads), [nacelle.Input(shape=(1, 3, 8, 8), name="image")]),
            ["other inputs", "found image: float32 [1, 3, 8, 8]; wanted input_0: float32 [1, 3, 8, 8]"],
        ),
    ],
)
def test_a_plan_with_other_tensors_is_refused(saved: Path, plan: bytes, words: list[str]) -> None:
    before = saved.read_bytes()
    with pytest.raises(nacelle.InputError) as caught:
        nacelle.replace(saved, "net", plan, saved)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_what_is_no_plan_is_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(nacelle.PlanError, match="plan"):
        nacelle.replace(saved, "net", b"not a plan at all, though it is long enough", saved)
    with pytest.raises(FileNotFoundError, match=r"there is no plan file .*missing\.plan"):
        nacelle.replace(saved, "net", tmp_path / "missing.plan", saved)


@needs_upstream
def test_plans_that_cannot_be_opened_here(saved: Path, tmp_path: Path) -> None:
    source = Path(UPSTREAM or "", "abi9_trt11.0.0_rtx5090.ts")
    (engine,) = nacelle.read(source).engines
    with pytest.raises(nacelle.PlanError, match=r"NVIDIA GeForce RTX 5090.*reference engine.*embed"):
        nacelle.replace(source, engine.path, plan_of(seeded(TwoHeads)), tmp_path / "out.ts")
    other = nacelle.read(Path(UPSTREAM or "", "abi5_trt8.6.1_a100.ts")).engines[0]
    replaced = nacelle.replace(source, engine.path, other.plan, tmp_path / "out.ts")
    assert replaced.checked == ()
    assert "the new plan cannot be set up here" in replaced.why_unchecked
    (after,) = nacelle.read(tmp_path / "out.ts").engines
    assert (after.plan, replaced.former_release) == (other.plan, "TensorRT 11.0.0.114")
    assert [getattr(after, field) for field in FIELDS] == [getattr(engine, field) for field in FIELDS]


def damaged(program: Path, names: list[bytes], folder: Path) -> Path:
    """A program whose plan begins as one of the reference engine and is cut off."""
    fields = [b"4", b"net", b"0%0%0%0%cpu", base64.b64encode(plan_of(seeded(TwoHeads))[:100]), *names]
    return with_record(program, fields, folder)


def test_a_plan_that_is_damaged_is_replaced_and_the_names_in_the_record_count(saved: Path, tmp_path: Path) -> None:
    source = damaged(saved, [b"input_0", b"output_0%output_1"], tmp_path)
    replaced = nacelle.replace(source, "net", plan_of(seeded(OtherHeads)), tmp_path / "out.ts")
    assert replaced.checked == ("names",)
    assert replaced.why_unchecked.startswith("the former plan cannot be set up here: ")
    torch.testing.assert_close(torch.jit.load(str(tmp_path / "out.ts"))(X), seeded(OtherHeads)(X))
    other = damaged(saved, [b"input_0", b"scores%output_1"], tmp_path)
    with pytest.raises(
        nacelle.InputError, match=r"than the record of engine net_trt_engine names: .*; wanted scores, o"
    ):
        nacelle.replace(other, "net", plan_of(seeded(OtherHeads)), tmp_path / "out.ts")


def test_without_names_and_without_the_former_plan_nothing_is_compared(saved: Path, tmp_path: Path) -> None:
    source = damaged(saved, [b"", b""], tmp_path)
    replaced = nacelle.replace(source, "net", plan_of(seeded(OtherHeads)), tmp_path / "out.ts")
    assert (replaced.checked, "its record has no names" in replaced.why_unchecked) == ((), True)


def with_metadata(program: Path, metadata: bytes, folder: Path) -> Path:
    plan = nacelle.read(program).engines[0].plan
    names = [b"input_0", b"output_0%output_1"]
    fields = [b"9", b"net", b"0%0%0%0%cpu", base64.b64encode(plan), *names, b"0", metadata]
    return with_record(program, [*fields, b"linux_x86_64", b"1", b"1", b"0"], folder)


PICKLE = pickle.dumps({"a": 1})


@pytest.mark.parametrize(
    ("metadata", "kind"),
    [
        (base64.b64encode(PICKLE), "pickle in base64"),
        (PICKLE, "pickle"),
        (b"\xff\xfe", "other"),
        (b"built on Tuesday", "other"),
    ],
)
def test_stripped_of_metadata(saved: Path, tmp_path: Path, metadata: bytes, kind: str) -> None:
    source = with_metadata(saved, metadata, tmp_path)
    (before,) = nacelle.read(source).engines
    assert before.metadata
    assert nacelle.strip(source, source) == [nacelle.RemovedMetadata("net_trt_engine", len(metadata), kind)]
    (after,) = nacelle.read(source).engines
    assert after.metadata == ""
    for field in (*FIELDS[:-1], "plan"):
        assert getattr(after, field) == getattr(before, field), field
    torch.testing.assert_close(torch.jit.load(str(source))(X), seeded(TwoHeads)(X))


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


def test_stripping_changes_nothing_else(saved: Path, tmp_path: Path) -> None:
    source = with_metadata(saved, base64.b64encode(PICKLE), tmp_path)
    nacelle.strip(source, tmp_path / "out.ts")
    before, after = members(source), members(tmp_path / "out.ts")
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {"data.pkl"}
    assert base64.b64encode(PICKLE) in before["data.pkl"]
    assert base64.b64encode(PICKLE) not in after["data.pkl"]
    assert nacelle.strip(tmp_path / "out.ts", tmp_path / "again.ts") == []


@needs_upstream
@pytest.mark.parametrize("name", ["abi5_trt8.6.1_a100.ts", "abi9_trt11.0.0_rtx5090.ts"])
def test_programs_of_torch_tensorrt_are_stripped(name: str, tmp_path: Path) -> None:
    source = Path(UPSTREAM or "", name)
    (before,) = nacelle.read(source).engines
    removed = nacelle.strip(source, tmp_path / name)
    (after,) = nacelle.read(tmp_path / name).engines
    assert [one.kind for one in removed] == (["pickle in base64"] if before.metadata else [])
    assert after.metadata == ""
    for field in (*FIELDS[:-1], "plan"):
        assert getattr(after, field) == getattr(before, field), field
