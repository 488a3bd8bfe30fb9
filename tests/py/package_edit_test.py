"""Records and plans inside exported programs and AOTInductor packages, changed in copies of the files."""

from __future__ import annotations

import base64
import io
import os
import pickle
import sys
import tracemalloc
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from tests.py import container_files as made
from tests.py.networks import TwoHeads, seeded
from tests.py.zip_files import written

X = torch.rand(2, 3, 8, 8)
OBJECT = "data/constants/custom_obj_0"
OPAQUE = "data/constants/opaque_obj_0"
CONFIG = "data/constants/model_constants_config.json"
RECORD = ("name", "device", "input_names", "output_names", "flags", "metadata", "plan")


class OtherHeads(TwoHeads):
    """The same tensors, and one more operation."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores, boxes = super().forward(x)
        return scores, boxes * 2


class Wider(TwoHeads):
    """An output of another shape, and of the same rank."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores, boxes = super().forward(x)
        return scores, torch.cat([boxes, boxes], 1)


class Around(torch.nn.Module):
    """An engine with operators, weights and a constant around it."""

    def __init__(self, plan: bytes) -> None:
        super().__init__()
        self.net = nacelle.EngineModule(plan)
        self.scale = torch.nn.Parameter(torch.rand(10))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores, boxes = self.net(torch.relu(x))
        return scores * self.scale, boxes


def plan_of(module: torch.nn.Module) -> bytes:
    return nacelle.build_engine(module, [X], name="net")


def members(path: Path) -> dict[str, bytes]:
    """The content of each member, all of which are stored at multiples of 64, as torch maps them."""
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            name, extra = (int.from_bytes(content[info.header_offset + i :][:2], "little") for i in (26, 28))
            assert info.compress_type == zipfile.ZIP_STORED
            assert (info.header_offset + 30 + name + extra) % 64 == 0
        return {info.filename.partition("/")[2]: archive.read(info) for info in archive.infolist()}


def changed(before: Path, after: Path) -> list[str]:
    old, new = members(before), members(after)
    return [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]


def run(path: Path) -> tuple[torch.Tensor, ...]:
    outputs: tuple[torch.Tensor, ...] = torch.export.load(path).module()(X)
    return outputs


@pytest.fixture(scope="module")
def around() -> Around:
    torch.manual_seed(3)
    return Around(plan_of(seeded(TwoHeads)))


@pytest.fixture
def saved(around: Around, tmp_path: Path) -> Path:
    path = tmp_path / "program.pt2"
    torch.export.save(torch.export.export(around, (X,)), path, extra_files={"notes.txt": "kept"})
    return path


@pytest.fixture
def peer_module() -> Iterator[None]:
    """The function that Torch-TensorRT's pickles call, as its release 2.13 has it."""

    def reconstruct(fields: list[str]) -> torch.ScriptObject:
        engine: torch.ScriptObject = torch.classes.tensorrt.Engine(fields)
        return engine

    module = types.ModuleType(made.TRT_MODULE)
    module._reconstruct_trt_engine = reconstruct  # type: ignore[attr-defined]
    names = [made.TRT_MODULE.rsplit(".", i)[0] for i in range(4)]
    sys.modules.update(dict.fromkeys(names, module))
    yield
    for name in names:
        del sys.modules[name]


def equal(path: Path, wanted: tuple[torch.Tensor, ...]) -> None:
    for found, expected in zip(run(path), wanted, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("version", range(3, 11))
def test_only_the_object_differs_after_a_conversion(version: int, saved: Path, around: Around, tmp_path: Path) -> None:
    out = tmp_path / "out.pt2"
    nacelle.convert(saved, out, abi_version=version)
    (engine,) = nacelle.read(out).engines
    assert (engine.path, engine.abi_version) == ("net.engine", version)
    assert engine.plan == plan_of(seeded(TwoHeads))
    assert changed(saved, out) == ([OBJECT] if version != 3 else [])
    equal(out, around(X))


def test_within_the_object_only_its_pickle_differs(saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pt2"
    nacelle.convert(saved, out, abi_version=9)
    for name, path in (("before", saved), ("after", out)):
        (tmp_path / name).write_bytes(members(path)[OBJECT])
    assert changed(tmp_path / "before", tmp_path / "after") == ["data.pkl"]


def test_a_file_may_be_its_own_destination(saved: Path, around: Around) -> None:
    nacelle.convert(saved, saved, abi_version=8)
    assert [engine.abi_version for engine in nacelle.read(saved).engines] == [8]
    equal(saved, around(X))


def test_an_error_leaves_the_destination_as_it_was(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "out.pt2").write_bytes(b"former")
    with pytest.raises(nacelle.RecordError):
        nacelle.convert(saved, tmp_path / "out.pt2", abi_version=77)
    assert (tmp_path / "out.pt2").read_bytes() == b"former"
    assert sorted(os.listdir(tmp_path)) == ["out.pt2", "program.pt2"]


def test_the_layouts(saved: Path, around: Around, peer_module: None, tmp_path: Path) -> None:
    opaque, custom = tmp_path / "opaque.ep", tmp_path / "custom.pt2"
    nacelle.convert(saved, opaque, abi_version=9, layout="opaque")
    assert changed(saved, opaque) == [OBJECT, CONFIG, OPAQUE]
    with pytest.raises(KeyError):
        members(opaque)[OBJECT]
    equal(opaque, around(X))
    kept = tmp_path / "kept.ep"
    nacelle.convert(opaque, kept, abi_version=6)
    assert changed(opaque, kept) == [OPAQUE]
    equal(kept, around(X))
    nacelle.convert(kept, custom, abi_version=3, layout="custom", drop=["target_platform"])
    assert changed(saved, custom) == [OBJECT]
    equal(custom, around(X))


def test_a_layout_that_cannot_be(saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(nacelle.InputError, match=r"net.engine is in the layout opaque.*version 3.*version 4 or newer"):
        nacelle.convert(saved, out, abi_version=3, layout="opaque")
    with pytest.raises(nacelle.InputError, match="found the layout 'torchbind'; wanted custom or opaque"):
        nacelle.convert(saved, out, abi_version=9, layout="torchbind")
    package = tmp_path / "package.pt2"
    package.write_bytes(written(made.aotinductor_package({"net": made.custom_object(made.record())})))
    with pytest.raises(nacelle.InputError, match="AOTInductor package, whose reader knows no other layout than custom"):
        nacelle.convert(package, out, abi_version=9, layout="opaque")
    program = tmp_path / "program.ts"
    nacelle.compile(seeded(TwoHeads), [X], name="net").save(str(program))
    with pytest.raises(nacelle.InputError, match=r"TorchScript program, which has no layouts of engines.*--layout"):
        nacelle.convert(program, out, abi_version=9, layout="custom")
    with pytest.raises(nacelle.InputError, match="a TorchScript module has no layouts"):
        nacelle.read(torch.jit.load(str(program))).convert(9, layout="custom")
    assert not out.exists()


def test_a_replaced_plan_runs(saved: Path, around: Around, tmp_path: Path) -> None:
    out = tmp_path / "out.pt2"
    done = nacelle.replace(saved, "net.engine", plan_of(seeded(OtherHeads)), out)
    assert (done.checked, done.why_unchecked) == (("names", "dtypes", "ranks", "shapes"), "")
    assert changed(saved, out) == [OBJECT]
    scores, boxes = seeded(OtherHeads)(torch.relu(X))
    for found, wanted in zip(run(out), (scores * around.scale, boxes), strict=True):
        torch.testing.assert_close(found, wanted)


def test_a_plan_of_other_shapes_is_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(nacelle.InputError, match=r"other outputs than engine net.engine: found .*\[2, 8\]; wanted .*4"):
        nacelle.replace(saved, "net.engine", plan_of(seeded(Wider)), tmp_path / "out.pt2")
    assert not (tmp_path / "out.pt2").exists()


class Repeated(torch.nn.Module):
    """An output whose number of rows depends on the input's, by a factor."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x] * self.times, 0)


def test_a_plan_with_another_law_of_shapes_is_refused(tmp_path: Path) -> None:
    saved = tmp_path / "program.pt2"
    spec = nacelle.Input(min=(1, 3), opt=(2, 3), max=(8, 3))
    module = nacelle.EngineModule(nacelle.build_engine(Repeated(2), [spec]))
    batch = torch.export.Dim("batch", min=1, max=8)
    program = torch.export.export(module, (torch.rand(2, 3),), dynamic_shapes=(({0: batch},),))
    torch.export.save(program, saved)
    with pytest.raises(nacelle.InputError, match=r"other output shapes .* found output_0 \[3, 3\]; wanted \[2, 3\]"):
        nacelle.replace(saved, "engine", nacelle.build_engine(Repeated(3), [spec]), tmp_path / "out.pt2")
    nacelle.replace(saved, "engine", nacelle.build_engine(Repeated(2), [spec]), tmp_path / "out.pt2")


@pytest.mark.parametrize("kind", ["custom", "opaque", "package"])
def test_metadata_goes(kind: str, tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    record = made.record()
    record[7] = base64.b64encode(pickle.dumps({"a": 1}))
    if kind == "opaque":
        source.write_bytes(written(made.exported_program({"net": made.opaque_object(record, 4)}, "opaque")))
    else:
        maker = made.exported_program if kind == "custom" else made.aotinductor_package
        source.write_bytes(written(maker({"net": made.custom_object(record)})))
    (removed,) = nacelle.strip(source, out)
    assert (removed.engine, removed.size, removed.kind) == ("net", len(record[7]), "pickle in base64")
    assert changed_of(source, out) == [OPAQUE if kind == "opaque" else OBJECT]
    before, after = (nacelle.read(path).engine("net") for path in (source, out))
    assert (before.metadata != "", after.metadata) == (True, "")
    assert [getattr(after, name) for name in RECORD if name != "metadata"] == [
        getattr(before, name) for name in RECORD if name != "metadata"
    ]


def changed_of(before: Path, after: Path) -> list[str]:
    """The members that differ of an archive whose members lie anywhere."""
    old, new = ({i.filename: z.read(i) for i in z.infolist()} for z in map(zipfile.ZipFile, (before, after)))
    return [name.partition("/")[2] for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]


@pytest.mark.parametrize("layout", ["custom", "opaque"])
def test_several_engines_and_other_objects(layout: str, tmp_path: Path) -> None:
    """Engines get new members, and another object keeps its own."""
    maker: Callable[[list[bytes]], bytes] = made.custom_object if layout == "custom" else made.opaque_object
    plans = [made.PLAN, made.PLAN[:40] + bytes(100_000)]
    objects = {"a": maker(made.record(plans[0], "a")), "b": maker(made.record(plans[1], "b"))}
    if layout == "custom":
        objects["other"] = made.custom_object([b"1"], b"__torch__.torch.classes.quantized\nLinear\n")
    source, out = tmp_path / "source", tmp_path / "out"
    source.write_bytes(written(made.exported_program(objects, layout)))
    other = "opaque" if layout == "custom" else "custom"
    nacelle.convert(source, out, abi_version=9, layout=other)
    read = nacelle.read(out)
    assert [(engine.path, engine.plan) for engine in read.engines] == [("a", plans[0]), ("b", plans[1])]
    assert [f"data/constants/{other}_obj_{i}" for i in (0, 1)] == [
        name for name in changed_of(source, out) if f"{other}_obj" in name
    ]
    nacelle.convert(out, tmp_path / "back", abi_version=9, layout=layout)
    back = nacelle.read(tmp_path / "back")
    assert [(engine.path, engine.plan) for engine in back.engines] == [("a", plans[0]), ("b", plans[1])]


def test_the_parts_of_a_program(saved: Path, tmp_path: Path) -> None:
    program = nacelle.read(saved)
    assert (program.kind, program.extra_files) == ("exported program", {"notes.txt": b"kept"})
    engine: Any = program.set_up("net.engine")
    assert engine.why_not_ready() == ""
    with pytest.raises(nacelle.InputError, match=r"exported program, which is no TorchScript module: load it with"):
        program.module  # noqa: B018
    program.extra_files["more.txt"] = b"\0"
    program.save(tmp_path / "out.pt2")
    assert changed(saved, tmp_path / "out.pt2") == ["extra/more.txt"]
    assert nacelle.read(io.BytesIO(saved.read_bytes())).engine("net.engine").plan == plan_of(seeded(TwoHeads))
    nacelle.extract(saved, "net.engine", tmp_path / "net.plan")
    assert (tmp_path / "net.plan").read_bytes() == plan_of(seeded(TwoHeads))


def test_files_without_records(tmp_path: Path) -> None:
    for name, content, kind in (
        ("net.engine", made.ultralytics_engine(), "ultralytics engine"),
        ("net.pte", made.executorch_program([made.executorch_blob()]), "ExecuTorch program"),
        ("net.onnx", made.onnx_model([made.context_node()]), "ONNX model"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(nacelle.InputError, match=rf"{kind}, whose plans have no records .* nacelle embed"):
            nacelle.convert(tmp_path / name, tmp_path / "out", abi_version=9)
    (tmp_path / "net.plan").write_bytes(made.PLAN)
    with pytest.raises(nacelle.InputError, match="make a program of the plan with nacelle embed"):
        nacelle.replace(tmp_path / "net.plan", "net", made.PLAN, tmp_path / "out")


@pytest.fixture(scope="module")
def package(around: Around, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of AOTInductor, as torch's inductor compiles it."""
    path: Path = tmp_path_factory.mktemp("package") / "package.pt2"
    torch._inductor.aoti_compile_and_package(torch.export.export(around, (X,)), package_path=str(path))
    return path


def test_a_compiled_package(package: Path, around: Around, tmp_path: Path) -> None:
    """A package that was edited loads with torch, and gives the numbers of its plan."""
    (engine,) = nacelle.read(package).engines
    converted, replaced = tmp_path / "converted.pt2", tmp_path / "replaced.pt2"
    nacelle.convert(package, converted, abi_version=9 if engine.abi_version != 9 else 8)
    assert changed_of(package, converted) == [OBJECT]
    nacelle.replace(converted, engine.path, plan_of(seeded(OtherHeads)), replaced)
    assert changed_of(converted, replaced) == [OBJECT]
    with torch.no_grad():
        scores, boxes = seeded(OtherHeads)(torch.relu(X))
        for path, wanted in ((converted, around(X)), (replaced, (scores * around.scale, boxes))):
            outputs = torch._inductor.aoti_load_package(str(path))(X)
            for found, expected in zip(outputs, wanted, strict=True):
                torch.testing.assert_close(found, expected)


def test_a_large_plan_is_not_held_in_memory(tmp_path: Path) -> None:
    source, size = tmp_path / "source", 64 << 20
    plan = made.PLAN + bytes(size)
    source.write_bytes(written(made.exported_program({"net": made.custom_object(made.record(plan))})))
    tracemalloc.start()
    try:
        dropped = ["hardware_compatible", "target_platform", "input_names", "output_names"]
        nacelle.convert(source, tmp_path / "out", abi_version=3, drop=dropped)
        nacelle.convert(source, tmp_path / "opaque", abi_version=8, layout="opaque")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < size // 4
    assert nacelle.read(tmp_path / "out").engine("net").plan == plan
    assert nacelle.read(tmp_path / "opaque").engine("net").plan == plan
