"""The list of architectures and the table of results, with tiny networks of this file's own.

Nothing here needs the packages that the architectures come from.
"""

import json
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import torch_nacelle as nacelle
from bench.coverage import run, worker
from bench.coverage.architectures import ARCHITECTURES, Architecture
from bench.coverage.compiled_operators import nms, roi_align
from bench.coverage.table import COLUMNS, counts

MODULE = """
import torch
import torch_nacelle as nacelle
from bench.coverage.architectures import Architecture
ARCHITECTURES = {"linear": Architecture("linear", "own", lambda: (
    torch.nn.Linear(3, 2).eval(), [nacelle.Input(min=(1, 3), opt=(2, 3), max=(4, 3))]))}
"""


class Text(nn.Module):
    def forward(self, x: Tensor) -> str:
        return "no tensor"


def test_the_list_has_architectures_of_every_package() -> None:
    assert len(ARCHITECTURES) > 140
    assert {one.family for one in ARCHITECTURES.values()} == {
        "torch", "torchvision", "timm", "transformers", "torchaudio", "diffusers", "segmentation_models_pytorch",
        "ultralytics",
    }  # fmt: skip
    assert [one.name for one in ARCHITECTURES.values()] == list(ARCHITECTURES)
    first = run.in_turn(ARCHITECTURES.values())[:8]
    assert len({one.family for one in first}) == 8
    module, inputs = ARCHITECTURES["nn.GRU"].make()
    assert isinstance(module, nn.GRU) and inputs[0].ranges[0].max == (4, 16, 16)


def test_a_process_of_its_own_compiles_an_architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_networks.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "hanging_networks.py").write_text("import time; time.sleep(3600)", encoding="utf-8")
    (tmp_path / "ended_networks.py").write_text("import os; print('no more'); os.abort()", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    result = run.compile_apart("linear", "reference", seconds=600, memory=2**33, module="own_networks")
    assert result["ok"], result
    late = run.compile_apart("linear", "reference", seconds=0.5, memory=2**33, module="hanging_networks")
    assert (late["ok"], late["stage"], late["error"]) == (False, "time", "not done after 0.5 s")
    ended = run.compile_apart("linear", "reference", seconds=600, memory=2**33, module="ended_networks")
    assert (ended["ok"], ended["stage"]) == (False, "crash") and "SIGABRT" in ended["error"]


def test_what_does_not_compile_says_why() -> None:
    inputs = [nacelle.Input(shape=(2, 3))]
    refused = worker.compiled(Architecture("text", "own", lambda: (Text().eval(), inputs)), "reference", None)
    assert (refused["ok"], refused["stage"]) == (False, "build") and refused["error"]

    def fails() -> tuple[nn.Module, list[nacelle.Input]]:
        raise OSError("no such network")

    unmade = worker.compiled(Architecture("none", "own", fails), "reference", None)
    assert (unmade["stage"], unmade["error"]) == ("make", "no such network")


def test_results_are_extended_and_made_again_if_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, table = tmp_path / "results.json", tmp_path / "table.md"
    done: list[str] = []

    def compiled(name: str, backend: str, **_: object) -> dict[str, object]:
        done.append(name)
        if name == "alexnet":
            return {"ok": False, "stage": "build", "error": "a | b\nc", "seconds": 1.0}
        return {"ok": True, "seconds": 2.0, "method": "trace"}

    monkeypatch.setattr(run, "compile_apart", compiled)
    arguments = ["--results", str(path), "--table", str(table)]
    assert run.main([*arguments, "--architectures", "alexnet"]) == 0
    assert run.main([*arguments, "--architectures", "alexnet", "nn.GRU"]) == 0
    assert done == ["alexnet", "nn.GRU"]
    assert run.main([*arguments, "--architectures", "alexnet", "nn.GRU", "--again", "failed"]) == 0
    assert done == ["alexnet", "nn.GRU", "alexnet"]
    assert sorted(json.loads(path.read_text())) == ["alexnet", "nn.GRU"]
    head, line, *rows = table.read_text().splitlines()[:4]
    assert (head, line) == (f"| {' | '.join(COLUMNS)} |", f"| {' | '.join(['---'] * len(COLUMNS))} |")
    assert rows == [
        "| nn.GRU | reference | yes | trace |  | 2.0 |  |",
        "| alexnet | reference | no |  |  | 1.0 | build: a \\| b c |",
    ]
    assert "- reference: 1 of 2\n" in table.read_text()


def test_counts_by_family_and_of_all() -> None:
    results = {
        "a": {"reference": {"ok": True, "seconds": 1.0}, "tensorrt_rtx": {"ok": False, "seconds": 1.0}},
        "b": {"reference": {"ok": False, "seconds": 1.0}},
        "gone": {"reference": {"ok": True, "seconds": 1.0}},
    }
    families = {"a": "one", "b": "two"}
    assert counts(results, families).splitlines() == [
        "reference: one: 1 of 1", "reference: two: 0 of 1", "reference: 1 of 2",
        "tensorrt_rtx: one: 0 of 1", "tensorrt_rtx: 0 of 1",
    ]  # fmt: skip


def _onnxruntime(operator: str, inputs: dict[str, Tensor], **attributes: Any) -> Tensor:
    import onnx
    from onnx import helper

    kinds = {torch.float32: onnx.TensorProto.FLOAT, torch.int64: onnx.TensorProto.INT64}
    node = helper.make_node(operator, list(inputs), ["y"], **attributes)
    described = [helper.make_tensor_value_info(name, kinds[value.dtype], None) for name, value in inputs.items()]
    kind = onnx.TensorProto.FLOAT if operator == "RoiAlign" else onnx.TensorProto.INT64
    graph = helper.make_graph([node], "graph", described, [helper.make_tensor_value_info("y", kind, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    return torch.from_numpy(found)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [0, 2])
def test_roi_align_is_that_of_onnxruntime(aligned: bool, ratio: int) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, 13, 17, generator=generator)
    rois = torch.tensor([[0, 1, 2, 30, 20], [1, -5, -4, 60, 70], [1, 3, 3, 3.2, 3.1], [0, 10, 50, 12, 90]])
    wanted = _onnxruntime(
        "RoiAlign",
        {"x": features, "rois": rois[:, 1:], "images": rois[:, 0].long()},
        spatial_scale=0.25,
        output_height=5,
        output_width=4,
        sampling_ratio=ratio,
        coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
    )
    torch.testing.assert_close(roi_align(features, rois, 0.25, 5, 4, ratio, aligned), wanted, rtol=1e-4, atol=1e-5)
    assert roi_align(features, rois[:0], 0.25, 5, 4, ratio, aligned).shape == (0, 3, 5, 4)


def test_nms_is_that_of_onnxruntime() -> None:
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(200, 2, generator=generator) * 50
    boxes = torch.cat([corners, corners + torch.rand(200, 2, generator=generator) * 20], 1)
    scores = torch.rand(200, generator=generator)
    wanted = _onnxruntime(
        "NonMaxSuppression",
        {"boxes": boxes[None], "scores": scores[None, None], "most": torch.tensor([1000]), "iou": torch.tensor([0.3])},
    )
    found = nms(boxes, scores, 0.3)
    assert 50 < len(found) < 200 and torch.equal(found, wanted[:, 2])
    assert nms(boxes[:0], scores[:0], 0.3).shape == (0,)
