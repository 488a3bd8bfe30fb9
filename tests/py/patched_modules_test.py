"""Modules whose class does not tell what Python calls: an engine computes what eager mode computes, or says why not."""

import functools
import types
from collections.abc import Callable

import pytest
import torch

import torch_nacelle as nacelle

X = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))


class Part(torch.nn.Module):
    """A layer and a step after it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)

    def step(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.step(self.linear(x))

    def forward_export(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.linear(x) * 3.0
        return result


class Pair(torch.nn.Module):
    """Two parts of one class."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Part()
        self.second = Part()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.second(self.first(x))
        return result


def doubled(self: Part, x: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = self.linear(x) * 2.0
    return result


def five_times(self: Part, x: torch.Tensor) -> torch.Tensor:
    return x * 5.0


def twice(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    @functools.wraps(function)
    def call(*arguments: object) -> torch.Tensor:
        return function(*arguments) * 2.0

    return call


class OwnCall(Part):
    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = super().__call__(x) * 2.0
        return result


class DecoratedForward(Part):
    @twice
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.linear(x)
        return result


class Autocast(Part):
    @torch.autocast("cpu", dtype=torch.bfloat16)  # type: ignore[untyped-decorator]
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.linear(x)
        return result.float()


@twice
def add_one(x: torch.Tensor) -> torch.Tensor:
    return x + 1.0


class CallsDecorated(Part):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return add_one(self.linear(x))


class DecoratedStep(Part):
    @twice
    def step(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1.0


def with_method() -> torch.nn.Module:
    module = Pair()
    module.second.forward = types.MethodType(doubled, module.second)  # type: ignore[method-assign]
    return module


def with_other_forward() -> torch.nn.Module:
    module = Pair()
    module.second.forward = module.second.forward_export  # type: ignore[method-assign]
    return module


def with_own_step() -> torch.nn.Module:
    module = Pair()
    module.second.step = types.MethodType(five_times, module.second)  # type: ignore[method-assign]
    return module


def with_anothers_forward() -> torch.nn.Module:
    module = Pair()
    module.second.forward = module.first.forward  # type: ignore[method-assign]
    return module


def with_anothers_step() -> torch.nn.Module:
    module = Pair()
    module.second.step = types.MethodType(five_times, module.first)  # type: ignore[method-assign]
    return module


def with_function() -> torch.nn.Module:
    module = Pair()
    inner = module.second.forward

    def forward(x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = inner(x) * 2.0
        return result

    module.second.forward = forward  # type: ignore[method-assign]
    return module


def with_partial() -> torch.nn.Module:
    module = Pair()
    inner = module.second.forward
    forward = functools.partial(lambda of, x: inner(x) * 2.0, module.second)
    module.second.forward = functools.update_wrapper(forward, inner)  # type: ignore[method-assign]
    return module


def holding(kind: type[Part]) -> Callable[[], torch.nn.Module]:
    def make() -> torch.nn.Module:
        module = Pair()
        module.second = kind()
        return module

    make.__name__ = kind.__name__
    return make


SCRIPTABLE = [with_method, with_other_forward, with_own_step]
NOT_SCRIPTABLE = [
    with_anothers_forward,
    with_anothers_step,
    with_function,
    with_partial,
    *(holding(kind) for kind in (OwnCall, DecoratedForward, Autocast, CallsDecorated, DecoratedStep)),
]


def same(program: torch.jit.ScriptModule, module: torch.nn.Module) -> None:
    torch.testing.assert_close(program(X), module.eval()(X))


@pytest.mark.parametrize("make", [*SCRIPTABLE, *NOT_SCRIPTABLE])
def test_an_engine_computes_what_the_instance_computes(make: Callable[[], torch.nn.Module]) -> None:
    module = make()
    same(nacelle.compile(module, [X], backend="reference"), module)


@pytest.mark.parametrize("make", SCRIPTABLE)
def test_so_does_a_script_and_the_rest_of_a_hybrid_program(make: Callable[[], torch.nn.Module]) -> None:
    module = make()
    same(nacelle.compile(module, [X], backend="reference", method="script"), module)
    same(nacelle.compile(module, {"first": [X]}, backend="reference"), module)
    same(nacelle.compile(module, {"second": [X]}, backend="reference"), module)


@pytest.mark.parametrize("make", NOT_SCRIPTABLE)
def test_what_a_script_would_leave_out_is_refused(make: Callable[[], torch.nn.Module]) -> None:
    module = make()
    with pytest.raises(nacelle.InputError, match="cannot become an engine; scripting it failed"):
        nacelle.compile(module, [X], backend="reference", method="script")
    with pytest.raises(nacelle.InputError, match="cannot be scripted around its engines, whose forward takes"):
        nacelle.compile(module, {"first": [X]}, backend="reference")


def test_the_reason_names_the_part() -> None:
    with pytest.raises(nacelle.InputError, match=r"submodule 'second' \(OwnCall\) has a __call__ of its own"):
        nacelle.compile(holding(OwnCall)(), {"first": [X]}, backend="reference")
    with pytest.raises(nacelle.InputError, match=r"submodule 'second' \(Part\) has as forward a method of another"):
        nacelle.compile(with_anothers_forward(), {"first": [X]}, backend="reference")
    with pytest.raises(nacelle.InputError, match=r"DecoratedForward.forward is wrapped by a decorator"):
        nacelle.compile(holding(DecoratedForward)(), {"first": [X]}, backend="reference")


def test_a_class_may_be_patched_between_two_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Pair()
    for forward in (Part.forward, doubled, Part.forward_export):
        monkeypatch.setattr(Part, "forward", forward)
        same(nacelle.compile(module, [X], backend="reference", method="script"), module)
        same(nacelle.compile(module, {"first": [X]}, backend="reference"), module)


def scale(x: torch.Tensor) -> torch.Tensor:
    return x * 2.0


def other_scale(x: torch.Tensor) -> torch.Tensor:
    return x * 7.0


def scale_all(x: torch.Tensor) -> torch.Tensor:
    return scale(x)


class CallsFunctions(Part):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return scale_all(self.linear(x))


def test_so_may_a_function_that_another_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    module = CallsFunctions()
    same(nacelle.compile(module, [X], backend="reference", method="script"), module)
    monkeypatch.setitem(globals(), "scale", other_scale)
    same(nacelle.compile(module, [X], backend="reference", method="script"), module)


def test_modes_for_gradients_wrap_nothing_that_counts() -> None:
    class Inference(Part):
        @torch.no_grad()
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if bool(x.sum() > 0):
                return x
            return self.part(x)

        @torch.inference_mode()
        def part(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.linear(x)
            return result

    module = Inference()
    program = nacelle.compile(module, [X], backend="reference", method="script")
    for x in (X.abs(), -X.abs()):
        torch.testing.assert_close(program(x), module(x))


def test_a_second_attempt_gives_the_same_reason() -> None:
    class Keyed(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            values: dict[object, torch.Tensor] = {"a": x, 1: x}
            return values["a"]

    reasons = []
    for _ in range(3):
        with pytest.raises(nacelle.InputError) as caught:
            nacelle.compile(Keyed(), [X], backend="reference", method="script")
        reasons.append(caught.value.reason)
    assert "Unknown type annotation" in reasons[0]
    assert reasons[1:] == reasons[:1] * 2
