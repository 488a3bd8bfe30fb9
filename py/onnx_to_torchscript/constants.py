"""Converts the tensors in an ONNX model to torch's."""

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper
from torch import Tensor

from onnx_to_torchscript.errors import UnsupportedError

# Torch's dtypes by ONNX's number of an element type. Types of less than a byte and strings have none.
DTYPES: dict[int, torch.dtype] = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.UINT8: torch.uint8,
    TensorProto.INT8: torch.int8,
    TensorProto.UINT16: torch.uint16,
    TensorProto.INT16: torch.int16,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
    TensorProto.BOOL: torch.bool,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.UINT32: torch.uint32,
    TensorProto.UINT64: torch.uint64,
    TensorProto.COMPLEX64: torch.complex64,
    TensorProto.COMPLEX128: torch.complex128,
    TensorProto.BFLOAT16: torch.bfloat16,
}


def dtype_of(element_type: int) -> torch.dtype:
    """The torch dtype of an ONNX element type.

    Raises:
        UnsupportedError: there is none.
    """
    if element_type not in DTYPES:
        raise UnsupportedError(f"elements of type {TensorProto.DataType.Name(element_type)} have no torch dtype")
    return DTYPES[element_type]


def tensor_of(proto: onnx.TensorProto) -> Tensor:
    """A copy of a tensor of the model.

    Raises:
        UnsupportedError: its elements have no torch dtype, or are outside of the model's file and were not loaded.
    """
    dtype = dtype_of(proto.data_type)
    if proto.data_location == TensorProto.EXTERNAL:
        raise UnsupportedError(f"the data of {proto.name!r} are in another file; give the model's path instead")
    array = numpy_helper.to_array(proto)
    if dtype == torch.bfloat16:  # numpy has it from an extension only, which torch does not read
        bits = np.ascontiguousarray(array).view(np.int16)
        return torch.from_numpy(bits.copy()).view(torch.bfloat16).reshape(array.shape)
    return torch.from_numpy(np.array(array, order="C", copy=True)).reshape(array.shape)
