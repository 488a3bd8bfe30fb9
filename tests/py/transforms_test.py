"""Transforms and modes of torch around a call, and kinds of tensors: each is an answer, or an error that says why not.

Each is tried with the operator, with EngineModule, and with EngineModule under torch.compile.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.distributed
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.masked import masked_tensor
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils.checkpoint import checkpoint

import torch_nacelle as nacelle

X = torch.arange(6, dtype=torch.float32).view(2, 3) + 1
BATCHED = nacelle.Input(min=(1, 3), opt=(2, 3), max=(8, 3))

Call = Callable[[torch.Tensor], torch.Tensor]


class Doubled(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


MODULE = nacelle.compile(Doubled(), [BATCHED], name="net", container="module")


def operator(x: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = torch.ops.tensorrt.execute_engine([x], MODULE.engine)[0]
    return result


def compiled(backend: str) -> Callable[[], Call]:
    def make() -> Call:
        torch._dynamo.reset()
        return torch.compile(MODULE, backend=backend)

    return make


WAYS: dict[str, Callable[[], Call]] = {
    "operator": lambda: operator,
    "module": lambda: MODULE,
    "compile": compiled("eager"),
    "compile, aot_eager": compiled("aot_eager"),  # torch hands calls under its transforms to the module itself
}


@pytest.fixture(scope="module", autouse=True)
def process_group() -> Iterator[None]:
    torch.distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the gradient, and torch's own about prototypes
        yield


@dataclass
class Row:
    """A call, and the words of the error if it is none that gives X * 2; with torch.compile's eager perhaps others."""

    call: Callable[[Call], Any]
    words: str = ""
    compiled: str | None = None


def distributed(placement: Any) -> DTensor:
    return DTensor.from_local(X, init_device_mesh("cpu", (1,)), [placement], run_check=False)


def on_default_device(call: Call) -> torch.Tensor:
    with torch.device("meta"):
        return call(X)


def deterministic(call: Call) -> torch.Tensor:
    torch.use_deterministic_algorithms(True)
    try:
        return call(X)
    finally:
        torch.use_deterministic_algorithms(False)


def in_bfloat16(call: Call) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return call(torch.nn.functional.linear(X, torch.eye(3)))


def times_x(call: Call) -> torch.Tensor:
    """The gradient of the sum of 2 * x * w, with the engine in a part that is computed twice."""
    w = torch.ones(2, 3, requires_grad=True)
    checkpoint(lambda w: call(X) * w, w, use_reentrant=False).sum().backward()
    assert w.grad is not None
    return w.grad


NO_GRADIENT = "an engine has no gradient"
NO_BATCHING = "Batching rule not implemented"
NOT_TRACED = "fake tensor call"  # torch has no way for an object of a C++ class through this while it traces
OF_A_SUBCLASS = "handles operators itself"

ROWS = {
    "plain": Row(lambda call: call(X)),
    "parameter": Row(lambda call: call(torch.nn.Parameter(X.clone())).detach()),
    "vmap": Row(lambda call: torch.vmap(call)(torch.stack([X, X])), NO_BATCHING, NOT_TRACED),
    "vmap over what the engine does not take": Row(
        lambda call: torch.vmap(lambda scale: call(X) * scale)(torch.ones(4))[3], compiled=NOT_TRACED
    ),
    "grad": Row(lambda call: torch.func.grad(lambda x: call(x).sum())(X), NO_GRADIENT, NOT_TRACED),
    "vjp": Row(lambda call: torch.func.vjp(call, X), NO_GRADIENT, NOT_TRACED),
    "jacrev": Row(lambda call: torch.func.jacrev(call)(X), NO_GRADIENT, NOT_TRACED),
    "jvp": Row(lambda call: torch.func.jvp(call, (X,), (X,)), NO_GRADIENT),
    "jacfwd": Row(lambda call: torch.func.jacfwd(call)(X), NO_GRADIENT),
    "grad of other inputs": Row(
        lambda call: torch.func.grad(lambda w: (w * call(X)).sum())(torch.ones(2, 3)), compiled=NOT_TRACED
    ),
    "functional_call": Row(lambda call: torch.func.functional_call(MODULE, {}, (X,))),
    "sparse": Row(lambda call: call(X.to_sparse()), "to_dense"),
    "csr": Row(lambda call: call(X.to_sparse_csr()), "to_dense"),
    "quantized": Row(lambda call: call(torch.quantize_per_tensor(X, 0.1, 0, torch.qint8)), "dequantize"),
    "nested": Row(lambda call: call(torch.nested.nested_tensor([X, X])), "nested tensor"),
    "jagged": Row(
        lambda call: call(torch.nested.nested_tensor([X, X], layout=torch.jagged)),
        "execute_engine",  # torch's own words
    ),
    "masked": Row(lambda call: call(masked_tensor(X, X > 2)), "execute_engine"),  # torch's own words
    "distributed, replicated": Row(lambda call: call(distributed(Replicate())), "sharding strategy"),
    "distributed, sharded": Row(lambda call: call(distributed(Shard(0))), "sharding strategy"),
    "distributed, the local part": Row(lambda call: call(distributed(Shard(0)).to_local())),
    "checkpoint": Row(lambda call: checkpoint(call, X, use_reentrant=False)),
    "checkpoint, reentrant": Row(
        lambda call: checkpoint(call, X.clone().requires_grad_(), use_reentrant=True).detach()
    ),
    "checkpoint, of other inputs": Row(times_x),
    "autocast": Row(lambda call: torch.autocast("cpu", dtype=torch.bfloat16)(call)(X)),
    "autocast, its own dtype": Row(in_bfloat16, "bfloat16"),
    "inference mode": Row(lambda call: torch.inference_mode()(call)(X)),
    "tensor of the inference mode": Row(lambda call: call(torch.inference_mode()(lambda: X + 0)())),
    "no_grad": Row(lambda call: torch.no_grad()(call)(X.clone().requires_grad_())),
    "enable_grad": Row(lambda call: call(X.clone().requires_grad_()).detach()),
    "default device": Row(on_default_device),
    "deterministic": Row(deterministic),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("row", ROWS)
def test_each_is_an_answer_or_a_clear_error(row: str, way: str) -> None:
    wanted = ROWS[row]
    words = wanted.compiled if wanted.compiled is not None and way == "compile" else wanted.words
    if not words:
        result = wanted.call(WAYS[way]())
        assert type(result) is torch.Tensor
        torch.testing.assert_close(result, X * 2)
        return
    # torch.compile wraps errors in its own. An answer would be a wrong one.
    with pytest.raises((nacelle.Error, RuntimeError, TypeError, NotImplementedError), match=words):
        wanted.call(WAYS[way]())


@pytest.mark.parametrize("way", WAYS)
def test_meta_tensors(way: str) -> None:
    result = WAYS[way]()(X.to("meta"))
    assert result.is_meta and result.shape == X.shape and result.dtype == X.dtype


@pytest.mark.parametrize("way", ["operator", "module"])
def test_fake_tensors(way: str) -> None:
    with FakeTensorMode() as mode:
        result = WAYS[way]()(mode.from_tensor(X))
    assert isinstance(result, FakeTensor) and result.shape == X.shape


@pytest.mark.parametrize("way", WAYS)
def test_the_engine_works_on_after_errors(way: str) -> None:
    torch.testing.assert_close(WAYS[way]()(X), X * 2)
