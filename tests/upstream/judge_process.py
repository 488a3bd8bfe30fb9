"""Torch-TensorRT's own runtime, in a process of its own without Nacelle, which has classes of the same names.

    python -m tests.upstream.judge_process LIBRARY [LIBRARY ...]

The libraries are loaded in this order; the last is Torch-TensorRT's. Then each line of standard input is a request and
each line of standard output its answer, both JSON:

    {"do": "load", "path": P}                                           {"program": N}
    {"do": "call", "program": N, "inputs": P, "times": T, "to": P}      {}            tensors go through files
    {"do": "save", "program": N, "path": P}                             {}
    {"do": "surface", "program": N, "engine": "attribute"}              see calling.surface
    {"do": "loaded"}                                                    {"libraries": [P, …]}

A request that raises is answered by {"error": message}. Standard error has the log of the runtime.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from typing import Any

import torch

from tests.upstream.calling import call, surface


class Programs:
    """The programs that were loaded, by number."""

    def __init__(self) -> None:
        self._programs: list[Any] = []

    def load(self, path: str) -> dict[str, Any]:
        """Loads a TorchScript program (.ts) or an exported program (.pt2)."""
        exported = path.endswith(".pt2")
        self._programs.append(torch.export.load(path).module() if exported else torch.jit.load(path))
        return {"program": len(self._programs) - 1}

    def call(self, program: int, inputs: str, times: int, to: str) -> dict[str, Any]:
        """Calls a program with the tensors of one file, and writes the result to another."""
        called = call(self._programs[program], torch.load(inputs), times, "cuda:0")
        torch.save({"outputs": called.outputs, "inputs": called.inputs, "shared": called.shared}, to)
        return {}

    def save(self, program: int, path: str) -> dict[str, Any]:
        """Saves a program."""
        self._programs[program].save(path)
        return {}

    def surface(self, program: int, engine: str) -> dict[str, Any]:
        """Returns what an engine's class and the operators beside it offer."""
        return surface(getattr(self._programs[program], engine))

    def loaded(self) -> dict[str, Any]:
        """Returns the shared libraries of this process."""
        with open("/proc/self/maps") as maps:
            paths = {line.split(maxsplit=5)[5].strip() for line in maps if len(line.split(maxsplit=5)) > 5}
        return {"libraries": sorted(path for path in paths if ".so" in path)}


def main(libraries: list[str]) -> None:
    """Loads the libraries and answers requests until standard input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints must not answer
    *stand_ins, runtime = libraries
    for library in stand_ins:
        ctypes.CDLL(library, ctypes.RTLD_GLOBAL)
    torch.ops.load_library(runtime)
    assert "torch_nacelle" not in sys.modules
    torch.set_num_threads(1)  # the programs are small, and the machine may have other work
    print(json.dumps({"abi": torch.ops.tensorrt.ABI_VERSION()}), file=answers, flush=True)
    programs = Programs()
    for line in sys.stdin:
        request = json.loads(line)
        method = getattr(programs, request.pop("do"))
        try:
            answer = method(**request)
        except Exception as error:  # whatever the runtime raises is its verdict
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
