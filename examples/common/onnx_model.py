"""ONNX models that others made: engines from them, and onnxruntime to compare with."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

import torch_nacelle as nacelle
from examples.common.backend import Backend
from torch_nacelle._onnx_to_torchscript import to_torchscript


def compile_onnx(path: Path, inputs: Sequence[nacelle.Input], backend: Backend) -> torch.jit.ScriptModule:
    """An engine that computes what the model in a file computes."""
    name = re.sub(r"\W", "_", path.stem)
    return nacelle.compile(to_torchscript(onnx.load(path)), inputs, backend=backend, name=name)


class OnnxRuntimeModel(nn.Module):
    """The model in a file, run by onnxruntime on the CPU: takes and returns tensors as an engine of it does."""

    def __init__(self, path: Path) -> None:
        """Loads the model.

        Raises:
            ImportError: onnxruntime is not installed.
        """
        super().__init__()
        import onnxruntime  # type: ignore[import-untyped, unused-ignore]

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; its warnings are about how the model was written
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.names = [entry.name for entry in self.session.get_inputs()]

    def forward(self, *inputs: Tensor) -> Any:
        """Runs the model; a tuple of tensors, or the one that there is."""
        given = {name: value.cpu().numpy() for name, value in zip(self.names, inputs, strict=True)}
        outputs = tuple(torch.from_numpy(output) for output in self.session.run(None, given))
        return outputs[0] if len(outputs) == 1 else outputs
