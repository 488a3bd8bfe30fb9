"""A program as the model of Triton's Python backend, which calls it in a process of its own for each instance."""

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.dlpack import from_dlpack

from torch_nacelle._programs.warm_up import warm_up
from torch_nacelle._serving.interface import check_rows, load_on
from torch_nacelle._serving.triton_config import type_of
from torch_nacelle.errors import Error, InputError

Tensors = list[torch.Tensor]


class Model:
    """Answers requests of Triton's Python backend with a program; the ``model.py`` of ``write_repository`` has one.

        class TritonPythonModel:
            def initialize(self, args):
                self.model = Model(args, "program.ts")

            def execute(self, requests):
                return self.model.execute(requests)

    Tensors pass by DLPack: those on the GPU stay there. Triton calls one method at a time.
    """

    def __init__(self, args: Mapping[str, str], program: str) -> None:
        """Loads the program on the instance's device, compares it with the configuration, and calls it.

        Args:
            args: As Triton gives them to ``initialize``.
            program: The name of the program's file, beside ``model.py``.

        Raises:
            triton_python_backend_utils.TritonModelException: It cannot be served; the message says why.
        """
        # Only the process that Triton starts has this module.
        self._triton: Any = importlib.import_module("triton_python_backend_utils")
        config = json.loads(args["model_config"])
        self._batched = config["max_batch_size"] > 0
        gpu = args["model_instance_kind"] == "GPU"
        device = f"cuda:{args['model_instance_device_id']}" if gpu else None
        path = Path(args["model_repository"]) / args["model_version"] / program
        try:
            _, self._interface = load_on(path, device)
            _compare("input", config, {one.name: one.input.dtype for one in self._interface.inputs})
            outputs = self._warm_up()
            _compare("output", config, {name: one.dtype for name, one in outputs.items()})
        except (Error, OSError) as error:
            raise self._triton.TritonModelException(str(error)) from error

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answers requests, in one call of the program if Triton made a batch of them.

        If the program refuses the batch, each request is tried alone, so that one that is wrong spoils no other.

        Returns:
            A response for each request: its outputs, or the error's message.
        """
        given = [self._tensors(request) for request in requests]
        answers = self._answers(given)
        responses = [self._response(*pair) for pair in zip(requests, answers, strict=True)]
        if self._interface.device.type == "cuda":  # Triton reads the outputs without regard to torch's stream
            torch.cuda.current_stream(self._interface.device).synchronize()
        return responses

    def _answers(self, given: Sequence[Tensors]) -> list[dict[str, torch.Tensor] | Exception]:
        if len(given) == 1 or not self._batched:
            return [self._answer(tensors) for tensors in given]
        outputs = self._answer([self._joined(parts) for parts in zip(*given, strict=True)])
        if isinstance(outputs, Exception):
            return [self._answer(tensors) for tensors in given]
        sizes = [len(tensors[0]) for tensors in given]
        rows = {name: one.split(sizes) for name, one in outputs.items()}
        return [{name: parts[place] for name, parts in rows.items()} for place in range(len(given))]

    def _answer(self, tensors: Tensors) -> dict[str, torch.Tensor] | Exception:
        try:
            outputs = self._interface.call(tensors)
            if self._batched:
                check_rows(outputs, len(tensors[0]))
            return outputs
        except Exception as error:  # the program's own operators raise all kinds, and Triton wants an answer
            return error

    def _joined(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """The rows of several tensors; on the program's device if they are on different ones."""
        if len({part.device for part in parts}) > 1:
            parts = [part.to(self._interface.device) for part in parts]
        return torch.cat(list(parts))

    def _tensors(self, request: Any) -> Tensors:
        """The tensors of a request, in the order of the program's inputs, where Triton has them."""
        return [from_dlpack(self._triton.get_input_tensor_by_name(request, one.name)) for one in self._interface.inputs]

    def _response(self, request: Any, answer: dict[str, torch.Tensor] | Exception) -> Any:
        if isinstance(answer, Exception):
            return self._triton.InferenceResponse(error=self._triton.TritonError(_message(answer)))
        wanted = request.requested_output_names()
        return self._triton.InferenceResponse(
            [self._triton.Tensor.from_dlpack(name, one.contiguous()) for name, one in answer.items() if name in wanted]
        )

    def _warm_up(self) -> dict[str, torch.Tensor]:
        """Makes the program ready, so that no request waits for an engine that is set up; returns outputs of a call."""
        batch = 1 if self._batched else None
        if self._interface.takes_zeros(batch):
            warm_up(self._interface.program)
        return self._interface.example_call(batch=batch)


def _compare(kind: str, config: Mapping[str, Any], found: Mapping[str, torch.dtype]) -> None:
    """Raises InputError if the configuration has other tensors than the program."""
    wanted = {one["name"]: one["data_type"] for one in config[kind]}
    own = {name: type_of(dtype, name) for name, dtype in found.items()}
    if own != wanted:
        raise InputError(
            f"config.pbtxt has the {kind}s {_listed(wanted)}, and the program {_listed(own)}; write the model again "
            "with nacelle triton"
        )


def _message(error: Exception) -> str:
    return str(error).strip() or type(error).__name__


def _listed(tensors: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({dtype})" for name, dtype in tensors.items()) or "none"
