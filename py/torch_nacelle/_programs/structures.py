"""The structures around an engine's tensors: the arguments of a model's forward, and what it returns.

An engine takes and returns tensors in a row. torch's pytree flattens the rest, and the keys on the way become names:

    {"logits": a, "states": (b, c), "cache": None}    the engine's outputs: "logits", "states.0", "states.1"

The classes here rebuild the structure from the tensors. Leaves that are no tensors are constants.
"""

import dataclasses
import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch.utils import _pytree

from torch_nacelle.errors import InputError

Path: TypeAlias = tuple[Any, ...]  # of torch's keys

CONSTANTS: tuple[type, ...] = (type(None), bool, int, float, str)
"""The types of leaves that a structure keeps as they are."""

_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True)
class Slot:
    """The place of a tensor in the row."""

    place: int


@dataclass(frozen=True)
class Structure:
    """A tree whose leaves are the tensors of a row, and constants.

    Attributes:
        spec: The tree, as torch's pytree describes it.
        leaves: A ``Slot`` or a constant for each leaf.
    """

    spec: _pytree.TreeSpec
    leaves: tuple[Any, ...]

    def build(self, tensors: Sequence[Any]) -> Any:
        """The tree around `tensors`."""
        return _pytree.tree_unflatten(
            [tensors[leaf.place] if isinstance(leaf, Slot) else leaf for leaf in self.leaves], self.spec
        )

    @functools.cached_property
    def template(self) -> Any:
        """The tree with its slots as leaves."""
        return _pytree.tree_unflatten(list(self.leaves), self.spec)

    @functools.cached_property
    def paths(self) -> list[tuple[Path, Any]]:
        """The path of each leaf."""
        return flat(self.template)

    @staticmethod
    def of(tree: Any) -> "Structure":
        """The structure of a tree whose leaves are slots and constants."""
        leaves, spec = _pytree.tree_flatten(tree)
        return Structure(spec, tuple(leaves))


def flat(value: Any) -> list[tuple[Path, Any]]:
    """The leaves of a tree, each with its path. None is a leaf."""
    try:
        return [(tuple(path), leaf) for path, leaf in _pytree.tree_flatten_with_path(value)[0]]
    except ValueError:  # a class in it was registered without its keys, as diffusers' are
        return list(_flat((), value))


def _flat(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    """The leaves of a tree in torch's order, with keys for classes that were registered without them."""
    children = children_of(value)
    if children is None:
        yield path, value
        return
    for key, child in children:
        yield from _flat((*path, key), child)


def children_of(value: Any) -> list[tuple[Any, Any]] | None:
    """The keys and values inside a tree at its top; None for a leaf."""
    node = _pytree.SUPPORTED_NODES.get(_pytree._get_node_type(value))
    if node is None:
        return None
    if node.flatten_with_keys_fn is not None:
        return list(node.flatten_with_keys_fn(value)[0])
    parts, context = node.flatten_fn(value)
    return list(zip(_keys(context, len(parts)), parts, strict=True))


def _keys(context: Any, count: int) -> list[Any]:
    """Keys for the parts of a class: its names if what it keeps beside them is a list of names, else their places."""
    names = list(context) if isinstance(context, (list, tuple)) else []
    if len(names) == count and all(isinstance(name, str) for name in names):
        return [_pytree.MappingKey(name) for name in names]
    return [_pytree.SequenceKey(place) for place in range(count)]


def key_of(step: Any) -> Any:
    """The key of a dict, the place in a sequence, or the name of an attribute."""
    return getattr(step, "key", getattr(step, "idx", getattr(step, "name", step)))


def path_text(path: Path) -> str:
    """A path for a message: ``["states"][0]``, ``.logits``."""
    return "".join(map(str, path))


def name_of(path: Path, what: str) -> str:
    """A name for a tensor, of the keys that lead to it: ``states.0``. One that begins with no word begins with `what`.

    Characters other than ASCII letters, digits, "_", "-" and "." are "_".
    """
    parts = [_NO_NAME.sub("_", str(key_of(step))) for step in path]
    if not path:
        return f"{what}_0"
    if not isinstance(key_of(path[0]), str) or not parts[0].strip("0123456789.-"):
        parts[0] = f"{what}_{parts[0]}"
    return ".".join(parts)


def unique(names: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """The names, each once. Of equal ones the second gets "_2"; one of `taken` begins with "output."."""
    made: list[str] = []
    for name in names:
        base = f"output.{name}" if name in taken else name
        candidates = itertools.chain([base], (f"{base}_{number}" for number in itertools.count(2)))
        made.append(next(one for one in candidates if one not in made and one not in taken))
    return made


def refuse_leaf(leaf: Any, what: str) -> InputError:
    """The error for a leaf that is neither a tensor nor a constant; `what` names it."""
    kind = type(leaf)
    if dataclasses.is_dataclass(kind):
        return InputError(
            f"{what} is a {kind.__name__}, a dataclass that torch's pytree does not know: call "
            f"torch.utils._pytree.register_dataclass({kind.__name__}, "
            f'serialized_type_name="{kind.__module__}.{kind.__qualname__}") once, where the class is defined'
        )
    return InputError(
        f"{what} is a {kind.__name__}; wanted tensors, None, numbers and texts, in tuples, lists, dicts, namedtuples "
        "or classes that are registered with torch.utils._pytree.register_pytree_node; an argument may leave it out, "
        'such as "use_cache": False in inputs'
    )


@dataclass(frozen=True)
class Call:
    """The arguments of a model's forward, around the tensors that its engine takes.

    Attributes:
        structure: The arguments as ``(args, kwargs)``.
        parameters: Names of forward's parameters that can be given by position, in order.
        defaults: The defaults of forward's parameters that are constants.
    """

    structure: Structure
    parameters: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @functools.cached_property
    def is_row(self) -> bool:
        """True if tensors by position make the same call."""
        args, kwargs = self.structure.template
        following = self.parameters[len(args) : len(args) + len(kwargs)]
        return tuple(kwargs) == following and all(isinstance(one, Slot) for one in [*args, *kwargs.values()])

    def takes_row(self, args: Sequence[Any]) -> bool:
        """True if `args` are the engine's inputs as they are, or no call at all."""
        return self.is_row and (len(args) <= len(self.structure.leaves) or isinstance(args[-1], torch.Tensor))

    @property
    def by_name(self) -> bool:
        """True if arguments are given by name."""
        return bool(self.structure.template[1])

    @functools.cached_property
    def _wanted(self) -> dict[Any, dict[tuple[Any, ...], Any]]:
        """The leaves of each argument: by the parameter's name, or its place if it has none."""
        args, kwargs = self.structure.template
        return {key: _by_keys(value) for key, value in self._keyed(args, kwargs).items()}

    def without_constants(self) -> "Call":
        """The call without the arguments by name that are constants."""
        args, kwargs = self.structure.template
        kept = {name: one for name, one in kwargs.items() if not isinstance(one, CONSTANTS)}
        return dataclasses.replace(self, structure=Structure.of((args, kept)))

    def build(self, tensors: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments, by position and by name, around the tensors."""
        args, kwargs = self.structure.build(tensors)
        return args, kwargs

    def tensors(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], kinds: tuple[type, ...] = (torch.Tensor,)
    ) -> list[Any]:
        """The tensors in the arguments of a call, in the order of the engine's inputs.

        Args:
            args: The arguments by position.
            kwargs: The arguments by name.
            kinds: The classes of what stands for a tensor.

        Raises:
            InputError: An argument is missing, unknown, of another structure, or another constant.
        """
        given = self._keyed(args, kwargs)
        for key in given:
            if key not in self._wanted:
                self._check_extra(key, given[key])
        found: dict[int, Any] = {}
        for key, leaves in self._wanted.items():
            if key in given:
                _match(_argument(key), given[key], leaves, found, kinds)
            elif any(isinstance(leaf, Slot) for leaf in leaves.values()):
                raise InputError(
                    f"{_argument(key)} is missing; the program takes {', '.join(map(str, self._wanted))}, found "
                    f"{', '.join(map(str, given)) or 'none'}"
                )
        return [found[place] for place in range(len(found))]

    def _keyed(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[Any, Any]:
        keyed: dict[Any, Any] = {}
        for place, value in enumerate(args):
            keyed[self.parameters[place] if place < len(self.parameters) else place] = value
        for name, value in kwargs.items():
            if name in keyed:
                raise InputError(f"argument {name} is given by position and by name")
            keyed[name] = value
        return keyed

    def _check_extra(self, key: Any, value: Any) -> None:
        if key in self.defaults and _is_constant(value) and _same(value, self.defaults[key]):
            return
        if isinstance(key, str) and (key in self.defaults or key in self.parameters):
            raise InputError(
                f"{_argument(key)} is {_shown(value)}, and the program was compiled without it: it computes with "
                f"forward's default{f' {self.defaults[key]!r}' if key in self.defaults else ''}; name {key} in inputs "
                f"of nacelle.compile"
            )
        raise InputError(f"the program has no {_argument(key)}; it takes {', '.join(map(str, self._wanted))}")


def row_call(count: int, names: Sequence[str] = ()) -> Call:
    """A call with `count` tensors by position."""
    return Call(Structure.of((tuple(map(Slot, range(count))), {})), tuple(names))


def _argument(key: Any) -> str:
    return f"argument {key}"


def _is_constant(value: Any) -> bool:
    return isinstance(value, CONSTANTS)


def _same(value: Any, constant: Any) -> bool:
    return type(value) is type(constant) and bool(value == constant)


def _shown(value: Any) -> str:
    return repr(value) if _is_constant(value) else f"a {type(value).__name__}"


def _by_keys(value: Any) -> dict[tuple[Any, ...], Any]:
    """The leaves of a tree by their keys: torch's own objects for keys cannot be compared under torch.compile."""
    return {tuple(map(key_of, path)): leaf for path, leaf in flat(value)}


def _match(
    what: str, value: Any, leaves: Mapping[tuple[Any, ...], Any], found: dict[int, Any], kinds: tuple[type, ...]
) -> None:
    """Puts the tensors of an argument into `found`, by their place."""
    given = _by_keys(value)
    for keys, leaf in leaves.items():
        where = what + "".join(f"[{key!r}]" for key in keys)
        if keys not in given:
            raise InputError(f"{where} is missing in what was given, a {type(value).__name__}")
        one = given[keys]
        if isinstance(leaf, Slot):
            if not isinstance(one, kinds):
                raise InputError(f"{where} is {_shown(one)}; wanted a tensor")
            found[leaf.place] = one
        elif not _same(one, leaf):
            raise InputError(f"{where} is {_shown(one)}, and the program was compiled for {leaf!r}")
    for keys in given:
        if keys not in leaves:
            where = what + "".join(f"[{key!r}]" for key in keys)
            raise InputError(f"{where} is given, and the program was compiled without it")
