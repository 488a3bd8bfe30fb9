"""The records of the engines in programs that are saved."""

import torch

from nacelle_core import Record
from torch_nacelle import _C
from torch_nacelle._export import engine_laws
from torch_nacelle._export.engine_module import EngineModule
from torch_nacelle._runtime.holders import joined
from torch_nacelle._saving import upstream_metadata
from torch_nacelle.errors import Error, RecordError

DEFAULT_ABI_VERSION = 9
"""The version in exported programs and packages: what Torch-TensorRT 2.12 and 2.13 read."""

_METADATA_SINCE = 6


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
        _C.convert_engines(joined(EngineModule(made)), abi_version or DEFAULT_ABI_VERSION, [], None)
    except RecordError:
        if abi_version is not None:
            raise
        return engine
    return made


def with_metadata(engine: torch.ScriptObject) -> torch.ScriptObject:
    """The engine with the metadata that Torch-TensorRT wants; as it is if it has some, or if it cannot be made."""
    (site,) = _C.find_engines(joined(EngineModule(engine)))
    known = Record.parse(site.fields)
    if known.metadata or known.version < _METADATA_SINCE:
        return engine
    try:
        fixed = all(-1 not in shape for _, _, shape, _ in engine.inputs())  # type: ignore[attr-defined]
        laws = engine_laws.laws_of(engine) if fixed else engine_laws.known_laws(engine)
        metadata = b"" if laws is None else upstream_metadata.of_engine(engine, laws)
    except Error:  # it cannot be set up here
        return engine
    if not metadata:
        return engine
    record = Record.parse(_C.engine_record(engine))
    record.metadata = metadata
    return _C.engine_from_record(record.fields())
