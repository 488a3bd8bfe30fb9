"""``nacelle diff``: what is the same, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from nacelle_cli.commands import diff, inspect
from tests.py.cli import samples
from tests.py.cli.terminal import pipe
from tests.py.networks import Detector, seeded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("samples")
    samples.hybrid(made / "old.ts")
    samples.whole(made / "whole.ts")
    nacelle.convert(made / "old.ts", made / "converted.ts", abi_version=9)
    (made / "two_heads.plan").write_bytes(samples.TWO_HEADS_PLAN.read_bytes())
    return made


def changes(old: Path, new: Path) -> dict[str, tuple[Any, Any]]:
    found = diff.compare(inspect.inspect_file(old), inspect.inspect_file(new))
    return {change.what: (change.old, change.new) for change in found}


def test_the_same_program_under_another_name_is_the_same(folder: Path) -> None:
    samples.hybrid(folder / "again.ts")
    outcome = pipe("nacelle diff old.ts again.ts", folder)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "old.ts and again.ts are the same in all that torch reads\n"


def test_a_converted_program_differs_in_its_version_and_the_fields_of_that(folder: Path) -> None:
    outcome = pipe("nacelle diff old.ts converted.ts", folder)
    assert (outcome.code, outcome.err) == (1, "")
    assert outcome.out.startswith(
        "old.ts -> converted.ts  4 changes\n\n"
        "  engine backbone.backbone_trt_engine abi_version\n    -            3\n    +            9\n"
    )


def test_json(folder: Path) -> None:
    outcome = pipe("nacelle diff old.ts converted.ts --json", folder)
    assert outcome.code == 1
    fields = {
        "abi_version": (3, 9),
        "input_names": ([], ["input_0"]),
        "output_names": ([], ["output_0"]),
        "target_platform": ("unknown", "linux_x86_64"),
    }
    assert outcome.json == {
        "old": "old.ts",
        "new": "converted.ts",
        "same": False,
        "changes": [
            {"what": f"engine backbone.backbone_trt_engine {field}", "old": old, "new": new}
            for field, (old, new) in fields.items()
        ],
    }


def test_weights_inside_and_outside_of_engines(folder: Path, tmp_path: Path) -> None:
    images = [nacelle.Input(min=(1, 3, 8, 8), max=(4, 3, 8, 8))]
    model = seeded(Detector)
    with torch.no_grad():
        model.get_parameter("head.box.bias").add_(1)
    program = nacelle.compile(model, {"backbone": images})
    torch.jit.save(program, str(tmp_path / "outside.ts"), _extra_files={"notes.txt": "kept"})
    (what,) = changes(folder / "old.ts", tmp_path / "outside.ts")
    assert what == "tensor head.box.bias"
    with torch.no_grad():
        model.get_parameter("head.box.bias").sub_(1)
        model.get_parameter("backbone.conv.bias").add_(1)
    program = nacelle.compile(model, {"backbone": images})
    torch.jit.save(program, str(tmp_path / "inside.ts"), _extra_files={"notes.txt": "kept!"})
    found = changes(folder / "old.ts", tmp_path / "inside.ts")
    assert "engine backbone.backbone_trt_engine plan sha256" in found
    assert found["extra files notes.txt"] == (4, 5)
    assert not any(what.startswith("tensor") and "bias" not in what for what in found)


def test_fields_of_a_record(folder: Path, tmp_path: Path) -> None:
    plan = nacelle.read(folder / "whole.ts").engines[0].plan
    names: dict[str, Any] = {"input_names": ["input_0"], "output_names": ["output_0", "output_1"]}
    nacelle.embed(plan, name="net", abi_version=5, **names).save(str(tmp_path / "a.ts"))
    module = nacelle.embed(plan, name="net", abi_version=5, hardware_compatible=True, device="1%8%6%0%A10", **names)
    module.save(str(tmp_path / "b.ts"))
    found = changes(tmp_path / "a.ts", tmp_path / "b.ts")
    assert found == {
        "engine net_trt_engine device": ("0%0%0%0%cpu", "1%8%6%0%A10"),
        "engine net_trt_engine device_description": ("the CPU", 'GPU 1 "A10" (compute capability 8.6)'),
        "engine net_trt_engine hardware_compatible": (False, True),
    }


def test_code_and_what_forward_takes(tmp_path: Path) -> None:
    class One(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x) + 1

    class Two(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: int = 3) -> torch.Tensor:
            return torch.relu(torch.relu(x)) + y

    for kind in (One, Two):
        kind.__qualname__ = "Net"
        torch.jit.script(kind()).save(str(tmp_path / f"{kind.__name__}.ts"))
    found = changes(tmp_path / "One.ts", tmp_path / "Two.ts")
    assert found["forward"] == ("forward(x: Tensor) -> Tensor", "forward(x: Tensor, y: int=3) -> Tensor")
    assert found["operators aten::relu"] == (1, 2)
    assert any(what.startswith("code ") for what in found)


def test_engines_that_came_and_went(folder: Path, tmp_path: Path) -> None:
    program = nacelle.compile(seeded(Detector), {"head.box": [torch.rand(1, 8)]})
    program.save(str(tmp_path / "new.ts"))
    found = changes(folder / "old.ts", tmp_path / "new.ts")
    gone, came = found["engine backbone.backbone_trt_engine"], found["engine head.box.head_box_trt_engine"]
    assert gone[1] is None
    assert came[0] is None
    assert came[1].startswith("reference engine, plan format 1, ")
    assert "module backbone" in found


def test_plans(folder: Path) -> None:
    (folder / "other.plan").write_bytes(samples.TWO_HEADS_PLAN.read_bytes() + b"more")
    assert set(changes(folder / "two_heads.plan", folder / "other.plan")) == {"plan size", "plan sha256"}
    outcome = pipe("nacelle diff two_heads.plan old.ts", folder)
    assert outcome.code == 2
    assert "two_heads.plan is a plan and old.ts a TorchScript program; give two plans, or two files" in outcome.words


def test_a_file_that_is_not_there(folder: Path) -> None:
    outcome = pipe("nacelle diff old.ts missing.ts", folder)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "nacelle: missing.ts: No such file or directory\n"
