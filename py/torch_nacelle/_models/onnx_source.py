"""ONNX models that others made: their inputs, and checks of a build's inputs against these."""

import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from torch_nacelle._models.onnx_model import DTYPES, OnnxModel, onnx_package
from torch_nacelle._runtime.input import Input, dtype_name
from torch_nacelle._runtime.messages import first_lines
from torch_nacelle._runtime.torch_state import without_deprecations
from torch_nacelle.errors import InputError

if TYPE_CHECKING:
    import onnx

OnnxFile: TypeAlias = bytes | str | os.PathLike[str]

_NUMBERED_NODE = re.compile(r"\bnode (\d+):")


@dataclass(frozen=True)
class OnnxInput:
    """An input of a model.

    Attributes:
        name: Its name.
        dtype: Its dtype; None if torch has none that is the same.
        shape: A size, or for a dynamic dimension its name or ``"?"``, each; None if the rank is not told.
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
        what: Its name in messages.
        model: The protobuf, for the builder.
        path: Its file; empty for bytes.
        proto: The same as an object, with its external data not loaded.
    """

    def __init__(self, source: "OnnxFile") -> None:
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
            archive = "; it is a zip archive: give what torch.jit.load or torch.export.load makes of it"
            hint = archive if self.model.startswith(b"PK\x03\x04") else ""
            raise InputError(f"{self.what} cannot be read as an ONNX model: {first_lines(error)}{hint}") from error
        if not self.proto.graph.output:
            raise InputError(
                f"{self.what} is no ONNX model: it has no graph with outputs; give what torch.onnx.export wrote"
            )
        self._check_external_data()
        if _separate_outputs(onnx, self.proto.graph):
            self.model = bytes(self.proto.SerializeToString())

    @property
    def _external_data(self) -> dict[str, str]:
        """The files of the weights that lie in other files, by the weight's name."""
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
        """The model's inputs, without those that are weights."""
        weights = {tensor.name for tensor in self.proto.graph.initializer}
        return [_described(value) for value in self.proto.graph.input if value.name not in weights]

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of its outputs in order; an output that has the name of an input, or of another, gets ``_output``."""
        return tuple(value.name for value in self.proto.graph.output)

    def as_model(self) -> OnnxModel:
        """The model as the builder takes it."""
        files = tuple(sorted(set(self._external_data.values())))
        opened = tuple(
            one.name for one in self.inputs if one.shape is None or any(isinstance(extent, str) for extent in one.shape)
        )
        return OnnxModel(self.model, self.path, self.output_names, files, opened)

    def loaded(self) -> Any:
        """The model with its external data."""
        onnx = onnx_package("ONNX models are read")
        if self.path:
            onnx.load_external_data_for_model(self.proto, str(Path(self.path).parent))
        return self.proto

    def as_torchscript(self) -> torch.jit.ScriptModule:
        """The model as TorchScript, which the reference engine runs.

        Raises:
            InputError: Parts of it cannot be translated; the message names all of them.
        """
        from onnx_to_torchscript import TranslationError, to_torchscript

        try:
            with without_deprecations():
                return to_torchscript(self.loaded())
        except TranslationError as error:
            hint = "\nThe backend tensorrt may be able to build it." if error.refused else ""
            raise InputError(f"{error}{hint}") from error

    def bind(self, inputs: "Sequence[Input | torch.Tensor] | None") -> list[Input]:
        """The inputs in the model's order and with its names.

        Args:
            inputs: By name or by position; None or empty if the model's shapes are fixed.

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


def _separate_outputs(onnx: Any, graph: Any) -> bool:
    """Gives each output a name of its own; returns whether one had none.

    ONNX lets an output be an input, or a tensor that another output is. A plan names each of its tensors once.
    """
    weights = {tensor.name for tensor in graph.initializer}
    used = {value.name for value in graph.input if value.name not in weights}
    known = used | weights | {name for node in graph.node for name in (*node.input, *node.output)}
    changed = False
    for output in graph.output:
        tensor = output.name
        if tensor in used:
            numbered = (f"{tensor}_output_{number}" for number in itertools.count(1))
            output.name = next(
                name for name in itertools.chain([f"{tensor}_output"], numbered) if name not in known | used
            )
            graph.node.append(onnx.helper.make_node("Identity", [tensor], [output.name]))
            changed = True
        used.add(output.name)
    return changed


def is_onnx_source(model: object) -> bool:
    """True if `model` is the path or the bytes of an ONNX model."""
    return isinstance(model, (bytes, str, os.PathLike))


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the path of an ONNX file")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if not path.is_file():
        raise InputError(f"{path} is a pipe or a device; copy the model into a file first")
    return path.read_bytes()


def with_node_names(message: str, model: bytes) -> str:
    """A parser's message with the nodes that it gives numbers of by name and operator.

    TensorRT's parsers tell both themselves from 10.0 on; before, there is the number in the model's graph alone.
    """
    if not _NUMBERED_NODE.search(message):
        return message
    try:
        nodes = onnx_package("nodes are named").load_model_from_string(model).graph.node
    except Exception:  # the message is what counts
        return message

    def named(found: re.Match[str]) -> str:
        number = int(found[1])
        if number >= len(nodes):  # of a subgraph
            return found[0]
        return f"node {number} ({nodes[number].name!r}, operator {nodes[number].op_type}):"

    return _NUMBERED_NODE.sub(named, message)


def _described(value: "onnx.ValueInfoProto") -> OnnxInput:
    tensor = value.type.tensor_type
    shape = None
    if tensor.HasField("shape"):
        # Some exporters write -1 where nothing should be written.
        shape = tuple(
            int(dim.dim_value) if dim.HasField("dim_value") and dim.dim_value >= 0 else dim.dim_param or "?"
            for dim in tensor.shape.dim
        )
    return OnnxInput(value.name, DTYPES.get(tensor.elem_type), shape)
