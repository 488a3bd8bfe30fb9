"""Steps that call layers, and steps that are Python more than TorchScript."""

from __future__ import annotations

from tests.py.fuzz.step import FLOATS, NUMBERS, WIDE_FLOATS, Step

LAYERS = [
    Step("layers", FLOATS, "x = self.l{k}(x)", init="self.l{k} = nn.Linear(4, 4, dtype=torch.{d})", layer="l{k}"),
    Step(
        "layers",
        FLOATS,
        "x = self.l{k}(self.l{k}(x))",
        init="self.l{k} = nn.Linear(4, 4, dtype=torch.{d})",
        layer="l{k}",
    ),
    Step("layers", FLOATS, "x = self.l{k}(x)", init="self.l{k} = nn.LayerNorm(4, dtype=torch.{d})", layer="l{k}"),
    Step(
        "layers", WIDE_FLOATS, "x = self.l{k}(x)", init="self.l{k} = nn.BatchNorm1d(4, dtype=torch.{d})", layer="l{k}"
    ),
    Step("layers", FLOATS, "x = self.l{k}(x)", init="self.l{k} = nn.Dropout(0.5)", layer="l{k}"),
    Step("layers", NUMBERS, "x = self.l{k}(x)", init="self.l{k} = nn.ReLU(inplace=True)", layer="l{k}"),
    Step("layers", NUMBERS, "x = x + 1\nself.l{k}(x)", init="self.l{k} = nn.ReLU(inplace=True)", layer="l{k}"),
    Step("layers", NUMBERS, "x = self.l{k}(x)", init="self.l{k} = nn.Identity()", layer="l{k}"),
    Step(
        "layers",
        NUMBERS,
        "y{k} = self.l{k}(x)\ny{k} += 1\nx = x + y{k}",
        init="self.l{k} = nn.Identity()",
        layer="l{k}",
    ),
    Step("layers", FLOATS, "x = self.l{k}(x)", init="self.l{k} = nn.PReLU(dtype=torch.{d})", layer="l{k}"),
    Step("layers", FLOATS, "x = self.l{k}(x)", init="self.l{k} = nn.Softmax(1)", layer="l{k}"),
    Step(
        "layers",
        WIDE_FLOATS,
        "x = self.l{k}(x.unsqueeze(1)).squeeze(1)",
        init="self.l{k} = nn.Conv1d(1, 1, 3, padding=1, dtype=torch.{d})",
    ),
    Step(
        "layers",
        ("int64", "int32"),
        "x = x + self.l{k}(x.abs() % 5).sum(2).to(torch.{d})",
        init="self.l{k} = nn.Embedding(5, 3)",
    ),
    Step(
        "layers",
        WIDE_FLOATS,
        "x = self.l{k}(x)",
        init="self.l{k} = nn.Sequential(nn.Linear(4, 4, dtype=torch.{d}), nn.ReLU(), nn.Dropout(0.5))",
        layer="l{k}",
    ),
    Step(
        "layers",
        FLOATS,
        "for l{k} in self.list{k}:\n    x = l{k}(x)",
        init="self.list{k} = nn.ModuleList([nn.Linear(4, 4, dtype=torch.{d}), nn.Tanh()])",
        layer="list{k}.0",
    ),
    Step(
        "layers",
        FLOATS,
        "for i{k}, l{k} in enumerate(self.list{k}):\n    x = l{k}(x) + i{k}",
        init="self.list{k} = nn.ModuleList([nn.Linear(4, 4, dtype=torch.{d}), nn.Tanh()])",
        layer="list{k}.1",
    ),
    Step(
        "layers",
        FLOATS,
        "x = self.dict{k}['a'](x)",
        init="self.dict{k} = nn.ModuleDict({{'a': nn.Linear(4, 4, dtype=torch.{d}), 'b': nn.Tanh()}})",
        layer="dict{k}.a",
    ),
    Step(
        "layers",
        FLOATS,
        "for n{k}, l{k} in self.dict{k}.items():\n    x = l{k}(x)",
        init="self.dict{k} = nn.ModuleDict({{'a': nn.Linear(4, 4, dtype=torch.{d}), 'b': nn.Tanh()}})",
        layer="dict{k}.b",
    ),
    Step(
        "layers",
        WIDE_FLOATS,
        "x = self.l{k}(x.unsqueeze(0))[0].squeeze(0)",
        init="self.l{k} = nn.GRU(4, 4, batch_first=True, dtype=torch.{d})",
    ),
    Step(
        "layers",
        WIDE_FLOATS,
        "o{k}, (h{k}, c{k}) = self.l{k}(x.unsqueeze(0))\nx = o{k}[0] + h{k}[0]",
        init="self.l{k} = nn.LSTM(4, 4, batch_first=True, dtype=torch.{d})",
    ),
    Step(
        "layers",
        WIDE_FLOATS,
        "x = self.l{k}(x)",
        init="self.l{k} = torch.nn.utils.parametrizations.weight_norm(nn.Linear(4, 4, dtype=torch.{d}))",
        layer="l{k}",
    ),
    Step(
        "layers",
        WIDE_FLOATS,
        "x = self.l{k}(x)",
        init="self.l{k} = torch.nn.utils.spectral_norm(nn.Linear(4, 4, dtype=torch.{d}))",
        layer="l{k}",
    ),
    Step(
        "layers",
        WIDE_FLOATS,
        "x = self.l{k}(x)",
        init="self.l{k} = torch.nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4, dtype=torch.{d}))",
        layer="l{k}",
    ),
    Step(
        "layers",
        FLOATS,
        "x = self.l{k}(x) + self.m{k}(x)",
        init=(
            "self.l{k} = nn.Linear(4, 4, dtype=torch.{d})\nself.m{k} = nn.Linear(4, 4, dtype=torch.{d})\n"
            "self.m{k}.weight = self.l{k}.weight"
        ),
        layer="m{k}",
    ),
    Step(
        "layers",
        FLOATS,
        "x = self.l{k}(x) + self.m{k}(x)",
        init="self.l{k} = nn.Linear(4, 4, dtype=torch.{d})\nself.m{k} = self.l{k}",
        layer="m{k}",
    ),
    Step("layers", FLOATS, "x = x", init="self.unused{k} = nn.Linear(4, 4)"),
]

PYTHON = [
    Step(
        "python",
        NUMBERS,
        "x = self.plain{k}(x)",
        body="@torch.jit.ignore\ndef plain{k}(self, x: Tensor) -> Tensor:\n    return x + {n}\n",
    ),
    Step(
        "python",
        NUMBERS,
        "x = self.plain{k}(x)",
        body="@torch.jit.unused\ndef plain{k}(self, x: Tensor) -> Tensor:\n    return x + {n}\n",
    ),
    Step(
        "python",
        NUMBERS,
        "x = self.plain{k}(x)",
        body="@torch.jit.export\ndef plain{k}(self, x: Tensor) -> Tensor:\n    return x + {n}\n",
    ),
    Step(
        "python",
        NUMBERS,
        "x = plain{k}(x)",
        head="@torch.jit.ignore\ndef plain{k}(x: Tensor) -> Tensor:\n    return x + {n}\n",
    ),
    Step(
        "python",
        NUMBERS,
        "x = scripted{k}(x)",
        head=(
            "@torch.jit.script\ndef scripted{k}(x: Tensor) -> Tensor:\n    if x.shape[0] > 2:\n"
            "        x = x + {n}\n    return x\n"
        ),
    ),
    Step("python", NUMBERS, "d{k} = {{'a': x, 1: x}}\nx = d{k}['a'] + {n}"),
    Step("python", NUMBERS, "x = (lambda t: t + {n})(x)"),
    Step("python", NUMBERS, "x = x + sum(i for i in range(x.shape[0]))"),
    Step("python", NUMBERS, "try:\n    x = x + {n}\nexcept ValueError:\n    pass"),
    Step(
        "python",
        NUMBERS,
        "x = getattr(self, 'b{k}') + x",
        init="self.register_buffer('b{k}', torch.arange(4).to(torch.{d}))",
    ),
    Step("python", NUMBERS, "x = x + len({{i for i in range(x.shape[0])}})"),
    Step("python", NUMBERS, "if isinstance(x, Tensor):\n    x = x + {n}"),
    Step(
        "python",
        NUMBERS,
        "x = variadic{k}(x, x)",
        head="def variadic{k}(*tensors: Tensor) -> Tensor:\n    return tensors[0] + len(tensors)\n",
    ),
    Step("python", NUMBERS, "x = x + torch.from_numpy(x.numpy().copy())"),
    Step("python", NUMBERS, "if x.tolist()[0][0] > 0:\n    x = x + {n}"),
    Step("python", NUMBERS, "with torch.no_grad():\n    x = x + {n}"),
    Step("python", NUMBERS, "with torch.autograd.profiler.record_function('step'):\n    x = x + {n}"),
    Step("python", NUMBERS, "if not torch.jit.is_scripting():\n    x = x + 0"),
    Step("python", NUMBERS, "if torch.jit.is_tracing():\n    x = x + 0"),
    Step("python", NUMBERS, "x = operator.add(x, {n})", head="import operator"),
    Step("python", NUMBERS, "x = torch.add(input=x, other={n})"),
    Step("python", NUMBERS, "x = x + math.floor(2.5)", head="import math"),
    Step("python", FLOATS, "with torch.autocast('cpu', enabled=False):\n    x = x + {n}"),
    Step(
        "python",
        NUMBERS,
        "x = Pair{k}(x, x).total()",
        head=(
            "@torch.jit.script\nclass Pair{k}:\n    def __init__(self, a: Tensor, b: Tensor) -> None:\n"
            "        self.a = a\n        self.b = b\n\n    def total(self) -> Tensor:\n"
            "        return self.a + self.b\n"
        ),
    ),
    Step(
        "python",
        NUMBERS,
        "x = torch.utils.checkpoint.checkpoint(lambda t: t + {n}, x, use_reentrant=False)",
        head="import torch.utils.checkpoint",
    ),
    Step(
        "python",
        NUMBERS,
        "n{k} = Named{k}(x, x + 1)\nx = n{k}.a + n{k}.b",
        head="class Named{k}(NamedTuple):\n    a: Tensor\n    b: Tensor\n",
    ),
    Step("python", NUMBERS, "print_{k} = f'{{x.shape[0]}}'\nx = x + len(print_{k})"),
    Step(
        "python",
        NUMBERS,
        "x = x + Color{k}.RED.value",
        head="import enum\n\n\nclass Color{k}(enum.Enum):\n    RED = {n}\n    BLUE = 2\n",
    ),
    Step(
        "python",
        NUMBERS,
        "x = self.helper{k}(x)",
        body="def helper{k}(self, x: Tensor) -> Tensor:\n    return x + {n}\n",
    ),
    Step(
        "python",
        NUMBERS,
        "x = self.static{k}(x)",
        body="@staticmethod\ndef static{k}(x: Tensor) -> Tensor:\n    return x + {n}\n",
    ),
    Step("python", NUMBERS, "x = x + self.prop{k}", body="@property\ndef prop{k}(self) -> int:\n    return {n}\n"),
    Step("python", NUMBERS, "x = self.fn{k}(x)", init="self.fn{k} = torch.relu"),
    Step("python", NUMBERS, "x = self.fn{k}(x)", init="self.fn{k} = F.relu"),
]
