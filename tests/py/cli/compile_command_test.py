"""``nacelle compile`` and ``nacelle check``, with the reference engine."""

import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import torch_nacelle as nacelle_package
from tests.py.cli.commands import nacelle
from tests.py.cli.terminal import pipe
from tests.py.networks import Detector, Head, TwoHeads, seeded

TWO_HEADS = Path(__file__).parents[2] / "data" / "two_heads" / "two_heads.onnx"
FAKE = Path(__file__).parents[2] / "core" / "tensorrt" / "fake"
REFERENCE = ["--backend", "reference"]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("models") / "2 heads.ts"
    torch.jit.script(seeded(TwoHeads)).save(str(path))
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("models") / "exported.pt2"
    torch.export.save(torch.export.export(seeded(TwoHeads), (torch.rand(1, 3, 8, 8),)), str(path))
    return path


def test_from_torchscript_and_checked(script: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ts"
    outcome = nacelle(
        "compile", script, "-o", out, "-i", "x=float32[1..8:4,3,8,8]+[1..2,3,16,16]", *REFERENCE, "--abi", "9"
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"wrote {out}: _2_heads_trt_engine, reference engine, plan format 1, ")
    (engine,) = nacelle_package.read(out).engines
    assert (engine.abi_version, engine.input_names) == (9, ["x"])
    program = torch.jit.load(str(out))
    for shape in ((1, 3, 8, 8), (8, 3, 8, 8), (2, 3, 16, 16)):
        x = torch.rand(shape)
        torch.testing.assert_close(program(x), seeded(TwoHeads)(x))
    checked = nacelle("check", out, "--against", script)
    assert (checked.code, checked.err) == (0, "")
    assert "optimization profile 1, max" in checked.out
    facts = nacelle("check", out, "--against", script, "--json").json
    assert facts["passed"] is True
    assert len(facts["outputs"]) == 2 * 3 * 2
    assert {one["passed"] for one in facts["outputs"]} == {True}


def test_an_order_that_version_three_would_change(tmp_path: Path) -> None:
    class Sub(torch.nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return a - b

    torch.jit.script(Sub()).save(str(tmp_path / "sub.ts"))
    out = tmp_path / "out.ts"
    inputs = ["-i", "x_1=float32[2]", "-i", "x_0=float32[2]"]
    command: list[str | Path] = ["compile", tmp_path / "sub.ts", "-o", out, *inputs, *REFERENCE]
    outcome = nacelle(*command, "--abi", "3")
    assert outcome.code == 1
    assert "keeps no input names" in outcome.words
    assert "x_0, x_1, not x_1, x_0" in outcome.words
    assert not out.exists()
    assert nacelle(*command, "--platform", "linux_aarch64").code == 0
    (engine,) = nacelle_package.read(out).engines
    assert (engine.abi_version, engine.flags["target_platform"]) == (6, "linux_aarch64")
    a, b = torch.tensor([5.0, 7.0]), torch.tensor([1.0, 2.0])
    torch.testing.assert_close(torch.jit.load(str(out))(a, b), a - b)


def test_values_that_decide_about_shapes(tmp_path: Path) -> None:
    class Repeat(torch.nn.Module):
        def forward(self, x: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
            return x.repeat([int(times[0]), 1])

    torch.jit.script(Repeat()).save(str(tmp_path / "repeat.ts"))
    inputs = ["-i", "x=float32[2,3]", "-i", "times=int64[1]=[1..8:4]"]
    outcome = nacelle("compile", tmp_path / "repeat.ts", "-o", tmp_path / "out.ts", *inputs, *REFERENCE, "--check")
    assert (outcome.code, outcome.err) == (0, "")
    program = torch.jit.load(str(tmp_path / "out.ts"))
    for times in (1, 4, 7):
        assert program(torch.ones(2, 3), torch.tensor([times])).shape == (2 * times, 3)


def test_from_an_exported_program(exported: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ts"
    outcome = nacelle("compile", exported, "-o", out, *REFERENCE, "--check", "--name", "net", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert (outcome.json["checked"], outcome.json["engine"]["path"]) == (True, "net_trt_engine")
    x = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(torch.jit.load(str(out))(x), seeded(TwoHeads)(x))
    assert nacelle("check", out, "--against", exported).code == 0


def test_from_onnx(tmp_path: Path) -> None:
    out = tmp_path / "out.ts"
    outcome = nacelle("compile", TWO_HEADS, "-o", out, *REFERENCE, "-i", "[1..8:4,3,32,32]", "--check")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.endswith(", computes what the model computes\n")
    assert nacelle_package.read(out).engines[0].name == "two_heads"
    assert nacelle("check", out, "--against", TWO_HEADS).code == 0


def test_checked_against_onnx(script: Path, tmp_path: Path) -> None:
    out, model = tmp_path / "out.ts", tmp_path / "model.onnx"
    x = torch.rand(2, 3, 8, 8)
    torch.onnx.export(seeded(TwoHeads), (x,), str(model), dynamo=False)
    nacelle_package.compile(seeded(TwoHeads), [x], backend="reference").save(str(out))
    outcome = nacelle("check", out, "--against", model)
    assert (outcome.code, outcome.err) == (0, "")
    assert "relative error allowed: 0.001 (fp32); worst: relative error" in outcome.out


def test_another_model_is_no_original(script: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ts"
    with torch.random.fork_rng():
        torch.manual_seed(11)
        nacelle_package.compile(TwoHeads().eval(), [torch.rand(1, 3, 8, 8)], backend="reference").save(str(out))
    outcome = nacelle("check", out, "--against", script)
    assert (outcome.code, outcome.err) == (1, "")
    assert "FAILED" in outcome.out
    facts = nacelle("check", out, "--against", script, "--json")
    assert (facts.code, facts.json["passed"]) == (1, False)
    assert nacelle("check", out, "--against", script, "--threshold", "1000").code == 0


def test_checked_with_given_inputs(script: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ts"
    x = torch.rand(2, 3, 8, 8)
    nacelle_package.compile(seeded(TwoHeads), [x], backend="reference").save(str(out))
    np.save(tmp_path / "x.npy", x.numpy())
    facts = nacelle("check", out, "--against", script, "--input", tmp_path / "x.npy", "--json").json
    assert {tuple(one["input_shapes"][0]) for one in facts["outputs"]} == {(2, 3, 8, 8)}
    refused = nacelle("check", out, "--against", script, "--input", "zeros:[3,3,8,8]")
    assert refused.code == 1
    assert "input_0" in refused.words


def test_onnx_without_onnxruntime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.ts"
    assert nacelle("compile", TWO_HEADS, "-o", out, *REFERENCE, "-i", "[2,3,32,32]").code == 0
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    outcome = nacelle("check", out, "--against", TWO_HEADS)
    told = f"onnxruntime is not installed: {TWO_HEADS} is run as TorchScript that is made of it\n"
    assert (outcome.code, outcome.err) == (0, told)
    monkeypatch.setitem(sys.modules, "onnx", None)
    outcome = nacelle("check", out, "--against", TWO_HEADS)
    assert (outcome.code, outcome.out) == (1, "")
    assert "is run with the package onnxruntime, or read with the package onnx, which is not installed" in outcome.words


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-i", "x=float32[1..16:20,3,8,8]"], 2, "1, 20 and 16 must ascend"),
        (["-i", "float32[1,3,8,8]", "-i", "float32[1]"], 1, "2"),
        (["-i", "float32[1,4,8,8]"], 1, "to have 3 channels, but got 4 channels instead"),
        (["-i", "float32[1,3,8,8]", "--backend", "tensorrt_9"], 1, "there is no backend 'tensorrt_9'"),
        (["-i", "float32[1,3,8,8]", "--fp16"], 1, "build option fp16 is given for the reference engine"),
        (
            ["-i", "float32[1,3,8,8]", "--fp32-layers", "/head/*", "--fp32-layers", "/a"],
            1,
            "build option fp32_layers is given for the reference engine",
        ),
        (["-i", "float32[1,3,8,8]", "--workspace", "4X"], 2, "--workspace takes a number of bytes, such as 512M or 4G"),
        (["-i", "float32[1,3,8,8]", "--abi", "2"], 1, "2"),
        (["-i", "float32[1,3,8,8]", "--name", "a b"], 1, "wanted an identifier"),
        ([], 2, "a TorchScript model does not tell its inputs: give --input for each of x"),
    ],
)
def test_what_cannot_be_compiled(script: Path, arguments: list[str], code: int, words: str, tmp_path: Path) -> None:
    backend = [] if "--backend" in arguments else REFERENCE
    outcome = nacelle("compile", script, "-o", tmp_path / "out.ts", *backend, *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert words in outcome.words
    assert list(tmp_path.iterdir()) == []


def test_flags_become_build_options(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}

    def stop(*_: object, **arguments: object) -> None:
        given.update(arguments)
        raise nacelle_package.InputError("seen")

    monkeypatch.setattr(nacelle_package, "compile", stop)
    command: list[str | Path] = ["compile", script, "-o", tmp_path / "out.ts", "-i", "[1,3,8,8]"]
    assert nacelle(*command).code == 1
    without = dict(given)
    flags = shlex.split(
        "--fp16 --no-tf32 --fp32-layers /a --fp32-layers /b --workspace 4G --tactic-sources cublas,cudnn "
        "--optimization-level 5 --hardware-compatibility none --library /opt --timing-cache on "
        "--engine-cache folder --engine-cache-size 512MiB --fold-constants"
    )
    assert nacelle(*command, *flags).code == 1
    assert {name: value for name, value in given.items() if name not in without} == {
        "fp16": True,
        "tf32": False,
        "fp32_layers": ["/a", "/b"],
        "workspace": 4 << 30,
        "tactic_sources": ["cublas", "cudnn"],
        "optimization_level": 5,
        "hardware_compatibility": "none",
        "library": Path("/opt"),
        "timing_cache": True,
        "engine_cache": Path("folder"),
        "engine_cache_size": 512 << 20,
        "fold_constants": True,
    }
    assert nacelle(*command, "--tactic-sources", "none").code == 1
    assert given["tactic_sources"] == []


def test_where_it_cannot_be_written_nothing_is_built(script: Path, tmp_path: Path) -> None:
    for out, words in ((tmp_path / "no" / "out.ts", "there is no folder"), (tmp_path / "folder.ts", "it is a folder")):
        (tmp_path / "folder.ts").mkdir(exist_ok=True)
        outcome = nacelle("compile", script, "-o", out, "--backend", "tensorrt_9", "-i", "[1,3,8,8]")
        assert (outcome.code, outcome.out) == (1, "")
        assert f"cannot write {out}: {words}" in outcome.words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("broken.onnx", "broken.onnx"),
        ("broken.pt2", "broken.pt2 cannot be read as an exported program"),
        ("broken.ts", "broken.ts is no model that can be read here: give ONNX (.onnx)"),
    ],
)
def test_models_that_cannot_be_read(name: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"not a model")
    outcome = nacelle("compile", path, "-o", tmp_path / "out.ts", *REFERENCE)
    assert (outcome.code, outcome.out) == (1, "")
    assert words in outcome.words
    assert list(tmp_path.iterdir()) == [path]
    missing = nacelle("compile", tmp_path / f"no_{name}", "-o", tmp_path / "out.ts")
    assert (missing.code, f"there is no file {tmp_path}/no_{name}" in missing.words) == (1, True)


def test_what_is_checked_has_to_be_known(tmp_path: Path) -> None:
    torch.jit.script(seeded(Head)).save(str(tmp_path / "head.ts"))
    outcome = nacelle("check", tmp_path / "head.ts", "--against", tmp_path / "head.ts")
    assert outcome.code == 1
    assert "the dtype and shape of argument x are not known" in outcome.words
    given = ["--input", "random:float32[2,8]"]
    assert nacelle("check", tmp_path / "head.ts", "--against", tmp_path / "head.ts", *given).code == 0


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program with one engine, one with engines inside, a frozen model, and files that are none of these."""
    folder: Path = tmp_path_factory.mktemp("programs")
    images = nacelle_package.Input(min=(1, 3, 8, 8), max=(4, 3, 8, 8))
    module = seeded(TwoHeads)
    nacelle_package.compile(module, [images], backend="reference").save(str(folder / "a.ts"))
    nacelle_package.compile(seeded(Detector), {"backbone": [images]}, backend="reference").save(str(folder / "b.ts"))
    nacelle_package.compile(seeded(Detector), [images], backend="reference").save(str(folder / "whole.ts"))
    torch.jit.freeze(torch.jit.script(module)).save(str(folder / "frozen.ts"))
    torch.save(module, folder / "module.pt")
    return folder


def test_checked_against_a_program_with_engines(programs: Path) -> None:
    """The command runs in a process of its own, so that nothing else has imported torch_nacelle."""
    outcome = pipe("nacelle check whole.ts --against b.ts && nacelle check b.ts --against b.ts --json", programs)
    assert (outcome.code, outcome.err) == (0, "")
    assert "FAILED" not in outcome.out
    outcome = pipe("nacelle check a.ts --against frozen.ts --json", programs)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.json["passed"] is True
    assert pipe("nacelle check a.ts --against b.ts", programs).code == 1


def test_compiled_from_a_program(programs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ts"
    outcome = nacelle("compile", programs / "frozen.ts", "-o", out, "-i", "[1..4,3,8,8]", *REFERENCE, "--check")
    assert (outcome.code, outcome.err) == (0, "")
    assert "computes what the model computes" in outcome.out


def test_a_program_with_engines_becomes_no_engine(programs: Path, tmp_path: Path) -> None:
    outcome = nacelle("compile", programs / "b.ts", "-o", tmp_path / "out.ts", "-i", "[1..4,3,8,8]", *REFERENCE)
    assert outcome.code == 1
    assert "tensorrt::execute_engine" in outcome.err
    assert not (tmp_path / "out.ts").exists()


@pytest.mark.parametrize("command", ["check", "compile"])
def test_a_module_of_torch_save_is_no_model(programs: Path, tmp_path: Path, command: str) -> None:
    ways: dict[str, list[str | Path]] = {
        "check": ["check", programs / "a.ts", "--against", programs / "module.pt"],
        "compile": ["compile", programs / "module.pt", "-o", tmp_path / "out.ts", "-i", "[1,3,8,8]"],
    }
    outcome = nacelle(*ways[command])
    assert (outcome.code, outcome.out) == (1, "")
    assert "module.pt is what torch.save wrote (tensors or other objects) and no TorchScript program" in outcome.err
    folder = [programs if str(one).endswith("module.pt") else one for one in ways[command]]
    assert "is a folder; wanted the file of a model" in nacelle(*folder).err


@pytest.mark.parametrize(("file", "release"), [("libfake_9_1.so", "9.1.0.4"), ("libfake_9_2.so", "9.2.0.5")])
def test_nothing_is_built_with_tensorrt_9(script: Path, tmp_path: Path, file: str, release: str) -> None:
    options: list[str | Path] = ["--backend", "tensorrt", "--library", FAKE / file]
    outcome = nacelle("compile", script, "-o", tmp_path / "out.ts", "-i", "x=float32[1,3,8,8]", *options)
    assert (outcome.code, outcome.out) == (1, "")
    said = " ".join(outcome.err.split())
    for words in (f"TensorRT {release}", "runs plans but builds none", "build with TensorRT 8.x, 10.x, 11.x"):
        assert words in said
    assert not (tmp_path / "out.ts").exists()
