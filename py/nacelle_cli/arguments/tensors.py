"""Reads descriptions of tensors on the command line: inputs of an engine, and arguments of a program.

    images=float32[1..16:8,3,224,224]     a range: 1 to 16, fastest at 8
    tokens=int64[1,8..128]+[8,8..512]     two optimization profiles
    target=int64[2]=[1..12:3,-1..12:4]    two values, which decide about shapes, and their ranges
    x=data.npy   x=data.npz:first   x=random:float32[1,3,224,224]   x=zeros   x=ones:int64[1,8]

A mistake ends the command as wrong usage, with a mark under the place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args

from nacelle_cli.failures import CommandError, wrong_usage
from nacelle_cli.packages import need
from nacelle_cli.reading import regular

if TYPE_CHECKING:
    import torch

    from torch_nacelle import Argument, Input

Fill = Literal["random", "zeros", "ones"]
FILLS: tuple[str, ...] = get_args(Fill)

_NAMED = re.compile(r"([\w.\-/]+)=")
_EXTENT = re.compile(r"(\d+)(?:\.\.(\d+)(?::(\d+))?)?\Z")
_VALUE = re.compile(r"(-?\d+)(?:\.\.(-?\d+)(?::(-?\d+))?)?\Z")
_DTYPE = re.compile(r"\w*")


@dataclass(frozen=True)
class Extent:
    """The range of a dimension, or of a value, in an optimization profile. A fixed one has one number."""

    low: int
    opt: int
    high: int


@dataclass(frozen=True)
class Described:
    """An input of an engine, as the user wrote it: ranges of dimensions, a tuple for each optimization profile.

    ``dtype`` is empty if it was left out. ``values`` has the ranges of values that decide about shapes.
    """

    name: str | None
    dtype: str
    ranges: tuple[tuple[Extent, ...], ...]
    values: tuple[tuple[Extent, ...], ...] = ()

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape if it is fixed."""
        fixed = len(self.ranges) == 1 and all(extent.low == extent.high for extent in self.ranges[0])
        return tuple(extent.low for extent in self.ranges[0]) if fixed else None

    def to_input(self) -> Input:
        """The input as torch_nacelle takes it."""
        from torch_nacelle import Input

        dtype = torch_dtype(self.dtype or "float32")
        ranges: dict[str, Any] = dict(
            zip(("min_values", "opt_values", "max_values"), _least_best_largest(self.values), strict=True)
        )
        if self.shape is not None:
            return Input(shape=self.shape, dtype=dtype, name=self.name, **(ranges if self.values else {}))
        low, opt, high = _least_best_largest(self.ranges)
        return Input(min=low, opt=opt, max=high, dtype=dtype, name=self.name, **(ranges if self.values else {}))


@dataclass(frozen=True)
class Given:
    """An argument of a program, as the user wrote it: a file, or made-up values, with a dtype and shape if given."""

    name: str | None
    fill: Fill | None
    described: Described | None
    path: Path | None
    key: str | None


def parse_described(text: str) -> Described:
    """Reads ``[NAME=][DTYPE][EXTENT,…]``; ``+[EXTENT,…]`` adds an optimization profile, ``=[EXTENT,…]`` has values."""
    named = _NAMED.match(text)
    start = named.end() if named else 0
    return _described(text, start, named.group(1) if named else None)


def parse_given(text: str) -> Given:
    """Reads ``[NAME=]FILE.npy``, ``[NAME=]FILE.npz:KEY`` or ``[NAME=]random|zeros|ones[:DTYPE[SHAPE]]``."""
    named = _NAMED.match(text)
    start = named.end() if named else 0
    name = named.group(1) if named else None
    word, colon, rest = text[start:].partition(":")
    for fill in get_args(Fill):
        if word == fill:
            described = _described(text, start + len(word) + 1, name) if colon else None
            if described is not None and (described.shape is None or described.values):
                _wrong(text, start + len(word) + 1, len(text), "a tensor has one shape, without ranges or values")
            return Given(name, fill, described, None, None)
    if word.endswith(".npy") and not colon:
        return Given(name, None, None, Path(word), None)
    if word.endswith(".npz") and (not colon or rest):
        return Given(name, None, None, Path(word), rest or None)
    what = f"wanted FILE.npy, FILE.npz:KEY, or one of {', '.join(FILLS)} with :DTYPE[SHAPE]"
    return _wrong(text, start, len(text), what)


def tensors_of(given: Sequence[Given], program: Any, seed: int) -> dict[str, torch.Tensor]:
    """The tensors for a call of `program`, by argument. Those not given are made up if the engines tell their shapes.

    A name is that of an argument of forward, or of the engine's input that the argument goes to.
    """
    import torch

    import torch_nacelle as nacelle

    generator = torch.Generator().manual_seed(seed)
    known = {argument.name: argument for argument in nacelle.arguments(program)}
    names = list(known)
    bindings = {argument.input.name: name for name, argument in known.items() if argument.input is not None}
    by_name = _placed([_renamed(one, names, bindings) for one in given], names)
    called = [name for name in names if known[name].required or name in by_name]
    return {name: _tensor(by_name.get(name), known[name], generator) for name in called}


def torch_dtype(name: str) -> torch.dtype:
    """The dtype of that name."""
    import torch

    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        wrong_usage(
            f"there is no dtype {name!r}; there are float32, float16, bfloat16, int64, int32, int8, uint8, bool …"
        )
    return found


def torch_device(text: str) -> torch.device:
    """The device that ``--device`` names; wrong usage if there is none of that name."""
    import torch

    try:
        found = torch.device(text)
    except RuntimeError:
        return wrong_usage(f"there is no device {text!r}; give cpu, cuda or cuda:1")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise CommandError(f"there is no device {text} here: torch finds {torch.cuda.device_count()} GPUs")
    return found


def _renamed(given: Given, names: Sequence[str], bindings: Mapping[str | None, str]) -> Given:
    """`given`; if it has the name of an engine's input, renamed to the parameter that goes to that input."""
    if given.name is None or given.name in names or given.name not in bindings:
        return given
    return replace(given, name=bindings[given.name])


def _placed(given: Sequence[Given], names: Sequence[str]) -> dict[str, Given]:
    """The arguments by parameter: by their names, or in order if they have none."""
    result = {one.name: one for one in given if one.name is not None}
    unknown = [name for name in result if name not in names]
    if unknown:
        wrong_usage(f"forward has no argument {', '.join(unknown)}; it has: {', '.join(names) or 'none'}")
    if len(result) != sum(one.name is not None for one in given):
        wrong_usage("an argument is given twice: " + ", ".join(one.name for one in given if one.name is not None))
    free = [name for name in names if name not in result]
    unnamed = [one for one in given if one.name is None]
    if len(unnamed) > len(free):
        wrong_usage(f"forward takes {len(names)} arguments ({', '.join(names) or 'none'}), found {len(given)} inputs")
    return result | dict(zip(free, unnamed, strict=False))


def _tensor(given: Given | None, argument: Argument, generator: torch.Generator) -> torch.Tensor:
    import torch_nacelle as nacelle

    if given is not None and given.path is not None:
        return _read(given.path, given.key)
    fill = given.fill if given is not None and given.fill is not None else "random"
    if given is not None and given.described is not None:
        described = given.described
        kind = torch_dtype(described.dtype or "float32")
        return nacelle.example_tensor(described.shape or (), kind, fill=fill, generator=generator)
    if argument.input is None:
        if argument.engine:
            raise CommandError(argument.why_unknown)
        raise CommandError(
            f"the dtype and shape of argument {argument.name} are not known: {argument.why_unknown}; give them, for "
            f"instance --input '{argument.name}=random:float32[1,3,224,224]' or --input {argument.name}=FILE.npy"
        )
    shape = argument.input.ranges[0].opt if argument.input.dynamic else argument.input.shape
    return nacelle.example_tensor(shape, argument.input.dtype, fill=fill, generator=generator)


def _read(path: Path, key: str | None) -> torch.Tensor:
    """The array of a file; one that holds pickled objects is refused."""
    import torch

    if not regular.exists(path):
        raise CommandError(f"there is no file {path}")
    np = need("numpy", f"{path} is read with")
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            with loaded:
                loaded = loaded[_key(path, key, loaded.files)]
        tensor: torch.Tensor = torch.from_numpy(np.ascontiguousarray(loaded).reshape(loaded.shape))
        return tensor
    except (ValueError, TypeError, OSError, EOFError) as error:
        raise CommandError(f"{path} cannot be read as an array of numbers: {error}") from error


def _key(path: Path, key: str | None, there: Sequence[str]) -> str:
    if key is None and len(there) == 1:
        return there[0]
    if key in there:
        return str(key)
    found = "no name was given" if key is None else f"found {key!r}"
    return wrong_usage(f"{path} holds {', '.join(there) or 'nothing'}: name one, as FILE.npz:KEY; {found}")


def _least_best_largest(ranges: Sequence[Sequence[Extent]]) -> list[list[tuple[int, ...]]]:
    """Three lists, with an entry for each optimization profile: the least numbers, the best, and the largest."""
    return [
        [tuple(getattr(extent, which) for extent in extents) for extents in ranges] for which in ("low", "opt", "high")
    ]


def _described(text: str, start: int, name: str | None) -> Described:
    dtype = _DTYPE.match(text, start)
    position = dtype.end() if dtype else start
    shapes, end = _ranges(text, position, "a shape in square brackets: [1..16:8,3,224,224]", _EXTENT)
    values: list[tuple[Extent, ...]] = []
    if text[end : end + 1] == "=":
        values, end = _ranges(text, end + 1, "values in square brackets: [1..12:3,4]", _VALUE)
    if end != len(text):
        _wrong(text, end, len(text), "wanted the end, or +[…] for another optimization profile, or =[…] for values")
    for ranges in (shapes, values):
        if any(len(extents) != len(ranges[0]) for extents in ranges):
            _wrong(text, start, len(text), "all optimization profiles of an input have the same number of dimensions")
    return Described(name, dtype.group() if dtype else "", tuple(shapes), tuple(values))


def _ranges(text: str, position: int, wanted: str, number: re.Pattern[str]) -> tuple[list[tuple[Extent, ...]], int]:
    """The ranges in brackets from a position on, with + between, and the position of their end."""
    ranges = []
    while True:
        if text[position : position + 1] != "[":
            _wrong(text, position, position + 1, f"wanted {wanted}")
        end = text.find("]", position)
        if end < 0:
            _wrong(text, position, len(text), "the bracket is not closed")
        ranges.append(_extents(text, position + 1, end, number))
        if text[end + 1 : end + 2] != "+":
            return ranges, end + 1
        position = end + 2


def _extents(text: str, start: int, end: int, number: re.Pattern[str]) -> tuple[Extent, ...]:
    if not text[start:end].strip():
        return ()
    extents = []
    position = start
    for part in text[start:end].split(","):
        extents.append(_extent(text, position, position + len(part), number))
        position += len(part) + 1
    return tuple(extents)


def _extent(text: str, start: int, end: int, number: re.Pattern[str]) -> Extent:
    part = text[start:end].strip()
    match = number.match(part)
    if match is None:
        one = "a size" if number is _EXTENT else "a whole number"
        _wrong(
            text, start, max(end, start + 1), f"wanted {one} (3), a range (1..16), or a range and its best (1..16:8)"
        )
    low, high, opt = match.groups()
    extent = Extent(int(low), int(opt or high or low), int(high or low))
    if not extent.low <= extent.opt <= extent.high:
        _wrong(text, start, end, f"{extent.low}, {extent.opt} and {extent.high} must ascend")
    return extent


def _wrong(text: str, start: int, end: int, what: str) -> NoReturn:
    """Reports wrong usage, with the text and a mark under the wrong part of it."""
    mark = " " * start + "^" * max(1, end - start)
    wrong_usage(f"{what}\n\n{text}\n{mark}")
