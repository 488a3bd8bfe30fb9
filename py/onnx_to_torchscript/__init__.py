"""ONNX models translated to TorchScript.

Each node becomes a line of TorchScript source that calls functions of `functions`; initializers become buffers of the
module; `If` and `Loop` become control flow. Shapes stay as dynamic as they are in the model.
"""

from onnx_to_torchscript.errors import TranslationError
from onnx_to_torchscript.registry import supported_operators
from onnx_to_torchscript.translator import to_torchscript

__all__ = ["TranslationError", "supported_operators", "to_torchscript"]
