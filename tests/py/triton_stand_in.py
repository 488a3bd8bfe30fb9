"""A stand-in for ``triton_python_backend_utils``, which only processes that Triton starts have, and its requests."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from torch_nacelle.triton import Model


class Tensor:
    """A named tensor that gives its memory by DLPack, wherever that is."""

    def __init__(self, name: str, tensor: torch.Tensor) -> None:
        self.name = name
        self.tensor = tensor

    @staticmethod
    def from_dlpack(name: str, tensor: torch.Tensor) -> "Tensor":
        if not tensor.is_contiguous():
            raise TritonModelException("DLPack tensor is not contiguous. Only contiguous DLPack tensors are supported.")
        return Tensor(name, tensor)

    def __dlpack__(self, **options: Any) -> Any:
        return self.tensor.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.tensor.__dlpack_device__()


class Request:
    """A request for some of a model's outputs."""

    def __init__(self, inputs: Mapping[str, torch.Tensor], outputs: Sequence[str]) -> None:
        self.inputs = {name: Tensor(name, tensor) for name, tensor in inputs.items()}
        self.outputs = outputs

    def requested_output_names(self) -> list[str]:
        return list(self.outputs)


class InferenceResponse:
    def __init__(self, output_tensors: Sequence[Tensor] = (), error: "TritonError | None" = None) -> None:
        self.outputs = {one.name: one.tensor for one in output_tensors}
        self.error = error.message if error is not None else ""


class TritonError:
    def __init__(self, message: str) -> None:
        self.message = message


class TritonModelException(Exception):  # noqa: N818 - Triton's name
    pass


def load_model(folder: Path, patch: pytest.MonkeyPatch, gpu: int | None = None) -> Model:
    """The model that a folder of a repository describes, as Triton's Python backend makes it."""
    module = ModuleType("triton_python_backend_utils")
    for one in (Tensor, InferenceResponse, TritonError, TritonModelException):
        setattr(module, one.__name__, one)
    module.get_input_tensor_by_name = lambda request, name: request.inputs[name]  # type: ignore[attr-defined]
    patch.setitem(sys.modules, module.__name__, module)
    (program,) = (folder / "1").glob("program.*")
    args = {
        "model_config": _as_json((folder / "config.pbtxt").read_text(encoding="utf-8")),
        "model_instance_kind": "CPU" if gpu is None else "GPU",
        "model_instance_device_id": str(gpu or 0),
        "model_repository": str(folder),
        "model_version": "1",
    }
    return Model(args, program.name)


def _as_json(config: str) -> str:
    """The fields of a configuration that the model reads, in the form that Triton hands them over."""
    size = re.search(r"^max_batch_size: (\d+)$", config, re.MULTILINE)
    assert size is not None
    tensors = re.findall(r'^(input|output) \{\n  name: (".*")\n  data_type: (\w+)$', config, re.MULTILINE)
    parts = [
        f'"{kind}": ['
        + ", ".join(f'{{"name": {name}, "data_type": "{dtype}"}}' for k, name, dtype in tensors if k == kind)
        for kind in ("input", "output")
    ]
    return f'{{"max_batch_size": {size[1]}, ' + "], ".join(parts) + "]}"
