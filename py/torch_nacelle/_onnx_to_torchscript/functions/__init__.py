"""What the generated TorchScript calls: functions that TorchScript compiles, one module a family of operators.

They run in eager PyTorch too: that is how nodes whose inputs are constants are computed when a model is translated.
"""

from torch_nacelle._onnx_to_torchscript.functions import arithmetic as arithmetic
from torch_nacelle._onnx_to_torchscript.functions import convolution as convolution
from torch_nacelle._onnx_to_torchscript.functions import detection as detection
from torch_nacelle._onnx_to_torchscript.functions import indexing as indexing
from torch_nacelle._onnx_to_torchscript.functions import linear as linear
from torch_nacelle._onnx_to_torchscript.functions import normalization as normalization
from torch_nacelle._onnx_to_torchscript.functions import pooling as pooling
from torch_nacelle._onnx_to_torchscript.functions import quantization as quantization
from torch_nacelle._onnx_to_torchscript.functions import recurrent as recurrent
from torch_nacelle._onnx_to_torchscript.functions import reduction as reduction
from torch_nacelle._onnx_to_torchscript.functions import resizing as resizing
from torch_nacelle._onnx_to_torchscript.functions import shapes as shapes
from torch_nacelle._onnx_to_torchscript.functions import values as values
