"""The translations, one module a family of operators. Importing this registers all of them."""

from torch_nacelle._onnx_to_torchscript.operators import convolution as convolution
from torch_nacelle._onnx_to_torchscript.operators import detection as detection
from torch_nacelle._onnx_to_torchscript.operators import elementwise as elementwise
from torch_nacelle._onnx_to_torchscript.operators import indexing as indexing
from torch_nacelle._onnx_to_torchscript.operators import linear as linear
from torch_nacelle._onnx_to_torchscript.operators import normalization as normalization
from torch_nacelle._onnx_to_torchscript.operators import quantization as quantization
from torch_nacelle._onnx_to_torchscript.operators import recurrent as recurrent
from torch_nacelle._onnx_to_torchscript.operators import reduction as reduction
from torch_nacelle._onnx_to_torchscript.operators import shapes as shapes
