"""``run``, ``check``, ``bench``, ``compile`` and ``convert`` with exported programs and AOTInductor packages."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import torch_nacelle as nacelle_package
from tests.py.cli.commands import nacelle
from tests.py.networks import Head, TwoHeads, seeded
from tests.py.programs_with_code import computed_default, module_with_state

INPUT = ["-i", "images=float32[1..8:4,3,8,8]"]
X = torch.rand(2, 3, 8, 8)
KINDS = ("a.ts", "a.pt2", "package.pt2")
Heads = tuple[torch.Tensor, torch.Tensor]


@pytest.fixture(scope="module", autouse=True)
def inductor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps inductor's cache out of the system's folder, and lets it compile fast."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("inductor")))
        with torch._inductor.config.patch({"aot_inductor.compile_wrapper_opt_level": "O0"}):
            yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and programs of it that the command line compiled; inputs."""
    path: Path = tmp_path_factory.mktemp("programs")
    dynamic = {"images": {0: "n"}}
    torch.onnx.export(
        seeded(TwoHeads),
        (X,),
        str(path / "model.onnx"),
        dynamo=False,
        input_names=["images"],
        output_names=["scores", "boxes"],
        dynamic_axes=dynamic,
    )
    np.save(path / "x.npy", X.numpy())
    for name, more in (("a.ts", []), ("a.pt2", []), ("package.pt2", ["--format", "aotinductor"])):
        outcome = nacelle(
            "compile", path / "model.onnx", "-o", path / name, *INPUT, *more, "--backend", "reference", "--check"
        )
        assert outcome.code == 0, outcome.err
        assert outcome.out.startswith(f"wrote {path / name}: ")
        assert outcome.out.endswith(", computes what the model computes\n")
    return path


def outputs(path: Path, data: Path, out: Path) -> dict[str, np.ndarray]:
    outcome = nacelle("run", path, "-i", data, "-o", out)
    assert (outcome.code, outcome.err) == (0, "")
    with np.load(out) as written:
        return dict(written)


@pytest.mark.parametrize("name", KINDS)
def test_run(name: str, folder: Path, tmp_path: Path) -> None:
    found = outputs(folder / name, folder / "x.npy", tmp_path / "out.npz")
    with torch.no_grad():
        for one, wanted in zip(found.values(), seeded(TwoHeads)(X), strict=True):
            np.testing.assert_allclose(one, wanted.numpy(), rtol=1e-5, atol=1e-6)
    made_up = nacelle("run", folder / name, "--json", "--device", "cpu").json
    assert made_up["device"] == "cpu"
    assert [one["shape"] for one in made_up["inputs"].values()] == [[4, 3, 8, 8]]
    named = nacelle("run", folder / name, "-i", "images=ones:float32[1,3,8,8]", "--json").json
    assert named["outputs"]["output_1"]["shape"] == [1, 4]


@pytest.mark.parametrize("name", KINDS)
def test_triton(name: str, folder: Path, tmp_path: Path) -> None:
    outcome = nacelle("triton", folder / name, "-o", tmp_path)
    assert outcome.code == 0, outcome.err
    config = (tmp_path / Path(name).stem / "config.pbtxt").read_text()
    assert 'max_batch_size: 8\ninput {\n  name: "images"\n  data_type: TYPE_FP32\n  dims: [ 3, 8, 8 ]\n}' in config
    assert config.count("\noutput {") == 2 and "preferred_batch_size: [ 4 ]" in config


def test_a_package_in_the_pytorch_backend_of_triton(folder: Path, tmp_path: Path) -> None:
    outcome = nacelle("triton", folder / "package.pt2", "-o", tmp_path, "--backend", "pytorch")
    assert outcome.code == 0, outcome.err
    config = (tmp_path / "package" / "config.pbtxt").read_text()
    assert 'platform: "torch_aoti"' in config and 'name: "INPUT__0"' in config and 'name: "OUTPUT__1"' in config
    assert [path.name for path in (tmp_path / "package" / "1").iterdir()] == ["model.pt2"]


def test_run_of_a_package_in_a_process_of_its_own(folder: Path) -> None:
    command = [sys.executable, "-m", "torch_nacelle", "run", str(folder / "package.pt2"), "--json"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"output_1"' in done.stdout


WRONG = {
    "ones:float32[9,3,8,8]": r'input "images" has the shape [9, 3, 8, 8]; wanted [1..8, 3, 8, 8]',
    "ones:float32[3,8,8]": r'input "images" has the shape [3, 8, 8]; wanted [1..8, 3, 8, 8]',
}


@pytest.mark.parametrize("name", ["a.pt2", "package.pt2"])
@pytest.mark.parametrize("given", WRONG)
def test_wrong_inputs_are_named(given: str, name: str, folder: Path) -> None:
    outcome = nacelle("run", folder / name, "-i", given)
    assert outcome.code == 1
    assert WRONG[given] in outcome.words
    unknown = nacelle("run", folder / name, "-i", "y=zeros")
    assert unknown.code == 2
    assert "forward has no argument y; it has: images" in unknown.words


@pytest.mark.parametrize("name", KINDS)
def test_check(name: str, folder: Path) -> None:
    for original in ("model.onnx", "a.pt2"):
        facts = nacelle("check", folder / name, "--against", folder / original, "--json").json
        assert facts["passed"]
        assert sorted({one["input_shapes"][0][0] for one in facts["outputs"]}) == [1, 4, 8]
    assert nacelle("check", folder / "a.ts", "--against", folder / name, "-i", folder / "x.npy").code == 0


def test_check_finds_a_difference(folder: Path, tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        other = torch.export.export(TwoHeads(), (X,))
    torch.export.save(other, tmp_path / "other.pt2")
    outcome = nacelle("check", folder / "a.pt2", "--against", tmp_path / "other.pt2", "-i", folder / "x.npy")
    assert outcome.code == 1
    assert "FAILED" in outcome.out


@pytest.mark.parametrize("name", KINDS)
def test_bench(name: str, folder: Path) -> None:
    facts = nacelle("bench", folder / name, "--seconds", "0.2", "--threads", "1", "--json").json
    assert facts["load_ms"] > 0
    assert facts["parts_ms"] is not None


def test_compile_tells_the_format(folder: Path, tmp_path: Path) -> None:
    command = ["compile", str(folder / "model.onnx"), *INPUT, "--backend", "reference", "--json", "-o"]
    facts = nacelle(*command, tmp_path / "a.ep").json
    assert (facts["format"], facts["engine"]["path"]) == ("exported", "engine")
    facts = nacelle(*command, tmp_path / "b.pt2", "--format", "torchscript").json
    assert facts["format"] == "torchscript"
    assert isinstance(nacelle_package.load(tmp_path / "b.pt2"), torch.jit.ScriptModule)
    outcome = nacelle(*command, tmp_path / "c.pt2", "--format", "onnx")
    assert outcome.code == 2
    assert "there is no format 'onnx'; there are torchscript, exported, aotinductor" in outcome.words
    assert not (tmp_path / "c.pt2").exists()


def test_convert_there_and_back_is_the_same_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    there, back = tmp_path / "there.pt2", tmp_path / "back.ts"
    outcome = nacelle("convert", folder / "a.ts", there)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.endswith(f"ABI version 9\nwrote {there}, an exported program\n")
    facts = nacelle("convert", there, back, "--abi", "8", "--json").json
    assert (facts["format"], facts["former_format"], facts["left_out"]) == ("torchscript", "exported", [])
    assert [one["abi_version"] for one in facts["engines"]] == [8]
    found = [outputs(path, folder / "x.npy", tmp_path / "out.npz") for path in (folder / "a.ts", there, back)]
    for one in found[1:]:
        assert list(one) == list(found[0])
        assert all(one[name].tobytes() == found[0][name].tobytes() for name in one)
    ranges = [nacelle_package.arguments(nacelle_package.load(path))[0].input for path in (folder / "a.ts", there, back)]
    assert ranges[0] == ranges[1] == ranges[2]
    plans = [nacelle("inspect", path, "--json").json[0]["engines"][0] for path in (folder / "a.ts", there, back)]
    assert len({plan["plan"]["sha256"] for plan in plans}) == 1


class Chain(torch.nn.Module):
    """Two engines one after the other, with outputs of both."""

    def __init__(self, first: torch.nn.Module, second: torch.nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, Heads]:
        features = self.first(images)
        more = self.second(features)
        return features, (more[1], more[0])


class Pooled(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3)).repeat(1, 4)[:, :8]


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    image = nacelle_package.Input(min=(1, 3, 8, 8), opt=(2, 3, 8, 8), max=(4, 3, 8, 8))
    features = nacelle_package.Input(min=(1, 8), opt=(2, 8), max=(4, 8))
    first = nacelle_package.compile(Pooled(), [image], name="first")
    second = nacelle_package.compile(seeded(Head), [features], name="second")
    torch.jit.script(Chain(first, second)).save(str(tmp_path / "chain.ts"), _extra_files={"labels.txt": "cat"})
    return tmp_path / "chain.ts"


def test_convert_a_chain_of_engines(chain: Path, tmp_path: Path) -> None:
    outcome = nacelle("convert", chain, tmp_path / "chain.pt2", "--json")
    assert outcome.json["left_out"] == ["extra/labels.txt"]
    assert nacelle("convert", tmp_path / "chain.pt2", tmp_path / "back.ts").code == 0
    programs = [nacelle_package.load(tmp_path / name) for name in ("chain.ts", "chain.pt2", "back.ts")]
    with torch.no_grad():
        for count in (1, 3):
            x = torch.rand(count, 3, 8, 8)
            found = [torch.utils._pytree.tree_leaves(program(x)) for program in programs]
            assert all(map(torch.equal, found[0], found[1]))
            assert all(map(torch.equal, found[0], found[2]))
            assert [type(one) for one in programs[2](x)] == [torch.Tensor, tuple]


class Softened(torch.nn.Module):
    def __init__(self, engine: torch.nn.Module) -> None:
        super().__init__()
        self.engine = engine

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.engine(images)[0], 1)


def test_convert_names_the_operator_that_is_no_engine(folder: Path, tmp_path: Path) -> None:
    torch.jit.script(Softened(nacelle_package.load(folder / "a.ts"))).save(str(tmp_path / "soft.ts"))
    outcome = nacelle("convert", tmp_path / "soft.ts", tmp_path / "soft.pt2")
    assert outcome.code == 1
    assert "soft.ts cannot be an exported program: the program does more than call engines (aten::softmax)" in (
        outcome.words
    )
    assert "nacelle.compile(..., container='module')" in outcome.words
    assert not (tmp_path / "soft.pt2").exists()
    image = nacelle_package.Input(min=(1, 3, 8, 8), opt=(2, 3, 8, 8), max=(4, 3, 8, 8))
    module = Softened(nacelle_package.compile(seeded(TwoHeads), [image], container="module"))
    nacelle_package.save(module, tmp_path / "soft.pt2", inputs=[image])
    outcome = nacelle("convert", tmp_path / "soft.pt2", tmp_path / "back.ts")
    assert outcome.code == 1
    assert "unless it calls engines alone: it calls aten::softmax.int; make the program from its nn.Module" in (
        outcome.words
    )


@pytest.mark.parametrize("make", [module_with_state, computed_default])
def test_convert_runs_no_code_of_the_file(make: Callable[[Path, Path], None], tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    make(tmp_path / "code.ts", mark)
    mark.unlink(missing_ok=True)
    outcome = nacelle("convert", tmp_path / "code.ts", tmp_path / "out.pt2")
    assert outcome.code == 1
    assert "brings code that loading it runs" in outcome.words
    assert not mark.exists()


def test_convert_that_cannot_be(folder: Path, tmp_path: Path) -> None:
    outcome = nacelle("convert", folder / "package.pt2", tmp_path / "a.ts")
    assert outcome.code == 1
    assert "package.pt2 is an AOTInductor package, whose program is machine code; wanted TorchScript" in outcome.words
    outcome = nacelle("convert", folder / "a.ts", tmp_path / "a.pt2", "--drop", "metadata")
    assert outcome.code == 2
    assert "--drop is for a copy in the same format" in outcome.words
    outcome = nacelle("convert", folder / "a.ts", tmp_path / "a.pt2", "--abi", "11")
    assert outcome.code == 1
    assert "11" in outcome.words
    assert list(tmp_path.iterdir()) == []
