"""Changes of exported programs: of members, of their names, of JSON and the texts in it, and of bytes."""

from __future__ import annotations

import copy
import io
import json
import pickle
import random
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from tests.py.fuzz_pt2.seeds import Members

Json: TypeAlias = Any

_MEMBERS = (
    "models/model.json", "models/MODEL.json", "models/model.JSON", "models/other.json", "data/constants/opaque_obj_0",
    "data/constants/OPAQUE_OBJ_0", "data/constants/custom_obj_0", "data/constants/tensor_0", "data/weights/model.pt",
    "data/weights/weight_0", "data/constants/model.pt", "data/aotinductor/model/model.so", "version",
    "serialized_exported_program.json", "serialized_constants.pt", "extra/x", "archive_format", "byteorder",
    "data/sample_inputs/model.pt", "data/sample_inputs/other.pt", "../x", "", "/", "a\\b",
)  # fmt: skip
_NUMBERS = (0, 1, -1, 2, 7, 12, 63, 2**31, 2**40, 2**62, 2**63, -(2**63), 10**30, 0.5, 1e308, 10**4000)
_TARGETS = (
    "torch.os.system", "torch.ops.aten.from_file.default", "torch.ops.aten.save.default", "_operator.pow",
    "torch.ops.load_library", "torch.ops.higher_order.call_torchbind", "torch.ops.aten.__class__.mro", "math.factorial",
    "_operator.mul", "_operator.lshift", "torch.hub.load", "torch.load", "#a:b", "torch.ops.aten.relu.default",
    "torch.ops.higher_order.cond", "torch.ops.debugprims.load_tensor.default", "torch.ops.aten.empty.memory_format",
    "torch.ops.aten._print.default", "torch.ops.aten.set_.source_Storage", "torch._C._jit_pass_inline",
    "_operator.call",
)  # fmt: skip
_ATOMS = (
    "s0",
    "s77",
    "s17",
    "u0",
    "Symbol('s77', positive=True, integer=True)",
    "Integer(2)",
    "3",
    "zf0",
    "true",
    "oo",
)
_UNARY = ("Abs({})", "floor({})", "CeilToInt({})", "-({})", "Not({})", "ToFloat({})", "Identity({})", "Integer({})")
_BINARY = (
    "Add({}, {})", "Mul({}, {})", "Max({}, {})", "Min({}, {})", "Mod({}, {})", "FloorDiv({}, {})", "Pow({}, {})",
    "PowByNatural({}, {})", "({})**({})", "({})//({})", "({})%({})", "({})*({})", "LShift({}, {})", "Ne({}, {})",
    "Equality({}, {})", "And({}, {})", "FloatPow({}, {})", "IntTrueDiv({}, {})", "Where({}, {}, s0)",
    "Rational({}, {})",
    "PythonMod({}, {})", "ModularIndexing({}, {}, 4)", "IsNonOverlappingAndDenseIndicator({}, {})", "({}) < ({})",
    "CeilDiv({}, {})", "RoundDecimal({}, {})", "CleanDiv({}, {})", "FloatTrueDiv({}, {})",
)  # fmt: skip


class Touches:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        """Makes `path`."""
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        """Names the function that pickle calls."""
        return Path.touch, (self.path,)


class Mutator:
    """Changes members at random: the same seed makes the same file."""

    def __init__(self, seed: int, marker: Path) -> None:
        """`marker` is what the file's Python makes, if it runs."""
        self._random = random.Random(seed)
        self._marker = marker

    @staticmethod
    def unchanged(members: Members) -> bytes:
        """The program of the members as they are."""
        return _zipped(members, zipfile.ZIP_STORED)

    def file(self, seeds: list[Members]) -> bytes:
        """A changed program."""
        members = list(self._random.choice(seeds))
        steps: list[tuple[Callable[[Members], None], int]] = [
            (self._change_json, 12),
            (self._change_members, 3),
            (self._change_bytes, 1),
        ]
        for _ in range(self._random.choice((1, 1, 1, 2, 4))):
            self._weighted(steps)(members)
        raw = bytearray(_zipped(members, zipfile.ZIP_DEFLATED if self._random.random() < 0.02 else zipfile.ZIP_STORED))
        if self._random.random() < 0.1:
            self._damage(raw)
        return bytes(raw)

    def _weighted(self, steps: list[tuple[Callable[..., None], int]]) -> Callable[..., None]:
        return self._random.choices([step for step, _ in steps], [weight for _, weight in steps])[0]

    # Members.

    def _change_members(self, members: Members) -> None:
        at = self._random.randrange(len(members))
        name, content = members[at]
        folder = name.split("/")[0]
        other = f"{folder}/{self._random.choice(_MEMBERS)}"
        pick = self._random.randrange(6)
        if pick == 0:
            members.append((other, self._content(content)))
        elif pick == 1:
            members.insert(0, (other, self._content(content)))
        elif pick == 2:
            members[at] = (name.swapcase() if self._random.random() < 0.3 else name.replace("model", "MODEL"), content)
        elif pick == 3:
            members[at] = (f"other/{name.partition('/')[2]}", content)
        elif pick == 4:
            members[at] = (name, self._content(content))
        else:
            del members[at]

    def _content(self, content: bytes) -> bytes:
        pick = self._random.randrange(4)
        if pick == 0:
            return pickle.dumps(Touches(self._marker), protocol=2)
        if pick == 1:
            return b""
        return content if pick == 2 else content * 2

    # Bytes.

    def _change_bytes(self, members: Members) -> None:
        at = self._random.randrange(len(members))
        raw = bytearray(members[at][1])
        self._damage(raw)
        members[at] = (members[at][0], bytes(raw))

    def _damage(self, raw: bytearray) -> None:
        if not raw:
            return
        at = self._random.randrange(len(raw))
        pick = self._random.randrange(4)
        if pick == 0:
            raw[at] = self._random.randrange(256)
        elif pick == 1:
            del raw[at:]
        elif pick == 2:
            raw[at : at + self._random.randint(1, 8)] = self._random.randbytes(self._random.randint(0, 8))
        else:
            raw[at:at] = raw[at : at + self._random.randint(1, 64)]

    # JSON.

    def _change_json(self, members: Members) -> None:
        texts = [i for i, (name, _) in enumerate(members) if name.endswith(".json")]
        if not texts:
            return
        models = [i for i in texts if members[i][0].endswith("model.json")]
        at = self._random.choice([*texts, *models, *models])
        try:
            parsed = json.loads(members[at][1])
        except (ValueError, RecursionError):
            return
        for _ in range(self._random.choice((1, 1, 1, 2, 3))):
            with suppress(RecursionError):
                self._change_value(parsed)
        with suppress(RecursionError):
            members[at] = (members[at][0], json.dumps(parsed).encode())

    def _change_value(self, parsed: Json) -> None:
        if not isinstance(parsed, dict | list) or not parsed:
            return
        holder, key = self._place(parsed)
        value = holder[key]
        if isinstance(value, str):
            holder[key] = self._text(str(key), value)
            return
        pick = self._random.randrange(8)
        if pick == 0:
            holder[key] = self._random.choice(_NUMBERS)
        elif pick == 1:
            other, other_key = self._place(parsed)
            holder[key] = copy.deepcopy(other[other_key])
        elif pick == 2 and isinstance(holder, dict):
            holder[self._text("", str(key))] = holder.pop(key)
        elif pick == 3:
            del holder[key]
        elif pick == 4:
            holder[key] = self._deep(value)
        elif pick == 5 and isinstance(value, list):
            value.extend(copy.deepcopy(value[:3]) * self._random.randint(1, 50))
        elif pick == 6 and isinstance(value, dict):
            value[self._random.choice(("as_string", "as_operator", "name", "x"))] = self._payload()
        else:
            self._add_node(parsed)

    def _place(self, value: Json) -> tuple[Json, Any]:
        """A random place: a text as often as all others."""
        places: list[tuple[Json, Any]] = []
        texts: list[tuple[Json, Any]] = []
        todo = [value]
        while todo:
            holder = todo.pop()
            for key, each in list(holder.items()) if isinstance(holder, dict) else list(enumerate(holder)):
                (texts if isinstance(each, str) else places).append((holder, key))
                if isinstance(each, dict | list):
                    todo.append(each)
        return self._random.choice(texts if texts and self._random.random() < 0.5 else places or texts)

    def _add_node(self, parsed: Json) -> None:
        module = parsed.get("graph_module") if isinstance(parsed, dict) else None
        graph = module.get("graph") if isinstance(module, dict) else None
        nodes = graph.get("nodes") if isinstance(graph, dict) else None
        if not isinstance(nodes, list):
            return
        argument = self._random.choice(
            ({"as_string": f"touch {self._marker}"}, {"as_int": 9}, {"as_operator": self._random.choice(_TARGETS)})
        )
        node = {
            "target": self._random.choice(_TARGETS),
            "inputs": [{"name": "", "arg": argument, "kind": 1}] * self._random.randint(0, 3),
            "outputs": [{"as_none": True}],
            "metadata": {"source_fn_stack": f"a,{self._random.choice(_TARGETS)}"},
        }
        nodes.insert(self._random.randint(0, len(nodes)), node)

    def _deep(self, value: Json) -> Json:
        for _ in range(self._random.choice((2, 30, 200))):
            value = [value] if self._random.random() < 0.5 else {"as_graph": {"name": "g", "graph": value}}
        return value

    # Texts.

    def _text(self, key: str, value: str) -> str:
        if key == "expr_str":
            if self._random.random() < 0.3:
                return self._payload()
            return self._expression(self._random.choice((1, 2, 3, 5, 7)))
        if key == "target" and self._random.random() < 0.5:
            return self._random.choice(_TARGETS)
        if key in ("in_spec", "out_spec") and self._random.random() < 0.7:
            return self._tree(value)
        pick = self._random.randrange(5)
        if pick == 0:
            return self._payload()
        if pick == 1:
            at = self._random.randint(0, len(value))
            return value[:at] + self._payload() + value[at:]
        if pick == 2:
            return self._random.choice(
                ("", "x", "é", "\x1b[31m", "a" * 1000, "forward", "self", "torch", "class", "\ud800")
            )
        if pick == 3:
            return value.upper()
        return f"{value}', {self._code()}, '"

    def _code(self) -> str:
        return f"__import__('pathlib').Path({str(self._marker)!r}).touch()"

    def _payload(self) -> str:
        code = self._code()
        letters = "+".join(f"S('chr')({ord(letter)})" for letter in code)
        name = self._random.choice(("x", "relu", "p_linear_weight"))
        return self._random.choice(
            (
                code,
                f"S('exec')({letters})",
                f"S('eval')({letters})",
                f"Lambda(s0, s0)({code})",
                f"{name}={code}",
                f"{name} = {code}; {name}",
                f"{name}\n    {code}\n    {name}",
                f"{name}: {code}",
                f"', {code}, '",
                f'", {code}, "',
                f"\\', {code}, \\'",
                "9**9**9**9**9",
                "Pow(9, Pow(9, Pow(9, 9)))",
                "factorial(99999999)",
                f"torch.os.system('touch {self._marker}')",
                "strange",
                "u99999999999",
            )
        )

    def _expression(self, depth: int) -> str:
        if depth == 0:
            return self._random.choice(_ATOMS if self._random.random() < 0.7 else [str(each) for each in _NUMBERS[:10]])
        if self._random.random() < 0.25:
            return self._random.choice(_UNARY).format(self._expression(depth - 1))
        return self._random.choice(_BINARY).format(self._expression(depth - 1), self._expression(depth - 1))

    def _tree(self, value: str) -> str:
        kind = self._random.choice(
            ("collections.defaultdict", "builtins.dict", "builtins.tuple", "collections.namedtuple", "strange.A",
             "collections.deque", "collections.OrderedDict", "torch.return_types.max")
        )  # fmt: skip
        context = self._random.choice(
            (
                {"default_factory_module": "strange", "default_factory_name": "A", "dict_context": []},
                json.dumps([{"__enum__": True, "fqn": "strange:A", "name": "x"}]),
                json.dumps(["a", 'b"' + self._code()]),
                "null",
                "strange.A",
                None,
            )
        )
        try:
            protocol, tree = json.loads(value)
        except (ValueError, TypeError):
            return json.dumps([1, {"type": kind, "context": context, "children_spec": []}])
        children = [tree] * self._random.choice((0, 1, 3))
        return json.dumps([protocol, {"type": kind, "context": context, "children_spec": children}])


def _zipped(members: Members, way: int) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", way) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()
