"""Columns of NumPy arrays as tensors, and back."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from torch_nacelle._runtime.input import dtype_name
from torch_nacelle._serving.interface import ServedInput
from torch_nacelle._serving.transfers import Tensors
from torch_nacelle.errors import InputError


def tensors_of(columns: Mapping[str, Any], inputs: Sequence[ServedInput]) -> Tensors:
    """Returns the columns of a program's inputs as tensors, which share the arrays' memory if they can.

    Nothing is converted, with one exception: NumPy has no bfloat16, so float32 is rounded to it.

    Raises:
        InputError: A column is missing, its rows have different shapes, or it holds something else than numbers.
    """
    result = {}
    for one in inputs:
        if one.name not in columns:
            listed = ", ".join(f'"{name}"' for name in columns) or "none"
            raise InputError(
                f'there is no column "{one.name}", an input of the program; the batch has the columns {listed}: rename '
                "one"
            )
        tensor = _tensor(columns[one.name], one.name)
        if one.input.dtype == torch.bfloat16 and tensor.dtype == torch.float32:
            tensor = tensor.to(torch.bfloat16)
        result[one.name] = tensor
    return result


def arrays_of(tensors: Mapping[str, torch.Tensor]) -> dict[str, "np.ndarray[Any, Any]"]:
    """Returns tensors on the CPU as arrays of the same memory; bfloat16, which NumPy has not, becomes float32."""
    return {
        name: (tensor.to(torch.float32) if tensor.dtype == torch.bfloat16 else tensor).numpy()
        for name, tensor in tensors.items()
    }


def _tensor(column: Any, name: str) -> torch.Tensor:
    array = np.asarray(column)
    if array.dtype == object:
        array = _stacked(array, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of memory that is not to be written, and nothing writes there
        try:
            return torch.from_numpy(np.ascontiguousarray(array))
        except (TypeError, ValueError) as error:
            raise InputError(
                f'column "{name}" has the NumPy dtype {array.dtype}, which torch has not; wanted numbers'
            ) from error


def _stacked(column: "np.ndarray[Any, Any]", name: str) -> "np.ndarray[Any, Any]":
    """A column of objects as one array, if each is an array of one shape and dtype."""
    rows = [np.asarray(row) for row in column]
    kinds = {(row.shape, str(row.dtype)) for row in rows}
    if len(kinds) == 1 and rows[0].dtype != object:
        return np.stack(rows)
    if any(row.dtype == object for row in rows):
        raise InputError(f'column "{name}" holds objects or nulls; wanted numbers')
    told = " and ".join(f"{dtype} {list(shape)}" for shape, dtype in sorted(kinds, key=str)[:3])
    raise InputError(
        f'rows of column "{name}" are {told or "none"}; wanted one shape and dtype for all rows of a batch'
    )


def described(inputs: Sequence[ServedInput]) -> str:
    """Returns the inputs in a line for a message."""
    return ", ".join(f'"{one.name}" ({dtype_name(one.input.dtype)} {list(one.input.shape)})' for one in inputs)
