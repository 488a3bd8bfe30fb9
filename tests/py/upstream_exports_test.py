"""Exported programs in Torch-TensorRT's two layouts: read as programs, and nothing of them is unpickled."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from nacelle_cli.exported import guards
from nacelle_cli.reading import records
from nacelle_cli.reading.archives import Archive
from nacelle_cli.reading.containers.package_objects import PackageObjects
from tests.py import container_files, zip_files
from tests.py.engine_kinds import BATCHED, LARGER, Case, Doubled, X, hybrid, of
from tests.py.zip_files import Entry

Members = dict[str, bytes]


def members_of(path: Path) -> Members:
    """The members of an archive, without the name of its folder."""
    return {entry.name.decode().partition("/")[2]: entry.content for entry in zip_files.entries_of(path)}


def write(path: Path, members: Members) -> Path:
    path.write_bytes(
        zip_files.written([Entry(f"program/{name}".encode(), content) for name, content in members.items()])
    )
    return path


def records_of(path: Path) -> dict[str, list[bytes]]:
    """The records of a program, by their members."""
    with ExitStack() as stack:
        found = PackageObjects(stack.enter_context(Archive(path)), stack).engines()
        return {engine.member: records.whole(engine.fields, engine.archive) for engine in found}


def changed(members: Members, name: str, change: Callable[[Any], None]) -> None:
    value = json.loads(members[name])
    change(value)
    members[name] = json.dumps(value).encode()


def without_class_names(value: Any) -> None:
    """Torch-TensorRT writes no class."""
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        without_class_names(inner)
    if isinstance(value, dict) and "class_fqn" in value:
        value["class_fqn"] = ""


def as_upstream(path: Path, opaque: bool, protocol: int = 2) -> Members:
    """The members of a program of ours as Torch-TensorRT writes them: up to 2.12, or since 2.13."""
    members = members_of(path)
    changed(members, "models/model.json", without_class_names)
    members.pop("extra/nacelle_shape_laws.json")
    if opaque:
        config = json.loads(members["data/constants/model_constants_config.json"])["config"]
        for name, fields in records_of(path).items():
            del members[name]
            members[name.replace("custom", "opaque")] = container_files.opaque_object(fields, protocol)
        for meta in config.values():
            meta["path_name"] = meta["path_name"].replace("custom_obj", "opaque_obj")
        members["data/constants/model_constants_config.json"] = json.dumps({"config": config}).encode()
    return members


CASES: dict[str, tuple[Callable[[], Case], Any]] = {
    "one engine": (lambda: of(Doubled()), None),
    "hybrid": (hybrid, [BATCHED]),
}


@pytest.mark.parametrize("opaque", [False, True], ids=["custom_obj", "opaque_obj"])
@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("suffix", [".ep", ".pt2"])
def test_both_layouts_are_programs(opaque: bool, kind: str, suffix: str, tmp_path: Path) -> None:
    make, inputs = CASES[kind]
    case = make()
    nacelle.save(case.module, tmp_path / "ours.pt2", inputs=inputs)
    path = write(tmp_path / f"theirs{suffix}", as_upstream(tmp_path / "ours.pt2", opaque))
    run = nacelle.load(path)
    for x in (X[:1], X, LARGER):
        with torch.no_grad():
            torch.testing.assert_close(run(x), case.model(x))
    nacelle.save(run, tmp_path / "again.pt2")
    torch.testing.assert_close(nacelle.load(tmp_path / "again.pt2")(X), case.model(X))
    assert not any("opaque" in name for name in members_of(tmp_path / "again.pt2"))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_form_of_the_pickle(protocol: int, tmp_path: Path) -> None:
    nacelle.save(of(Doubled()).module, tmp_path / "ours.pt2")
    path = write(tmp_path / "theirs.ep", as_upstream(tmp_path / "ours.pt2", opaque=True, protocol=protocol))
    torch.testing.assert_close(nacelle.load(path)(X), X * 2)


class _Hostile:
    def __init__(self, function: Any, *arguments: object) -> None:
        self._reduced = (function, arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return self._reduced


def hostile_pickles(marker: Path) -> dict[str, bytes]:
    command = f"touch {marker}"
    inside = pickle.dumps(_Hostile(os.system, command))
    call = container_files.opaque_object([b"9", b"x"])
    return {
        "os.system": inside,
        "eval": pickle.dumps(_Hostile(eval, f"__import__('os').system({command!r})")),
        "another function of the module": container_files.opaque_object([b"9"], function="_reconstruct_other"),
        "a call in the list": call[:2] + pickle.dumps([_Hostile(os.system, command)])[2:-1] + call[2:],
        "another engine's name in a text": pickle.dumps(("_reconstruct_trt_engine", _Hostile(os.system, command))),
        "a call after it": call[:-1] + inside[2:],
    }


@pytest.mark.parametrize("what", list(hostile_pickles(Path("/"))))
def test_nothing_else_is_unpickled(what: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    nacelle.save(of(Doubled()).module, tmp_path / "ours.pt2")
    members = as_upstream(tmp_path / "ours.pt2", opaque=True)
    members["data/constants/opaque_obj_0"] = hostile_pickles(marker)[what]
    path = write(tmp_path / "theirs.ep", members)
    with pytest.raises(nacelle.Error, match="opaque_obj_0"):
        nacelle.load(path)
    assert not marker.exists()


def test_a_pickle_in_the_place_of_sample_inputs_is_not_read(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    nacelle.save(of(Doubled()).module, tmp_path / "ours.pt2")
    members = as_upstream(tmp_path / "ours.pt2", opaque=False)
    members["data/sample_inputs/model.pt"] = pickle.dumps(_Hostile(os.system, f"touch {marker}"))
    torch.testing.assert_close(nacelle.load(write(tmp_path / "theirs.ep", members))(X), X * 2)
    assert not marker.exists()


def test_an_object_of_another_class_is_refused(tmp_path: Path) -> None:
    nacelle.save(of(Doubled()).module, tmp_path / "ours.pt2")
    members = as_upstream(tmp_path / "ours.pt2", opaque=False)
    other = container_files.custom_object([b"9"], b"__torch__.torch.classes.other\nThing\n")
    members["data/constants/custom_obj_0"] = other
    with pytest.raises(nacelle.InputError, match=r"custom_obj_0.* is a pickled object of a C\+\+ class"):
        nacelle.load(write(tmp_path / "theirs.ep", members))


def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    nacelle.save(of(Doubled()).module, tmp_path / "ours.pt2")
    members = as_upstream(tmp_path / "ours.pt2", opaque=True)
    members["data/constants/opaque_obj_0"] = container_files.opaque_object([b"9", b"net", b"here"])
    with pytest.raises(nacelle.RecordError, match="version 9"):
        nacelle.load(write(tmp_path / "theirs.ep", members))


def test_an_engine_for_another_platform_is_told(tmp_path: Path) -> None:
    nacelle.save(of(Doubled()).module, tmp_path / "ours.pt2")
    members = as_upstream(tmp_path / "ours.pt2", opaque=False)

    def placeholder(model: Any) -> None:
        (call,) = (node for node in model["graph_module"]["graph"]["nodes"] if "execute_engine" in node["target"])
        call["target"] = "torch.ops.tensorrt.no_op_placeholder_for_execute_engine.default"

    changed(members, "models/model.json", placeholder)
    with pytest.raises(nacelle.InputError, match="an engine that was compiled for another platform or runtime"):
        nacelle.load(write(tmp_path / "theirs.ep", members))


def test_a_graph_may_not_call_what_a_stranger_names(tmp_path: Path) -> None:
    nacelle.save(of(Doubled()).module, tmp_path / "ours.pt2")
    members = as_upstream(tmp_path / "ours.pt2", opaque=False)

    def other(model: Any) -> None:
        (call,) = (node for node in model["graph_module"]["graph"]["nodes"] if "execute_engine" in node["target"])
        call["target"] = "torch.load"

    changed(members, "models/model.json", other)
    with pytest.raises(nacelle.InputError, match="is no operator that a model may call here"):
        nacelle.load(write(tmp_path / "theirs.ep", members))


def test_what_is_written_is_in_the_layout_that_upstream_reads(tmp_path: Path) -> None:
    nacelle.save(hybrid().module, tmp_path / "ours.pt2", inputs=[BATCHED])
    members = members_of(tmp_path / "ours.pt2")
    assert [name for name in members if "_obj_" in name] == [f"data/constants/custom_obj_{i}" for i in range(2)]
    nodes = json.loads(members["models/model.json"])["graph_module"]["graph"]["nodes"]
    calls = [node for node in nodes if node["target"] == "torch.ops.tensorrt.execute_engine.default"]
    assert [[one["name"] for one in call["inputs"]] for call in calls] == [["input_tensors", "engine"]] * 2
    for engine in torch.export.load(tmp_path / "ours.pt2").constants.values():
        assert engine.abi_version() == 9
        assert engine.get_serialized_metadata()


def with_guards(path: Path, texts: list[str]) -> Path:
    members = members_of(path)
    changed(members, "models/model.json", lambda model: model.update(guards_code=texts))
    return write(path, members)


def test_guards_of_a_file_are_kept(tmp_path: Path) -> None:
    nacelle.save(of(Doubled()).module, tmp_path / "x.pt2")
    run = nacelle.load(with_guards(tmp_path / "x.pt2", ["L['input_0'].size()[0] % 2 == 1"]))
    torch.testing.assert_close(run(LARGER), LARGER * 2)
    with pytest.raises(AssertionError, match="Guard failed"):
        run(X)


@pytest.mark.parametrize(
    "guard",
    [
        "__import__('os').system('touch {marker}') == 0",
        "open('{marker}', 'w') is not None",
        "L['x'].__class__.__base__.__subclasses__() != 0",
        "L['x'].size()[0] == exec('1')",
        "[L for L in (1,)] == [1]",
        "(lambda: 1)() == 1",
        "L['input_0'].size()[0] ** L['input_0'].size()[0] > 0",
        "9 ** 9 ** 9 > 0",
        "L['input_0'].size()[0] == 1\nimport os",
        "L['a'](0) == 1",
        "math.__loader__ == 1",
        "L['__builtins__']['eval'].size()[0] == 1",
        "max(*L['x']) == 1",
        "int('1') == 1",
        "s0 == 1",
        "(" * 2000 + "1" + ")" * 2000,
    ],
)
def test_a_guard_that_is_no_condition_on_sizes_is_refused(guard: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    nacelle.save(of(Doubled()).module, tmp_path / "x.pt2")
    path = with_guards(tmp_path / "x.pt2", [guard.replace("{marker}", str(marker))])
    with pytest.raises(nacelle.InputError, match="is no condition on the sizes of inputs"):
        nacelle.load(path)
    assert not marker.exists()


REFUSED_WHEN_CALLED = ("L['os'].size()[0] == 1", "L['input_0'][0] == 1", "L['input_0'].size()[7] == 1")


@pytest.mark.parametrize("guard", REFUSED_WHEN_CALLED)
def test_a_guard_of_what_is_not_there_is_an_error(guard: str, tmp_path: Path) -> None:
    nacelle.save(of(Doubled()).module, tmp_path / "x.pt2")
    path = with_guards(tmp_path / "x.pt2", [guard])
    with pytest.raises((nacelle.Error, AssertionError, IndexError, NameError, RuntimeError)):
        nacelle.load(path)(X)


@pytest.mark.parametrize(
    "guard",
    [
        "L['x'].size()[0] != 1",
        "0 <= L['x'].size()[0] and L['x'].size()[0] <= 8",
        "2*L['x'].size()[0] == L['y'][1].size()[2]",
        "((L['x'].size()[0] + 1) // 2) % 4 == 0 or not (L['args'][0]['mask'].stride()[1] < 3)",
        "max(1, L['x'].size()[0])**2 >= math.floor(L['x'].size()[0] / 2.0)",
        "L['x'].storage_offset() == 0",
    ],
)
def test_guards_as_torch_writes_them_are_known(guard: str) -> None:
    assert guards.is_known(guard)
