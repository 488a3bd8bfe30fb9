"""Published ONNX models run by onnxruntime, to compare their engines with."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


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
