"""A client of Triton over HTTP, from the standard library alone: the protocol is KServe's, version 2, with raw tensors.

NVIDIA's own client, the package tritonclient, speaks gRPC and shared memory too, and needs more packages.
"""

import http.client
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

_TYPES = {
    "BOOL": torch.bool,
    "UINT8": torch.uint8,
    "INT8": torch.int8,
    "INT16": torch.int16,
    "INT32": torch.int32,
    "INT64": torch.int64,
    "FP16": torch.float16,
    "BF16": torch.bfloat16,
    "FP32": torch.float32,
    "FP64": torch.float64,
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}
_JSON_SIZE = "Inference-Header-Content-Length"


class RequestError(Exception):
    """The server's answer is an error.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, status: int, message: str) -> None:
        """An error with the server's words."""
        super().__init__(message)
        self.status = status


class TritonClient:
    """One connection to a server. Use one for each thread.

    ::

        client = TritonClient("127.0.0.1:8000")
        outputs = client.infer("detector", {"images": images})
    """

    def __init__(self, address: str, seconds: float = 300.0) -> None:
        """Connects with the first request.

        Args:
            address: The server's host and port.
            seconds: Seconds to wait for an answer.
        """
        self._connection = http.client.HTTPConnection(address, timeout=seconds)

    def infer(self, model: str, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Sends one request, and returns the outputs by name, on the CPU.

        Args:
            model: The model's name.
            inputs: Tensors by name; the first dimension is the batch, if the model has one.

        Raises:
            RequestError: The server answers with an error.
            OSError: There is no connection, or no answer in time.
        """
        contents = [_bytes_of(tensor) for tensor in inputs.values()]
        described = [
            {
                "name": name,
                "datatype": _NAMES[tensor.dtype],
                "shape": list(tensor.shape),
                "parameters": {"binary_data_size": len(content)},
            }
            for (name, tensor), content in zip(inputs.items(), contents, strict=True)
        ]
        head = json.dumps({"inputs": described, "parameters": {"binary_data_output": True}}).encode()
        answer, rest = self._request(
            "POST", f"/v2/models/{model}/infer", b"".join([head, *contents]), {_JSON_SIZE: str(len(head))}
        )
        outputs = {}
        for one in answer["outputs"]:
            size = one["parameters"]["binary_data_size"]
            outputs[one["name"]] = _tensor(rest[:size], one["datatype"], one["shape"])
            rest = rest[size:]
        return outputs

    def is_ready(self, model: str) -> bool:
        """True if the model takes requests."""
        try:
            self._request("GET", f"/v2/models/{model}/ready")
        except RequestError:
            return False
        return True

    def load(self, model: str) -> None:
        """Loads a model, or loads it anew from its files; for a server with --model-control-mode=explicit.

        Raises:
            RequestError: It cannot be loaded; the one that was loaded before stays.
        """
        self._request("POST", f"/v2/repository/models/{model}/load", b"{}")

    def statistics(self, model: str) -> Any:
        """The server's statistics of a model: counts of requests and calls, and calls by batch size."""
        return self._request("GET", f"/v2/models/{model}/stats")[0]["model_stats"][0]

    def batch_sizes(self, model: str) -> dict[int, int]:
        """The number of the model's calls by batch size, since it was loaded."""
        told = self.statistics(model)["batch_stats"]
        return {int(one["batch_size"]): int(one["compute_infer"]["count"]) for one in told}

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def _request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[Any, bytes]:
        """Sends a request; returns the JSON of the answer, and the bytes that follow it."""
        try:
            self._connection.request(method, path, body, dict(headers or {}))
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # the next request connects again
            raise error if isinstance(error, OSError) else ConnectionError(str(error)) from error
        size = int(response.headers.get(_JSON_SIZE, len(content)))
        answer = json.loads(content[:size]) if content[:size].strip() else {}
        if response.status != http.HTTPStatus.OK:
            raise RequestError(response.status, answer.get("error", "") if isinstance(answer, dict) else str(answer))
        return answer, content[size:]


def _bytes_of(tensor: Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().flatten()
    return flat.view(torch.uint8).numpy().tobytes()


def _tensor(content: bytes, datatype: str, shape: list[int]) -> Tensor:
    dtype = _TYPES[datatype]
    if not content:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(content), dtype=dtype).reshape(shape)
