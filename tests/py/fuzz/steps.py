"""The steps that modules are made of, by kind."""

from __future__ import annotations

from tests.py.fuzz.layer_steps import LAYERS, PYTHON
from tests.py.fuzz.step import FLOATS, NUMBERS, WIDE_FLOATS, Step, plain

PURE = [
    *plain(
        "pure",
        "n",
        "x = torch.relu(x)",
        "x = x * {n}",
        "x = x - {n}",
        "x = x.clamp(0, {n})",
        "x = x * x",
        "x = torch.cumsum(x, 0).to(torch.{d})",
        "x = torch.where(x > 1, x, x + {n})",
        "x = torch.stack([x, x + 1]).sum(0).to(torch.{d})",
        "x = x.masked_fill(x > 2, {n})",
        "x = torch.sort(x, 1)[0]",
        "x = torch.topk(x, 4, 1)[0]",
        "x = torch.maximum(x, x.flip(1))",
        "x = x.sum(1, keepdim=True).to(torch.{d}) + x",
        "x = x.amax(0, keepdim=True) - x",
        "x = torch.full_like(x, {n}) + x",
        "x = x.scatter(1, torch.zeros(x.shape[0], 1, dtype=torch.int64), torch.ones_like(x))",
    ),
    *plain(
        "pure",
        "a",
        "x = x.t().contiguous().t()",
        "x = x.t().flip(0).t()",
        "x = x.flip(0)",
        "x = x[:, [3, 2, 1, 0]]",
        "x = torch.cat([x[:, 1:], x[:, :1]], 1)",
        "x = x.view(-1).view(x.shape[0], 4)",
        "x = x.reshape(2, -1).reshape(-1, 4)",
        "x = x.unsqueeze(0).expand(2, -1, -1)[1]",
        "x = x.repeat(1, 2)[:, ::2]",
        "x = torch.cat(x.chunk(2, 1)[::-1], 1)",
        "a{k}, b{k} = x.split([1, 3], 1)\nx = torch.cat([b{k}, a{k}], 1)",
        "x = torch.stack(x.unbind(1), 1)",
        "x = torch.roll(x, {n}, 0)",
        "x = x.gather(1, torch.arange(4).flip(0).unsqueeze(0).expand(x.shape[0], 4))",
        "x = x.to(torch.float32).to(torch.{d})",
        "x = x.type_as(x)",
        "x = x.detach()",
        "x = x.index_select(1, torch.tensor([1, 0, 3, 2]))",
    ),
    *plain(
        "pure",
        "f",
        "x = torch.sigmoid(x)",
        "x = torch.tanh(x) * {n}",
        "x = torch.softmax(x, 1)",
        "x = x - x.mean(1, keepdim=True)",
        "x = F.layer_norm(x, [4])",
        "x = F.gelu(x)",
        "x = F.leaky_relu(x, 0.1)",
        "x = x / (x.abs().sum() + 1)",
        "x = F.normalize(x, dim=1)",
        "x = F.dropout(x, 0.5, self.training)",
        "x = F.dropout(x, 0.5, training=False)",
        "x = torch.addcmul(x, x, x, value=0.5)",
        "x = torch.einsum('ij,jk->ik', x, torch.eye(4, dtype=torch.{d}))",
        "x = F.pad(x, [1, 1])[:, 1:5]",
        "x = x @ torch.ones(4, 4, dtype=torch.{d}) / 4",
        "if self.training:\n    x = x + 100\nelse:\n    x = x + {n}",
    ),
    *plain("pure", "w", "x = F.batch_norm(x, torch.zeros(4).to(x.dtype), torch.ones(4).to(x.dtype), training=False)"),
    *plain(
        "pure", "i", "x = torch.div(x, 2, rounding_mode='floor')", "x = x % 3", "x = x & 3", "x = x | 1", "x = x ^ 2"
    ),
    *plain(
        "pure",
        "b",
        "x = ~x",
        "x = x ^ x.flip(0)",
        "x = x & x.flip(1)",
        "x = x | torch.tensor([True, False, True, False])",
    ),
]

IN_PLACE = [
    *plain(
        "in place",
        "n",
        "x = x.clone()\nx.add_({n})",
        "x.add_({n})",
        "x.mul_({n})",
        "x = x * 1\nx[0] = {n}",
        "x[:, 1] += 2",
        "x.view(-1)[0] = {n}",
        "x = x.contiguous()\nx.view(-1)[-1] = {n}",
        "v{k} = x[:, :2]\nv{k}.add_({n})",
        "torch.add(x, {n}, out=x)",
        "x += {n}",
        "x = F.relu(x, inplace=True)",
        "x.relu_()",
        "x[:1].zero_()",
        "x = x * 1\nx.t()[0].fill_({n})",
        "y{k} = x\ny{k} += {n}",
        "y{k} = x[:, :]\nx = x.clone()\ny{k}.zero_()",
        "y{k} = x.view(-1, 4)\ny{k}[:, 0] = {n}\nx = x + y{k}",
        "x.masked_fill_(x > 1, {n})",
        "x.copy_(x.flip(0).clone())",
        "x.index_fill_(1, torch.tensor([0]), {n})",
        "x.clamp_(0, {n})",
        "for r{k} in x:\n    r{k} += 1",
        "x.unsqueeze_(0)\nx.squeeze_(0)",
        "x.t_()\nx.t_()",
        "b{k} = torch.empty_like(x)\nb{k}[:] = x\nb{k}[0] = {n}\nx = b{k}",
    ),
    *plain(
        "in place",
        "a",
        "x = x.clone()\nx.zero_()",
        "x[0] = x[-1]",
        "x = x.clone()\nx[:, 0] = x[:, 1]",
        "x[:, :1].fill_(1)",
    ),
    *plain("in place", "f", "x.sigmoid_()", "x.div_(2)", "x = F.dropout(x, 0.5, self.training, inplace=True)"),
    *plain("in place", "b", "x.logical_not_()"),
]

CONSTANTS = [
    *plain(
        "constants",
        "n",
        "x = x + torch.tensor([1, 2, 3, 4]).to(torch.{d})",
        "x = x + torch.arange(x.shape[0], dtype=torch.{d}).unsqueeze(1)",
        "x = x + torch.ones(x.shape[0], 4, dtype=torch.{d})",
        "x = x + torch.ones_like(x)",
        "x = x + x.new_zeros(x.shape[0], 1)",
        "x = x * torch.eye(4, dtype=torch.{d})[0]",
        "c{k} = torch.zeros(4, dtype=torch.{d})\nc{k} += {n}\nx = x + c{k}",
        "c{k} = torch.tensor([1, 2, 3, 4], dtype=torch.{d})\nc{k}[0] += {n}\nx = x + c{k}",
        "x = x + torch.full((4,), {n}, dtype=torch.{d})",
    ),
    *plain("constants", "f", "x = x + 1e-3", "x = x * 0.5", "x = torch.cat([x, torch.zeros(1, 4).to(x.dtype)])[:-1]"),
    Step("constants", NUMBERS, "x = x + self.c{k}", init="self.c{k} = {n}"),
    Step("constants", NUMBERS, "x = x * self.C{k}", body="C{k}: Final[int] = {n}", head="from typing import Final"),
    Step("constants", NUMBERS, "x = x * self.c{k}", body="__constants__ = ['c{k}']", init="self.c{k} = {n}"),
    Step("constants", NUMBERS, "x = x + G{k}", head="G{k} = {n}"),
    Step("constants", NUMBERS, "x = x + T{k}", head="T{k} = torch.tensor([1, 2, 3, 4])"),
    Step("constants", NUMBERS, "x = helper{k}(x)", head="def helper{k}(x: Tensor) -> Tensor:\n    return x + {n}\n"),
    Step(
        "constants",
        NUMBERS,
        "if self.flag{k}:\n    x = x + {n}\nelse:\n    x = x - {n}",
        init="self.flag{k} = {n} % 2 == 0",
    ),
    Step(
        "constants",
        NUMBERS,
        "if self.mode{k} == 'add':\n    x = x + {n}",
        init="self.mode{k} = ['add', 'keep'][{n} % 2]",
    ),
]

BUFFERS = [
    Step("buffers", NUMBERS, "x = x + self.b{k}", init="self.register_buffer('b{k}', torch.arange(4).to(torch.{d}))"),
    Step(
        "buffers",
        NUMBERS,
        "x = x * self.b{k}",
        init="self.register_buffer('b{k}', torch.tensor({n}).to(torch.{d}), persistent=False)",
    ),
    Step("buffers", NUMBERS, "x = x + self.t{k}", init="self.t{k} = torch.arange(4).to(torch.{d})"),
    Step("buffers", FLOATS, "x = x * self.p{k}", init="self.p{k} = nn.Parameter(torch.randn(4).to(torch.{d}))"),
    Step(
        "buffers",
        NUMBERS,
        "x = x + self.p{k}",
        init="self.p{k} = nn.Parameter(torch.arange(4).to(torch.{d}), requires_grad=False)",
    ),
    Step(
        "buffers",
        FLOATS,
        "x = F.linear(x, self.w{k})",
        init="self.w{k} = nn.Parameter(torch.randn(4, 4).to(torch.{d}))",
    ),
    Step(
        "buffers",
        NUMBERS,
        "for t{k} in self.list{k}:\n    x = x + t{k}",
        init="self.list{k} = [torch.ones(4).to(torch.{d}), torch.arange(4).to(torch.{d})]",
    ),
    Step(
        "buffers",
        NUMBERS,
        "x = x + self.list{k}[{n}]",
        init="self.list{k} = [torch.tensor(i).to(torch.{d}) for i in range(9)]",
    ),
    Step("buffers", NUMBERS, "for i{k} in self.ints{k}:\n    x = x + i{k}", init="self.ints{k} = [1, {n}, 3]"),
    Step("buffers", NUMBERS, "x = x + self.ints{k}[0] + self.ints{k}[1]", init="self.ints{k} = (1, {n})"),
    Step("buffers", NUMBERS, "x = x + self.dict{k}['a']", init="self.dict{k} = {{'a': {n}, 'b': 2}}"),
    Step(
        "buffers",
        NUMBERS,
        "x = x + self.dict{k}['a']",
        init="self.dict{k} = {{'a': torch.ones(4).to(torch.{d}), 'b': torch.zeros(4)}}",
    ),
    Step(
        "buffers",
        FLOATS,
        "for p{k} in self.params{k}:\n    x = x + p{k}",
        init="self.params{k} = nn.ParameterList([nn.Parameter(torch.randn(4).to(torch.{d})) for _ in range(2)])",
    ),
    Step(
        "buffers",
        NUMBERS,
        "v{k} = self.b{k}[1:2]\nx = x + v{k}",
        init="self.register_buffer('b{k}', torch.arange(4).to(torch.{d}))",
    ),
    Step(
        "buffers",
        NUMBERS,
        "m{k} = self.maybe{k}\nif m{k} is not None:\n    x = x + m{k}",
        body="maybe{k}: Optional[Tensor]",
        init="self.maybe{k} = None if {n} % 2 else torch.ones(4).to(torch.{d})",
    ),
    Step(
        "buffers",
        NUMBERS,
        "m{k} = self.b{k}\nif m{k} is not None:\n    x = x + m{k}",
        body="b{k}: Optional[Tensor]",
        init="self.register_buffer('b{k}', None)",
    ),
    Step("buffers", NUMBERS, "if self.none{k} is None:\n    x = x + {n}", init="self.none{k} = None"),
    Step(
        "buffers",
        NUMBERS,
        "b{k} = self.b{k}.clone()\nb{k}.add_({n})\nx = x + b{k}",
        init="self.register_buffer('b{k}', torch.arange(4).to(torch.{d}))",
    ),
]

_B = "self.register_buffer('b{k}', torch.zeros(4).to(torch.{d}))"
_P = "self.p{k} = nn.Parameter(torch.zeros(4).to(torch.{d}), requires_grad=False)"
_T = "self.list{k} = [torch.zeros(4).to(torch.{d}), torch.ones(4).to(torch.{d})]"
STATE = [
    Step("state", NUMBERS, "self.b{k}.add_({n})\nx = x + self.b{k}", init=_B),
    Step("state", NUMBERS, "x = x + self.b{k}\nself.b{k}.add_({n})", init=_B),
    Step("state", NUMBERS, "self.b{k} += 1\nx = x + self.b{k}", init=_B),
    Step("state", NUMBERS, "self.b{k} = self.b{k} + 1\nx = x + self.b{k}", init=_B),
    Step("state", NUMBERS, "x = x + self.b{k}\nself.b{k}.copy_(x[0])", init=_B),
    Step("state", NUMBERS, "self.b{k}[0] = self.b{k}[0] + 1\nx = x + self.b{k}", init=_B),
    Step("state", NUMBERS, "self.b{k}[1:] += 1\nx = x + self.b{k}", init=_B),
    Step("state", NUMBERS, "v{k} = self.b{k}.view(2, 2)[0]\nv{k}.add_({n})\nx = x + self.b{k}", init=_B),
    Step("state", NUMBERS, "v{k} = self.b{k}.t()\nv{k}.add_({n})\nx = x + self.b{k}", init=_B),
    Step("state", NUMBERS, "torch.add(self.b{k}, {n}, out=self.b{k})\nx = x + self.b{k}", init=_B),
    Step("state", NUMBERS, "x = x + self.b{k}\nself.b{k}.zero_()\nself.b{k}.sub_(1)", init=_B),
    Step("state", NUMBERS, "with torch.no_grad():\n    self.p{k}.add_({n})\nx = x + self.p{k}", init=_P),
    Step("state", NUMBERS, "self.p{k}.data.add_({n})\nx = x + self.p{k}", init=_P),
    Step("state", NUMBERS, "self.b{k}.detach().add_({n})\nx = x + self.b{k}", init=_B),
    Step("state", NUMBERS, "self.list{k}[0].add_({n})\nx = x + self.list{k}[0]", init=_T),
    Step("state", NUMBERS, "self.list{k}[0] = self.list{k}[0] + 1\nx = x + self.list{k}[0]", init=_T),
    Step("state", NUMBERS, "for t{k} in self.list{k}:\n    t{k} += 1\n    x = x + t{k}", init=_T),
    Step("state", NUMBERS, "self.ints{k}.append(1)\nx = x + len(self.ints{k})", init="self.ints{k} = [1, 2]"),
    Step("state", NUMBERS, "self.ints{k}[0] += 1\nx = x + self.ints{k}[0]", init="self.ints{k} = [1, 2]"),
    Step("state", NUMBERS, "self.dict{k}['a'] += 1\nx = x + self.dict{k}['a']", init="self.dict{k} = {{'a': 1}}"),
    Step("state", NUMBERS, "self.count{k} += 1\nx = x + self.count{k}", init="self.count{k} = 0"),
    Step(
        "state",
        NUMBERS,
        "bump{k}(self.b{k})\nx = x + self.b{k}",
        init=_B,
        head="def bump{k}(t: Tensor) -> None:\n    t.add_(1)\n",
    ),
    Step("state", NUMBERS, "self.b{k}.resize_(4).add_(1)\nx = x + self.b{k}", init=_B),
    Step("state", NUMBERS, "self.b{k}, other{k} = self.b{k} + 1, 2\nx = x + self.b{k}", init=_B),
    Step("state", NUMBERS, "if bool((x > 0).any()):\n    self.b{k}.add_(1)\nx = x + self.b{k}", init=_B),
    Step("state", NUMBERS, "o{k} = self.b{k} if x.shape[0] > 0 else x[0]\no{k} += 1\nx = x + self.b{k}", init=_B),
    Step("state", NUMBERS, "pair{k} = [self.b{k}, x[0]]\npair{k}[0].add_(1)\nx = x + self.b{k}", init=_B),
    Step("state", NUMBERS, "y{k} = self.b{k}\ny{k} += 1\nx = x + self.b{k}", init=_B),
    Step("state", NUMBERS, "y{k} = self.b{k}.expand(x.shape[0], 4)\nx = x + y{k}\ny{k}[0].add_(1)", init=_B),
    Step("state", NUMBERS, "y{k} = self.b{k}.to(torch.{d})\ny{k} += 1\nx = x + y{k}", init=_B),
    Step("state", NUMBERS, "y{k} = self.b{k}.contiguous()\ny{k} += 1\nx = x + y{k}", init=_B),
    Step("state", NUMBERS, "y{k} = self.b{k}.reshape(4)\ny{k} += 1\nx = x + y{k}", init=_B),
    Step(
        "state",
        FLOATS,
        "x = F.batch_norm(x, self.m{k}, self.v{k}, training=True)\nx = x + self.m{k}",
        init=(
            "self.register_buffer('m{k}', torch.zeros(4).to(torch.{d}))\n"
            "self.register_buffer('v{k}', torch.ones(4).to(torch.{d}))"
        ),
    ),
    Step(
        "state",
        WIDE_FLOATS,
        "h{k} = self.cell{k}(x[:1], self.h{k})\nself.h{k}.copy_(h{k})\nx = x + h{k}",
        init=(
            "self.cell{k} = nn.GRUCell(4, 4, dtype=torch.{d})\n"
            "self.register_buffer('h{k}', torch.zeros(1, 4).to(torch.{d}))"
        ),
    ),
    Step(
        "state",
        WIDE_FLOATS,
        "x = self.bn{k}(x) + self.bn{k}.running_mean.to(x.dtype)",
        init="self.bn{k} = nn.BatchNorm1d(4, dtype=torch.{d})",
    ),
    Step(
        "state",
        WIDE_FLOATS,
        "x = self.bn{k}(x)",
        init="self.bn{k} = nn.BatchNorm1d(4, dtype=torch.{d}, track_running_stats=False)",
    ),
    Step("state", NUMBERS, "x = x + self.b{k}.fill_({n})", init=_B),
    Step("state", NUMBERS, "self.b{k}.fill_({n})\nx = x + self.b{k}", init=_B),
    Step("state", NUMBERS, "setattr(self, 'b{k}', self.b{k} + 1)\nx = x + self.b{k}", init=_B),
    Step(
        "state",
        NUMBERS,
        "self.child{k}.weight.add_(1)\nx = x + self.child{k}.weight",
        init="self.child{k} = Holder{k}()",
        head=(
            "class Holder{k}(nn.Module):\n    def __init__(self) -> None:\n        super().__init__()\n"
            "        self.register_buffer('weight', torch.zeros(4).to(torch.{d}))\n\n"
            "    def forward(self, x: Tensor) -> Tensor:\n        return x + self.weight\n"
        ),
    ),
]

CONTROL = [
    *plain(
        "control",
        "n",
        "if x.shape[0] > 2:\n    x = x + {n}",
        "if x.shape[0] % 2 == 0:\n    x = x + {n}\nelse:\n    x = x * 2",
        "for i{k} in range(x.shape[0]):\n    x = x + i{k}",
        "for i{k} in range(x.shape[0]):\n    x[i{k}] = x[i{k}] + i{k}",
        "for i{k} in range(x.size(1)):\n    x = x + i{k}",
        "x = x + x.shape[0]",
        "x = x * x.size(0)",
        "x = x + len(x)",
        "x = x + x.numel()",
        "x = x + x.dim()",
        "rows{k} = [r for r in x]\nx = torch.stack(rows{k}[::-1])",
        (
            "rows{k}: List[Tensor] = []\nfor i{k} in range(x.shape[0]):\n    rows{k}.append(x[i{k}] + i{k})\n"
            "x = torch.stack(rows{k})"
        ),
        "n{k} = x.shape[0]\nwhile n{k} > 1:\n    x = x + 1\n    n{k} = n{k} - 1",
        "if bool(x.sum() > 3):\n    x = x + {n}\nelse:\n    x = x - {n}",
        "if bool((x[0, 0] > 0)):\n    x = x.flip(0)",
        "for i{k} in range(int((x > 0).sum()) % 3):\n    x = x + 1",
        "x = x + int((x > 0).sum()) % 4",
        "n{k} = int(x.to(torch.int64).abs().max()) % 3\nx = x + n{k}",
        "x = x + torch.zeros(x.shape[0] * 2, 4, dtype=torch.{d})[::2]",
        "x = x.reshape(x.shape[0] * 2, 2).reshape(x.shape[0], 4)",
        "s{k} = x.shape\nx = x.reshape(-1).view(s{k})",
        "b{k}, c{k} = x.shape\nx = x + b{k} - c{k}",
        "if x.shape[0] == 1:\n    x = x + 1\nelif x.shape[0] == 2:\n    x = x + 2\nelse:\n    x = x + 3",
        (
            "try_{k} = 0\nfor i{k} in range(10):\n    if i{k} >= x.shape[0]:\n        break\n    if i{k} == 1:\n"
            "        continue\n    try_{k} += i{k}\nx = x + try_{k}"
        ),
        "h{k} = x.shape[0] // 2\nx = torch.cat([x[h{k}:], x[:h{k}]])",
        "x = torch.cat([x[i : i + 1] for i in range(x.shape[0])])",
        "assert x.shape[1] == 4\nx = x + 1",
        "m{k} = x > 1\nx[m{k}] = {n}",
        "i{k} = (x > 1).nonzero()\nx = x + i{k}.shape[0]",
        "x = x + x[x > 0].sum().to(torch.{d})",
    ),
    *plain(
        "control",
        "f",
        "if float(x.mean()) > 0:\n    x = -x",
        "x = x * x.mean().item()",
        "x = x / x.shape[0]",
        "x = x + float(x.shape[0]) / 2",
        "x = x[torch.argsort(x[:, 0])]",
    ),
]

CAST_TO = ("float32", "float32", "float64", "float16", "int32", "int64", "bool", "uint8")

TABLE: dict[str, tuple[list[Step], int]] = {
    "pure": (PURE, 8),
    "in place": (IN_PLACE, 5),
    "constants": (CONSTANTS, 3),
    "buffers": (BUFFERS, 4),
    "state": (STATE, 2),
    "control": (CONTROL, 4),
    "layers": (LAYERS, 5),
    "python": (PYTHON, 2),
    "cast": ([], 1),
}
"""The steps of each kind, and how often the kind is taken; casts are to ``CAST_TO``."""
