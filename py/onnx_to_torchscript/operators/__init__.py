"""The translations, one module a family of operators. Importing this registers all of them."""

from onnx_to_torchscript.operators import convolution as convolution
from onnx_to_torchscript.operators import detection as detection
from onnx_to_torchscript.operators import elementwise as elementwise
from onnx_to_torchscript.operators import indexing as indexing
from onnx_to_torchscript.operators import linear as linear
from onnx_to_torchscript.operators import normalization as normalization
from onnx_to_torchscript.operators import quantization as quantization
from onnx_to_torchscript.operators import recurrent as recurrent
from onnx_to_torchscript.operators import reduction as reduction
from onnx_to_torchscript.operators import shapes as shapes
