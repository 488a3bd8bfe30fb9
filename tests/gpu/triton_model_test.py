"""The model of Triton's Python backend with TensorRT 8.5.3.1, without a server: tensors on the GPU stay there."""

import os
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from tests.gpu.two_heads import DYNAMIC, TwoHeads, assert_close, images
from tests.py.triton_stand_in import Request, load_model
from torch_nacelle.triton import write_repository

pytestmark = pytest.mark.skipif(
    "NACELLE_TENSORRT_PATH" not in os.environ,
    reason="set NACELLE_TENSORRT_PATH to a folder with libnvinfer.so.8 of 8.5.3",
)


def test_tensors_stay_on_the_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nacelle.embed(DYNAMIC.read_bytes(), name="two_heads").save(str(tmp_path / "two_heads.ts"))
    folder = write_repository(tmp_path / "two_heads.ts", tmp_path / "models")
    config = (folder / "config.pbtxt").read_text(encoding="utf-8")
    assert "kind: KIND_GPU" in config
    names = [line.split('"')[1] for line in config.split("dynamic_batching")[0].splitlines() if "  name:" in line]
    model = load_model(folder, monkeypatch, gpu=0)
    given = [images(1), images(2), images(1).cpu()]
    answers = model.execute([Request({names[0]: one}, names[1:]) for one in given])
    for answer, one in zip(answers, given, strict=True):
        assert answer.error == ""
        found = tuple(answer.outputs[name] for name in names[1:])
        assert all(part.device.type == "cuda" for part in found)
        with torch.no_grad():
            assert_close(found, TwoHeads()(one.cuda()))
