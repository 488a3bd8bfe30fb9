"""Models that others published, built by TensorRT on a GPU."""

from __future__ import annotations

import os

import pytest
import torch

import torch_nacelle as nacelle
from examples.common.onnxruntime_model import OnnxRuntimeModel
from examples.speech.data import MODEL
from examples.speech.program import engine_inputs

pytestmark = pytest.mark.skipif(
    "NACELLE_TENSORRT_PATH" not in os.environ,
    reason="set NACELLE_TENSORRT_PATH to a folder with libnvinfer.so.8 of 8.5.3, its builder and its ONNX parser",
)


def test_a_model_that_is_built_with_its_constant_parts_computed_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "torch_nacelle")
    inputs = engine_inputs()
    program = nacelle.compile(MODEL, inputs, backend="tensorrt", tactic_sources=[], tf32=False, check=True)
    assert "its constant parts computed by onnxruntime; as it is: TensorRT 8.5.3.1 cannot read" in caplog.text
    network = OnnxRuntimeModel(MODEL)
    found = wanted = torch.zeros(2, 1, 128)
    for index in range(8):  # the state goes on from call to call
        window = torch.sin(torch.arange(576.0) * 0.1 * (index + 1))[None]
        probability, found = program(window.cuda(), found.cuda(), torch.tensor(16000, dtype=torch.int32).cuda())
        other, wanted = network(window, wanted, torch.tensor(16000))
        torch.testing.assert_close(probability.cpu(), other, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(found.cpu(), wanted, rtol=1e-3, atol=1e-4)
