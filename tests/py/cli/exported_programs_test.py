"""Exported programs (.pt2) from strangers: nothing of the file runs, and torch reads what was checked."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.export import Dim

from nacelle_cli.arguments.models import load_model
from nacelle_cli.exported.archive import ExportedArchive
from nacelle_cli.reading.errors import ReadingError
from tests.py.cli.commands import nacelle

MODEL = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"


class Sizes(torch.nn.Module):
    """Computes sizes in many ways."""

    steps: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.linear = torch.nn.Linear(4, 2)
        self.register_buffer("steps", torch.arange(3.0), persistent=False)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        pooled = torch.nn.functional.max_pool2d(self.conv(x).relu(), 2, ceil_mode=True)
        long = torch.cat([y, y, y[:1]])
        half = long[: long.shape[0] // 2]
        some = y[: max(y.shape[0] % 3, 1)]
        least = y[: min(y.shape[0], 5)]
        return (
            self.linear(pooled.mean((2, 3))),
            half,
            some,
            least,
            y.reshape(y.shape[0] * 5),
            self.steps / y.shape[0] ** 0.5,
        )


def saved(path: Path) -> Path:
    module = Sizes().eval()
    shapes: Any = ({0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO}, {0: Dim.AUTO})
    program = torch.export.export(module, (torch.rand(2, 3, 16, 16), torch.rand(4, 5)), dynamic_shapes=shapes)
    torch.export.save(program, str(path), extra_files={"notes.txt": "hello"})
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("models") / "sizes.pt2")


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def write(path: Path, contents: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as out:
        for name, content in contents:
            out.writestr(name, content)
    return path


Json = Any
Change = Callable[[Json, str], None]


def with_model(exported: Path, path: Path, change: Change, marker: Path) -> Path:
    """A copy whose model is changed; `change` gets Python that makes the marker, as an expression."""
    found = members(exported)
    (name,) = (each for each in found if each.endswith(MODEL))
    model = json.loads(found[name])
    change(model, f"__import__('pathlib').Path({str(marker)!r}).touch()")
    found[name] = json.dumps(model).encode()
    return write(path, list(found.items()))


def graph(model: Json) -> Json:
    return model["graph_module"]["graph"]


def sizes_of(value: Json) -> list[Json]:
    """Every size of the graph that is an expression."""
    if isinstance(value, dict):
        found = [value] if "expr_str" in value else []
        return found + [one for inner in value.values() for one in sizes_of(inner)]
    return [one for inner in value for one in sizes_of(inner)] if isinstance(value, list) else []


def size(text: Callable[[str], str]) -> Change:
    def change(model: Json, code: str) -> None:
        for each in sizes_of(graph(model)):
            each["expr_str"] = text(code)

    return change


def spelled(code: str) -> str:
    """Python in letters of sympy alone."""
    letters = "+".join(f"S('chr')({ord(letter)})" for letter in code)
    return f"S('exec')({letters})"


def node(model: Json, target: str) -> Json:
    return next(each for each in graph(model)["nodes"] if each["target"] == target)


def renamed(model: Json, old: str, new: str) -> None:
    text = json.dumps(model["graph_module"]).replace(f'"{old}"', json.dumps(new))
    model["graph_module"] = json.loads(text)


def node_name(model: Json, code: str) -> None:
    renamed(model, "relu", f"relu = {code}; relu")


def argument_name(model: Json, code: str) -> None:
    node(model, "torch.ops.aten.relu.default")["inputs"].append(
        {"name": f"a={code}, b", "arg": {"as_int": 1}, "kind": 2}
    )


def weight_name(model: Json, code: str) -> None:
    renamed(model, "conv.weight", f'conv.weight", {code}, "')


def forward_name(model: Json, code: str) -> None:
    for entry in model["graph_module"]["module_call_graph"]:
        if entry.get("signature"):
            entry["signature"]["forward_arg_names"] = [f"x={code}", "y"]


def called(target: str, *arguments: Json) -> Change:
    def change(model: Json, code: str) -> None:
        inputs = [{"name": "", "arg": each, "kind": 1} for each in arguments]
        graph(model)["nodes"].insert(
            0, {"target": target, "inputs": inputs, "outputs": [{"as_none": True}], "metadata": {}}
        )

    return change


def operator_argument(model: Json, code: str) -> None:
    node(model, "torch.ops.aten.relu.default")["inputs"].append(
        {"name": "f", "arg": {"as_operator": "torch.os.system"}, "kind": 2}
    )


def tree(kind: str, context: Json) -> Change:
    def change(model: Json, code: str) -> None:
        for entry in model["graph_module"]["module_call_graph"]:
            if entry.get("signature"):
                spec = [1, {"type": kind, "context": context, "children_spec": []}]
                entry["signature"]["out_spec"] = json.dumps(spec)

    return change


def range_name(model: Json, code: str) -> None:
    model["range_constraints"]["u9999999999"] = {"min_val": 0, "max_val": 9}


def text_input(model: Json, code: str) -> None:
    graph(model)["inputs"].append({"as_string": f"' + str({code}) + '"})
    graph_signature = model["graph_module"]["signature"]
    graph_signature["input_specs"].append({"constant_input": {"name": "t", "value": {"as_string": f"'{code}"}}})


def growing(model: Json, code: str) -> None:
    name = node(model, "torch.ops.aten.sym_size.int")["outputs"][0]["as_sym_int"]["as_name"]
    graph(model)["sym_int_values"] |= {f"g{i}": {"as_int": 1} for i in range(40)}
    at = graph(model)["nodes"].index(node(model, "torch.ops.aten.sym_size.int")) + 1
    for i in range(40):
        inputs = [{"name": "", "arg": {"as_sym_int": {"as_name": name}}, "kind": 1}] * 2
        name = f"g{i}"
        outputs = [{"as_sym_int": {"as_name": name}}]
        graph(model)["nodes"].insert(
            at + i, {"target": "_operator.mul", "inputs": inputs, "outputs": outputs, "metadata": {}}
        )


def nested(model: Json, code: str) -> None:
    inner: Json = {
        "inputs": [],
        "outputs": [],
        "nodes": [],
        "tensor_values": {},
        "sym_int_values": {},
        "sym_bool_values": {},
    }
    for i in range(40):
        argument = {"as_graph": {"name": f"g{i}", "graph": inner}}
        inputs = [{"name": "", "arg": argument, "kind": 1}]
        call = {"target": "torch.ops.higher_order.cond", "inputs": inputs, "outputs": [], "metadata": {}}
        inner = inner | {"nodes": [call]}
    graph(model)["nodes"] += inner["nodes"]


FACTORY = {"default_factory_module": "strange", "default_factory_name": "x", "dict_context": []}
CHANGES: dict[str, tuple[Change, str]] = {
    "a size that sympy evaluates": (size(spelled), "is no size"),
    "a size that calls": (size(lambda code: code), "is no size"),
    "a size that looks a name up": (size(lambda _: "S('exec')"), "S is no function of sizes"),
    "a size with another symbol": (
        size(lambda _: "Symbol('exec', integer=True)"),
        "Symbol has a name that no size has",
    ),
    "a size with an attribute": (size(lambda _: "s0.__class__"), "is no arithmetic of numbers and sizes"),
    "a size with a lambda": (size(lambda _: "Lambda(s0, s0)"), "Lambda is no function of sizes"),
    "a tower of powers": (size(lambda _: "9**9**9**9**9"), "it has a power that is no number from -8 to 8"),
    "a tower of sympy's powers": (size(lambda _: "Pow(Integer(9), Pow(Integer(9), Integer(99)))"), "it has a power"),
    "a power that is no number": (
        size(lambda _: "FloatPow(ToFloat(s0), Float('1e300', precision=53))"),
        "it has a power",
    ),
    "an infinite power": (size(lambda _: "s0**1e999"), "it has a power"),
    "nested powers": (size(lambda _: "((((s0**8)**8)**8)**8)**8"), "it has powers up to 64; at most 24 is read"),
    "a long shift": (size(lambda _: "LShift(Integer(1), Integer(99999999999))"), "LShift is by no number from 0 to 62"),
    "a long number": (size(lambda _: "Integer(" + "9" * 4000 + ")"), "arguments that are not numbers of 64 bits"),
    "a precise number": (size(lambda _: "Float('1.0', precision=999999999)"), "Float has an unknown precision"),
    "a sum to a power": (size(lambda _: f"({'+'.join(f's{i}' for i in range(9))})**8"), "multiplied out it has"),
    "a deep size": (size(lambda _: "-" * 5000 + "s0"), "is no size"),
    "parentheses": (size(lambda _: "(" * 5000 + "s0" + ")" * 5000), "it cannot be parsed"),
    "many maxima": (size(lambda _: f"Max({', '.join(f's{i}' for i in range(99))})"), "Max has 99 arguments"),
    "a node's name": (node_name, "TensorArgument.name"),
    "an argument's name": (argument_name, "NamedArgument.name"),
    "a weight's name": (weight_name, "InputToParameterSpec.parameter_name"),
    "an input's name": (forward_name, "ModuleCallSignature.forward_arg_names"),
    "an input that is a text": (text_input, "Graph.inputs holds as_string; wanted tensors and numbers"),
    "a function of Python": (called("torch.os.system", {"as_string": "true"}), '"torch.os.system" is no operator'),
    "a function of another module": (called("_operator.__import__", {"as_string": "this"}), "is no operator"),
    "a class of torch": (called("torch.ops.aten.__class__.mro"), "is no operator"),
    "an operator that reads files": (called("torch.ops.aten.from_file.default"), "is no operator"),
    "an operator that writes files": (called("torch.ops.aten.save.default"), "is no operator"),
    "an extension's operator": (called("#strange:op"), "is no operator"),
    "an operator of a class": (called("torch.ops.higher_order.call_torchbind"), "is no operator"),
    "a loop": (called("torch.ops.higher_order.while_loop"), "is no operator"),
    "an operator as argument": (operator_argument, 'Argument.as_operator "torch.os.system" is no operator'),
    "powers of numbers": (called("_operator.pow", {"as_int": 9}, {"as_int": 10**9}), "_operator.pow is by 1000000000"),
    "a size that doubles its digits": (growing, "_operator.mul makes a size to the power 512; wanted 256"),
    "a type that imports": (tree("collections.defaultdict", FACTORY), 'of the type "collections.defaultdict"'),
    "an enumeration that imports": (
        tree("builtins.dict", json.dumps([{"__enum__": True, "fqn": "strange:A", "name": "x"}])),
        "has a builtins.dict with unknown properties",
    ),
    "a range's name": (range_name, 'ExportedProgram.range_constraints "u9999999999" is no size\'s name'),
    "graphs in one another": (nested, "holds over 16 graphs in one another"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_of_the_model_runs(exported: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "strange.py").write_text(f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    change, words = CHANGES[name]
    hostile = with_model(exported, tmp_path / "hostile.pt2", change, marker)
    outcome = nacelle("compile", hostile, "-o", tmp_path / "out.ts", "--backend", "reference", "-i", "[2,3,16,16]")
    assert (outcome.code, outcome.out) == (1, "")
    assert f"hostile.pt2: {MODEL}: " in outcome.words
    assert words in outcome.words
    assert not marker.exists()
    assert not (tmp_path / "out.ts").exists()


class Touches:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("data/constants/opaque_obj_0", "is a pickled object, which is not unpickled here"),
        ("data/constants/OPAQUE_obj_0", "is no member that torch.export.save writes"),
        ("data/constants/custom_obj_0", "is a pickled object of a C++ class"),
        ("data/aotinductor/model/model.so", "is compiled code, which is not loaded here"),
        ("data/weights/model.pt", "is a pickle, as torch 2.8 and older wrote it"),
        ("data/constants/model.pt", "is a pickle, as torch 2.8 and older wrote it"),
        ("models/other.json", "is a model of another name; wanted models/model.json alone"),
        ("models/MODEL.json", "is there twice, or in another case"),
        ("models/model.json", "is there twice, or in another case"),
        ("archive_format", "is there twice, or in another case"),
        ("strange", "is no member that torch.export.save writes"),
    ],
)
def test_members_that_are_refused(exported: Path, tmp_path: Path, name: str, words: str) -> None:
    marker = tmp_path / "marker"
    found = members(exported)
    folder = next(iter(found)).split("/")[0]
    hostile = tmp_path / "hostile.pt2"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # zipfile warns of a name that is there twice
        write(hostile, [*found.items(), (f"{folder}/{name}", pickle.dumps(Touches(marker)))])
    with pytest.raises(ReadingError) as caught:
        load_model(hostile)
    assert words in str(caught.value)
    assert name in str(caught.value)
    assert not marker.exists()


def test_a_model_in_another_case_is_not_read(exported: Path, tmp_path: Path) -> None:
    """torch's reader ignores case, so this would be its model."""
    found = members(exported)
    contents = [(name.replace("model.json", "model.JSON"), content) for name, content in found.items()]
    with pytest.raises(ReadingError, match=r"model\.JSON\" is a model of another name"):
        load_model(write(tmp_path / "hostile.pt2", contents))


def test_other_folders_are_refused(exported: Path, tmp_path: Path) -> None:
    hostile = write(tmp_path / "hostile.pt2", [*members(exported).items(), ("other/models/model.json", b"{}")])
    with pytest.raises(ReadingError, match=r"has members in 2 folders; wanted one"):
        load_model(hostile)


def test_compressed_members_are_refused(exported: Path, tmp_path: Path) -> None:
    hostile = write(tmp_path / "hostile.pt2", list(members(exported).items()), zipfile.ZIP_DEFLATED)
    with pytest.raises(ReadingError, match=r"is compressed or encrypted; torch\.export\.save stores members as is"):
        load_model(hostile)


def test_members_over_one_another_are_refused(exported: Path, tmp_path: Path) -> None:
    """A small file would be read as a large one."""
    hostile = write(tmp_path / "hostile.pt2", list(members(exported).items()))
    raw = bytearray(hostile.read_bytes())
    with zipfile.ZipFile(hostile) as archive:
        first, second = [info for info in archive.infolist() if "/weight_" in info.filename][:2]
    at = raw.index(b"PK\x01\x02")
    while second.filename.encode() not in raw[at : at + 46 + len(second.filename)]:
        at = raw.index(b"PK\x01\x02", at + 1)
    raw[at + 42 : at + 46] = first.header_offset.to_bytes(4, "little")
    hostile.write_bytes(bytes(raw))
    with pytest.raises(ReadingError, match="lies over another member"):
        load_model(hostile)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"use_pickle": True}, '"conv.weight" is a pickled object'),
        ({"tensor_meta": None}, '"conv.weight" is a pickled object'),
        ({"path_name": "../models/model.json"}, "is no tensor's member"),
        ({"path_name": "opaque_obj_0"}, "is no tensor's member"),
        ({"path_name": "weight_99"}, "is in data/weights/weight_99, and there is no such member"),
    ],
)
def test_tensors_that_are_refused(exported: Path, tmp_path: Path, change: Json, words: str) -> None:
    found = members(exported)
    (name,) = (each for each in found if each.endswith(WEIGHTS))
    config = json.loads(found[name])
    config["config"]["conv.weight"] |= change
    found[name] = json.dumps(config).encode()
    with pytest.raises(ReadingError) as caught:
        load_model(write(tmp_path / "hostile.pt2", list(found.items())))
    assert words in str(caught.value)


def test_large_tensors_without_bytes_are_refused(exported: Path, tmp_path: Path) -> None:
    """torch would take memory for them."""
    found = members(exported)
    (name,) = (each for each in found if each.endswith(WEIGHTS))
    config = json.loads(found[name])
    config["config"]["linear.bias"]["tensor_meta"]["sizes"] = [{"as_int": 1 << 40}]
    found[name] = json.dumps(config).encode()
    member = name.replace("model_weights_config.json", config["config"]["linear.bias"]["path_name"])
    found[member] = b""
    with pytest.raises(ReadingError, match=r"has the shape .* and no bytes: the file was saved without its values"):
        load_model(write(tmp_path / "hostile.pt2", list(found.items())))


def test_sample_inputs_are_not_unpickled(exported: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    pickled = io.BytesIO()
    torch.save(Touches(marker), pickled)
    found = {name: pickled.getvalue() if "sample_inputs" in name else each for name, each in members(exported).items()}
    loaded = load_model(write(tmp_path / "changed.pt2", list(found.items())))
    assert isinstance(loaded, torch.export.ExportedProgram)
    assert loaded.example_inputs is None
    assert not marker.exists()


def test_a_guard_that_is_code_is_refused(exported: Path, tmp_path: Path) -> None:
    """torch makes a function of its text."""
    marker = tmp_path / "marker"

    def change(model: Json, code: str) -> None:
        model["guards_code"] = [code]

    with pytest.raises(ReadingError, match="is no condition on the sizes of inputs"):
        load_model(with_model(exported, tmp_path / "changed.pt2", change, marker))
    assert not marker.exists()


def test_a_size_that_a_guard_refuses_is_refused_before_the_build(tmp_path: Path) -> None:
    class AllButFive(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2.0 if x.shape[0] == 5 else x + 1.0

    rows: Any = ({0: Dim.AUTO},)
    torch.export.save(torch.export.export(AllButFive(), (torch.rand(3, 2),), dynamic_shapes=rows), tmp_path / "x.pt2")
    command = ("compile", str(tmp_path / "x.pt2"), "-o", str(tmp_path / "x.ts"), "--backend", "reference", "--input")
    refused = nacelle(*command, "[1..8:3,2]")
    assert "x.size()[0] != 5, which does not hold for x [5, 2]" in refused.words
    assert nacelle(*command, "[1..4:3,2]").code == 0


def test_torch_reads_the_same_program(exported: Path) -> None:
    ours, torchs = load_model(exported), torch.export.load(str(exported))
    assert isinstance(ours, torch.export.ExportedProgram)
    assert str(ours.graph) == str(torchs.graph)
    assert ours.graph_signature == torchs.graph_signature
    assert ours.range_constraints == torchs.range_constraints
    assert ours._guards_code == torchs._guards_code
    assert list(ours.state_dict) == list(torchs.state_dict)
    for name, tensor in torchs.state_dict.items():
        assert type(ours.state_dict[name]) is type(tensor)
        torch.testing.assert_close(ours.state_dict[name], tensor, rtol=0, atol=0)
    x, y = torch.rand(3, 3, 18, 20), torch.rand(7, 5)
    for a, b in zip(ours.module()(x, y), torchs.module()(x, y), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_the_archive_that_torch_reads_has_only_what_was_checked(exported: Path) -> None:
    with ExportedArchive(exported) as archive:
        made = archive.for_torch()
        with zipfile.ZipFile(made) as rewritten:
            assert rewritten.testzip() is None
            names = rewritten.namelist()
            weights = {name.removeprefix("model/"): rewritten.read(name) for name in names if "/weight_" in name}
    assert not [name for name in names if "extra" in name or "serialization_id" in name]
    found = {name.partition("/")[2]: content for name, content in members(exported).items()}
    assert weights == {name: content for name, content in found.items() if "/weight_" in name}


class Derived(torch.nn.Module):
    """Computes sizes that an engine has too: 2 * rows + 1, and half of that."""

    def forward(self, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        long = torch.cat([y, y, y[:1]])
        return long, long[: long.shape[0] // 2] * 2, y.reshape(y.shape[0] * 5)


def test_derived_sizes_are_compiled(tmp_path: Path) -> None:
    path, out = tmp_path / "derived.pt2", tmp_path / "out.ts"
    rows = Dim("rows", min=3, max=9)
    torch.export.save(torch.export.export(Derived(), (torch.rand(4, 5),), dynamic_shapes=({0: rows},)), str(path))
    outcome = nacelle("compile", path, "-o", out, "--backend", "reference", "--check", "-i", "y=float32[3..9,5]")
    assert (outcome.code, outcome.err) == (0, "")
    checked = nacelle("check", out, "--against", path)
    assert (checked.code, checked.err) == (0, "")
    y = torch.rand(7, 5)
    for a, b in zip(torch.jit.load(str(out))(y), Derived()(y), strict=True):
        torch.testing.assert_close(a, b)
