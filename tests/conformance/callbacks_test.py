"""The library's calls to its client: error recorder, profiler, output allocator. (The logger is in every test.)"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.conformance import plans
from tests.conformance.bindings import MAJOR, trt
from tests.conformance.clients import LayerTimes, Log, OutputMemory, Recorder


def test_errors_are_recorded(engine: Any, log: Log) -> None:
    recorder = Recorder()
    engine.error_recorder = recorder
    assert engine.error_recorder is recorder
    context = engine.create_execution_context()
    assert context.error_recorder is recorder
    engine.get_tensor_dtype("other")
    context.execute_async_v3(0)
    logged = [message for _, message in log.take()]
    codes, texts = zip(*recorder.errors, strict=True)
    assert codes == (trt.ErrorCodeTRT.INVALID_ARGUMENT, trt.ErrorCodeTRT.INVALID_STATE)
    assert list(texts) == logged
    assert 'input "x" has no shape' in texts[1]


def test_each_object_has_a_recorder_of_its_own(runtime: Any, log: Log) -> None:
    first, second, third = Recorder(), Recorder(), Recorder()
    runtime.error_recorder = first
    engine = runtime.deserialize_cuda_engine(plans.scale())
    context = engine.create_execution_context()
    inspector = engine.create_engine_inspector()
    context.error_recorder = second
    inspector.error_recorder = third
    assert [thing.error_recorder for thing in (runtime, engine, context, inspector)] == [first, first, second, third]
    runtime.max_threads = 0
    engine.get_tensor_name(9)
    context.execute_async_v3(0)
    inspector.get_layer_information(9, trt.LayerInformationFormat.JSON)
    assert [len(recorder.errors) for recorder in (first, second, third)] == [2, 1, 1]
    assert len(log.take()) == 4


def test_profilers_are_told_times(runtime: Any, log: Log) -> None:
    context = runtime.deserialize_cuda_engine(plans.refuse()).create_execution_context()
    x, y = torch.zeros(4), torch.zeros(4)
    assert context.set_tensor_address("x", x.data_ptr())
    assert context.set_tensor_address("y", y.data_ptr())
    times = LayerTimes()
    context.profiler = times
    assert context.profiler is times
    assert context.execute_async_v3(0)
    ((name, milliseconds),) = times.times
    assert name == "forward"
    assert 0 < milliseconds < 60_000
    context.enqueue_emits_profile = False
    assert context.execute_async_v3(0)
    assert len(times.times) == 1
    assert context.report_to_profiler()
    assert len(times.times) == 2
    assert not context.report_to_profiler()
    assert "reportToProfiler" in log.take_error()
    assert y.tolist() == [1, 1, 1, 1]


def test_an_output_whose_shape_follows_from_values(runtime: Any, log: Log) -> None:
    context = runtime.deserialize_cuda_engine(plans.positive()).create_execution_context()
    x, sums = torch.zeros(4, 5), torch.zeros(4)
    assert tuple(context.get_tensor_shape("places")) == (-1, 2)
    assert context.set_tensor_address("x", x.data_ptr())
    assert context.set_tensor_address("sums", sums.data_ptr())
    assert not context.execute_async_v3(0)
    assert "call setOutputAllocator" in log.take_error()
    memory = OutputMemory()
    assert context.set_output_allocator("places", memory)
    assert context.get_output_allocator("places") is memory
    for positive in ([], [(0, 1)], [(3, 0), (1, 4), (1, 1)]):
        x.zero_()
        for row, column in positive:
            x[row, column] = row + column + 1
        memory.calls.clear()
        assert context.execute_async_v3(48)
        places, wanted_sums = plans.Positive()(x)
        assert torch.equal(memory.tensor(torch.int32), places)
        assert torch.equal(sums, wanted_sums)
        size = len(positive) * 2 * 4
        asked = (
            ("reallocate_output_async", "places", size, 64, 48)
            if MAJOR >= 10
            else ("reallocate_output", "places", size, 64)
        )
        assert memory.calls == [asked, ("notify_shape", "places")]


def test_an_allocator_that_refuses_fails_the_run(runtime: Any, log: Log) -> None:
    context = runtime.deserialize_cuda_engine(plans.positive()).create_execution_context()
    x, sums = torch.ones(4, 5), torch.zeros(4)
    context.set_tensor_address("x", x.data_ptr())
    context.set_tensor_address("sums", sums.data_ptr())
    memory = OutputMemory(refuse=True)
    context.set_output_allocator("places", memory)
    assert not context.execute_async_v3(0)
    assert 'the allocator of output "places" gave no memory for 160 bytes' in log.take_error()


def test_the_logger_that_nvidia_wrote(capfd: pytest.CaptureFixture[str]) -> None:
    runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
    assert runtime.deserialize_cuda_engine(b"abc") is None
    said = capfd.readouterr()
    assert "[TRT] [E] IRuntime::deserializeCudaEngine: reference plan: magic" in said.out + said.err
