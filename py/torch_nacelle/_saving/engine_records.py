"""The records of the engines in programs that are saved."""

import torch

from torch_nacelle import _C
from torch_nacelle.errors import RecordError

DEFAULT_ABI_VERSION = 9
"""The version in exported programs and packages: what Torch-TensorRT 2.12 and 2.13 read."""


def of_version(engine: torch.ScriptObject, abi_version: int | None) -> torch.ScriptObject:
    """The engine with a record of another version; it shares the plan, and the engine that was given stays.

    Args:
        engine: The engine.
        abi_version: The version; None: the default, or the engine's own if that one would lose something.

    Raises:
        RecordError: The version cannot keep what the record says.
    """
    made = _C.copy_engine(engine)
    try:
        _C.convert_engines(_C.engine_holder(made), abi_version or DEFAULT_ABI_VERSION, [], None)
    except RecordError:
        if abi_version is not None:
            raise
        return engine
    return made
