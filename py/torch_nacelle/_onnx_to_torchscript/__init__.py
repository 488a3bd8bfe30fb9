"""ONNX models as TorchScript, which the reference engine runs.

Each node becomes a line of TorchScript source that calls functions of `functions`; initializers become buffers of the
module; `If` and `Loop` become control flow. Shapes stay as dynamic as they are in the model.
"""

from torch_nacelle._onnx_to_torchscript.registry import supported_operators
from torch_nacelle._onnx_to_torchscript.translator import to_torchscript

__all__ = ["supported_operators", "to_torchscript"]
