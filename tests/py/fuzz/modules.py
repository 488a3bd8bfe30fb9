"""Modules made at random from a seed, as Python source text.

A module's text is a program of its own: ``make()`` returns the module, ``INPUTS`` says what its forward takes and
``HYBRID``, if it is there, which submodules become engines. ``patch()``, if it is there, changes a class.

Everything that a seed decides is a *feature* with a name. A feature can be left out, and all others stay as they are,
since each draws from a random generator of its own: that is how a case that fails is made smaller.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from tests.py.fuzz.step import NUMBERS, Step
from tests.py.fuzz.steps import CAST_TO, TABLE

_HEAD = """\
import types
from typing import Dict, List, NamedTuple, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import torch_nacelle as nacelle
"""

_INPUT_DTYPES = ("float32",) * 10 + ("float16", "int64", "int32", "uint8", "bool", "float16", "int64")

_RETURNS = {
    "tensor": ("Tensor", "x"),
    "pair": ("Tuple[Tensor, Tensor]", "x, {e}"),
    "same twice": ("Tuple[Tensor, Tensor]", "x, x"),
    "input too": ("Tuple[Tensor, Tensor]", "x, first"),
    "view": ("Tuple[Tensor, Tensor]", "x, x[:1]"),
    "one tuple": ("Tuple[Tensor]", "(x,)"),
    "list": ("List[Tensor]", "[x, {e}]"),
    "one list": ("List[Tensor]", "[x]"),
    "nested": ("Tuple[Tensor, Tuple[Tensor, Tensor]]", "x, ({e}, x)"),
    "list in tuple": ("Tuple[List[Tensor], Tensor]", "[x, {e}], x"),
    "dict": ("Dict[str, Tensor]", "{{'a': x, 'b': {e}}}"),
    "none": ("Tuple[Tensor, Optional[Tensor]]", "x, None"),
    "number": ("Tuple[Tensor, int]", "x, 3"),
}
_WEIGHTS = {"tensor": 12, "pair": 5, "one tuple": 4, "list": 3, "one list": 3, "nested": 2}
_EXTRA = ("x[:1]", "x * 1", "x.sum()", "x[0]", "x.t()", "x > 0", "x.shape[0] * torch.ones(2)", "first", "torch.ones(3)")
# Each takes the first tensor out of what a part returned.
_TAKE = {
    "tensor": ("{c}",),
    "pair": ("{c}[0]", "pair{k}[0]"),
    "same twice": ("{c}[1]",),
    "input too": ("{c}[0]",),
    "view": ("{c}[0]",),
    "one tuple": ("{c}[0]", "{c}[-1]", "one{k}"),
    "list": ("{c}[0]", "pair{k}[0]"),
    "one list": ("{c}[0]", "{c}[-1]", "one{k}"),
    "nested": ("{c}[0]", "{c}[1][1]"),
    "list in tuple": ("{c}[1]", "{c}[0][0]"),
    "dict": ("{c}['a']",),
    "none": ("{c}[0]",),
    "number": ("{c}[0]",),
}


@dataclass(frozen=True)
class Case:
    """A module's text and what it was made from.

    Attributes:
        seed: The seed.
        without: The features that were left out.
        features: The features that are in it.
        text: The program that makes the module.
    """

    seed: int
    without: frozenset[str]
    features: tuple[str, ...]
    text: str


@dataclass
class _Class:
    """A class that is being written."""

    name: str
    dtype: str
    entry: str = ""
    returns: str = "tensor"
    body: list[str] = field(default_factory=list)
    init: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    layers: list[tuple[str, str]] = field(default_factory=list)
    signature: str = "x: Tensor"

    def text(self) -> str:
        annotation = f" -> {_RETURNS[self.returns][0]}"
        parts = [
            f"class {self.name}(nn.Module):",
            *_indented([one.rstrip() + "\n" for one in self.body], 4),
            "    def __init__(self) -> None:",
            "        super().__init__()",
            *_indented(self.init, 8),
            "",
            f"    def forward(self, {self.signature}){annotation}:",
            *_indented(self.forward, 8),
        ]
        return "\n".join(parts)


def _indented(lines: list[str], width: int) -> list[str]:
    return [" " * width + line if line else "" for text in lines for line in text.split("\n")]


def generate(seed: int, without: frozenset[str] = frozenset()) -> Case:
    """The module of `seed`, less the features `without`."""
    return _Writer(seed, without).case()


class _Writer:
    def __init__(self, seed: int, without: frozenset[str]) -> None:
        self._seed = seed
        self._without = without
        self._features: list[str] = []
        self._head: list[str] = []
        self._make: list[str] = []
        self._engines: list[tuple[str, str]] = []
        self._serial = 0

    def case(self) -> Case:
        shape = self._random("shape of the case")
        count = shape.choice((0, 1, 1, 2, 2, 3))
        parts = [self._part(index) for index in range(count)]
        root = self._root(parts)
        self._features_of_root(parts)
        self._modes()
        text = self._text([*parts, root])
        return Case(self._seed, self._without, tuple(self._features), text)

    def _random(self, name: str) -> Random:
        return Random(f"{self._seed}/{name}")

    def _on(self, name: str) -> bool:
        """True if the feature `name`, which this seed has, is not left out."""
        if name in self._without:
            return False
        self._features.append(name)
        return True

    def _chance(self, name: str, probability: float) -> bool:
        """True if this seed has the feature `name` and it is not left out."""
        return self._random(f"chance of {name}").random() < probability and self._on(name)

    # Classes.

    def _part(self, index: int) -> _Class:
        random = self._random(f"part {index}")
        dtype = random.choice(_INPUT_DTYPES)
        part = _Class(f"Part{index}", dtype, dtype)
        self._steps(part, f"part {index}", random.choice((0, 1, 1, 2, 2, 3)))
        self._return(part, f"part {index}", 0.5)
        return part

    def _steps(self, target: _Class, where: str, count: int) -> None:
        kinds = [kind for kind, (_, weight) in TABLE.items() for _ in range(weight)]
        for index in range(count):
            self._step(target, f"{where}, step {index}", kinds)

    def _step(self, target: _Class, name: str, kinds: list[str]) -> None:
        random = self._random(name)
        kind = random.choice(kinds)
        draws = [random.random() for _ in range(4)]
        if not self._on(f"{name}: {kind}"):
            return
        if kind == "cast":
            target.dtype = CAST_TO[int(draws[0] * len(CAST_TO))]
            target.forward.append(f"x = x.to(torch.{target.dtype})")
            return
        steps = [step for step in TABLE[kind][0] if target.dtype in step.dtypes]
        if steps:
            self.write(target, steps[int(draws[0] * len(steps))], int(draws[1] * 4) + 1)

    def write(self, target: _Class, step: Step, number: int) -> None:
        """Adds a step to a class."""
        self._serial += 1
        places = {"k": self._serial, "n": number, "d": target.dtype}
        for lines, text in (
            (self._head, step.head),
            (target.body, step.body),
            (target.init, step.init),
            (target.forward, step.forward),
        ):
            if text:
                lines.append(text.format(**places))
        if step.layer:
            target.layers.append((step.layer.format(**places), target.dtype))

    def _return(self, target: _Class, name: str, plain: float) -> None:
        random = self._random(f"{name}, return")
        kinds = [kind for kind in _RETURNS for _ in range(_WEIGHTS.get(kind, 1))]
        kind = random.choice(kinds)
        extra = random.choice(_EXTRA)
        if random.random() > plain and self._on(f"{name}: returns {kind}"):
            target.returns = kind
        if target.dtype == "float64" and (target.name != "Root" or random.random() < 0.9):
            target.forward.append("x = x.to(torch.float32)")
            target.dtype = "float32"
        target.forward.insert(0, "first = x")
        value = _RETURNS[target.returns][1].format(e=extra)
        if "first" not in value:
            target.forward.pop(0)
        target.forward.append(f"return {value}")

    def _root(self, parts: list[_Class]) -> _Class:
        random = self._random("root")
        dtype = random.choice((*_INPUT_DTYPES, "float64"))
        root = _Class("Root", dtype, dtype)
        self._inputs(root)
        order = list(enumerate(parts)) + [(index, part) for index, part in enumerate(parts) if random.random() < 0.3]
        random.shuffle(order)
        for place, (index, part) in enumerate(order):
            self._steps(root, f"root, before call {place}", random.choice((0, 0, 1, 1, 2)))
            self._call(root, index, part, f"root, call {place}")
        self._steps(root, "root, at the end", random.choice((0, 1, 2)) if parts else random.choice((2, 3, 4)))
        self._return(root, "root", 0.45)
        return root

    def _inputs(self, root: _Class) -> None:
        """Further inputs and parameters of the root's forward."""
        self._given = [("x", root.dtype, "rows")]
        random = self._random("inputs")
        uses = (
            "x = torch.where(y > 0, x, x.flip(1))",
            "x = x.clone()\nx.copy_(y)",
            "x = x & y" if root.dtype == "bool" else "x += y",
            "x = x ^ y" if root.dtype == "bool" else "y += 1\nx = x + y",
            "x = torch.cat([x, y])[: x.shape[0]]",
        )
        use = random.choice((*uses, ""))
        if self._chance("second input", 0.3):
            self._given.append(("y", root.dtype, "rows"))
            root.signature += ", y: Tensor"
            root.forward += [use] if use else []
        other = random.choice(("rows", "fixed", "scalar"))
        if root.dtype in NUMBERS and self._chance("input of another shape", 0.15):
            self._given.append(("z", root.dtype, other))
            root.signature += ", z: Tensor"
            root.forward.append("x = x * z")
        defaults = (
            ("mask: Optional[Tensor] = None", "if mask is not None:\n    x = x.flip(0)"),
            ("scale: float = 2.0", "x = x.flip(0) if scale > 1 else x"),
            ("number: int = 3", "for i in range(number):\n    x = x.flip(0)"),
            ("flag: bool = False", "if flag:\n    x = x.flip(0)"),
            ("order: Tuple[int, int] = (0, 1)", "x = x.flip(order[0])"),
            ("sizes: Optional[List[int]] = None", "if sizes is not None:\n    x = x.flip(0)"),
        )
        signature, use = random.choice(defaults)
        if self._chance("parameter with a default", 0.2):
            root.signature += f", {signature}"
            root.forward.append(use)
        if root.signature == "x: Tensor" and self._chance("no annotation", 0.1):
            root.signature = "x"

    def _call(self, root: _Class, index: int, part: _Class, name: str) -> None:
        random = self._random(name)
        draws = [random.random() for _ in range(4)]
        if not self._on(name):
            return
        self._serial += 1
        if root.dtype != part.entry:
            root.forward.append(f"x = x.to(torch.{part.entry})")
        path = f"part{index}"
        if self._chance(f"{name} by another path", 0.15):
            path = f"again{self._serial}"
            root.init.append(f"self.{path} = self.part{index}")
        elif self._chance(f"{name} of a twin", 0.25):
            path = f"twin{self._serial}"
            root.init.append(f"self.{path} = Part{index}()")
            self._engines.append((path, part.entry))
            if self._chance(f"{name}: patched forward", 0.4):
                self._patch(path, part, draws[3])
        if part.returns == "tensor":
            root.forward.append(_pick(self._ways(part), draws[0]).format(p=f"self.{path}", k=self._serial))
        else:
            self._take(root, part, f"self.{path}", draws)
        root.dtype = part.dtype

    def _ways(self, part: _Class) -> list[str]:
        """Ways to call a part that returns a tensor."""
        ways = ["x = {p}(x)"] * 6 + ["x = {p}(x=x)", "x = {p}(x.t().contiguous().t())", "x = {p}(x.clone())"]
        if part.dtype == part.entry:
            ways += [
                "x = {p}({p}(x))",
                "if x.shape[0] > 1:\n    x = {p}(x)",
                "for _ in range(2):\n    x = {p}(x)",
                "y{k} = {p}(x)\nx = torch.cat([x, y{k}])[-x.shape[0] :]",
                "y{k} = {p}(x.clone())\nx = torch.where(x > 0, x, y{k})",
                "if bool((x > 0).any()):\n    x = {p}(x)",
            ]
        if part.dtype == part.entry and part.dtype in NUMBERS:
            ways += ["x = x + {p}(x)", "y{k} = {p}(x)\ny{k} += 1\nx = x + y{k}", "{p}(x)\nx = x + 1"]
        return ways

    def _take(self, root: _Class, part: _Class, call: str, draws: list[float]) -> None:
        """Calls a part that returns several tensors, and takes one of them."""
        expression = _pick(_TAKE[part.returns], draws[1])
        if expression.startswith("pair"):
            root.forward.append(f"pair{self._serial} = {call}(x)")
        if expression == "one{k}":
            left = "({},)" if part.returns == "one tuple" else "[{}]"
            root.forward.append(f"{left.format(f'one{self._serial}')} = {call}(x)")
        root.forward.append("x = " + expression.format(c=f"{call}(x)", k=self._serial))

    def _patch(self, path: str, part: _Class, draw: float) -> None:
        """Gives one submodule a forward of its own."""
        name = f"patched{self._serial}"
        annotation, value = _RETURNS[part.returns]
        change = "x.flip(0)" if part.dtype == part.entry else f"x.flip(0).to(torch.{part.dtype})"
        self._head.append(
            f"def {name}(self: nn.Module, x: Tensor) -> {annotation}:\n    first = x\n    x = {change}\n"
            f"    return {value.format(e='x[:1]')}\n"
        )
        ways = (
            "module.{p}.forward = types.MethodType({f}, module.{p})",
            "module.{p}.forward = types.MethodType({f}, module.{p})",
            "module.{p}.forward = lambda x, this=module.{p}: {f}(this, x)",
        )
        self._make.append(_pick(ways, draw).format(p=path, f=name))

    # The module once it is made.

    def _features_of_root(self, parts: list[_Class]) -> None:
        for index, part in enumerate(parts):
            path = f"part{index}"
            self._engines += [(path, part.entry), *((f"{path}.{layer}", dtype) for layer, dtype in part.layers)]
            if self._chance(f"{path}: patched forward", 0.1):
                self._serial += 1
                self._patch(path, part, self._random(f"{path} patch").random())
            for hook in range(2):
                if self._chance(f"{path}: hook {hook}", 0.15):
                    self._hook(f"module.{path}", part, self._random(f"{path} hook {hook}"))
            if part.layers and self._chance(f"{path}: hook of a layer", 0.2):
                layer = _Class("", "float32")
                self._hook(f"module.get_submodule('{path}.{part.layers[0][0]}')", layer, self._random(f"{path} hook"))

    def _hook(self, path: str, part: _Class, random: Random) -> None:
        self._serial += 1
        name = f"hook{self._serial}"
        annotation, _ = _RETURNS[part.returns]
        after = {"tensor": "output.flip(0)", "one tuple": "(output[0].flip(0),)"}.get(part.returns, "output")
        typed = (
            f"def {name}(self, inputs: Tuple[Tensor], output: {annotation}) -> {annotation}:\n    return {after}\n",
            f"def {name}(self, inputs: Tuple[Tensor], output: {annotation}) -> None:\n    inputs[0].clone()\n",
            f"def {name}(self, inputs: Tuple[Tensor]) -> Tuple[Tensor]:\n    return (inputs[0].flip(0),)\n",
            f"def {name}(self, inputs: Tuple[Tensor]) -> Tensor:\n    return inputs[0].flip(0)\n",
            f"def {name}(self, inputs, output):\n    return {after}\n",
            f"def {name}(self, inputs):\n    return (inputs[0].flip(0),)\n",
            f"def {name}(self, args, kwargs):\n    return tuple(one.flip(0) for one in args), kwargs\n",
        )
        index = random.choice((0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 4, 5, 6))
        self._head.append(typed[index])
        call = "register_forward_hook" if "output" in typed[index] else "register_forward_pre_hook"
        flags = ", with_kwargs=True" if "kwargs" in typed[index] else ""
        self._make.append(f"{path}.{call}({name}{flags})")

    def _modes(self) -> None:
        random = self._random("modes")
        if self._chance("a hook of the whole", 0.06):
            self._hook("module", _Class("", "float32"), random)
        if self._chance("a patched forward of the whole", 0.03):
            self._make.append("module.forward = types.MethodType(type(module).forward, module)")
        if self._chance("in eval mode", 0.5):
            self._make.append("module.eval()")
        mixed = random.randrange(3)
        if self._chance("mixed modes", 0.5):
            self._make.append(
                f"for index, part in enumerate(module.modules()):\n    part.training = index % 3 == {mixed}"
            )
        if self._chance("without gradients", 0.2):
            self._make.append("module.requires_grad_(False)")

    def _text(self, classes: list[_Class]) -> str:
        root = classes[-1]
        for index in range(len(classes) - 1):
            root.init.insert(0, f"self.part{len(classes) - 2 - index} = Part{len(classes) - 2 - index}()")
        self._engines += root.layers
        self._shapes()
        parts = [
            f"# Seed {self._seed}.",
            _HEAD,
            *(f"\n{text}" for text in dict.fromkeys(self._head)),
            *(f"\n{one.text()}\n" for one in classes),
            "\ndef make() -> nn.Module:",
            "    torch.manual_seed(0)",
            "    module = Root()",
            *_indented(self._make, 4),
            "    return module",
            "",
            "",
            *self._class_patch(classes),
            "INPUTS = [",
            *(f"    {self._input(dtype, kind)}," for _, dtype, kind in self._given),
            "]",
            *self._hybrid(),
        ]
        return "\n".join(parts) + "\n"

    def _class_patch(self, classes: list[_Class]) -> list[str]:
        random = self._random("class patch")
        target = random.choice(classes)
        if target.name == "Root" or target.dtype != target.entry or not self._chance("class patch", 0.1):
            return []
        annotation, value = _RETURNS[target.returns]
        return [
            f"def later(self, x: Tensor) -> {annotation}:",
            "    first = x",
            "    x = x.flip(0)",
            f"    return {value.format(e='x[:1]')}",
            "",
            "",
            "def patch() -> None:",
            f"    {target.name}.forward = later",
            "",
            "",
        ]

    def _shapes(self) -> None:
        """Chooses the numbers of rows."""
        random = self._random("shapes")
        fixed = random.choice((1, 2, 3))
        low = random.choice((1, 1, 1, 2, 0))
        middle = low + random.choice((0, 1, 2))
        high = middle + random.choice((0, 1, 3))
        self._rows = f"shape=({fixed}, {{e}})"
        if not self._chance("dynamic rows", 0.75):
            return
        self._rows = f"min=({low}, {{e}}), opt=({middle}, {{e}}), max=({high}, {{e}})"
        if self._chance("two profiles", 0.2):
            self._rows = (
                f"min=[({low}, {{e}}), ({high}, {{e}})], opt=[({middle}, {{e}}), ({high + 1}, {{e}})], "
                f"max=[({high}, {{e}}), ({high + 3}, {{e}})]"
            )

    def _input(self, dtype: str, kind: str) -> str:
        shape = {"rows": self._rows.format(e=4), "fixed": "shape=(4,)", "scalar": "shape=()"}[kind]
        return f"nacelle.Input({shape}, dtype=torch.{dtype})"

    def _hybrid(self) -> list[str]:
        random = self._random("hybrid")
        known = list(dict.fromkeys(self._engines))
        random.shuffle(known)
        count = random.choice((1, 1, 2, 3))
        chosen: list[tuple[str, str]] = []
        for path, dtype in known:
            if len(chosen) == count:
                break
            inside = any(path.startswith(f"{other}.") or other.startswith(f"{path}.") for other, _ in chosen)
            if not inside and self._on(f"engine {path}"):
                chosen.append((path, dtype))
        if not chosen:
            return []
        return ["HYBRID = {", *(f"    '{path}': [{self._input(dtype, 'rows')}]," for path, dtype in chosen), "}"]


def _pick(items: tuple[str, ...] | list[str], draw: float) -> str:
    return items[int(draw * len(items))]
