"""The commands on exported programs, AOTInductor packages, and engines in files of other projects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle_package
from tests.py import container_files as made
from tests.py.cli.commands import nacelle
from tests.py.cli.terminal import pipe
from tests.py.container_files import PLAN
from tests.py.networks import TwoHeads, seeded
from tests.py.zip_files import written

X = torch.rand(1, 3, 8, 8)
KINDS = {
    "custom.pt2": ("exported program", "net_engine"),
    "opaque.ep": ("exported program", "net_engine"),
    "package.pt2": ("AOTInductor package", "net_engine"),
    "model.onnx": ("ONNX model", "TRTKernel_0"),
    "net.engine": ("ultralytics engine", "engine"),
    "net.pte": ("ExecuTorch program", "blobs[0]"),
}


def write(folder: Path, plan: bytes = PLAN) -> None:
    """A file of each kind that holds a plan."""
    custom = {"net_engine": made.custom_object(made.record(plan))}
    opaque = {"net_engine": made.opaque_object(made.record(plan))}
    for name, content in {
        "custom.pt2": written(made.exported_program(custom)),
        "opaque.ep": written(made.exported_program(opaque, "opaque")),
        "package.pt2": written(made.aotinductor_package(custom)),
        "model.onnx": made.onnx_model([made.context_node(ep_cache_context=plan)]),
        "net.engine": made.ultralytics_engine(plan),
        "net.pte": made.executorch_program([made.executorch_blob(plan)]),
    }.items():
        (folder / name).write_bytes(content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place: Path = tmp_path_factory.mktemp("files")
    write(place)
    return place


def test_inspected(folder: Path) -> None:
    outcome = nacelle("inspect", *(folder / name for name in KINDS))
    assert (outcome.code, outcome.err) == (0, "")
    for name, (kind, engine) in KINDS.items():
        assert f"{folder / name}  {kind}, " in outcome.out
        assert f"  {engine}  engine\n" in outcome.out
    assert outcome.out.count("plan         TensorRT 11.0.0.114\n") == len(KINDS)
    assert "machine code 1 file, 1,004 bytes; not looked into, and nothing of it is run" in outcome.out
    assert "inputs       x: float32 [s77, 3]\n" in outcome.out
    facts = nacelle("inspect", *(folder / name for name in KINDS), "--json").json
    assert [(one["kind"], one["engines"][0]["path"]) for one in facts] == list(KINDS.values())
    assert facts[0]["inputs"] == [{"name": "x", "dtype": "float32", "shape": ["s77", 3]}]
    assert facts[0]["engines"][0]["abi_version"] == 9
    assert facts[3]["engines"][0]["details"]["SDK"] == "11.0.0.114"
    assert facts[3]["engines"][0]["input_names"] == ["x"]


def test_looking_imports_no_torch(folder: Path) -> None:
    script = "import sys, builtins; sys.modules['torch'] = None; from nacelle_cli.app import main; main()"
    for command in (
        f"inspect {' '.join(KINDS)}",
        "extract custom.pt2 net -o extracted.plan",
        "diff custom.pt2 custom.pt2",
    ):
        outcome = pipe(f'"$(command -v nacelle)" --help > /dev/null; python3 -c "{script}" {command}', folder)
        assert outcome.code == 0, outcome.err


@pytest.mark.parametrize("name", KINDS)
def test_extracted(name: str, folder: Path, tmp_path: Path) -> None:
    _, engine = KINDS[name]
    out = tmp_path / "net.plan"
    outcome = nacelle("extract", folder / name, engine, "-o", out)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"wrote {out}: the plan of {engine}, 100.0 KiB, TensorRT 11.0.0.114\n"
    assert out.read_bytes() == PLAN
    facts = nacelle("extract", folder / name, engine, "-o", out, "--json").json
    assert (facts["engine"]["path"], facts["engine"]["plan_size"]) == (engine, len(PLAN))


def test_an_unknown_engine_lists_those_that_there_are(folder: Path, tmp_path: Path) -> None:
    outcome = nacelle("extract", folder / "custom.pt2", "neck", "-o", tmp_path / "net.plan")
    assert outcome.code == 1
    assert 'has no engine "neck"; it has: net_engine' in outcome.words
    assert list(tmp_path.iterdir()) == []


def test_an_engine_without_a_plan_is_not_written(tmp_path: Path) -> None:
    node = made.context_node(embed_mode=0, ep_cache_context="missing.engine")
    (tmp_path / "m.onnx").write_bytes(made.onnx_model([node]))
    for command in (("extract", tmp_path / "m.onnx", "TRTKernel_0"), ("embed", tmp_path / "m.onnx")):
        outcome = nacelle(*command, "-o", tmp_path / "out")
        assert outcome.code == 1
        assert "has no plan that can be read: missing.engine: No such file or directory" in outcome.words
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize("name", KINDS)
def test_embedded(name: str, folder: Path, tmp_path: Path) -> None:
    """The program has what the file tells of an engine, also of one that cannot be set up here."""
    out = tmp_path / "net.ts"
    given = [] if name in ("custom.pt2", "opaque.ep", "package.pt2") else ["--device", made.DEVICE]
    given += ["--inputs", "x", "--outputs", "y,z", "--abi", "9"] if name == "net.engine" else []
    outcome = nacelle("embed", folder / name, "-o", out, *given)
    assert (outcome.code, outcome.err) == (0, ""), outcome.err
    (engine,) = nacelle_package.read(out).engines
    assert (engine.plan, engine.device) == (PLAN, made.DEVICE)
    assert engine.input_names == ["x"]
    assert engine.output_names == (["y"] if name == "net.pte" else ["y", "z"])
    if name in ("custom.pt2", "net.pte"):
        assert engine.flags["hardware_compatible"] is True
        assert engine.flags["target_platform"] == "linux_x86_64"
    extra_files = nacelle_package.read(out).extra_files
    assert list(extra_files) == (["metadata.json"] if name == "net.engine" else [])
    if extra_files:
        assert json.loads(extra_files["metadata.json"])["task"] == "detect"


def test_an_embedded_engine_runs(tmp_path: Path) -> None:
    (tmp_path / "net.engine").write_bytes(made.ultralytics_engine(nacelle_package.build_engine(seeded(TwoHeads), [X])))
    outcome = nacelle("embed", tmp_path / "net.engine", "-o", tmp_path / "net.ts")
    assert (outcome.code, outcome.err) == (0, "")
    torch.testing.assert_close(torch.jit.load(str(tmp_path / "net.ts"))(X), seeded(TwoHeads)(X))


def test_one_of_several_engines_is_named(tmp_path: Path) -> None:
    plan = nacelle_package.build_engine(seeded(TwoHeads), [X])
    fields = [
        b"9",
        b"net",
        b"0%0%0%0%cpu",
        *made.record(plan)[3:4],
        b"input_0",
        b"output_0%output_1",
        *made.record()[6:],
    ]
    both = {name: made.custom_object(fields) for name in ("a", "b")}
    (tmp_path / "both.pt2").write_bytes(written(made.exported_program(both)))
    outcome = nacelle("embed", tmp_path / "both.pt2", "-o", tmp_path / "net.ts")
    assert outcome.code == 1
    assert "has 2 engines: a, b; name one with --engine" in outcome.words
    outcome = nacelle("embed", tmp_path / "both.pt2", "-o", tmp_path / "net.ts", "--engine", "b")
    assert (outcome.code, outcome.err) == (0, "")
    torch.testing.assert_close(torch.jit.load(str(tmp_path / "net.ts"))(X), seeded(TwoHeads)(X))
    (tmp_path / "net.plan").write_bytes(plan)
    outcome = nacelle("embed", tmp_path / "net.plan", "-o", tmp_path / "net.ts", "--engine", "b")
    assert outcome.code == 2
    loaded = nacelle("inspect", tmp_path / "both.pt2", "--load", "--json").json[0]["engines"]
    assert [engine["loaded"]["ready"] for engine in loaded] == [True, True]
    assert nacelle("doctor", tmp_path / "both.pt2").code == 0


def test_diff(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, PLAN + b"\1")
    for name in KINDS:
        same = nacelle("diff", folder / name, folder / name)
        assert (same.code, same.err) == (0, "")
        facts = nacelle("diff", folder / name, tmp_path / name, "--json").json
        assert f"engine {KINDS[name][1]} plan sha256" in [change["what"] for change in facts["changes"]]
    other = nacelle("diff", folder / "custom.pt2", folder / "opaque.ep", "--json").json["changes"]
    assert other[0]["what"] == "member data/constants/custom_obj_0"
    mixed = nacelle("diff", folder / "custom.pt2", folder / "package.pt2", "--json").json["changes"]
    assert mixed == [{"what": "kind", "old": "exported program", "new": "AOTInductor package"}]
    (tmp_path / "a.pte").write_bytes((folder / "net.pte").read_bytes() + bytes(8))
    bytes_alone = nacelle("diff", folder / "net.pte", tmp_path / "a.pte", "--json").json["changes"]
    assert [change["what"] for change in bytes_alone] == ["member of the whole file"]


def test_engines_of_different_kinds_of_files_are_compared(tmp_path: Path, folder: Path) -> None:
    """An engine is found again by its path, its name or its plan."""
    program = tmp_path / "net.ts"
    assert nacelle("embed", folder / "custom.pt2", "-o", program, "--name", "net").code == 0
    facts = nacelle("diff", program, folder / "custom.pt2", "--json").json["changes"]
    assert facts[0] == {"what": "kind", "old": "TorchScript program", "new": "exported program"}
    assert [change["what"] for change in facts[1:]] == ["engine net_trt_engine abi_version"]
    write(tmp_path, PLAN + b"\1")
    for other in ("package.pt2", "net.pte"):
        what = [change["what"] for change in nacelle("diff", program, tmp_path / other, "--json").json["changes"]]
        assert what[0] == "kind"
    assert any("net_trt_engine plan sha256" in each for each in what) or "engine blobs[0]" in what
    (tmp_path / "net.plan").write_bytes(PLAN)
    mixed = nacelle("diff", tmp_path / "net.plan", program)
    assert mixed.code == 2
    assert "is a plan and" in mixed.words
    assert "nacelle extract writes an engine's plan" in mixed.words


@pytest.mark.parametrize("name", ["model.onnx", "net.engine", "net.pte"])
def test_files_without_records_are_not_changed(name: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "net.plan").write_bytes(PLAN)
    out = tmp_path / "out.ts"
    for command in (
        ("convert", folder / name, out, "--abi", "9"),
        ("strip", folder / name, "-o", out),
        ("replace", folder / name, "net", tmp_path / "net.plan", "-o", out),
    ):
        outcome = nacelle(*command)
        assert outcome.code == 1
        assert "whose plans have no records to read or change; make a program of a plan with" in outcome.words
        assert not out.exists()


@pytest.mark.parametrize("name", ["custom.pt2", "opaque.ep", "package.pt2"])
def test_records_in_packages_are_changed(name: str, folder: Path, tmp_path: Path) -> None:
    """Also where no engine can be set up; nothing of the files is loaded by torch."""
    out = tmp_path / name
    outcome = nacelle("convert", folder / name, out, "--abi", "7")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"net_engine: ABI version 9 -> 7\nwrote {out}\n"
    assert nacelle("inspect", out, "--json").json[0]["engines"][0]["abi_version"] == 7
    changes = nacelle("diff", folder / name, out, "--json").json["changes"]
    assert [change["what"] for change in changes] == ["engine net_engine abi_version"]
    outcome = nacelle("strip", out, "-o", out)
    assert (outcome.code, outcome.out) == (0, f"wrote {out}; no engine had metadata\n")
    (tmp_path / "net.plan").write_bytes(PLAN + bytes(9))
    outcome = nacelle("replace", out, "net_engine", tmp_path / "net.plan", "-o", out)
    assert outcome.code == 0
    assert "inputs and outputs could not be compared" in outcome.words
    assert nacelle("extract", out, "net_engine", "-o", tmp_path / "again.plan").code == 0
    assert (tmp_path / "again.plan").read_bytes() == PLAN + bytes(9)


def test_the_layout_of_an_exported_program(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pt2"
    assert nacelle("convert", folder / "opaque.ep", out, "--abi", "9", "--layout", "custom").code == 0
    assert b"opaque_obj" not in out.read_bytes()
    outcome = nacelle("convert", folder / "opaque.ep", out, "--abi", "9", "--layout", "old")
    assert outcome.code == 1
    assert "found the layout 'old'; wanted custom or opaque" in outcome.words


def test_from_outside(tmp_path: Path) -> None:
    """An exported program converted and given another plan by commands alone runs in a fresh process."""
    plan = nacelle_package.build_engine(seeded(TwoHeads), [X])
    module = nacelle_package.EngineModule(plan)
    torch.export.save(torch.export.export(module, (X,)), tmp_path / "net.pt2")
    (tmp_path / "net.plan").write_bytes(plan)
    script = (
        "import torch, torch_nacelle; torch.save(torch.export.load('out.pt2').module()(torch.load('x.pt')), 'y.pt')"
    )
    torch.save(X, tmp_path / "x.pt")
    main = "python3 -c 'from nacelle_cli.app import main; main()'"
    outcome = pipe(
        f"{main} convert net.pt2 out.pt2 --abi 9 && {main} replace out.pt2 engine net.plan -o out.pt2 && "
        f'{main} inspect out.pt2 --graph && python3 -W ignore -c "{script}"',
        tmp_path,
    )
    assert outcome.code == 0, outcome.err
    assert "the same inputs and outputs: names, dtypes, ranks, shapes" in outcome.words
    assert "= tensorrt.execute_engine.default(input_tensors=[" in outcome.out
    torch.testing.assert_close(torch.load(tmp_path / "y.pt"), seeded(TwoHeads)(X))


def test_the_graph_of_an_exported_program(folder: Path, tmp_path: Path) -> None:
    outcome = nacelle("inspect", folder / "custom.pt2", "--graph")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.endswith(
        "\ngraph(x: float32 [s77, 3]):\n"
        "  getitem_0 = tensorrt.execute_engine.default(input_tensors=[x], engine=net_engine)  # float32 [s77, 3]\n"
        "  return (getitem_0)\n"
    )
    package = nacelle("inspect", folder / "package.pt2", "--graph")
    assert package.code == 1
    assert "which has machine code and no graph; inspect the exported program" in package.words
    for name, kind in (("net.pte", "an ExecuTorch program"), ("net.engine", "an ultralytics engine")):
        other = nacelle("inspect", folder / name, "--graph")
        assert other.code == 1
        assert f"is {kind}, which has no graph of torch's operators" in other.words


class Branches(torch.nn.Module):
    """A graph with weights, a list, a text, a dtype, a branch and a size."""

    shift: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(3, 3)
        self.register_buffer("shift", torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.nn.functional.gelu(self.line(x), approximate="tanh").to(torch.float64)
        y = torch.cat([y, y]) + x.shape[0]
        result: torch.Tensor = torch.cond(y.sum() > 0, lambda z: z + 1, lambda z: z - self.shift.sum(), (y,))
        return result


def test_the_graph_has_the_programs_names(tmp_path: Path) -> None:
    program = torch.export.export(Branches(), (torch.rand(4, 3),), dynamic_shapes=({0: torch.export.Dim("n", min=2)},))
    torch.export.save(program, tmp_path / "b.pt2", extra_files={"notes.txt": "words"})
    outcome = nacelle("inspect", tmp_path / "b.pt2", "--graph")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert any("aten.linear.default(input=x, weight=line.weight, bias=line.bias)  # float32 [" in one for one in lines)
    assert any("gelu.default(self=linear, approximate='tanh')" in one for one in lines)
    assert any("dtype=float64" in one for one in lines)
    assert any("tensors=[to, to]" in one or "tensors=[_to_copy, _to_copy]" in one for one in lines)
    assert any("aten.sym_size.int(" in one and one.strip().startswith("sym_size_int") for one in lines)
    assert any(one.startswith("      ") and "aten.add.Tensor" in one and "other=1" in one for one in lines)
    assert "  parameters   2 tensors, 12 elements, 48 bytes (float32)" in outcome.out
    assert "  buffers      1 tensor, 3 elements, 12 bytes (float32)" in outcome.out
    assert "  extra files  notes.txt (5 bytes)" in outcome.out
    report = tmp_path / "report.html"
    assert nacelle("inspect", tmp_path / "b.pt2", "--html", report).code == 0
    assert "2 tensors, 12 elements, 48 bytes (float32)" in report.read_text()
    assert "notes.txt, 5 bytes" in report.read_text()


def test_diff_of_two_exported_programs_shows_weights_and_extra_files(tmp_path: Path) -> None:
    model = Branches()
    example = (torch.rand(4, 3),)
    torch.export.save(torch.export.export(model, example), tmp_path / "a.pt2", extra_files={"n": "a"})
    with torch.no_grad():
        model.line.bias.add_(1)
    torch.export.save(torch.export.export(model, example), tmp_path / "b.pt2", extra_files={"n": "b"})
    what = [one["what"] for one in nacelle("diff", tmp_path / "a.pt2", tmp_path / "b.pt2", "--json").json["changes"]]
    assert what == ["tensor line.bias", "extra files n"]


def test_texts_of_the_files_are_escaped(tmp_path: Path) -> None:
    bad = "\x1b[31mred\u202e"
    model = {"torch_version": bad, "range_constraints": {bad: {"min_val": 1}}}
    objects = {bad: made.custom_object(made.record(name=bad)), bad + "2": made.custom_object([bad.encode()])}
    foo = made.custom_object([], f"a{bad}\n{bad}\n".encode())
    (tmp_path / "a.pt2").write_bytes(written(made.exported_program(objects | {"foo": foo}, model=model)))
    (tmp_path / "b.onnx").write_bytes(
        made.onnx_model([made.context_node(bad, notes=bad), made.context_node(bad, source=bad)])
    )
    (tmp_path / "c.engine").write_bytes(made.ultralytics_engine(metadata={bad: bad, "list": [bad]}))
    told = made.executorch_blob(io_bindings=[{"name": bad, "dtype": bad, "is_input": True}], target_platform=bad)
    (tmp_path / "d.pte").write_bytes(made.executorch_program([told]))
    names = ["a.pt2", "b.onnx", "c.engine", "d.pte"]
    outcome = nacelle("inspect", *(tmp_path / name for name in names), "--html", tmp_path / "report.html")
    shown = nacelle("inspect", *(tmp_path / name for name in names))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    extracted = nacelle("extract", tmp_path / "b.onnx", bad, "-o", tmp_path / "out")
    embedded = nacelle("embed", tmp_path / "a.pt2", "-o", tmp_path / "out")
    for text in (outcome.out, outcome.err, shown.out, shown.err, page, extracted.out, extracted.err, embedded.err):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "\\x1b[31mred\\u202e" in shown.out
    assert "\\x1b[31mred\\u202e" in page


def test_the_report(folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    assert nacelle("inspect", *(folder / name for name in KINDS), "--html", report).code == 0
    page = report.read_text()
    for name, (kind, engine) in KINDS.items():
        assert f"<h1>{name}</h1>" in page
        assert kind in page
        assert engine in page
