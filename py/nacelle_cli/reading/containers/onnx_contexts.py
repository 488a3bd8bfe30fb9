"""ONNX models with engines in them: the EPContext nodes that ONNX Runtime writes for TensorRT.

::

    ModelProto 7 graph  ->  GraphProto 1 node  ->  NodeProto 4 op_type "EPContext", 7 domain "com.microsoft"
      5 attribute: embed_mode 1: ep_cache_context has the plan's bytes; 0: the path of a file beside the model
                   source: the execution provider that wrote it

The onnx package would hold a model, plans and all, in memory, and need not be installed. So the few messages on the way
to these nodes are read here, field by field from the file; all others are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nacelle_cli.reading import limits, plans, regular, texts, zips
from nacelle_cli.reading.containers.container import Container, Tensor, bare_engine, short
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.records import Engine

# The execution providers whose contexts are plans; models of early releases name none.
_SOURCES = ("", "TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider")
_TOLD = {
    "source": "source", "ep_sdk_version": "SDK", "hardware_architecture": "hardware", "partition_name": "partition",
    "onnx_model_filename": "made from", "notes": "notes",
}  # fmt: skip
_LONGEST_TEXT = 1 << 12
_BLOCK = 1 << 16
_VARINT, _BYTES64, _SIZED, _BYTES32 = 0, 1, 2, 5
# The fields of a model by their numbers, with how each is stored.
_MODEL = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
_DTYPES = (
    "unknown", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "float64",
    "uint32", "uint64", "complex64", "complex128", "bfloat16",
)  # fmt: skip


class _MalformedError(Exception):
    """Bytes that are no message."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A place in the file: that of a message, a text, or a plan."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


class _Messages:
    """Reads messages of a file, field by field."""

    def __init__(self, content: zips.Bytes, allowed: limits.Limits, where: str) -> None:
        self._content = content
        self._allowed = allowed
        self._where = where
        self._count = 0
        self._texts = 0
        self._block_start = 0
        self._block = b""

    def fields(self, part: _Part) -> Iterator[tuple[int, int, int | _Part]]:
        """The number, the form and the value of each field of a message; a part for those that have a size."""
        at = part.start
        while at < part.end:
            self._count += 1
            if self._count > self._allowed.values:
                raise limits.exceeded(self._where, "fields", self._count, self._allowed.values)
            key, at = self._varint(at, part.end)
            number, form = key >> 3, key & 7
            if form == _VARINT:
                value, at = self._varint(at, part.end)
                yield number, form, value
                continue
            if form == _SIZED:
                size, at = self._varint(at, part.end)
            elif form in (_BYTES64, _BYTES32):
                size = 8 if form == _BYTES64 else 4
            else:
                raise _MalformedError(f"a field of form {form} at byte {at}")
            if number == 0 or size > part.end - at:
                raise _MalformedError(f"a field of {size} bytes at byte {at} ends after what it is in")
            yield number, form, _Part(at, at + size)
            at += size

    def parts(self, part: _Part, wanted: int) -> Iterator[_Part]:
        """The fields of one number that have a size."""
        return (value for number, _, value in self.fields(part) if number == wanted and isinstance(value, _Part))

    def text(self, part: _Part, limit: int = _LONGEST_TEXT) -> str:
        """A text, cut off if it is long."""
        size = min(part.size, limit)
        self._texts += size
        if self._texts > self._allowed.texts:
            raise limits.exceeded(self._where, "bytes of texts", self._texts, self._allowed.texts)
        return texts.from_bytes(self._content.at(part.start, size))

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                break
            byte = self._byte(at)
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & ((1 << 64) - 1), at
        raise _MalformedError(f"a number without an end at byte {at}")

    def _byte(self, at: int) -> int:
        if not self._block_start <= at < self._block_start + len(self._block):
            self._block_start, self._block = at, self._content.at(at, _BLOCK)
            if not self._block:
                raise _MalformedError("the file ends within a message")
        return self._block[at - self._block_start]


@dataclass
class _Node:
    """An EPContext node."""

    name: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: dict[str, int | _Part] = field(default_factory=dict)


def matches(content: zips.Bytes) -> bool:
    """True if a file is an ONNX model as far as its outermost fields tell."""
    if content.size == 0:
        return False
    reader = _Messages(content, limits.of_size(0), "")
    graphs = 0
    try:
        for number, form, _ in reader.fields(_Part(0, content.size)):
            if _MODEL.get(number) != form:
                return False
            graphs += number == 7
    except (_MalformedError, ReadingError):
        return False
    return graphs == 1


def read(path: Path, content: zips.Bytes, allowed: limits.Limits) -> Container:
    """Reads a model's inputs, outputs, operators and EPContext nodes.

    Raises:
        ReadingError: It is damaged, or over a limit.
        OSError: A plan beside it cannot be read.
    """
    try:
        return _Reader(path, content, allowed).read()
    except _MalformedError as error:
        raise ReadingError(f"{path} begins as an ONNX model and is damaged: {error}; copy it again") from error


class _Reader:
    def __init__(self, path: Path, content: zips.Bytes, allowed: limits.Limits) -> None:
        self.path = path
        self.content = content
        self.allowed = allowed
        self.messages = _Messages(content, allowed, str(path))
        self.found = Container(path, content.size, "ONNX model", inputs=[], outputs=[])

    def read(self) -> Container:
        nodes = []
        (graph,) = self.messages.parts(_Part(0, self.content.size), 7)
        for number, _, value in self.messages.fields(graph):
            if not isinstance(value, _Part):
                continue
            if number == 1 and (node := self._node(value)):
                nodes.append(node)
            elif number in (11, 12):
                tensors = self.found.inputs if number == 11 else self.found.outputs
                assert tensors is not None
                tensors.append(self._tensor(value))
        names = [node.name for node in nodes]
        for i, node in enumerate(nodes):
            is_unique = node.name and names.count(node.name) == 1
            self._add(node, node.name if is_unique else f"EPContext[{i}]")
        return self.found

    def _node(self, part: _Part) -> _Node | None:
        """A node, if it is an EPContext; else its operator is counted."""
        node = _Node()
        op_type = domain = ""
        attributes = []
        for number, _, value in self.messages.fields(part):
            if not isinstance(value, _Part):
                continue
            if number == 4:
                op_type = self.messages.text(value)
            elif number == 7:
                domain = self.messages.text(value)
            elif number in (1, 2, 3):
                text = self.messages.text(value)
                if number == 3:
                    node.name = text
                else:
                    (node.inputs if number == 1 else node.outputs).append(text)
            elif number == 5:
                attributes.append(value)
        self.found.operators[short(f"{domain}.{op_type}" if domain else op_type, 100)] += 1
        if (op_type, domain) != ("EPContext", "com.microsoft"):
            return None
        for attribute in attributes:
            self._add_attribute(node, attribute)
        return node

    def _add_attribute(self, node: _Node, part: _Part) -> None:
        name, found = "", None
        for number, form, value in self.messages.fields(part):
            if number == 1 and isinstance(value, _Part):
                name = self.messages.text(value)
            elif (number, form) in ((3, _VARINT), (4, _SIZED)):
                found = value
        if name in node.attributes:
            raise _MalformedError(f"an EPContext node has the attribute {texts.quoted(name)} twice")
        if found is not None:
            node.attributes[name] = found

    def _tensor(self, part: _Part) -> Tensor:
        name, dtype = "", "unknown"
        shape: list[int | str] | None = None
        for number, _, value in self.messages.fields(part):
            if number == 1 and isinstance(value, _Part):
                name = self.messages.text(value)
            elif number == 2 and isinstance(value, _Part):
                for tensor in self.messages.parts(value, 1):
                    for inner, _, given in self.messages.fields(tensor):
                        if inner == 1 and isinstance(given, int):
                            dtype = _DTYPES[given] if given < len(_DTYPES) else "unknown"
                        elif inner == 2 and isinstance(given, _Part):
                            shape = [self._extent(extent) for extent in self.messages.parts(given, 1)]
        return Tensor(name, dtype, None if shape is None else tuple(shape))

    def _extent(self, part: _Part) -> int | str:
        extent: int | str = "?"
        for number, _, value in self.messages.fields(part):
            if number == 1 and isinstance(value, int):
                extent = value
            elif number == 2 and isinstance(value, _Part):
                extent = short(self.messages.text(value), 60) or "?"
        return extent

    def _add(self, node: _Node, path: str) -> None:
        told = {
            name: self.messages.text(value) for name in _TOLD if isinstance(value := node.attributes.get(name), _Part)
        }
        source = told.get("source", "")
        if source not in _SOURCES:
            self.found.note(f"{path} is a context of {short(source)}, which is no TensorRT plan")
            return
        context = node.attributes.get("ep_cache_context")
        if not isinstance(context, _Part):
            self.found.note(f"{path} has no context of its own (main_context {node.attributes.get('main_context', 1)})")
            return
        details = {_TOLD[name]: short(text) for name, text in told.items() if text}
        if node.attributes.get("embed_mode", 1) == 1:
            size, part = context.size, lambda offset, size: self.content.at(context.start + offset, size)
        else:
            name = self.messages.text(context)
            details["plan file"] = short(name)
            try:
                beside = plans.of_file(self._beside(name))
            except (ReadingError, OSError) as error:
                problem = str(error) if isinstance(error, ReadingError) else f"{name}: {error.strerror}"
                self.found.add(Engine(path, None, None, problem, details=details), self.allowed)
                return
            size, part = beside.stored_size, beside.part
        inputs, outputs = tuple(node.inputs), tuple(node.outputs)
        engine = bare_engine(path, size, part, input_names=inputs, output_names=outputs, details=details)
        self.found.add(engine, self.allowed)

    def _beside(self, name: str) -> Path:
        """The file of a plan beside the model."""
        folder = self.path.parent
        given = Path(name)
        if not name or "\0" in name or given.is_absolute() or ".." in given.parts:
            raise ReadingError(f"its plan is in {texts.quoted(name)}; wanted a path that stays in the model's folder")
        place = folder / given
        regular.check(place)
        if place.is_dir():
            raise ReadingError(f"its plan is in {texts.quoted(name)}, which is a folder; wanted a file")
        if not place.resolve().is_relative_to(folder.resolve()):
            raise ReadingError(f"its plan {texts.quoted(name)} is a link that leaves the model's folder")
        return place
