"""ONNX models that others made: what they take, and whether that is what is asked for."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from torch_nacelle._input import Input, dtype_name
from torch_nacelle._onnx import OnnxModel, first_lines, onnx_package
from torch_nacelle.errors import InputError

if TYPE_CHECKING:
    import onnx

Source: TypeAlias = "bytes | str | os.PathLike[str]"

# By the number that ONNX gives a tensor's element type.
_DTYPES = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    16: torch.bfloat16,
}


@dataclass(frozen=True)
class OnnxInput:
    """An input of a model.

    Attributes:
        name: Its name.
        dtype: Its dtype; None where torch has none that is the same.
        shape: A size, or for a dynamic dimension its name or ``"?"``, each; None where the rank is not told.
    """

    name: str
    dtype: torch.dtype | None
    shape: tuple[int | str, ...] | None

    def __str__(self) -> str:
        """The input for a person: ``x: float32 [batch, 3, 8, 8]``."""
        dtype = dtype_name(self.dtype) if self.dtype else "a dtype that torch lacks"
        return f"{self.name}: {dtype} [{', '.join(map(str, self.shape))}]" if self.shape is not None else self.name


class OnnxSource:
    """An ONNX model, read but not built.

    Attributes:
        what: What to call it in messages.
        model: The protobuf, for the builder.
        path: Where it lies; empty for bytes.
        proto: The same as an object, with its external data not loaded.
    """

    def __init__(self, source: "Source") -> None:
        """Reads a model.

        Raises:
            InputError: It is no ONNX model, or the package onnx is missing.
            FileNotFoundError: There is no such file.
        """
        onnx = onnx_package("ONNX models are read")
        self.path = "" if isinstance(source, bytes) else os.fspath(source)
        self.what = self.path or "the ONNX model"
        self.model = source if isinstance(source, bytes) else _read(Path(source))
        try:
            self.proto: Any = onnx.load_model_from_string(self.model)
        except Exception as error:  # protobuf's DecodeError, which has no stable home
            raise InputError(f"{self.what} cannot be read as an ONNX model: {first_lines(error)}") from error
        if not self.proto.graph.output:
            raise InputError(
                f"{self.what} is no ONNX model: it has no graph with outputs; give what torch.onnx.export wrote"
            )
        self._check_external_data()

    @property
    def _external_data(self) -> dict[str, str]:
        """Of the weights that lie in other files, the file by the weight's name."""
        return {
            tensor.name: entry.value
            for tensor in self.proto.graph.initializer
            for entry in tensor.external_data
            if entry.key == "location"
        }

    def _check_external_data(self) -> None:
        for name, location in self._external_data.items():
            if not self.path:
                raise InputError(
                    f"{self.what} has weights in the file {location!r} (tensor {name!r}): give the model's path, "
                    f"not its bytes, so that the file is found"
                )
            if not Path(self.path).parent.joinpath(location).is_file():
                raise InputError(
                    f"{self.what}: tensor {name!r} is in the file {location!r}, and there is no such file in "
                    f"{Path(self.path).parent}"
                )

    @property
    def inputs(self) -> list[OnnxInput]:
        """What the model takes, without those inputs that are weights."""
        weights = {tensor.name for tensor in self.proto.graph.initializer}
        return [_described(value) for value in self.proto.graph.input if value.name not in weights]

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of its outputs in order."""
        return tuple(value.name for value in self.proto.graph.output)

    def as_model(self) -> OnnxModel:
        """The model as the builder takes it."""
        return OnnxModel(self.model, self.path, self.output_names, tuple(sorted(set(self._external_data.values()))))

    def loaded(self) -> Any:
        """The model with its external data."""
        onnx = onnx_package("ONNX models are read")
        if self.path:
            onnx.load_external_data_for_model(self.proto, str(Path(self.path).parent))
        return self.proto

    def bind(self, inputs: "Sequence[Input | torch.Tensor] | None") -> list[Input]:
        """The inputs in the model's order and with its names.

        Args:
            inputs: By name or by position; None or empty where the model's shapes are fixed.

        Raises:
            InputError: They contradict the model; the message names both sides.
        """
        wanted = self.inputs
        if not inputs:
            return [self._fixed(one) for one in wanted]
        given = [Input.of(value) for value in inputs]
        if len(given) != len(wanted):
            raise InputError(
                f"{self.what} takes {len(wanted)} tensors ({'; '.join(map(str, wanted))}), and inputs describes "
                f"{len(given)}"
            )
        known = {one.name: one for one in wanted}
        named = {one.name: one for one in given if one.name is not None}
        unknown = [name for name in named if name not in known]
        if unknown:
            raise InputError(f"{self.what} has no input {unknown[0]!r}; it has: {'; '.join(map(str, wanted))}")
        if len(named) != sum(one.name is not None for one in given):
            raise InputError("two of inputs have the same name")
        by_position = iter([one for one in given if one.name is None])
        bound = [named[one.name] if one.name in named else next(by_position) for one in wanted]
        return [self._checked(one, input_) for one, input_ in zip(wanted, bound, strict=True)]

    def _fixed(self, wanted: OnnxInput) -> Input:
        if wanted.dtype is None or wanted.shape is None or any(isinstance(extent, str) for extent in wanted.shape):
            raise InputError(
                f"{self.what}: the shape of the input {wanted} is not fixed: give inputs, with nacelle.Input(min=…, "
                f"opt=…, max=…) for it"
            )
        return Input(shape=[int(extent) for extent in wanted.shape], dtype=wanted.dtype, name=wanted.name)

    def _checked(self, wanted: OnnxInput, given: Input) -> Input:
        if given.dtype != wanted.dtype:
            raise InputError(
                f"{self.what} has the input {wanted}, and inputs says that it is {dtype_name(given.dtype)}"
                + ("" if wanted.dtype is None else f": give dtype={wanted.dtype}")
            )
        if wanted.shape is not None:
            self._check_shape(wanted, given, wanted.shape)
        return given.named(wanted.name)

    def _check_shape(self, wanted: OnnxInput, given: Input, shape: tuple[int | str, ...]) -> None:
        if len(given.shape) != len(shape):
            raise InputError(
                f"{self.what} has the input {wanted}, of {len(shape)} dimensions, and inputs describes "
                f"{len(given.shape)}: {list(given.shape)}"
            )
        for dim, extent in enumerate(shape):
            if isinstance(extent, int) and given.shape[dim] != extent:
                found = given.shape[dim] if given.shape[dim] != -1 else "a range"
                raise InputError(
                    f"{self.what} has the input {wanted}, whose dimension {dim} is fixed to {extent}, and inputs has "
                    f"{found} there: export the model with that dimension dynamic, or give {extent}"
                )


def is_onnx_source(model: object) -> bool:
    """Whether `model` is the path or the bytes of an ONNX model."""
    return isinstance(model, (bytes, str, os.PathLike))


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the path of an ONNX file")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    return path.read_bytes()


def _described(value: "onnx.ValueInfoProto") -> OnnxInput:
    tensor = value.type.tensor_type
    shape = None
    if tensor.HasField("shape"):
        shape = tuple(
            int(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param or "?" for dim in tensor.shape.dim
        )
    return OnnxInput(value.name, _DTYPES.get(tensor.elem_type), shape)
