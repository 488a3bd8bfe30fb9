"""Engines as values of TorchScript: saved, copied, frozen, kept in containers, passed around."""

import copy
import io
import threading
import zipfile
from typing import Optional

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import TwoHeads, seeded

X = torch.rand(1, 3, 8, 8)
WANTED = seeded(TwoHeads)(X)


class Scale(torch.nn.Module):
    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


class Holder(torch.nn.Module):
    """Holds engines wherever a value can be, and calls each."""

    several: list[torch.classes.tensorrt.Engine]  # type: ignore[name-defined]
    by_name: dict[str, torch.classes.tensorrt.Engine]  # type: ignore[name-defined]
    pair: tuple[torch.classes.tensorrt.Engine, int]  # type: ignore[name-defined]
    # TorchScript does not read `Engine | None` of a class of its own.
    maybe: Optional[torch.classes.tensorrt.Engine]  # type: ignore[name-defined]  # noqa: UP045

    def __init__(self, double: torch.ScriptObject, triple: torch.ScriptObject) -> None:
        super().__init__()
        self.single = double
        self.several = [double, triple]
        self.by_name = {"three": triple}
        self.pair = (double, 1)
        self.maybe = triple

    def call(
        self,
        engine: torch.classes.tensorrt.Engine,  # type: ignore[name-defined]
        x: torch.Tensor,
    ) -> torch.Tensor:
        return torch.ops.tensorrt.execute_engine([x], engine)[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.call(self.single, x)
        for engine in self.several:
            x = self.call(engine, x)
        x = self.call(self.by_name["three"], x)
        x = self.call(self.pair[0], x)
        maybe = self.maybe
        if maybe is not None:
            x = self.call(maybe, x)
        return x


@pytest.fixture
def program() -> torch.jit.ScriptModule:
    return nacelle.compile(seeded(TwoHeads), [X], name="net")


def same(found: tuple[torch.Tensor, ...]) -> bool:
    return all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, WANTED, strict=True))


def reloaded(module: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    return torch.jit.load(io.BytesIO(module.save_to_buffer()))


def test_saved_to_a_buffer_and_loaded(program: torch.jit.ScriptModule) -> None:
    assert same(reloaded(program)(X))


def test_saving_what_was_loaded_gives_the_same_values(program: torch.jit.ScriptModule) -> None:
    def values(module: torch.jit.ScriptModule) -> bytes:
        with zipfile.ZipFile(io.BytesIO(module.save_to_buffer())) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            return archive.read(name)

    assert values(reloaded(program)) == values(program)


def test_deep_copied(program: torch.jit.ScriptModule) -> None:
    assert same(copy.deepcopy(program)(X))


@pytest.mark.parametrize("version", [3, 4])  # the plan in a record of version 3 is no text
def test_an_engine_by_itself_is_copied(version: int) -> None:
    plan = nacelle.build_engine(seeded(TwoHeads), [X])
    engine = copy.deepcopy(nacelle.embed(plan, abi_version=version).engine_trt_engine)
    assert same(torch.ops.tensorrt.execute_engine([X], engine))


def test_frozen(program: torch.jit.ScriptModule) -> None:
    frozen = torch.jit.freeze(program.eval())
    assert same(frozen(X))
    assert same(reloaded(frozen)(X))
    assert [engine.name for engine in nacelle.read(frozen).engines] == ["net"]


def test_optimized_for_inference(program: torch.jit.ScriptModule) -> None:
    optimized = torch.jit.optimize_for_inference(program.eval())
    assert same(optimized(X))
    assert same(reloaded(optimized)(X))


def test_in_a_scripted_module_of_the_users(program: torch.jit.ScriptModule) -> None:
    class Outer(torch.nn.Module):
        def __init__(self, inner: torch.jit.ScriptModule) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            a, b = self.inner(x)
            return a, b

    outer = torch.jit.script(Outer(program))
    assert same(outer(X))
    assert same(reloaded(outer)(X))


def test_in_containers_and_passed_between_functions() -> None:
    double, triple = (
        nacelle.compile(Scale(factor), [torch.ones(2)], name=f"times_{factor}").__getattr__(
            f"times_{factor}_trt_engine"
        )
        for factor in (2, 3)
    )
    module = torch.jit.script(Holder(double, triple))
    wanted = torch.full((2,), float(2 * 2 * 3 * 3 * 2 * 3))
    assert torch.equal(module(torch.ones(2)), wanted)
    assert torch.equal(reloaded(module)(torch.ones(2)), wanted)
    assert torch.equal(copy.deepcopy(module)(torch.ones(2)), wanted)
    assert [engine.path for engine in nacelle.read(module).engines] == [
        "single",
        "several[0]",
        "several[1]",
        'by_name["three"]',
        "pair[0]",
        "maybe",
    ]


def test_traced_by_the_user(program: torch.jit.ScriptModule) -> None:
    class Outer(torch.nn.Module):
        def __init__(self, inner: torch.jit.ScriptModule) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x * 2.0)[0]

    traced = torch.jit.trace(Outer(program), X)
    assert torch.allclose(traced(X / 2.0), WANTED[0], atol=1e-6)
    assert torch.allclose(reloaded(traced)(X / 2.0), WANTED[0], atol=1e-6)


def test_under_inference_mode(program: torch.jit.ScriptModule) -> None:
    with torch.inference_mode():
        outputs = program(X)
    assert outputs[0].is_inference()
    assert same(outputs)


def test_threads_share_a_program(program: torch.jit.ScriptModule) -> None:
    wrong: list[int] = []

    def work() -> None:
        wrong.extend(1 for _ in range(100) if not same(program(X)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
