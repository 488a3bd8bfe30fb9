"""The engines among the constants of an exported program or an AOTInductor package.

An engine is there in one of two layouts, named after the member that holds it::

    custom   data/constants/custom_obj_0    torch's pickle of the C++ object: an archive of its own with a data.pkl
    opaque   data/constants/opaque_obj_0    Python's pickle of a call of Torch-TensorRT's function with the fields

Both are read as data.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from nacelle_cli.reading import limits, pickles, texts, zips
from nacelle_cli.reading.archives import MAGIC, Archive
from nacelle_cli.reading.containers import json_texts
from nacelle_cli.reading.containers.container import short
from nacelle_cli.reading.containers.json_texts import entries, text, within
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.pickle_traces import Trace
from nacelle_cli.reading.sources import ENGINE_TYPE

OPAQUE_MODULE = "torch_tensorrt.dynamo.runtime._TRTEngine"
OPAQUE_NAME = "_reconstruct_trt_engine"
OPAQUE_FUNCTION = f"{OPAQUE_MODULE}.{OPAQUE_NAME}"
CONSTANTS = "data/constants/"
MODEL = re.compile(r"models/(.+)\.json")

_OBJECT = re.compile(r"data/constants/(?:custom|opaque)_obj_\d{1,9}")
_CONFIG = re.compile(r"data/(?:constants/(.+)_constants_config|aotinductor/(.+)/custom_objs_config)\.json")
_HEAD = 512
_CLASS = re.compile(rb"\x80\x02c([^\n]*)\n([^\n]*)\n")
# Values of a record's pickle: thirteen fields, and what is around them.
_MOST_VALUES = 1000


@dataclass(frozen=True)
class EngineObject:
    """An engine in a member of the archive.

    Attributes:
        path: Its name in the program.
        member: The member that holds it.
        fields: The fields of its record, as a pickle has them.
        archive: The archive in whose entries long fields lie: the one in the member, or that of the member.
        trace: The trace of reading ``data.pkl`` of `archive`; None of the layout opaque.
    """

    path: str
    member: str
    fields: list[Any]
    archive: Archive
    trace: Trace | None


class PackageObjects:
    """Finds the engines of one file.

    Attributes:
        notes: Objects that are no engines, for a person.
    """

    def __init__(self, archive: Archive, stack: ExitStack) -> None:
        """Reads nothing yet.

        Args:
            archive: The file; it must stay open.
            stack: The holder of the archives within the file: their plans can be read until it closes.
        """
        self.archive = archive
        self.stack = stack
        self.notes: list[str] = []

    def engines(self) -> Iterator[EngineObject]:
        """Each engine, in the order of the archive.

        Raises:
            ReadingError: An object is damaged, or could be read in two ways.
        """
        paths = self._paths()
        for name in self.archive.names:
            if not _OBJECT.fullmatch(texts.lower(name)):
                continue
            if texts.lower(name) != name:
                raise ReadingError(
                    f"{self.archive.path}: member {texts.quoted(name)} is in capital letters; wanted "
                    f"{texts.lower(name)}"
                )
            custom = name.startswith(CONSTANTS + "custom_")
            found = self._custom(name) if custom else self._opaque(name)
            if found is not None:
                yield EngineObject(paths.get(name) or name.removeprefix(CONSTANTS), name, *found)

    def configs(self) -> dict[str, re.Match[str]]:
        """The members that name the program's objects: by their names, matches whose group 1 is an exported model."""
        return {name: match for name in self.archive.names if (match := _CONFIG.fullmatch(name))}

    def json(self, name: str) -> Any:
        """The value of a JSON member.

        Raises:
            ReadingError: It is no JSON, or over a limit.
        """
        where = f"{self.archive.path}: {texts.printable(name)}"
        if self.archive.size(name) > self.archive.limits.json:
            raise limits.exceeded(where, "bytes of JSON", self.archive.size(name), self.archive.limits.json)
        return json_texts.parsed(self.archive.read(name), where, self.archive.limits)

    def _paths(self) -> dict[str, str]:
        """The name in the program of each object, by its member."""
        configs = self.configs()
        models = {match[1] or match[2] for match in configs.values()}
        paths: dict[str, str] = {}
        for config, match in configs.items():
            content = self.json(config)
            prefix = f"{match[1] or match[2]}." if len(models) > 1 else ""
            for name, value in entries(within(content, "config") if match[1] else content):
                member = CONSTANTS + (text(within(value, "path_name")) if match[1] else text(value))
                if _OBJECT.fullmatch(texts.lower(member)):
                    self.archive.check_letters(member)
                    paths.setdefault(member, prefix + name)
        return paths

    def _custom(self, name: str) -> tuple[list[Any], Archive, Trace] | None:
        """The fields of an engine that torch pickled; None for another object."""
        content = self.archive.content(name)
        if content.at(0, len(MAGIC)) != MAGIC:
            raise ReadingError(
                f"{self.archive.path}: {name} is no zip archive; wanted the one that torch writes of an object"
            )
        inner = self.stack.enter_context(Archive(self.archive.path / name, content))
        if "data.pkl" not in inner:
            raise ReadingError(f"{inner.path} holds no data.pkl; wanted the pickle of an object, as torch writes it")
        if inner.member("data.pkl").method != zips.STORED:
            raise ReadingError(f"{inner.path}: data.pkl is deflated; wanted it stored, as torch writes it")
        with inner.open("data.pkl") as stream:
            head = stream.read(_HEAD)
        known = _CLASS.match(head)
        kind = ".".join(texts.from_bytes(part) for part in known.groups()) if known else "an unknown class"
        if kind != ENGINE_TYPE:
            self.notes.append(f"{name}: an object of {short(kind)}, which is no engine")
            return None
        trace = Trace()
        with inner.open("data.pkl") as stream:
            value = pickles.load(stream, "data.pkl", str(inner.path), self._allowed(), trace)
        state = value.state if isinstance(value, pickles.Instance) else None
        return self._fields(state, str(inner.path)), inner, trace

    def _opaque(self, name: str) -> tuple[list[Any], Archive, None] | None:
        """The same of an engine that Torch-TensorRT pickled."""
        where = f"{self.archive.path}: {name}"
        with self.archive.open(name) as stream:
            head = stream.read(_HEAD)
        if OPAQUE_NAME.encode() not in head:
            self.notes.append(f"{name}: a pickled Python object, which is not read")
            return None
        with self.archive.open(name) as stream:
            value = pickles.load(stream, name, str(self.archive.path), self._allowed(), form=pickles.PYTHON)
        if not isinstance(value, pickles.Call) or value.function != OPAQUE_FUNCTION or len(value.arguments) != 1:
            raise ReadingError(f"{where} is not the call of {OPAQUE_FUNCTION} with one list; nothing else is read")
        return self._fields(value.arguments[0], where), self.archive, None

    def _fields(self, value: Any, where: str) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise ReadingError(f"{where}: an engine has a state of type {type(value).__name__}; wanted a list of texts")
        return list(value)

    def _allowed(self) -> limits.Limits:
        return dataclasses.replace(self.archive.limits, values=_MOST_VALUES)
