"""ONNX models in memory, and the package that reads them."""

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from torch_nacelle.errors import InputError

# Torch's dtypes by the number that ONNX gives a tensor's element type.
DTYPES = {
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
class OnnxModel:
    """An ONNX model in memory, or with its weights in files beside it.

    Attributes:
        model: The protobuf.
        path: The model's file, beside which its external data lies; empty if it has none.
        output_names: Names of its outputs in order.
        external_files: The files beside it that hold its weights, by their names from there.
        open_inputs: Names of the inputs whose shape the model itself leaves open, if others made it.
        folder: Keeps the temporary folder of `path`, if there is one, until this object goes.
        returns: The form in which its module returned the outputs: "tensor", "tuple" or "list"; None without a module.
        exporter: The exporter of torch that wrote it, "TorchScript" or "dynamo"; empty if others wrote it.
    """

    model: bytes
    path: str
    output_names: tuple[str, ...]
    external_files: tuple[str, ...] = ()
    open_inputs: tuple[str, ...] = ()
    folder: "tempfile.TemporaryDirectory[str] | None" = None
    returns: str | None = None
    exporter: str = ""

    def content(self) -> list[bytes]:
        """The identity of the model: the protobuf, and for each file beside it a sha256."""
        found = [self.model]
        for name in self.external_files:
            digest = hashlib.sha256()
            with Path(self.path).parent.joinpath(name).open("rb") as file:
                while block := file.read(2**20):
                    digest.update(block)
            found.append(digest.digest())
        return found


def onnx_package(what_for: str) -> Any:
    """The package onnx.

    Args:
        what_for: Who needs it, for the message: a sentence without its end.

    Raises:
        InputError: It is not installed.
    """
    try:
        import onnx
        import onnx.external_data_helper
    except ImportError as error:
        raise InputError(
            f"{what_for} with the package onnx, which is not installed: pip install torch-nacelle[onnx]"
        ) from error
    return onnx


def nodes_of(graph: Any) -> Iterator[Any]:
    """The nodes of an ONNX graph and of the graphs inside it."""
    for node in graph.node:
        yield node
        for inner in graphs_in(node):
            yield from nodes_of(inner)


def graphs_in(node: Any) -> list[Any]:
    """The graphs that a node has as attributes: branches, bodies of loops. Some may be empty."""
    return [graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs)]
