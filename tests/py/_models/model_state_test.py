"""A model is left as it was, however it was built from."""

from typing import Any

import pytest
import torch
from torch.nn.utils.parametrizations import spectral_norm

import torch_nacelle as nacelle
from torch_nacelle._models.model_state import for_inference

X = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))


class Mixed(torch.nn.Module):
    """Parts of different modes, and a parametrization whose forward in training mode writes to buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(4)
        self.body = torch.nn.Sequential(spectral_norm(torch.nn.Linear(4, 4)), torch.nn.Dropout(0.5))
        self.tail = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.tail(self.body(self.norm(x)))
        return result


class Unscriptable(Mixed):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values: dict[object, torch.Tensor] = {"a": super().forward(x), 1: x}
        return values["a"]


class Failing(Unscriptable):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise ValueError("this model never runs")


class Counting(torch.nn.Module):
    """Writes to everything that it has."""

    calls: torch.Tensor
    total: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("total", torch.zeros(4))
        self.seen: list[torch.Tensor] = []
        self.last: object = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.total = self.total + x.sum(0)
        self.seen.append(x)
        self.last = x
        self.more = x
        return x + self.total


def state(module: torch.nn.Module) -> dict[str, Any]:
    modes = {path: part.training for path, part in module.named_modules()}
    tensors = {name: value.clone() for name, value in module.state_dict().items()}
    attributes = {path: sorted(part.__dict__) for path, part in module.named_modules()}
    return {"modes": modes, "tensors": tensors, "attributes": attributes}


def assert_left_alone(module: torch.nn.Module, before: dict[str, Any]) -> None:
    after = state(module)
    assert after["modes"] == before["modes"]
    assert after["attributes"] == before["attributes"]
    assert list(after["tensors"]) == list(before["tensors"])
    for name, value in before["tensors"].items():
        assert torch.equal(after["tensors"][name], value), name


def mixed(kind: type[Mixed]) -> Mixed:
    module = kind().train()
    module.norm.eval()
    module.body[1].eval()
    return module


@pytest.mark.parametrize("kind", [Mixed, Unscriptable, Failing])
@pytest.mark.parametrize("how", ["auto", "script", "trace", "hybrid", "check"])
def test_modes_and_buffers_stay(kind: type[Mixed], how: str) -> None:
    module = mixed(kind)
    before = state(module)
    try:
        if how == "hybrid":
            nacelle.compile(module, {"body": [X]}, backend="reference")
        elif how == "check":
            nacelle.compile(module, [X], backend="reference", check=True)
        else:
            nacelle.compile(module, [X], backend="reference", method=how)  # type: ignore[call-overload]
    except nacelle.InputError:
        pass
    assert_left_alone(module, before)


def test_so_they_do_when_the_options_are_wrong() -> None:
    module = mixed(Mixed)
    before = state(module)
    with pytest.raises(nacelle.InputError):
        nacelle.compile(module, [X], backend="reference", output_names=["a", "b"])
    assert_left_alone(module, before)


@pytest.mark.parametrize("method", ["auto", "script", "trace"])
def test_state_that_forward_keeps_is_refused_and_put_back(method: str) -> None:
    module = Counting()
    before = state(module)
    with pytest.raises(nacelle.InputError):
        nacelle.compile(module, [X], backend="reference", method=method)  # type: ignore[call-overload]
    assert_left_alone(module, before)
    assert module.seen == [] and module.last is None


def test_the_trace_of_a_buffer_that_is_assigned_is_refused() -> None:
    class Sums(torch.nn.Module):
        total: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("total", torch.zeros(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.total = self.total + x.sum(0)
            return x + self.total

    with pytest.raises(
        nacelle.InputError,
        match=r'forward changes the attribute "total"; an engine keeps nothing from call to call',
    ):
        nacelle.compile(Sums(), [X], backend="reference", method="trace")


def test_what_the_first_call_makes_may_stay_for_the_engine() -> None:
    class Cached(torch.nn.Module):
        table: torch.Tensor | None = None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.table is None:
                self.table = torch.arange(4.0)
            return x + self.table

    module = Cached()
    program = nacelle.compile(module, [X], backend="reference", method="trace")
    assert "table" not in module.__dict__
    torch.testing.assert_close(program(X), module(X))


def test_the_mode_of_each_part_is_restored_after_an_error() -> None:
    module = Counting().train()
    before = state(module)
    with pytest.raises(ValueError, match="mine"), for_inference(module):
        assert not module.training
        module(X)
        module.total.resize_(8).fill_(1.0)
        raise ValueError("mine")
    assert_left_alone(module, before)


def test_a_frozen_module_has_no_mode() -> None:
    frozen = torch.jit.freeze(torch.jit.script(torch.nn.Sequential(torch.nn.Linear(4, 4)).eval()))
    with for_inference(frozen):
        frozen(X)
    nacelle.check(nacelle.compile(frozen, [X], backend="reference"), frozen, [X])


def test_a_lazy_module_stays_what_it_became() -> None:
    module = torch.nn.Sequential(torch.nn.LazyLinear(3))
    program = nacelle.compile(module, [X], backend="reference", method="trace")
    assert type(module[0]) is torch.nn.Linear
    assert module[0].in_features == 4
    torch.testing.assert_close(program(X), module(X))


def test_values_of_inference_tensors_are_put_back() -> None:
    class Adds(torch.nn.Module):
        total: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            with torch.inference_mode():
                self.register_buffer("total", torch.zeros(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.total += 1
            return x + self.total

    module = Adds()
    with torch.inference_mode(), for_inference(module):
        module(X)
    assert torch.equal(module.total, torch.zeros(4))


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_writes_that_torch_does_not_count_are_undone(value: float) -> None:
    class Writes(torch.nn.BatchNorm1d):
        other: torch.Tensor

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert self.running_mean is not None
            y = torch.nn.functional.batch_norm(x, self.running_mean, self.running_var, training=True)
            self.other.data.add_(1)
            return y + self.other

    module = Writes(3)
    module.register_buffer("other", torch.full((3,), value))
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with for_inference(module):
        module(torch.arange(6.0).reshape(2, 3))
    for name, buffer in module.named_buffers():
        torch.testing.assert_close(buffer, before[name], rtol=0, atol=0, equal_nan=True)
