"""TorchScript's pickles, read as data: no object of any class is made, and long texts are left where they lie.

TorchScript writes a small part of pickle's protocol 2. A reader of that part is a loop over a stack; it knows two
functions by name (torch's tags for lists, torch's tensors) and keeps every other call as a ``Call``.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

from torch_nacelle_cli.reading import texts
from torch_nacelle_cli.reading.errors import ReadingError

# A text of more bytes than this is not kept: a plan, above all.
LONGEST_KEPT = 1 << 16
_BLOCK = 1 << 20
_ELEMENT_BYTES = {
    "Bool": 1, "Byte": 1, "Char": 1, "QInt8": 1, "QUInt8": 1, "Short": 2, "Half": 2, "BFloat16": 2, "Int": 4,
    "QInt32": 4, "Float": 4, "Long": 8, "Double": 8, "ComplexFloat": 8, "ComplexDouble": 16,
}  # fmt: skip
_DTYPES = {
    "Bool": "bool", "Byte": "uint8", "Char": "int8", "QInt8": "qint8", "QUInt8": "quint8", "Short": "int16",
    "Half": "float16", "BFloat16": "bfloat16", "Int": "int32", "QInt32": "qint32", "Float": "float32",
    "Long": "int64", "Double": "float64", "ComplexFloat": "complex64", "ComplexDouble": "complex128",
}  # fmt: skip


@dataclass(frozen=True)
class LongText:
    """A text that was not kept: where its bytes lie in the archive's entry."""

    entry: str
    start: int
    size: int


@dataclass(frozen=True)
class Name:
    """A class or function that the pickle names, as ``module.name``."""

    name: str


@dataclass(eq=False)
class Instance:
    """An object of a class of the program: the class's name, and what was saved of it."""

    type: str
    state: Any = None

    @property
    def attributes(self) -> dict[str, Any]:
        """Its attributes by name, where its state is that."""
        return self.state if isinstance(self.state, dict) else {}


@dataclass(frozen=True)
class Storage:
    """The bytes behind tensors: an entry of the archive."""

    key: str
    dtype: str
    device: str
    size: int


@dataclass(frozen=True)
class Tensor:
    """A tensor's description."""

    dtype: str
    shape: tuple[int, ...]
    storage: Storage
    layout: tuple[Any, ...] = ()  # offset, strides, and flags, as they are in the pickle


@dataclass(eq=False)
class Call:
    """A call that the pickle asks for and that nobody makes."""

    function: str
    arguments: tuple[Any, ...]


class _Mark:
    pass


_MARK = _Mark()


def load(stream: IO[bytes], entry: str, path: str = "") -> Any:
    """Reads a pickle to its end.

    Args:
        stream: The bytes from its start.
        entry: The pickle's name in the archive.
        path: The archive, for messages.

    Returns:
        None, bool, int, float, str (see ``texts``), list, tuple, dict, or one of this module's classes.

    Raises:
        ReadingError: It is cut off, or holds what TorchScript's own reader would not read either.
    """
    machine = _Machine(stream, entry, path)
    try:
        return machine.run()
    except (IndexError, KeyError, TypeError, ValueError, struct.error) as error:
        raise machine.damaged(f"{type(error).__name__}: {error}") from error


@dataclass
class _Machine:
    source: IO[bytes]
    entry: str
    path: str
    position: int = 0
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stream = io.BufferedReader(self.source, _BLOCK)  # type: ignore[type-var]

    def damaged(self, why: str) -> ReadingError:
        where = f"{self.path}: {self.entry}, byte {self.position}"
        return ReadingError(f"{where}: {why}; this is no pickle that TorchScript wrote whole")

    def run(self) -> Any:
        while True:
            opcode = self.take(1)
            if opcode == b".":
                result = self.stack.pop()
                while self.stream.read(_BLOCK):  # to the end, so that the archive's checksum is looked at
                    pass
                return result
            action = _ACTIONS.get(opcode)
            if action is None:
                raise self.damaged(f"opcode {opcode!r} is not one of TorchScript's")
            action(self)

    def take(self, size: int) -> bytes:
        found = self.stream.read(size)
        if len(found) != size:
            raise self.damaged(f"it ends, and {size} bytes more were wanted")
        self.position += size
        return found

    def number(self, form: struct.Struct) -> Any:
        return form.unpack(self.take(form.size))[0]

    def line(self) -> str:
        found = self.stream.readline(_BLOCK)
        if not found.endswith(b"\n"):
            raise self.damaged("a name has no end")
        self.position += len(found)
        return texts.from_bytes(found[:-1])

    def text(self, size: int) -> str | LongText:
        if size <= LONGEST_KEPT:
            return texts.from_bytes(self.take(size))
        start = self.position
        while size > 0:
            size -= len(self.take(min(size, _BLOCK)))
        return LongText(self.entry, start, self.position - start)

    def to_mark(self) -> list[Any]:
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise IndexError("there is no mark")
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def push_tuple(self, size: int) -> None:
        items = tuple(self.stack[len(self.stack) - size :])
        if len(items) != size:
            raise IndexError("too few values for a tuple")
        del self.stack[len(self.stack) - size :]
        self.stack.append(items)

    def set_items(self, items: list[Any]) -> None:
        target: dict[Any, Any] = self.stack[-1]
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_key(key)] = value

    def new_object(self) -> None:
        self.stack.pop()  # arguments: none
        self.stack.append(Instance(self.stack.pop().name))

    def build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Instance):
            target.state = state

    def reduce(self) -> None:
        arguments = self.stack.pop()
        function = self.stack.pop().name
        self.stack.append(_call(function, arguments))

    def persistent(self) -> None:
        kind, storage, key, device, size = self.stack.pop()
        if kind != "storage":
            raise ValueError(f"persistent id of kind {kind!r}")
        element = storage.name.rpartition(".")[2].removesuffix("Storage")
        bytes_each = _ELEMENT_BYTES.get(element, 1)
        self.stack.append(Storage(str(key), _DTYPES.get(element, element), str(device), int(size) * bytes_each))


def _key(key: Any) -> Any:
    """A key that a dict can have: tensors and the like by their identity."""
    return key if isinstance(key, str | int | float | bool | tuple | type(None)) else repr(key)


def _call(function: str, arguments: tuple[Any, ...]) -> Any:
    if function == "torch.jit._pickle.restore_type_tag":
        return arguments[0]
    if function.startswith("torch.jit._pickle.build_") and len(arguments) == 1:
        return arguments[0]
    if function in ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3"):
        storage, _, shape = arguments[:3]
        last = arguments[-1]
        dtype = last.name.removeprefix("torch.") if isinstance(last, Name) else storage.dtype
        return Tensor(dtype, tuple(shape), storage, (arguments[1], *arguments[3:]))
    if function == "torch._utils._rebuild_qtensor":
        storage, _, shape = arguments[:3]
        return Tensor(storage.dtype, tuple(shape), storage, (arguments[1], *arguments[3:]))
    return {} if function == "collections.OrderedDict" else Call(function, arguments)


def _long(machine: _Machine) -> int:
    return int.from_bytes(machine.take(machine.number(_U8)), "little", signed=True)


_U8, _U16, _I32, _U32, _U64, _F64 = (struct.Struct(form) for form in ("<B", "<H", "<i", "<I", "<Q", ">d"))


def _push(value: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(value(machine))


def _put(index: struct.Struct) -> Callable[[_Machine], None]:
    def put(machine: _Machine) -> None:
        machine.memo[machine.number(index)] = machine.stack[-1]

    return put


def _append(machine: _Machine) -> None:
    item = machine.stack.pop()
    machine.stack[-1].append(item)


def _extend(machine: _Machine) -> None:
    items = machine.to_mark()
    machine.stack[-1].extend(items)


def _set_item(machine: _Machine) -> None:
    value = machine.stack.pop()
    machine.set_items([machine.stack.pop(), value])


def _dict(machine: _Machine) -> None:
    items = machine.to_mark()
    machine.stack.append({})
    machine.set_items(items)


def _pop(machine: _Machine) -> None:
    machine.stack.pop()


def _protocol(machine: _Machine) -> None:
    machine.take(1)


_ACTIONS: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": _protocol,
    b"(": _push(lambda _: _MARK),
    b"N": _push(lambda _: None),
    b"\x88": _push(lambda _: True),
    b"\x89": _push(lambda _: False),
    b"K": _push(lambda machine: machine.number(_U8)),
    b"M": _push(lambda machine: machine.number(_U16)),
    b"J": _push(lambda machine: machine.number(_I32)),
    b"\x8a": _push(_long),
    b"G": _push(lambda machine: machine.number(_F64)),
    b"X": _push(lambda machine: machine.text(machine.number(_U32))),
    b"\x8d": _push(lambda machine: machine.text(machine.number(_U64))),
    b"B": _push(lambda machine: machine.text(machine.number(_U32))),
    b"c": _push(lambda machine: Name(f"{machine.line()}.{machine.line()}")),
    b")": _push(lambda _: ()),
    b"]": _push(lambda _: []),
    b"}": _push(lambda _: {}),
    b"t": _push(lambda machine: tuple(machine.to_mark())),
    b"l": _push(lambda machine: machine.to_mark()),
    b"\x85": lambda machine: machine.push_tuple(1),
    b"\x86": lambda machine: machine.push_tuple(2),
    b"\x87": lambda machine: machine.push_tuple(3),
    b"d": _dict,
    b"a": _append,
    b"e": _extend,
    b"s": _set_item,
    b"u": lambda machine: machine.set_items(machine.to_mark()),
    b"q": _put(_U8),
    b"r": _put(_U32),
    b"h": _push(lambda machine: machine.memo[machine.number(_U8)]),
    b"j": _push(lambda machine: machine.memo[machine.number(_U32)]),
    b"0": _pop,
    b"\x81": _Machine.new_object,
    b"b": _Machine.build,
    b"R": _Machine.reduce,
    b"Q": _Machine.persistent,
}
