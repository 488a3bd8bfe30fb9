"""IExecutionContext: shapes, addresses and runs, compared with torch."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.conformance import plans
from tests.conformance.bindings import MAJOR, VERSION, trt
from tests.conformance.clients import Log

K = torch.tensor([1, 2, 3], dtype=torch.int32)


def rows(count: int) -> torch.Tensor:
    """Values to scale, positive and negative."""
    return torch.arange(count * 3, dtype=torch.float32).view(count, 3) - 2.5


class Run:
    """The tensors of one run of plans.scale(), in memory that is held."""

    def __init__(self, count: int) -> None:
        self.x, self.k = rows(count), K.clone()
        self.y, self.count = torch.full((count, 3), -1.0), torch.full((count,), -1, dtype=torch.int32)

    def tensors(self) -> dict[str, torch.Tensor]:
        return {"x": self.x, "k": self.k, "y": self.y, "count": self.count}

    def addresses(self) -> list[int]:
        return [tensor.data_ptr() for tensor in self.tensors().values()]

    def give_to(self, context: Any) -> Run:
        for name, tensor in self.tensors().items():
            assert context.set_tensor_address(name, tensor.data_ptr())
        return self

    def check(self) -> None:
        """Bit for bit what torch gives. (torch.testing would take seconds to be imported.)"""
        y, count = plans.Scale()(self.x, self.k)
        assert torch.equal(self.y, y)
        assert torch.equal(self.count, count)


def test_runs_and_gives_what_torch_gives(context: Any) -> None:
    for count in (1, 4, 2):
        assert context.set_input_shape("x", (count, 3))
        run = Run(count).give_to(context)
        assert context.execute_async_v3(0)
        run.check()


def test_shapes_of_outputs_follow_those_of_inputs(context: Any) -> None:
    def shapes() -> list[tuple[int, ...]]:
        return [tuple(context.get_tensor_shape(name)) for name in ("x", "k", "y", "count")]

    assert context.all_binding_shapes_specified is False
    assert context.infer_shapes() == ["x"]
    assert shapes() == [(-1, 3), (3,), (-1, 3), (-1,)]
    assert context.set_input_shape("x", (4, 3))
    assert context.all_binding_shapes_specified is True
    assert context.infer_shapes() == []
    assert shapes() == [(4, 3), (3,), (4, 3), (4,)]
    assert [tuple(context.get_tensor_strides(name)) for name in ("x", "count")] == [(3, 1), (1,)]
    assert context.get_max_output_size("y") == 4 * 3 * 4
    assert context.get_max_output_size("count") == 4 * 4


def test_shapes_outside_the_profile_are_refused(context: Any, log: Log) -> None:
    assert not context.set_input_shape("x", (5, 3))
    assert "IExecutionContext::setInputShape" in log.take_error()
    assert not context.set_input_shape("y", (1, 3))
    assert '"y"' in log.take_error()


def test_profiles(context: Any, log: Log) -> None:
    assert context.active_optimization_profile == 0
    assert context.set_input_shape("x", (2, 3))
    assert context.set_optimization_profile_async(1, 0)
    assert context.active_optimization_profile == 1
    assert tuple(context.get_tensor_shape("x")) == (-1, 3)
    assert not context.set_input_shape("x", (2, 3))
    assert "setInputShape" in log.take_error()
    assert context.set_input_shape("x", (16, 3))
    run = Run(16).give_to(context)
    assert context.execute_async_v3(0)
    run.check()
    if VERSION < (10, 15):  # older bindings raise this without holding Python's lock, which crashes
        return
    with pytest.raises(RuntimeError):
        context.set_optimization_profile_async(2, 0)
    assert "setOptimizationProfileAsync: profile 2; wanted 0 to 1" in log.take_error()


def test_two_contexts_of_one_engine(engine: Any) -> None:
    contexts = [engine.create_execution_context() for _ in range(2)]
    for number, context in enumerate(contexts):
        assert context.engine is engine
        assert context.set_optimization_profile_async(number, 0)
        assert context.set_input_shape("x", (3 + number, 3))
    runs = [Run(3 + number).give_to(context) for number, context in enumerate(contexts)]
    for context, run in zip(contexts, runs, strict=True):
        assert context.execute_async_v3(0)
        run.check()


def test_addresses_are_kept(context: Any, log: Log) -> None:
    assert [context.get_tensor_address(name) for name in ("x", "y")] == [0, 0]
    run = Run(2).give_to(context)
    assert [context.get_tensor_address(name) for name in ("x", "k", "y", "count")] == run.addresses()
    assert not context.set_tensor_address("other", run.x.data_ptr())
    assert "setTensorAddress" in log.take_error()


def test_what_is_missing_is_named(context: Any, log: Log) -> None:
    assert not context.execute_async_v3(0)
    assert 'input "x" has no shape' in log.take_error()
    assert context.set_input_shape("x", (2, 3))
    assert not context.execute_async_v3(0)
    assert 'input "x" has no address' in log.take_error()
    run = Run(2).give_to(context)
    assert context.set_tensor_address("count", 0)
    assert not context.execute_async_v3(0)
    assert 'output "count" has neither address nor allocator' in log.take_error()
    assert torch.equal(run.y, torch.full((2, 3), -1.0))


def test_a_module_that_fails_is_a_run_that_fails(runtime: Any, log: Log) -> None:
    context = runtime.deserialize_cuda_engine(plans.refuse()).create_execution_context()
    x, y = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.zeros(4)
    context.set_tensor_address("x", x.data_ptr())
    context.set_tensor_address("y", y.data_ptr())
    assert context.execute_async_v3(0)
    assert y.tolist() == [2, 3, 4, 5]
    x[2] = -1
    assert not context.execute_async_v3(0)
    assert "a value is negative" in log.take_error()
    assert y.tolist() == [2, 3, 4, 5]


def test_runs_with_a_list_of_addresses(context: Any) -> None:
    assert context.set_input_shape("x", (3, 3))
    run = Run(3)
    assert context.execute_v2(run.addresses())
    run.check()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_methods_that_take_an_index_are_refused(context: Any, log: Log) -> None:
    if MAJOR >= 10:
        assert not hasattr(context, "execute_async_v2")
        return
    assert not context.execute_async_v2(Run(7).addresses(), 0)
    assert "does not support ExecutionContext::enqueueV2" in log.take_error()
    assert not context.execute(1, Run(7).addresses())
    assert "does not support ExecutionContext::execute" in log.take_error()


def test_settings_are_kept(context: Any) -> None:
    assert (context.name, context.debug_sync, context.persistent_cache_limit) == ("", False, 0)
    context.name = "first"
    context.debug_sync = True
    context.persistent_cache_limit = 11
    context.nvtx_verbosity = trt.ProfilingVerbosity.DETAILED
    assert (context.name, context.debug_sync, context.persistent_cache_limit) == ("first", True, 11)
    assert context.nvtx_verbosity == trt.ProfilingVerbosity.DETAILED
    assert context.set_input_consumed_event(4096)
    assert context.get_input_consumed_event() == 4096
    context.set_aux_streams([0])


def test_a_temporary_allocator_is_kept(context: Any) -> None:
    class Allocator(trt.IGpuAllocator):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IGpuAllocator.__init__(self)

    allocator = Allocator()
    context.temporary_allocator = allocator
    assert context.temporary_allocator is allocator


def test_a_context_whose_memory_is_the_callers(engine: Any, log: Log) -> None:
    context = without_memory(engine)
    assert context.set_input_shape("x", (2, 3))
    run = Run(2).give_to(context)
    assert not context.execute_async_v3(0)
    assert "without device memory" in log.take_error()
    scratch = torch.empty(256, dtype=torch.uint8)
    if VERSION >= (10, 1):
        assert context.update_device_memory_size_for_shapes() == 256
        context.set_device_memory(scratch.data_ptr(), 8)
        assert not context.execute_async_v3(0)
        assert "has 8 bytes" in log.take_error()
        context.set_device_memory(scratch.data_ptr(), 256)
    else:
        context.device_memory = scratch.data_ptr()
    assert context.execute_async_v3(0)
    run.check()


def without_memory(engine: Any) -> Any:
    if MAJOR >= 10:
        return engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
    return engine.create_execution_context_without_device_memory()


def test_contexts_from_a_runtime_configuration(engine: Any, log: Log) -> None:
    if VERSION < (10, 13):
        assert not hasattr(engine, "create_runtime_config")
        return
    strategies = trt.ExecutionContextAllocationStrategy
    config = engine.create_runtime_config()
    assert config.get_execution_context_allocation_strategy() == strategies.STATIC
    config.set_execution_context_allocation_strategy(strategies.USER_MANAGED)
    context = engine.create_execution_context(config)
    told = context.get_runtime_config()
    assert told.get_execution_context_allocation_strategy() == strategies.USER_MANAGED
    assert context.set_input_shape("x", (2, 3))
    Run(2).give_to(context)
    assert not context.execute_async_v3(0)
    assert "without device memory" in log.take_error()


def test_debug_tensors_are_not_supported(context: Any, log: Log) -> None:
    if MAJOR < 10:
        assert not hasattr(context, "set_tensor_debug_state")
        return

    class Listener(trt.IDebugListener):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IDebugListener.__init__(self)

    listener = Listener()
    assert context.get_debug_listener() is None
    assert context.set_debug_listener(listener)
    assert context.get_debug_listener() is listener
    assert context.get_debug_state("y") is False
    assert log.take() == []
    assert not context.set_tensor_debug_state("y", True)
    assert "setTensorDebugState" in log.take_error()
    assert not context.set_all_tensors_debug_state(True)
    assert "setAllTensorsDebugState" in log.take_error()
    if VERSION >= (10, 15):
        assert context.unfused_tensors_debug_state is False
