"""The text of a Triton model's configuration, config.pbtxt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from torch_nacelle._runtime.input import Shape, dtype_name
from torch_nacelle._serving.interface import Batches, Interface, ServedOutput
from torch_nacelle.errors import InputError

# torch's name: Triton's.
_TYPES = {
    torch.bool: "BOOL",
    torch.uint8: "UINT8",
    torch.uint16: "UINT16",
    torch.uint32: "UINT32",
    torch.uint64: "UINT64",
    torch.int8: "INT8",
    torch.int16: "INT16",
    torch.int32: "INT32",
    torch.int64: "INT64",
    torch.float16: "FP16",
    torch.bfloat16: "BF16",
    torch.float32: "FP32",
    torch.float64: "FP64",
}


@dataclass(frozen=True)
class Tensor:
    """A tensor in the configuration.

    Attributes:
        name: Its name.
        dtype: Its dtype.
        shape: Its shape, -1 for a size that varies, without the batch.
        best: A shape of it to warm up with, without the batch; of inputs alone.
    """

    name: str
    dtype: torch.dtype
    shape: Shape
    best: Shape = ()


@dataclass(frozen=True)
class Backend:
    """A backend of Triton, as the configuration names it.

    Attributes:
        key: The field that names it.
        name: Its name there.
        parameters: The backend's parameters.
    """

    key: str
    name: str
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def is_python(self) -> bool:
        """True for the Python backend. Others know tensors by their order alone: ``INPUT__0``, ``OUTPUT__0``."""
        return self.name == "python"


def inputs_of(interface: Interface, batches: Batches | None, backend: Backend) -> list[Tensor]:
    """The inputs as the configuration lists them."""
    first = 0 if batches is None else 1
    return [
        Tensor(
            one.name if backend.is_python else f"INPUT__{place}",
            one.input.dtype,
            one.input.shape[first:],
            one.range_in(0).opt[first:],
        )
        for place, one in enumerate(interface.inputs)
    ]


def outputs_of(outputs: Sequence[ServedOutput], backend: Backend) -> list[Tensor]:
    """The outputs as the configuration lists them."""
    return [
        Tensor(one.name if backend.is_python else f"OUTPUT__{place}", one.dtype, one.shape)
        for place, one in enumerate(outputs)
    ]


def text(
    name: str,
    backend: Backend,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    batches: Batches | None,
    *,
    gpu: bool,
    instances: int,
    queue_delay: int,
    warm_up: bool,
) -> str:
    """The text of config.pbtxt.

    Args:
        name: The model's name.
        backend: The backend.
        inputs: The inputs, in the order of a call.
        outputs: The outputs, in the order of the result.
        batches: The batches; None if each request is a call of its own.
        gpu: True if the program runs on GPUs.
        instances: Number of instances, on each GPU if it runs on GPUs.
        queue_delay: Microseconds that a request waits for others.
        warm_up: True to have Triton send requests with zeros before the model is ready.

    Raises:
        InputError: Triton has no type for a dtype.
    """
    lines = [
        f"name: {_quoted(name)}",
        f"{backend.key}: {_quoted(backend.name)}",
        f"max_batch_size: {0 if batches is None else batches.max}",
        *(line for one in inputs for line in _tensor("input", one)),
        *(line for one in outputs for line in _tensor("output", one)),
    ]
    if batches is not None:
        lines += [
            "dynamic_batching {",
            *([f"  preferred_batch_size: {_numbers(batches.best)}"] if batches.max > 1 else []),
            f"  max_queue_delay_microseconds: {queue_delay}",
            "}",
        ]
    lines += ["instance_group {", f"  count: {instances}", f"  kind: {'KIND_GPU' if gpu else 'KIND_CPU'}", "}"]
    if warm_up:
        for size in [1] if batches is None else sorted({1, batches.max}):
            lines += _warm_up(inputs, size)
    for key, value in backend.parameters:
        lines += ["parameters {", f"  key: {_quoted(key)}", f"  value {{ string_value: {_quoted(value)} }}", "}"]
    return "\n".join(lines) + "\n"


def type_of(dtype: torch.dtype, name: str) -> str:
    """Triton's name of a dtype, ``TYPE_FP32``.

    Raises:
        InputError: It has none.
    """
    if dtype not in _TYPES:
        known = ", ".join(dtype_name(one) for one in _TYPES)
        raise InputError(
            f'tensor "{name}" has dtype {dtype_name(dtype)}, which Triton cannot carry; wanted one of {known}: convert '
            "it in the model"
        )
    return f"TYPE_{_TYPES[dtype]}"


def _tensor(kind: str, one: Tensor) -> Iterator[str]:
    yield f"{kind} {{"
    yield f"  name: {_quoted(one.name)}"
    yield f"  data_type: {type_of(one.dtype, one.name)}"
    yield f"  dims: {_numbers(_dims(one.shape))}"
    if not one.shape:  # Triton has no tensors without dimensions
        yield "  reshape { shape: [ ] }"
    yield "}"


def _dims(shape: Shape) -> Shape:
    """The shape for Triton, which knows no size of 0 and wants one size at least."""
    return tuple(size if size > 0 else -1 for size in shape) or (1,)


def _warm_up(inputs: Sequence[Tensor], batch: int) -> Iterator[str]:
    yield "model_warmup {"
    yield f"  name: {_quoted(f'batch of {batch}')}"
    yield f"  batch_size: {batch}"
    for one in inputs:
        dims = _numbers(tuple(max(size, 1) for size in one.best) or (1,))
        yield "  inputs {"
        yield f"    key: {_quoted(one.name)}"
        yield f"    value {{ data_type: {type_of(one.dtype, one.name)} dims: {dims} zero_data: true }}"
        yield "  }"
    yield "}"


def _numbers(numbers: Sequence[int]) -> str:
    return f"[ {', '.join(map(str, numbers))} ]"


def _quoted(value: str) -> str:
    """A text as protobuf's text format writes it: bytes outside of printable ASCII as octal numbers."""
    return '"' + "".join(_escaped(byte) for byte in value.encode()) + '"'


def _escaped(byte: int) -> str:
    character = chr(byte)
    if character in '"\\':
        return "\\" + character
    return character if 32 <= byte < 127 else f"\\{byte:03o}"
