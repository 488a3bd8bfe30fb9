"""The operator as torch sees it while it traces: its schema, fake and meta tensors, autograd, torch.func."""

from __future__ import annotations

import copy
import logging
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from functorch.compile import make_boxed_func  # type: ignore[import-untyped]
from torch._dynamo.backends.common import aot_autograd
from torch._subclasses.fake_tensor import DynamicOutputShapeException, FakeTensorMode
from torch.autograd import forward_ad
from torch.fx.experimental.symbolic_shapes import ShapeEnv

import torch_nacelle as nacelle
from torch_nacelle import _C

X = torch.arange(6, dtype=torch.float32).view(2, 3) + 1
BATCHED = nacelle.Input(min=(1, 3), opt=(2, 3), max=(8, 3))
OPERATORS = ("tensorrt", "trt")


class Doubled(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


class Several(torch.nn.Module):
    """Outputs of other dtypes and shapes than the input."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return (x.sum(1) > 6), x.half().reshape(-1), torch.argmax(x, 1)


class Positive(torch.nn.Module):
    """An output whose shape depends on values."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nonzero(x > 2)


def engine_of(model: torch.nn.Module, inputs: Sequence[nacelle.Input | torch.Tensor]) -> torch.ScriptObject:
    dependent = ["output_0"] if isinstance(model, Positive) else []
    program = nacelle.compile(model, list(inputs), name="net", data_dependent=dependent)
    engine: torch.ScriptObject = program.net_trt_engine
    return engine


@pytest.fixture(scope="module")
def doubled() -> torch.ScriptObject:
    return engine_of(Doubled(), [BATCHED])


def execute(
    inputs: Sequence[torch.Tensor], engine: torch.ScriptObject, namespace: str = "tensorrt"
) -> list[torch.Tensor]:
    outputs: list[torch.Tensor] = getattr(torch.ops, namespace).execute_engine(list(inputs), engine)
    return outputs


def test_the_schema_is_the_one_that_files_of_torch_tensorrt_name() -> None:
    for namespace in OPERATORS:
        assert str(getattr(torch.ops, namespace).execute_engine.default._schema) == (
            f"{namespace}::execute_engine(Tensor[] input_tensors, "
            "__torch__.torch.classes.tensorrt.Engine engine) -> Tensor[]"
        )


@pytest.mark.parametrize("namespace", OPERATORS)
@pytest.mark.parametrize("model", [Doubled(), Several(), Positive()], ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("described", [BATCHED, X], ids=["dynamic", "static"])
@pytest.mark.parametrize("grad", [False, True])
def test_opcheck(namespace: str, model: torch.nn.Module, described: nacelle.Input | torch.Tensor, grad: bool) -> None:
    engine = engine_of(model, [described])
    x = X.clone().requires_grad_(grad)
    # Its schema check asks every argument for its length, which no object of a C++ class has.
    tests = ("test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the gradient, which another test is for
        operator = getattr(torch.ops, namespace).execute_engine.default
        torch.library.opcheck(operator, ([x], engine), test_utils=tests if grad else tests[1:])


def test_fake_tensors_get_fake_outputs(doubled: torch.ScriptObject) -> None:
    for namespace in OPERATORS:
        with FakeTensorMode() as mode:
            (y,) = execute([mode.from_tensor(X)], doubled, namespace)
        assert isinstance(y, torch._subclasses.FakeTensor)
        assert (y.shape, y.dtype, y.device) == (X.shape, X.dtype, X.device)


def test_a_program_runs_with_fake_tensors() -> None:
    program = nacelle.compile(Several(), [BATCHED])
    with FakeTensorMode() as mode:
        outputs = program(mode.from_tensor(X))
    expected = program(X)
    assert [(y.shape, y.dtype) for y in outputs] == [(y.shape, y.dtype) for y in expected]


def test_meta_tensors_get_meta_outputs(doubled: torch.ScriptObject) -> None:
    (y,) = execute([X.to("meta")], doubled)
    assert y.is_meta and y.shape == X.shape
    with pytest.raises(RuntimeError, match="data-dependent shape"):
        execute([X.to("meta")], engine_of(Positive(), [BATCHED]))


@pytest.mark.parametrize(
    ("shape", "words"),
    [((9, 3), r"\[9, 3\], which no optimization profile"), ((2, 3, 1), "3 dimensions"), ((2, 4), r"\[2, 4\]")],
)
def test_shapes_that_no_profile_allows_are_refused(
    shape: tuple[int, ...], words: str, doubled: torch.ScriptObject
) -> None:
    with pytest.raises(nacelle.InputError, match=words):
        execute([torch.empty(shape, device="meta")], doubled)


def test_a_wrong_number_of_inputs_is_refused(doubled: torch.ScriptObject) -> None:
    with pytest.raises(nacelle.InputError, match='engine "net" got 2 inputs; wanted 1: input_0'):
        execute([X.to("meta"), X.to("meta")], doubled)


def test_a_shape_that_depends_on_values_is_a_symbol() -> None:
    engine = engine_of(Positive(), [BATCHED])
    with FakeTensorMode(shape_env=ShapeEnv()) as mode:
        (y,) = execute([mode.from_tensor(X)], engine)
    assert isinstance(y.shape[0], torch.SymInt) and y.shape[1] == 2
    with FakeTensorMode() as mode, pytest.raises(DynamicOutputShapeException):
        execute([mode.from_tensor(X)], engine)


def test_tracing_logs_no_warning(doubled: torch.ScriptObject, caplog: pytest.LogCaptureFixture) -> None:
    with FakeTensorMode() as mode, caplog.at_level(logging.WARNING):
        torch._library.fake_class_registry.maybe_to_fake_obj(mode, doubled)
    assert caplog.records == []


def test_methods_of_the_engine_cannot_be_called_while_torch_traces(doubled: torch.ScriptObject) -> None:
    with FakeTensorMode() as mode:
        fake = torch._library.fake_class_registry.maybe_to_fake_obj(mode, doubled)
    with pytest.raises(nacelle.InputError, match=r"engine\.name\(\) is called while torch traces"):
        fake.wrapped_obj.name()  # type: ignore[union-attr]


def test_what_is_compared_at_each_call_is_short_and_of_this_engine(doubled: torch.ScriptObject) -> None:
    flat = doubled.__obj_flatten__()  # type: ignore[attr-defined]
    assert len(str(flat)) < 100
    assert flat == engine_of(Doubled(), [BATCHED]).__obj_flatten__()  # type: ignore[attr-defined]
    assert flat != engine_of(Several(), [BATCHED]).__obj_flatten__()  # type: ignore[attr-defined]
    assert flat == copy.deepcopy(doubled).__obj_flatten__()  # type: ignore[attr-defined]


def test_engines_of_one_plan_and_other_records_are_told_apart() -> None:
    record = _C.engine_record(nacelle.compile(Doubled(), [BATCHED], name="net", abi_version=9).net_trt_engine)
    changes = {1: b"other", 4: b"x", 5: b"y", 6: b"1", 7: b"metadata", 9: b"1", 10: b"1"}
    records = [record, *([*record[:at], value, *record[at + 1 :]] for at, value in changes.items())]
    engines: list[Any] = [_C.engine_from_record(fields) for fields in records]
    assert len({engine.__obj_flatten__()[0][1].split()[1] for engine in engines}) == len(records)


def test_it_names_the_device_that_the_engine_runs_on(doubled: torch.ScriptObject) -> None:
    ((key, identity),) = doubled.__obj_flatten__()  # type: ignore[attr-defined]
    assert key == "identity"
    assert re.fullmatch(r'"net" [0-9a-f]{64} on cpu', identity)


def test_calls_are_not_kept_in_order_by_tokens(doubled: torch.ScriptObject) -> None:
    """torch adds a tensor to the graph for each operator that it takes for one that changes an object."""
    graphs: list[torch.fx.GraphModule] = []

    def keep(graph: torch.fx.GraphModule, _inputs: object) -> object:
        graphs.append(graph)
        return make_boxed_func(graph.forward)

    torch._dynamo.reset()
    with torch.no_grad():
        result = torch.compile(lambda x: execute([x], doubled)[0] + 1, backend=aot_autograd(fw_compiler=keep))(X)
    torch.testing.assert_close(result, X * 2 + 1)
    targets = [str(node.target) for node in graphs[0].graph.nodes if node.op == "call_function"]
    assert "tensorrt.execute_engine.default" in targets
    assert not any("effects" in target for target in targets)


class TestAutograd:
    """Inputs from which a gradient may be expected."""

    @pytest.fixture
    def engine(self) -> torch.ScriptObject:
        return engine_of(Doubled(), [BATCHED])

    def test_an_input_that_requires_grad_is_told_once(self) -> None:
        program = nacelle.compile(Doubled(), [BATCHED], name="net")
        x = X.clone().requires_grad_()
        with pytest.warns(UserWarning, match=r'input "input_0" \(number 0\) of engine "net" requires grad.*no_grad'):
            y = program(x)
        assert not y.requires_grad
        torch.testing.assert_close(y, X * 2)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            program(x)

    def test_it_is_not_told_where_no_gradient_is_wanted(self, engine: torch.ScriptObject) -> None:
        x = X.clone().requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for mode in (torch.no_grad(), torch.inference_mode()):
                with mode:
                    torch.testing.assert_close(execute([x], engine)[0], X * 2)
            execute([x.detach()], engine)

    def test_torch_func_is_refused(self, engine: torch.ScriptObject) -> None:
        def total(x: torch.Tensor) -> torch.Tensor:
            return execute([x], engine)[0].sum()

        for differentiate in (
            lambda: torch.func.grad(total)(X),
            lambda: torch.func.vjp(total, X),
            lambda: torch.func.jacrev(total)(X),
        ):
            with pytest.raises(nacelle.InputError, match=r"torch\.func"):
                differentiate()

    def test_forward_mode_is_refused(self, engine: torch.ScriptObject) -> None:
        with pytest.raises(nacelle.InputError, match="tangent of forward-mode differentiation"):
            torch.func.jvp(lambda x: execute([x], engine)[0], (X,), (X,))
        with forward_ad.dual_level(), pytest.raises(nacelle.InputError, match="tangent"):
            execute([forward_ad.make_dual(X, X)], engine)

    def test_torch_func_of_other_inputs(self, engine: torch.ScriptObject) -> None:
        fixed = execute([X], engine)[0]
        gradient = torch.func.grad(lambda w: (w * execute([X], engine)[0]).sum())(torch.ones(3))
        torch.testing.assert_close(gradient, fixed.sum(0))

    def test_vmap_is_refused(self, engine: torch.ScriptObject) -> None:
        with pytest.raises((RuntimeError, nacelle.InputError), match="Batching rule not implemented"):
            torch.vmap(lambda x: execute([x], engine)[0])(torch.stack([X, X]))


def test_importing_starts_no_compiler() -> None:
    code = (
        "import sys, torch; before = set(sys.modules); import torch_nacelle; "
        "print(sorted({'sympy', 'torch._dynamo', 'torch._inductor', 'torch.export'} & (set(sys.modules) - before)))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert ran.stdout == "[]\n"
