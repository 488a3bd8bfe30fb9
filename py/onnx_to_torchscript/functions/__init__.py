"""Functions that the generated TorchScript calls: one module for each family of operators.

They run in eager PyTorch too, so the translator uses them to compute nodes whose inputs are constants.
"""

from onnx_to_torchscript.functions import arithmetic as arithmetic
from onnx_to_torchscript.functions import convolution as convolution
from onnx_to_torchscript.functions import detection as detection
from onnx_to_torchscript.functions import indexing as indexing
from onnx_to_torchscript.functions import linear as linear
from onnx_to_torchscript.functions import normalization as normalization
from onnx_to_torchscript.functions import pooling as pooling
from onnx_to_torchscript.functions import quantization as quantization
from onnx_to_torchscript.functions import recurrent as recurrent
from onnx_to_torchscript.functions import reduction as reduction
from onnx_to_torchscript.functions import resizing as resizing
from onnx_to_torchscript.functions import shapes as shapes
from onnx_to_torchscript.functions import values as values
