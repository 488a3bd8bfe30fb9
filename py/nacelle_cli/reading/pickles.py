"""TorchScript's pickles, read as data: no object of any class is made, and long texts stay in the file.

TorchScript writes a small part of pickle's protocol 2. A reader of that part is a loop over a stack; it knows two
functions by name (torch's tags for lists, torch's tensors) and keeps every other call as a ``Call``.

torch's reader takes more than torch's writer writes, and has ways of its own: a class that is called makes an object,
and an object that is built twice is two. Each operation here looks at what is on the stack, and takes what the writer
puts there; so that what it gives is what torch would make of it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, Protocol, TypeAlias, TypeVar

from nacelle_cli.reading import limits, texts
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.pickled import Call as Call
from nacelle_cli.reading.pickled import Instance as Instance
from nacelle_cli.reading.pickled import LongText as LongText
from nacelle_cli.reading.pickled import Name as Name
from nacelle_cli.reading.pickled import Storage as Storage
from nacelle_cli.reading.pickled import Tensor as Tensor

# A text of more bytes than this is not kept: a plan, above all.
LONGEST_KEPT = 1 << 16
_BLOCK = 1 << 20
_LONGEST_NAME = 1 << 12
_ELEMENT_BYTES = {
    "Bool": 1, "Byte": 1, "Char": 1, "QInt8": 1, "QUInt8": 1, "Short": 2, "Half": 2, "BFloat16": 2, "Int": 4,
    "QInt32": 4, "Float": 4, "Long": 8, "Double": 8, "ComplexFloat": 8, "ComplexDouble": 16,
}  # fmt: skip
_DTYPES = {
    "Bool": "bool", "Byte": "uint8", "Char": "int8", "QInt8": "qint8", "QUInt8": "quint8", "Short": "int16",
    "Half": "float16", "BFloat16": "bfloat16", "Int": "int32", "QInt32": "qint32", "Float": "float32",
    "Long": "int64", "Double": "float64", "ComplexFloat": "complex64", "ComplexDouble": "complex128",
}  # fmt: skip
_T = TypeVar("_T")
_CLASSES = "__torch__."
# torch's reader gives the second name after this one the meaning of the first; TorchScript never writes it.
_SKIPS_A_NAME = "torch._tensor._rebuild_from_type_v2"
_INT64 = range(-(1 << 63), 1 << 63)


class Reading(Protocol):
    """The state of reading a pickle; `number_read` is the argument of the last operation that had a number."""

    stack: list[Any]
    position: int
    number_read: Any


Watch: TypeAlias = Callable[[Reading, bytes, int], None]


def load(
    stream: IO[bytes],
    entry: str,
    path: str = "",
    allowed: limits.Limits | None = None,
    watch: Watch | None = None,
) -> Any:
    """Reads a pickle to its end.

    Args:
        stream: The bytes from its start.
        entry: The pickle's name in the archive.
        path: The archive, for messages.
        allowed: The limits of the file; None: those of a small one.
        watch: Called after each operation, with the state of reading, the opcode, and where the operation begins.

    Returns:
        None, bool, int, float, str (see ``texts``), list, tuple, dict, or one of this module's classes. Nothing is
        within itself.

    Raises:
        ReadingError: It is cut off, or holds what TorchScript's own reader would not read either, or is over a limit.
    """
    return _Machine(stream, entry, path, allowed or limits.of_size(0), watch).run()


@dataclass
class _Machine:
    source: IO[bytes]
    entry: str
    path: str
    allowed: limits.Limits
    watch: Watch | None = None
    position: int = 0
    number_read: Any = 0
    values: int = 0
    text_bytes: int = 0
    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    unbuilt: set[int] = field(default_factory=set)  # identities of objects that have no state yet

    def __post_init__(self) -> None:
        self.stream = io.BufferedReader(self.source, _BLOCK)  # type: ignore[type-var]

    @property
    def where(self) -> str:
        return f"{self.path}: {self.entry}, byte {self.position}"

    def damaged(self, why: str) -> ReadingError:
        return ReadingError(f"{self.where}: {why}; this is no pickle that TorchScript wrote whole")

    def run(self) -> Any:
        if self.take(2) != b"\x80\x02":
            raise self.damaged("it does not begin as pickles of protocol 2 do")
        while (opcode := self.take(1)) != b".":
            action = _ACTIONS.get(opcode)
            if action is None:
                raise self.damaged(f"opcode {opcode!r} is not one of TorchScript's")
            start = self.position - 1
            action(self)
            if self.watch is not None:
                self.watch(self, opcode, start)
        if len(self.stack) != 1 or self.marks:
            raise self.damaged(f"it ends with {len(self.stack)} values; wanted 1")
        while self.stream.read(_BLOCK):  # to the end, so that the archive's checksum is looked at
            pass
        result = self.pop(object)
        self.check_nesting(result)
        return result

    # Reading.

    def take(self, size: int) -> bytes:
        found = self.stream.read(size)
        if len(found) != size:
            raise self.damaged(f"it ends, and {size} bytes more were wanted")
        self.position += size
        return found

    def number(self, form: struct.Struct) -> Any:
        (self.number_read,) = form.unpack(self.take(form.size))
        return self.number_read

    def long(self) -> int:
        size = self.number(_U8)
        if size > 8:
            raise self.damaged(f"a number has {size} bytes; wanted at most 8")
        return int.from_bytes(self.take(size), "little", signed=True)

    def line(self) -> str:
        found = self.stream.readline(_LONGEST_NAME)
        if not found.endswith(b"\n"):
            raise self.damaged("a name has no end")
        self.position += len(found)
        self.count_text(len(found))
        return texts.from_bytes(found[:-1])

    def name(self) -> Name:
        found = f"{self.line()}.{self.line()}"
        if found == _SKIPS_A_NAME:
            raise self.damaged(f"it calls {found}, which TorchScript does not")
        return Name(found)

    def count_text(self, size: int) -> None:
        self.text_bytes += size
        if self.text_bytes > self.allowed.texts:
            raise limits.exceeded(self.where, "bytes of texts", self.text_bytes, self.allowed.texts)

    def text(self, size: int) -> str | LongText:
        if size <= LONGEST_KEPT:
            self.count_text(size)
            return texts.from_bytes(self.take(size))
        start = self.position
        while size > 0:
            size -= len(self.take(min(size, _BLOCK)))
        return LongText(self.entry, start, self.position - start)

    # The stack.

    def push(self, value: Any) -> None:
        self.values += 1
        if self.values > self.allowed.values:
            raise limits.exceeded(self.where, "values", self.values, self.allowed.values)
        self.stack.append(value)

    def pop(self, kind: type[_T]) -> _T:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise self.damaged(f"a {_KINDS[kind]} is missing")
        return self.of_kind(self.stack.pop(), kind)

    def top(self, kind: type[_T]) -> _T:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise self.damaged(f"a {_KINDS[kind]} is missing")
        return self.of_kind(self.stack[-1], kind)

    def of_kind(self, value: Any, kind: type[_T]) -> _T:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            raise self.damaged(f"a value is of type {type(value).__name__}; wanted a {_KINDS[kind]}")
        return value

    def to_mark(self) -> list[Any]:
        if not self.marks:
            raise self.damaged("the start of a list is missing")
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def mark(self) -> None:
        self.marks.append(len(self.stack))

    def put(self, index: int) -> None:
        value = self.top(object)
        if id(value) in self.unbuilt:
            raise self.damaged("an object that has no state yet is kept for later")
        if index > self.position:  # torch has memory for all smaller ones
            raise self.damaged(f"value {index} is kept for later, and there cannot be as many")
        self.memo[index] = value

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise self.damaged(f"there is no value {index}")
        self.push(self.memo[index])

    # Making values.

    def push_tuple(self, size: int) -> None:
        items = [self.pop(object) for _ in range(size)]
        self.push(tuple(reversed(items)))

    def set_items(self, target: dict[Any, Any], items: list[Any]) -> None:
        if len(items) % 2:
            raise self.damaged("a key has no value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int | float | None):
                raise self.damaged(
                    f"a key of a dict is of type {type(key).__name__}; wanted None, a bool, a number or a text of at "
                    f"most {LONGEST_KEPT} bytes"
                )
            if key in target:
                raise self.damaged(f"a dict has the key {_brief(key)} twice")
            target[key] = value

    def new_object(self) -> None:
        if self.pop(tuple):
            raise self.damaged("an object is made with arguments; wanted none")
        made = Instance(self.pop(Name).name)
        self.unbuilt.add(id(made))
        self.push(made)

    def build(self) -> None:
        state = self.pop(object)
        target = self.top(Instance)
        if id(target) not in self.unbuilt:
            raise self.damaged(f"an object of class {texts.quoted(target.type)} is given its state twice")
        self.unbuilt.discard(id(target))
        target.state = state

    def reduce(self) -> None:
        arguments = self.pop(object)
        function = self.pop(Name).name
        self.push(self.call(function, arguments))

    def call(self, function: str, arguments: Any) -> Any:
        if function.startswith(_CLASSES):
            return self.enum(function, arguments)
        given = self.of_kind(arguments, tuple)
        if function == "torch.jit._pickle.restore_type_tag":
            value, _ = self.several(given, object, str)
            return self.of_kind(value, list | dict)  # type: ignore[arg-type]
        if function.startswith("torch.jit._pickle.build_"):
            (value,) = self.several(given, list)
            return value
        if function in _TENSORS:
            return self.tensor(given)
        return Call(function, given)

    def enum(self, function: str, value: Any) -> Call:
        """A value of an enum; torch would make an object of any other value."""
        if not isinstance(value, int | float | str):
            raise self.damaged(
                f"{texts.quoted(function)} is called with a {type(value).__name__}; wanted an enum's value"
            )
        return Call(function, (value,))

    def several(self, given: tuple[Any, ...], *kinds: type[Any]) -> tuple[Any, ...]:
        if len(given) != len(kinds):
            raise self.damaged(f"a call has {len(given)} arguments; wanted {len(kinds)}")
        return tuple(map(self.of_kind, given, kinds))

    def tensor(self, given: tuple[Any, ...]) -> Tensor:
        if len(given) < 6:
            raise self.damaged(f"a tensor has {len(given)} parts; wanted at least 6")
        storage, offset, shape, _ = self.several(given[:4], Storage, int, tuple, tuple)
        elements = 1
        for extent in shape:
            if self.of_kind(extent, int) < 0:
                raise self.damaged(f"a tensor has an extent of {extent}")
            elements *= max(extent, 1)
            if elements not in _INT64:
                raise self.damaged("a tensor has more elements than can be counted")
        last = given[-1]
        dtype = last.name.removeprefix("torch.") if isinstance(last, Name) else storage.dtype
        return Tensor(dtype, shape, storage, (offset, *given[3:]))

    def persistent(self) -> None:
        parts = self.several(self.pop(tuple), str, Name, str, str, int)
        kind, storage, key, device, size = parts
        if kind != "storage" or size < 0:
            raise self.damaged(f"a persistent value is of kind {_brief(kind)} and size {size}; wanted a storage")
        element = storage.name.rpartition(".")[2].removesuffix("Storage")
        self.push(Storage(key, _DTYPES.get(element, element), device, size * _ELEMENT_BYTES.get(element, 1)))

    def check_nesting(self, root: Any) -> None:
        """Refuses values that hold themselves, are nested too deeply, or mean something else to torch."""
        depths: dict[int, int] = {}  # of what was left, by identity; 0 of what was entered and not left
        todo = [root]
        while todo:
            value = todo[-1]
            depth = depths.get(id(value))
            if depth is None:
                depths[id(value)] = 0
                todo += self.holders(value, depths)
                continue
            todo.pop()
            if depth == 0:
                depth = 1 + max((depths.get(id(child), 0) for child in _children(value)), default=0)
                depths[id(value)] = depth
                if depth > self.allowed.depth:
                    where = f"{self.path}: {self.entry}: its values are nested too deeply"
                    raise limits.exceeded(where, "levels", depth, self.allowed.depth)

    def holders(self, value: Any, depths: dict[int, int]) -> list[Any]:
        """Those of the values right within one that hold others, and were not entered yet."""
        if id(value) in self.unbuilt:
            raise self.damaged(f"an object of class {texts.quoted(value.type)} has no state")
        found = []
        for child in _children(value):
            if isinstance(child, Name | Storage):
                raise self.damaged(f"a {_KINDS[type(child)]} is kept as a value")
            if isinstance(child, _HOLDERS):
                depth = depths.get(id(child))
                if depth == 0:
                    raise self.damaged("a value holds itself")
                if depth is None:
                    found.append(child)
        return found


def _children(value: Any) -> Any:
    """The values right within one."""
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, Instance):
        return (value.state,)
    return value.arguments if isinstance(value, Call) else ()


_HOLDERS = (list, tuple, dict, Instance, Call)


def _brief(value: object) -> str:
    return texts.quoted(value) if isinstance(value, str) else str(value)


_KINDS: dict[Any, str] = {
    object: "value", int: "number", str: "text", list: "list", tuple: "tuple", dict: "dict", Name: "name",
    Instance: "object", Storage: "storage", list | dict: "list or dict",
}  # fmt: skip
_TENSORS = {f"torch._utils._rebuild_{kind}" for kind in ("tensor_v2", "tensor_v3", "qtensor")}
_U8, _U16, _I32, _U32, _U64, _F64 = (struct.Struct(form) for form in ("<B", "<H", "<i", "<I", "<Q", ">d"))


def _push(value: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.push(value(machine))


def _append(machine: _Machine) -> None:
    item = machine.pop(object)
    machine.top(list).append(item)


def _extend(machine: _Machine) -> None:
    items = machine.to_mark()
    machine.top(list).extend(items)


def _set_item(machine: _Machine) -> None:
    value = machine.pop(object)
    key = machine.pop(object)
    machine.set_items(machine.top(dict), [key, value])


def _set_items(machine: _Machine) -> None:
    items = machine.to_mark()
    machine.set_items(machine.top(dict), items)


def _dict(machine: _Machine) -> None:
    items = machine.to_mark()
    made: dict[Any, Any] = {}
    machine.set_items(made, items)
    machine.push(made)


def _pop(machine: _Machine) -> None:
    machine.pop(object)


_ACTIONS: dict[bytes, Callable[[_Machine], None]] = {
    b"(": _Machine.mark,
    b"N": _push(lambda _: None),
    b"\x88": _push(lambda _: True),
    b"\x89": _push(lambda _: False),
    b"K": _push(lambda machine: machine.number(_U8)),
    b"M": _push(lambda machine: machine.number(_U16)),
    b"J": _push(lambda machine: machine.number(_I32)),
    b"\x8a": _push(_Machine.long),
    b"G": _push(lambda machine: machine.number(_F64)),
    b"X": _push(lambda machine: machine.text(machine.number(_U32))),
    b"\x8d": _push(lambda machine: machine.text(machine.number(_U64))),
    b"B": _push(lambda machine: machine.text(machine.number(_U32))),
    b"c": _push(_Machine.name),
    b")": _push(lambda _: ()),
    b"]": _push(lambda _: []),
    b"}": _push(lambda _: {}),
    b"t": _push(lambda machine: tuple(machine.to_mark())),
    b"l": _push(_Machine.to_mark),
    b"\x85": lambda machine: machine.push_tuple(1),
    b"\x86": lambda machine: machine.push_tuple(2),
    b"\x87": lambda machine: machine.push_tuple(3),
    b"d": _dict,
    b"a": _append,
    b"e": _extend,
    b"s": _set_item,
    b"u": _set_items,
    b"q": lambda machine: machine.put(machine.number(_U8)),
    b"r": lambda machine: machine.put(machine.number(_U32)),
    b"h": lambda machine: machine.get(machine.number(_U8)),
    b"j": lambda machine: machine.get(machine.number(_U32)),
    b"0": _pop,
    b"\x81": _Machine.new_object,
    b"b": _Machine.build,
    b"R": _Machine.reduce,
    b"Q": _Machine.persistent,
}
