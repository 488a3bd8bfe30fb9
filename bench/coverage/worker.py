"""Compiles one architecture with one backend, in a process of its own, and writes what came of it as JSON.

    python -m bench.coverage.worker MODULE NAME BACKEND RESULT [--library FOLDER] [--memory BYTES]

MODULE has the dict ARCHITECTURES. The limit of memory holds for this process, so that a model that is too large ends
with an error and not the machine.
"""

import argparse
import contextlib
import importlib
import json
import logging
import re
import resource
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_EXPORTER = re.compile(r"exported to ONNX by torch's (\w+) exporter")
_METHOD = re.compile(r"\b(scripted|traced)\b")


def main() -> None:
    """Compiles the architecture that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module")
    parser.add_argument("name")
    parser.add_argument("backend")
    parser.add_argument("result", type=Path)
    parser.add_argument("--library")
    parser.add_argument("--memory", type=int, default=0)
    asked = parser.parse_args()
    if asked.memory:
        resource.setrlimit(resource.RLIMIT_DATA, (asked.memory, asked.memory))
    architecture = importlib.import_module(asked.module).ARCHITECTURES[asked.name]
    result = compiled(architecture, asked.backend, asked.library)
    asked.result.write_text(json.dumps(result), encoding="utf-8")


def compiled(architecture: Any, backend: str, library: str | None) -> dict[str, Any]:
    """The result for an architecture: if it compiles as it comes, or why not.

    An engine of the reference engine is compared to the module over the range of its inputs. One for a GPU is compared
    if there is a GPU, and else only built.
    """
    import torch

    import torch_nacelle as nacelle

    torch.manual_seed(0)
    started = time.perf_counter()
    with messages() as told, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module, inputs = architecture.make()
        except Exception as error:
            return {"ok": False, "stage": "make", "error": _text(error), "seconds": 0.0}
        started = time.perf_counter()
        options: Any = {"backend": backend} | ({} if backend == "reference" else {"library": library})
        try:
            if backend == "reference" or torch.cuda.is_available():
                nacelle.compile(module, inputs, check=True, **options)
            else:
                nacelle.build_engine(module, inputs, **options)
            result: dict[str, Any] = {"ok": True}
        except nacelle.CheckError as error:
            result = {"ok": False, "stage": "check", "error": _text(error)}
        except nacelle.Error as error:
            result = {"ok": False, "stage": "build", "error": _text(error)}
        except Exception as error:  # not one of ours: a fault of ours
            result = {"ok": False, "stage": "crash", "error": f"{type(error).__name__}: {_text(error)}"}
    result["seconds"] = round(time.perf_counter() - started, 2)
    return result | _facts(told)


@contextlib.contextmanager
def messages() -> Iterator[list[str]]:
    """The messages that the package logs meanwhile."""
    told: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    logger = logging.getLogger("torch_nacelle")
    handler = Keep()
    level, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield told
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagates


def _facts(told: list[str]) -> dict[str, str]:
    """The exporter and the method of the last graph that the package told of."""
    facts: dict[str, str] = {}
    for message in told:
        if exporter := _EXPORTER.search(message):
            facts["exporter"] = exporter[1]
        if method := _METHOD.search(message.split(";")[0]):  # reasons against other ways follow
            facts["method"] = {"scripted": "script", "traced": "trace"}[method[1]]
    return facts


def _text(error: Exception) -> str:
    return str(error)[:2000] or type(error).__name__


if __name__ == "__main__":
    main()
