"""The structure of a result as TorchScript, which has fewer types than Python.

a mapping whose values are of one type      Dict[str, Tensor], or Dict[int, Tensor]
a list whose elements are of one type       List[Tensor]
a dataclass, a namedtuple, other mappings   NamedTuple, if the keys are names
anything else                               a tuple
"""

import dataclasses
import hashlib
import keyword
import math
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.jit import _recursive

from torch_nacelle._programs.structures import children_of, key_of
from torch_nacelle._runtime.torch_state import without_deprecations

_LEAF_TYPES: tuple[type, ...] = (bool, int, float, str)

_NONE = type(None)

_UNNAMED = ("dict", "immutable_dict", "OrderedDict", "defaultdict")


@dataclass(frozen=True)
class _Typed:
    """An expression, and its type as Python's annotation and as a text."""

    text: str
    type: Any
    type_text: str


@dataclass
class ScriptedResults:
    """Writes trees as expressions of TorchScript.

    Attributes:
        text: Gives the expression of a leaf that is a tensor, and None for any other value.
        kinds: The NamedTuples that the expressions so far use, by the name that they use.
    """

    text: Callable[[Any], str | None]
    kinds: dict[str, type] = field(default_factory=dict)

    def expression(self, value: Any) -> str:
        """The expression for a tree."""
        return self._typed(value).text

    def resolve(self, name: str) -> Any:
        """The value of a name in the source, as torch's compiler asks for it."""
        known = {"torch": torch, "Tensor": torch.Tensor, "Dict": dict, "List": list, "Optional": typing.Optional}
        return self.kinds.get(name) or known.get(name)

    def _typed(self, value: Any) -> _Typed:
        tensor = self.text(value)
        if tensor is not None:
            return _Typed(tensor, torch.Tensor, "Tensor")
        if value is None:
            return _Typed("None", _NONE, "None")
        if type(value) in _LEAF_TYPES:
            text = f'float("{value}")' if isinstance(value, float) and not math.isfinite(value) else repr(value)
            return _Typed(text, type(value), type(value).__name__)
        children = children_of(value) or []
        keys = [key_of(step) for step, _ in children]
        made = [self._typed(child) for _, child in children]
        if dataclasses.is_dataclass(value) or hasattr(value, "_fields"):
            return self._named(type(value).__name__, keys, made)
        common = _common(made)
        if isinstance(value, Mapping):
            key_types = {type(key) for key in keys} or {str}
            if common is None or key_types not in ({str}, {int}):
                return self._named(type(value).__name__, keys, made)
            (key_type,) = key_types
            items = ", ".join(f"{key!r}: {one.text}" for key, one in zip(keys, made, strict=True))
            kind = f"Dict[{key_type.__name__}, {common.type_text}]"
            return _annotated(f"{{{items}}}", dict[key_type, common.type], kind)  # type: ignore[valid-type, name-defined]
        if isinstance(value, list) and common is not None:
            items = ", ".join(one.text for one in made)
            return _annotated(f"[{items}]", list[common.type], f"List[{common.type_text}]")  # type: ignore[name-defined]
        return _tuple(made)

    def _named(self, name: str, keys: Sequence[Any], made: Sequence[_Typed]) -> _Typed:
        """A NamedTuple, or a tuple if a key is no name of a field.

        TorchScript knows the NamedTuples of a process by their qualified names. That of equal fields is equal, so that
        equal programs are equal files, and that of others is another.
        """
        if not made or not all(isinstance(key, str) and _is_field(key) for key in keys):
            return _tuple(made)
        fields = [(key, _OPTIONAL if one.type is _NONE else one) for key, one in zip(keys, made, strict=True)]
        word = "Results" if name in _UNNAMED else re.sub(r"\W", "_", name, flags=re.ASCII)
        told = [(key, one.type_text) for key, one in fields]
        digest = hashlib.sha256(repr((word, told)).encode()).hexdigest()[:12]
        variable = f"{word}_{digest}"
        if variable not in self.kinds:
            kind: Any = typing.NamedTuple(word, [(key, one.type) for key, one in fields])  # type: ignore[misc]
            kind.__module__ = f"nacelle_outputs.x{digest}"
            kind.__qualname__ = word
            self.kinds[variable] = kind
        return _Typed(f"{variable}({', '.join(one.text for one in made)})", self.kinds[variable], variable)


def defined(holder: torch.nn.Module, source: str, resolve: Callable[[str], Any]) -> torch.jit.ScriptModule:
    """A TorchScript module of the attributes and scripted submodules of `holder`, with methods of this source.

    Its type is its own, since torch gives modules of the same attributes one type, with the methods of the first.
    """
    with without_deprecations():
        made: torch.jit.ScriptModule = _recursive.create_script_module(holder, lambda module: [], share_types=False)
        made._c._define(made._concrete_type, source, resolve)
    return made


_OPTIONAL = _Typed("", torch.Tensor | None, "Optional[Tensor]")


def _is_field(key: str) -> bool:
    return key.isidentifier() and key.isascii() and not key.startswith("_") and not keyword.iskeyword(key)


def _annotated(text: str, kind: Any, kind_text: str) -> _Typed:
    """A list or dict, whose type is written down, since an empty one does not tell it."""
    return _Typed(f"torch.jit.annotate({kind_text}, {text})", kind, kind_text)


def _tuple(made: Sequence[_Typed]) -> _Typed:
    kinds: Any = tuple(one.type for one in made)
    inside = ", ".join(one.type_text for one in made) or "()"
    return _Typed(f"({''.join(f'{one.text}, ' for one in made).strip()})", tuple[kinds], f"Tuple[{inside}]")


def _common(made: Sequence[_Typed]) -> _Typed | None:
    """The type of all elements; None if there is none. That of no elements is a tensor."""
    distinct = {one.type_text: one for one in made}
    if distinct.keys() <= {"Tensor", "None"} and "None" in distinct:
        return _OPTIONAL
    if len(distinct) > 1:
        return None
    return next(iter(distinct.values()), _Typed("", torch.Tensor, "Tensor"))
