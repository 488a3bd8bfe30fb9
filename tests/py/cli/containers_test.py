"""Engines in exported programs, AOTInductor packages, ONNX models, and files of ultralytics and ExecuTorch."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nacelle_cli.reading import kinds
from nacelle_cli.reading.containers.container import Container, Tensor
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.plans import Plan, TensorSpec
from nacelle_cli.reading.programs import Program
from tests.py import container_files as made
from tests.py.container_files import PLAN
from tests.py.zip_files import Entry, entries_of, written

SHA256 = hashlib.sha256(PLAN).hexdigest()
CUSTOM = {"net_engine": made.custom_object(made.record())}


def read(tmp_path: Path, content: bytes, name: str = "file") -> Container:
    (tmp_path / name).write_bytes(content)
    found = kinds.read(tmp_path / name)
    assert isinstance(found, Container)
    return found


def check_plan(tmp_path: Path, path: str, plan: bytes = PLAN) -> None:
    """That a file's engine has this plan, whole, wherever it lies."""
    with kinds.opened(tmp_path / "file") as container:
        assert container is not None
        engine = container.engine(path)
        assert engine.problem == ""
        assert engine.plan is not None
        assert engine.stored is not None
        assert engine.plan.sha256 == hashlib.sha256(plan).hexdigest()
        assert b"".join(engine.stored.blocks()) == plan


def opaque(protocol: int) -> list[Entry]:
    return made.exported_program({"net_engine": made.opaque_object(made.record(), protocol)}, "opaque")


@pytest.mark.parametrize(
    ("entries", "kind"),
    [
        (made.exported_program(CUSTOM), "exported program"),
        *((opaque(protocol), "exported program") for protocol in (2, 3, 4, 5)),
        (made.aotinductor_package({"net_engine": CUSTOM["net_engine"]}), "AOTInductor package"),
    ],
    ids=["custom", "opaque 2", "opaque 3", "opaque 4", "opaque 5", "AOTInductor"],
)
def test_a_package_of_torch(entries: list[Entry], kind: str, tmp_path: Path) -> None:
    found = read(tmp_path, written(entries))
    (engine,) = found.engines
    assert (found.kind, engine.path, found.problems) == (kind, "net_engine", [])
    assert engine.record is not None
    assert (engine.record.version, engine.record.name, engine.record.device) == (9, "net", made.DEVICE)
    assert (engine.input_names, engine.output_names) == (("x",), ("y", "z"))
    assert engine.record.flags["hardware_compatible"] is True
    assert engine.plan is not None
    assert (engine.plan.release, engine.plan.sha256) == ("11.0.0.114", SHA256)
    check_plan(tmp_path, "net_engine")


def test_the_program_around_the_engines(tmp_path: Path) -> None:
    objects = {name: made.custom_object(made.record(PLAN + name.encode(), name)) for name in ("a", "b")}
    found = read(tmp_path, written(made.exported_program(objects)))
    assert [engine.path for engine in found.engines] == ["a", "b"]
    assert found.inputs == [Tensor("x", "float32", ("s77", 3))]
    assert found.outputs == [Tensor("getitem_1", "float32", ("s77", 3))]
    assert found.operators == {"tensorrt.execute_engine.default": 2}
    assert found.details == {"sizes": "s77 from 1 to 8", "saved by": "torch 2.13.0"}
    for name in objects:
        check_plan(tmp_path, name, PLAN + name.encode())


def test_a_package_says_that_it_holds_machine_code(tmp_path: Path) -> None:
    found = read(tmp_path, written(made.aotinductor_package(CUSTOM)))
    assert found.details["machine code"].startswith("1 file, 1,004 bytes; ")
    assert found.details["compiled for"] == "cuda, linux, x86_64"
    assert (found.inputs, found.outputs) == (None, None)


def test_objects_of_other_kinds_are_named_and_left_alone(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (exec, (f"open({str(tmp_path / 'boom')!r}, 'w')",))

    foo = made.custom_object([], b"__torch__.torch.classes._TorchScriptTesting\n_Foo\n")
    assert read(tmp_path, written(made.exported_program({"foo": foo}))).problems == [
        "data/constants/custom_obj_0: an object of __torch__.torch.classes._TorchScriptTesting._Foo, which is no engine"
    ]
    bomb = made.exported_program({"bomb": pickle.dumps(Bomb())}, "opaque")
    assert read(tmp_path, written(bomb)).problems == [
        "data/constants/opaque_obj_0: a pickled Python object, which is not read"
    ]
    assert not (tmp_path / "boom").exists()


def changed(entries: list[Entry], name: str, content: bytes) -> bytes:
    """The archive with another content of a member."""
    return written(entry.but(content=content) if entry.name.endswith(name.encode()) else entry for entry in entries)


def with_more(entries: list[Entry], name: str, content: bytes) -> bytes:
    """The archive with another member."""
    return written([*entries, Entry(entries[0].name.partition(b"/")[0] + b"/" + name.encode(), content)])


PROGRAM = made.exported_program(CUSTOM)
OBJECT = "data/constants/custom_obj_0"
OTHER_CALL = made.opaque_object(made.record(), function="_reconstruct_trt_engine_2")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (changed(PROGRAM, OBJECT, CUSTOM["net_engine"][:-30]), f"{OBJECT} begins as a zip archive"),
        (changed(PROGRAM, OBJECT, b"text"), f"{OBJECT} is no zip archive; wanted the one that torch writes"),
        (with_more(PROGRAM, "data/constants/CUSTOM_obj_0", b""), "since torch compares names without their case"),
        (
            with_more(PROGRAM, "data/constants/Custom_obj_1", b""),
            "is in capital letters; wanted data/constants/custom_obj_1",
        ),
        (with_more(PROGRAM, OBJECT, b""), "is there twice"),
        (changed(PROGRAM, "constants_config.json", b"[" * 100_000), "cannot be read as JSON"),
        (changed(PROGRAM, "constants_config.json", b"[" + b"0," * 300_000 + b"0]"), "values of JSON: 300001"),
        (changed(opaque(2), "opaque_obj_0", OTHER_CALL), "is not the call of torch_tensorrt.dynamo.runtime"),
        (changed(opaque(4), "opaque_obj_0", made.opaque_object(made.record(), 4)[:-2]), "opaque_obj_0, byte"),
        (
            changed(PROGRAM, OBJECT, made.custom_object([b"a"] * 2000)),
            ": values: 1001 or more",
        ),
    ],
)
def test_what_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(ReadingError) as raised:
        read(tmp_path, content)
    assert words in str(raised.value)


def test_a_deflated_object_is_read_and_a_deflated_pickle_in_it_is_not(tmp_path: Path) -> None:
    packed = [entry.but(method=8) for entry in PROGRAM]
    (engine,) = read(tmp_path, written(packed)).engines
    assert engine.problem == ""
    check_plan(tmp_path, "net_engine")
    inner = tmp_path / "inner"
    inner.write_bytes(CUSTOM["net_engine"])
    deflated = written(entry.but(method=8) for entry in entries_of(inner))
    with pytest.raises(ReadingError, match=r"data\.pkl is deflated"):
        read(tmp_path, changed(PROGRAM, OBJECT, deflated))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([b"99", *made.record()[1:]], "99"),
        (made.record()[:-1], "11"),
        ([*made.record()[:3], b"!!!!", *made.record()[4:]], "base64"),
        ([*made.record()[:3], b"", *made.record()[4:]], "the plan is empty"),
    ],
)
def test_a_damaged_record_is_a_problem_of_its_engine(fields: list[bytes], words: str, tmp_path: Path) -> None:
    for kind, content in (("custom", made.custom_object(fields)), ("opaque", made.opaque_object(fields))):
        (engine,) = read(tmp_path, written(made.exported_program({"net": content}, kind))).engines
        assert words in engine.problem
        assert engine.plan is None


@pytest.mark.parametrize(
    "model", [[], {}, {"graph_module": 3}, {"graph_module": {"graph": {"nodes": [[], 3, {}]}}}, 1e999]
)
def test_a_graph_of_another_form_tells_less(model: object, tmp_path: Path) -> None:
    found = read(tmp_path, written(made.exported_program(CUSTOM, model=model)))
    assert [engine.problem for engine in found.engines] == [""]
    assert (found.inputs, found.outputs) == ([], [])


def test_a_graph_that_cannot_be_read_is_a_note(tmp_path: Path) -> None:
    found = read(tmp_path, changed(PROGRAM, "models/model.json", b"{"))
    assert [engine.problem for engine in found.engines] == [""]
    (note,) = found.problems
    assert note.startswith("models/model.json cannot be read as JSON")


def test_an_onnx_model_with_contexts(tmp_path: Path) -> None:
    nodes = [made.context_node("a"), made.context_node("b", ep_cache_context=PLAN[:5000]), made.context_node("b")]
    found = read(tmp_path, made.onnx_model(nodes))
    assert (found.kind, found.problems) == ("ONNX model", [])
    assert [engine.path for engine in found.engines] == ["a", "EPContext[1]", "EPContext[2]"]
    assert found.engines[0].details == {"source": "TensorrtExecutionProvider", "SDK": "11.0.0.114"}
    assert (found.engines[0].input_names, found.engines[0].output_names) == (("x",), ("y", "z"))
    assert found.inputs == [Tensor("input", "float32", ("batch", 3))]
    assert found.operators == {"Relu": 1, "com.microsoft.EPContext": 3}
    check_plan(tmp_path, "a")
    check_plan(tmp_path, "EPContext[1]", PLAN[:5000])


def test_the_plan_of_a_context_may_lie_beside_the_model(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "net.engine").write_bytes(PLAN)
    node = made.context_node(embed_mode=0, ep_cache_context="cache/net.engine")
    (engine,) = read(tmp_path, made.onnx_model([node])).engines
    assert engine.details["plan file"] == "cache/net.engine"
    check_plan(tmp_path, "TRTKernel_0")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/etc/passwd", "wanted a path that stays in the model's folder"),
        ("../secret", "wanted a path that stays in the model's folder"),
        ("a/../../secret", "wanted a path that stays in the model's folder"),
        ("", "wanted a path that stays in the model's folder"),
        ("a\0b", "wanted a path that stays in the model's folder"),
        ("link", "is a link that leaves the model's folder"),
        ("pipe", "cannot be read twice"),
        ("folder", "which is a folder; wanted a file"),
        ("missing.engine", "missing.engine: No such file or directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_plan_beside_a_model_stays_in_its_folder(path: str, words: str, tmp_path: Path) -> None:
    place = tmp_path / "model"
    (place / "folder").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(PLAN)
    (place / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(place / "pipe")
    (engine,) = read(place, made.onnx_model([made.context_node(embed_mode=0, ep_cache_context=path)])).engines
    assert words in engine.problem
    assert engine.plan is None


def test_contexts_of_others_are_named_and_left_alone(tmp_path: Path) -> None:
    nodes = [made.context_node("qnn", source="QNNExecutionProvider"), made.context_node("old", source="")]
    found = read(tmp_path, made.onnx_model(nodes))
    assert [engine.path for engine in found.engines] == ["old"]
    assert found.problems == ["qnn is a context of QNNExecutionProvider, which is no TensorRT plan"]


def test_an_onnx_model_that_is_damaged(tmp_path: Path) -> None:
    whole = made.onnx_model([made.context_node()])
    node = made.message((1, "x"), (4, "Relu"))
    with pytest.raises(ReadingError, match="of no known kind"):
        read(tmp_path, whole[:-10])
    broken = made.message((1, 10), (7, made.message((1, node + b"\x0a\xff\xff\x03"))))
    with pytest.raises(ReadingError, match="begins as an ONNX model and is damaged: a field of 65535 bytes"):
        read(tmp_path, broken)
    twice = made.context_node() + made.message((5, made.message((1, "source"), (4, "a"))))
    with pytest.raises(ReadingError, match='has the attribute "source" twice'):
        read(tmp_path, made.onnx_model([twice]))
    many = made.message((1, 10), (7, made.message((1, b"\x0a\0" * 120_000))))
    with pytest.raises(ReadingError, match=r"fields: .* or more; wanted at most"):
        read(tmp_path, many)


def test_an_engine_of_ultralytics(tmp_path: Path) -> None:
    found = read(tmp_path, made.ultralytics_engine())
    (engine,) = found.engines
    assert (found.kind, engine.path) == ("ultralytics engine", "engine")
    assert found.details["task"] == "detect"
    assert found.details["names"] == "1 entries"
    assert b'"imgsz": [640, 640]' in found.extra_files["metadata.json"]
    check_plan(tmp_path, "engine")
    (engine,) = read(tmp_path, made.ultralytics_engine(b"not a plan")).engines
    assert engine.plan is not None
    assert "not a plan that is known" in engine.plan.problem
    with pytest.raises(ReadingError, match="the JSON before the plan cannot be read"):
        read(tmp_path, b"\x04\0\0\0{,,}" + PLAN)


def test_blobs_in_an_executorch_program(tmp_path: Path) -> None:
    other = PLAN[:4096]
    blobs = [made.executorch_blob(), made.executorch_blob(other, b"TR02")]
    found = read(tmp_path, made.executorch_program(blobs))
    assert (found.kind, found.problems) == ("ExecuTorch program", [])
    first, second = found.engines
    assert (first.input_names, first.output_names) == (("x",), ("y",))
    assert first.plan is not None
    assert first.plan.inputs == (TensorSpec("x", "float32", (1, 3)),)
    assert first.plan.outputs == (TensorSpec("y", "float16", (1, 2)),)
    assert first.flags == {"hardware_compatible": True, "target_platform": "linux_x86_64"}
    assert second.details["output y"] == "is input x (user)"
    check_plan(tmp_path, "blobs[0]")
    check_plan(tmp_path, "blobs[1]", other)
    read(tmp_path, made.executorch_blob())
    check_plan(tmp_path, "blobs[0]")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"metadata_size": 1 << 30}, "its JSON ends at byte 1073741856"),
        ({"plan_offset": 48}, "its plan begins at byte 48, before its JSON ends"),
        ({"plan_offset": 1000}, "no multiple of 16"),
        ({"plan_size": 1 << 60}, "its plan of 1152921504606846976 bytes ends"),
    ],
)
def test_offsets_of_a_blob_are_checked(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    found = read(tmp_path, made.executorch_program([made.executorch_blob(**changes)]))
    assert found.engines == []
    assert words in found.problems[0]


@pytest.mark.parametrize(
    "told", [{"io_bindings": 3}, {"io_bindings": [3, {"shape": "x"}]}, {"aliased_io": [1]}, {"device_id": "x"}]
)
def test_json_of_another_form_tells_less(told: dict[str, Any], tmp_path: Path) -> None:
    (engine,) = read(tmp_path, made.executorch_program([made.executorch_blob(**told)])).engines
    assert engine.problem == ""
    check_plan(tmp_path, "blobs[0]")


def test_the_content_decides_and_not_the_suffix(tmp_path: Path) -> None:
    for suffix in (".ts", ".plan", ".pt2", ".onnx", ".txt"):
        assert read(tmp_path, written(PROGRAM), f"a{suffix}").kind == "exported program"
        assert read(tmp_path, made.ultralytics_engine(), f"b{suffix}").kind == "ultralytics engine"
        (tmp_path / f"c{suffix}").write_bytes(PLAN)
        assert isinstance(kinds.read(tmp_path / f"c{suffix}"), Plan)


@pytest.mark.parametrize("content", [b"text", bytes(100), b"\x08\x0a", b"\x0a\0", b"{}", b"\xff" * 50])
def test_an_unknown_file_is_named_with_what_is_read(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ReadingError) as raised:
        read(tmp_path, content, "file.engine")
    message = str(raised.value)
    assert f"file.engine is of no known kind: {len(content)} bytes that begin with {content[:2].hex(' ')}" in message
    assert "wanted a program (of torch.jit.save, torch.export.save or AOTInductor), a plan" in message


def test_limits_can_be_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = made.message((1, 10), (7, made.message((1, b"\x0a\0" * 120_000))))
    monkeypatch.setenv("NACELLE_READING_LIMITS", "10")
    assert read(tmp_path, content).engines == []


def test_a_torchscript_program_is_no_container(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.ReLU()).save(str(tmp_path / "relu.ts"))
    with kinds.opened(tmp_path / "relu.ts") as container:
        assert container is None
    assert isinstance(kinds.read(tmp_path / "relu.ts"), Program)


WRITERS: dict[str, Callable[[], bytes]] = {
    "exported program": lambda: written(PROGRAM),
    "opaque": lambda: written(opaque(2)),
    "AOTInductor package": lambda: written(made.aotinductor_package(CUSTOM)),
    "ONNX model": lambda: made.onnx_model([made.context_node()]),
    "ultralytics engine": made.ultralytics_engine,
    "ExecuTorch program": lambda: made.executorch_program([made.executorch_blob()]),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_that_is_cut_off_is_refused_in_words(kind: str, tmp_path: Path) -> None:
    whole = WRITERS[kind]()
    for size in [*range(0, min(len(whole), 2000), 7), *range(2000, len(whole), 9973)]:
        (tmp_path / "cut").write_bytes(whole[:size])
        try:
            kinds.read(tmp_path / "cut")
        except ReadingError as error:
            assert str(error)
