"""``nacelle extract``, ``replace`` and ``embed``."""

import os
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle_package
from tests.py.cli.commands import nacelle
from tests.py.networks import Detector, Head, TwoHeads, seeded

X = torch.rand(1, 3, 8, 8)
RTX_5090 = "0%12%0%0%NVIDIA GeForce RTX 5090"
UPSTREAM = os.environ.get("NACELLE_UPSTREAM_DATA")
needs_upstream = pytest.mark.skipif(
    not UPSTREAM, reason="programs that Torch-TensorRT saved: set NACELLE_UPSTREAM_DATA to their folder"
)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program with two engines."""
    path = tmp_path / "program.ts"
    nacelle_package.compile(seeded(Detector), {"backbone": [X], "head": [torch.rand(1, 8)]}).save(str(path))
    return path


def test_extracted(program: Path, tmp_path: Path) -> None:
    out = tmp_path / "head.plan"
    outcome = nacelle("extract", program, "head", "-o", out)
    engine = nacelle_package.read(program).engine("head")
    assert out.read_bytes() == engine.plan
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"wrote {out}: the plan of head.head_trt_engine, ")
    assert outcome.out.endswith(", reference engine, plan format 1\n")
    facts = nacelle("extract", program, "head.head_trt_engine", "-o", out, "--json").json
    assert facts["engine"]["path"] == "head.head_trt_engine"
    assert (facts["engine"]["plan_size"], facts["output"]) == (engine.plan_size, str(out))


def test_an_unknown_engine_lists_those_that_there_are(program: Path, tmp_path: Path) -> None:
    outcome = nacelle("extract", program, "neck", "-o", tmp_path / "out.plan")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == (
        "nacelle: the program has no engine 'neck'; it has: backbone.backbone_trt_engine (name 'backbone'), "
        "head.head_trt_engine (name 'head')\nSee docs/troubleshooting.md#inputerror\n"
    )
    assert list(tmp_path.iterdir()) == [program]


def test_replaced_in_place(program: Path, tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(11)
        other = Head().eval()
    plan = tmp_path / "new.plan"
    plan.write_bytes(nacelle_package.build_engine(other, [torch.rand(1, 8)]))
    outcome = nacelle("replace", program, "head", plan, "-o", program)
    assert (outcome.code, outcome.err) == (0, "")
    assert "the same inputs and outputs: names, dtypes, ranks\n" in outcome.out
    wanted = seeded(Detector)
    wanted.head = other
    torch.testing.assert_close(torch.jit.load(str(program))(X), wanted(X))
    facts = nacelle("replace", program, "head", plan, "-o", program, "--json").json
    assert facts["checked"] == ["names", "dtypes", "ranks"]
    assert facts["why_unchecked"] == ""
    assert {path.name for path in tmp_path.iterdir()} == {"program.ts", "new.plan"}


def test_a_plan_with_other_tensors(program: Path, tmp_path: Path) -> None:
    before = program.read_bytes()
    plan = tmp_path / "new.plan"
    plan.write_bytes(nacelle_package.build_engine(seeded(TwoHeads), [X]))
    outcome = nacelle("replace", program, "head", plan, "-o", program)
    assert outcome.code == 1
    assert "the new plan has other inputs than engine head.head_trt_engine" in outcome.words
    assert "found input_0: float32 [1, 3, 8, 8]; wanted input_0: float32 [1, 8]" in outcome.words
    assert program.read_bytes() == before
    missing = nacelle("replace", program, "head", tmp_path / "none.plan", "-o", program)
    assert (missing.code, "there is no plan file" in missing.err) == (1, True)
    plan.write_text("text")
    assert nacelle("replace", program, "head", plan, "-o", program).code == 1
    assert program.read_bytes() == before


def test_embedded(tmp_path: Path) -> None:
    plan = tmp_path / "net.plan"
    plan.write_bytes(nacelle_package.build_engine(seeded(TwoHeads), [X]))
    out = tmp_path / "net.ts"
    arguments = ["--name", "net", "--inputs", "input_0", "--outputs", "output_1,output_0", "--abi", "9"]
    outcome = nacelle("embed", plan, "-o", out, *arguments)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"wrote {out}: net_trt_engine, reference engine, plan format 1, for the CPU, ABI version 9\n"
    logits, boxes = seeded(TwoHeads)(X)
    torch.testing.assert_close(torch.jit.load(str(out))(X), (boxes, logits))
    facts = nacelle("embed", plan, "-o", out, "--json").json
    assert (facts["engine"]["name"], facts["engine"]["abi_version"]) == ("engine", 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--name", "a-b"], 'the engine\'s name is "a-b"; wanted an identifier'),
        (["--inputs", "x"], "input_names lists x; wanted each input of the plan once: input_0"),
        (["--abi", "2"], "2"),
        (["--device", "gpu"], 'there is no device "gpu"; give cpu, cuda, cuda:1'),
    ],
)
def test_what_cannot_be_embedded(arguments: list[str], words: str, tmp_path: Path) -> None:
    plan = tmp_path / "net.plan"
    plan.write_bytes(nacelle_package.build_engine(seeded(TwoHeads), [X]))
    outcome = nacelle("embed", plan, "-o", tmp_path / "net.ts", *arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert words in outcome.words
    assert list(tmp_path.iterdir()) == [plan]


@needs_upstream
def test_a_plan_for_a_gpu_goes_out_of_a_program_and_into_another_one(tmp_path: Path) -> None:
    source = Path(UPSTREAM or "", "abi9_trt11.0.0_rtx5090.ts")
    plan = tmp_path / "net.plan"
    assert nacelle("extract", source, "_run_on_acc_0_engine", "-o", plan).code == 0
    (wanted,) = nacelle_package.read(source).engines
    assert plan.read_bytes() == wanted.plan
    alone = nacelle("embed", plan, "-o", tmp_path / "net.ts", "--device", RTX_5090)
    if alone.code:
        assert "give input_names" in alone.words
    named = ["--inputs", "x", "--outputs", "output0", "--device", RTX_5090, "--abi", "9"]
    outcome = nacelle("embed", plan, "-o", tmp_path / "net.ts", *named)
    assert outcome.code == 0, outcome.err
    (engine,) = nacelle_package.read(tmp_path / "net.ts").engines
    assert (engine.plan, engine.device, engine.input_names) == (wanted.plan, RTX_5090, ["x"])
    replaced = nacelle("replace", source, wanted.path, plan, "-o", tmp_path / "same.ts")
    assert replaced.code == 0, replaced.err
    assert "TensorRT 11.0.0.114" in replaced.out
    assert nacelle_package.read(tmp_path / "same.ts").engines[0].plan == wanted.plan
