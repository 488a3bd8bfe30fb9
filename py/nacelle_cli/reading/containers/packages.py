"""Archives of torch.export.save (.pt2, upstream's .ep) and of AOTInductor, with the engines among their constants.

An engine is there in one of two forms::

    data/constants/custom_obj_0    torch's pickle of the C++ object: an archive of its own with a data.pkl
    data/constants/opaque_obj_0    Python's pickle of a call of Torch-TensorRT's function with the record's fields

Both are read as data. A package of AOTInductor holds machine code beside them, which is not looked into.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from nacelle_cli.reading import limits, pickles, texts, zips
from nacelle_cli.reading.archives import MAGIC, Archive
from nacelle_cli.reading.containers import json_texts
from nacelle_cli.reading.containers.container import Container, Tensor, short
from nacelle_cli.reading.containers.json_texts import entries, items, number, text, within
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.records import Records

OPAQUE_FUNCTION = "torch_tensorrt.dynamo.runtime._TRTEngine._reconstruct_trt_engine"

_CONSTANTS = "data/constants/"
_OBJECT = re.compile(r"data/constants/(?:custom|opaque)_obj_\d{1,9}")
_MODEL = re.compile(r"models/(.+)\.json")
_CONFIG = re.compile(r"data/(?:constants/(.+)_constants_config|aotinductor/(.+)/custom_objs_config)\.json")
_METADATA = re.compile(r"data/aotinductor/.+\.wrapper_metadata\.json")
_CODE = (".so", ".o", ".cubin", ".hsaco", ".spv", ".ptx")
_HEAD = 512
_CLASS = re.compile(rb"\x80\x02c([^\n]*)\n([^\n]*)\n")
_ENGINE_CLASS = (b"__torch__.torch.classes.tensorrt", b"Engine")
# Values of a record's pickle: thirteen fields, and what is around them.
_MOST_VALUES = 1000
# As torch's schema numbers them.
_DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64", 9: "complex32",
    10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16", 29: "float8_e4m3fn",
    30: "float8_e5m2", 31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz", 33: "float8_e8m0fnu", 34: "uint32", 35: "uint64",
}  # fmt: skip
_SYMBOL = re.compile(r"Symbol\('(\w+)'[^()]*\)")


def read(archive: Archive, stack: ExitStack) -> Container:
    """Reads a package.

    Args:
        archive: The package, whose ``package_kind`` is not empty.
        stack: The holder of the archives within the file: their plans can be read until it closes.

    Raises:
        ReadingError: It is damaged, or could be read in two ways.
    """
    return _Reader(archive, stack).read()


@dataclasses.dataclass(frozen=True)
class EngineObject:
    """An engine in a member of the archive.

    Attributes:
        member: The member that holds it.
        fields: The fields of its record, as a pickle has them.
        archive: The archive in whose entries long fields lie.
    """

    member: str
    fields: list[Any]
    archive: Archive


def engine_objects(archive: Archive, stack: ExitStack) -> Iterator[EngineObject]:
    """The engines among the constants of a package. Their records are not checked.

    Raises:
        ReadingError: An object could be read in two ways, or is none that is read here.
    """
    reader = _Reader(archive, stack)
    for name in archive.names:
        if _OBJECT.fullmatch(texts.lower(name)):
            fields, holder = reader.object(name)
            if holder is not None:
                yield EngineObject(name, fields, holder)


class _Reader:
    def __init__(self, archive: Archive, stack: ExitStack) -> None:
        self.archive = archive
        self.stack = stack
        self.records = Records(archive)
        self.found = Container(archive.path, archive.file_size, archive.package_kind())

    def read(self) -> Container:
        paths = self._paths()
        for name in self.archive.names:
            if _OBJECT.fullmatch(texts.lower(name)):
                self._add(name, paths.get(name) or name.removeprefix(_CONSTANTS))
        models = [name for name in self.archive.names if _MODEL.fullmatch(name)]
        for name in models:
            self._describe(name)
        if len(models) > 1:
            self.found.details["models"] = ", ".join(name[7:-5] for name in models)
            self.found.inputs = self.found.outputs = None
        self._add_code()
        return self.found

    def _json(self, name: str) -> Any:
        if self.archive.size(name) > self.archive.limits.json:
            where = f"{self.archive.path}: {texts.printable(name)}"
            raise limits.exceeded(where, "bytes of JSON", self.archive.size(name), self.archive.limits.json)
        where = f"{self.archive.path}: {texts.printable(name)}"
        return json_texts.parsed(self.archive.read(name), where, self.archive.limits)

    def _paths(self) -> dict[str, str]:
        """The name in the program of each object, by its member."""
        configs = {name: match for name in self.archive.names if (match := _CONFIG.fullmatch(name))}
        models = {match[1] or match[2] for match in configs.values()}
        paths: dict[str, str] = {}
        for config, match in configs.items():
            content = self._json(config)
            prefix = f"{match[1] or match[2]}." if len(models) > 1 else ""
            for name, value in entries(within(content, "config") if match[1] else content):
                member = _CONSTANTS + (text(within(value, "path_name")) if match[1] else text(value))
                if _OBJECT.fullmatch(texts.lower(member)):
                    self.archive.check_letters(member)
                    paths.setdefault(member, prefix + name)
        return paths

    def object(self, name: str) -> tuple[list[Any], Archive | None]:
        """The fields of the engine in a member, and the archive of long ones; None for another object."""
        if texts.lower(name) != name:
            raise ReadingError(
                f"{self.archive.path}: member {texts.quoted(name)} is in capital letters; wanted {texts.lower(name)}"
            )
        return self._custom(name) if name.startswith(_CONSTANTS + "custom_") else self._opaque(name)

    def _add(self, name: str, path: str) -> None:
        fields, holder = self.object(name)
        if holder is not None:
            self.found.add(self.records.read(path, fields, holder), self.archive.limits)

    def _custom(self, name: str) -> tuple[list[Any], Archive | None]:
        """The fields of an engine that torch pickled, and the archive of long ones; None for another object."""
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
        if known is None or known.groups() != _ENGINE_CLASS:
            kind = ".".join(texts.from_bytes(part) for part in known.groups()) if known else "an unknown class"
            self.found.note(f"{name}: an object of {short(kind)}, which is no engine")
            return [], None
        with inner.open("data.pkl") as stream:
            value = pickles.load(stream, "data.pkl", str(inner.path), self._allowed())
        state = value.state if isinstance(value, pickles.Instance) else None
        return self._fields(state, str(inner.path)), inner

    def _opaque(self, name: str) -> tuple[list[Any], Archive | None]:
        """The same of an engine that Torch-TensorRT pickled."""
        where = f"{self.archive.path}: {name}"
        with self.archive.open(name) as stream:
            head = stream.read(_HEAD)
        if OPAQUE_FUNCTION.rpartition(".")[2].encode() not in head:
            self.found.note(f"{name}: a pickled Python object, which is not read")
            return [], None
        with self.archive.open(name) as stream:
            value = pickles.load(stream, name, str(self.archive.path), self._allowed(), form=pickles.PYTHON)
        if not isinstance(value, pickles.Call) or value.function != OPAQUE_FUNCTION or len(value.arguments) != 1:
            raise ReadingError(f"{where} is not the call of {OPAQUE_FUNCTION} with one list; nothing else is read")
        return self._fields(value.arguments[0], where), self.archive

    def _fields(self, value: Any, where: str) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise ReadingError(f"{where}: an engine has a state of type {type(value).__name__}; wanted a list of texts")
        return list(value)

    def _allowed(self) -> limits.Limits:
        return dataclasses.replace(self.archive.limits, values=_MOST_VALUES)

    def _describe(self, name: str) -> None:
        """Inputs, outputs and operators of a program's graph, as its JSON has them."""
        try:
            program = self._json(name)
        except ReadingError as error:
            self.found.note(str(error).removeprefix(f"{self.archive.path}: "))
            return
        graph = within(program, "graph_module", "graph")
        values = within(graph, "tensor_values")
        signature = within(program, "graph_module", "signature")
        inputs = [within(spec, "user_input", "arg") for spec in items(within(signature, "input_specs"))]
        outputs = [within(spec, "user_output", "arg") for spec in items(within(signature, "output_specs"))]
        self.found.inputs = [_tensor(argument, values) for argument in inputs if argument]
        self.found.outputs = [_tensor(argument, values) for argument in outputs if argument]
        for node in items(within(graph, "nodes")):
            self.found.operators[short(text(within(node, "target")).removeprefix("torch.ops."), 100)] += 1
        sizes = [_range(name, given) for name, given in entries(within(program, "range_constraints"))]
        self.found.details |= {"sizes": ", ".join(sizes)} if sizes else {}
        release = text(within(program, "torch_version"))
        self.found.details |= {"saved by": f"torch {short(release, 40)}"} if release else {}

    def _add_code(self) -> None:
        code = [name for name in self.archive.names if name.startswith("data/aotinductor/") and name.endswith(_CODE)]
        if self.found.kind != "AOTInductor package":
            return
        size = sum(map(self.archive.size, code))
        count = "1 file" if len(code) == 1 else f"{len(code)} files"
        self.found.details["machine code"] = f"{count}, {size:,} bytes; not looked into, and nothing of it is run"
        for name in self.archive.names:
            if _METADATA.fullmatch(name):
                told = [f"{text(value)}" for _, value in entries(self._json(name)) if text(value)]
                self.found.details["compiled for"] = short(", ".join(told))


def _tensor(argument: Any, values: Any) -> Tensor:
    """An input or output; a constant by its value."""
    (kind, value), *_ = entries(argument) or [("", None)]
    name = text(within(value, "name")) or text(within(value, "as_name")) or text(value)
    if kind != "as_tensor":
        return Tensor(name or short(str(value), 40), kind.removeprefix("as_"), None)
    known = within(values, name)
    dtype = _DTYPES.get(number(within(known, "dtype")) or 0, "unknown")
    shape = tuple(map(_extent, items(within(known, "sizes"))))
    return Tensor(name, dtype, shape)


def _extent(value: Any) -> int | str:
    fixed = number(within(value, "as_int"))
    if fixed is not None:
        return fixed
    expression = text(within(value, "as_expr", "expr_str"))
    return short(_SYMBOL.sub(r"\1", expression[:4096]), 60) or "?"


def _range(name: str, given: Any) -> str:
    low, high = number(within(given, "min_val")), number(within(given, "max_val"))
    upper = f" to {high}" if high is not None else " up"
    return f"{short(name, 60)} from {0 if low is None else low}{upper}"
