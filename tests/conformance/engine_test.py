"""ICudaEngine: what a plan holds, as a client is told it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from tests.conformance import plans
from tests.conformance.bindings import MAJOR, VERSION, trt
from tests.conformance.clients import Log

DYNAMIC = -1


def test_the_engine_as_a_whole(engine: Any) -> None:
    assert engine.name == "scale"
    assert engine.num_io_tensors == 4
    assert engine.num_layers == 5
    assert engine.num_optimization_profiles == 2
    assert engine.refittable is False
    assert engine.engine_capability == trt.EngineCapability.STANDARD
    assert engine.profiling_verbosity == trt.ProfilingVerbosity.DETAILED
    assert engine.tactic_sources == 0
    assert engine.hardware_compatibility_level == trt.HardwareCompatibilityLevel.NONE
    assert engine.num_aux_streams == 0


def test_tensors(engine: Any) -> None:
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    assert names == ["x", "k", "y", "count"]
    modes = [trt.TensorIOMode.INPUT] * 2 + [trt.TensorIOMode.OUTPUT] * 2
    assert [engine.get_tensor_mode(name) for name in names] == modes
    assert [tuple(engine.get_tensor_shape(name)) for name in names] == [(DYNAMIC, 3), (3,), (DYNAMIC, 3), (DYNAMIC,)]
    dtypes = [trt.float32, trt.int32, trt.float32, trt.int32]
    assert [engine.get_tensor_dtype(name) for name in names] == dtypes
    assert [engine.get_tensor_location(name) for name in names] == [trt.TensorLocation.DEVICE] * 4
    assert [engine.is_shape_inference_io(name) for name in names] == [False] * 4


@pytest.mark.parametrize("profile", [(), (1,)], ids=["plain", "of_a_profile"])
def test_formats(engine: Any, profile: tuple[int, ...]) -> None:
    for name, kind in (("x", "FP32"), ("count", "INT32")):
        assert engine.get_tensor_format(name, *profile) == trt.TensorFormat.LINEAR
        assert engine.get_tensor_format_desc(name, *profile) == f"Row major linear {kind} format (kLINEAR)"
        assert engine.get_tensor_bytes_per_component(name, *profile) == 4
        assert engine.get_tensor_components_per_element(name, *profile) == 1
        assert engine.get_tensor_vectorized_dim(name, *profile) == -1


def test_profiles(engine: Any) -> None:
    def shapes(name: str, profile: int) -> list[tuple[int, ...]]:
        return [tuple(shape) for shape in engine.get_tensor_profile_shape(name, profile)]

    assert shapes("x", 0) == [(1, 3), (2, 3), (4, 3)]
    assert shapes("x", 1) == [(3, 3), (8, 3), (16, 3)]
    assert shapes("k", 1) == [(3,)] * 3


def test_what_is_not_there_is_refused(engine: Any, log: Log) -> None:
    assert engine.get_tensor_mode("other") == trt.TensorIOMode.NONE
    assert engine.get_tensor_name(4) is None
    assert "ICudaEngine::getIOTensorName: index 4; wanted 0 to 3" in log.take_error()
    for method in ("getTensorDataType", "getTensorLocation", "isShapeInferenceIO", "getTensorFormat"):
        python = {"getTensorDataType": "get_tensor_dtype", "isShapeInferenceIO": "is_shape_inference_io"}
        getattr(engine, python.get(method, snake(method)))("other")
        assert f'ICudaEngine::{method}: no tensor has the name "other"' in log.take_error()


def snake(name: str) -> str:
    """setInputShape as set_input_shape."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, dtype) for name, dtype, since in plans.DTYPES if since <= VERSION],
    ids=lambda value: str(value),
)
def test_dtypes_are_told_and_run(runtime: Any, name: str, dtype: torch.dtype) -> None:
    engine = runtime.deserialize_cuda_engine(plans.flip(dtype))
    assert engine.get_tensor_dtype("x") == engine.get_tensor_dtype("y") == getattr(trt.DataType, name)
    assert engine.get_tensor_bytes_per_component("x") == dtype.itemsize
    x = (torch.arange(12).view(3, 4) % 2).to(torch.float32).to(dtype)
    y = torch.empty_like(x)
    context = engine.create_execution_context()
    assert context.set_tensor_address("x", x.data_ptr())
    assert context.set_tensor_address("y", y.data_ptr())
    assert context.execute_async_v3(0)
    assert torch.equal(y.view(torch.uint8), x.view(torch.uint8).flip(0))


def test_dtypes_that_the_release_lacks_are_refused(runtime: Any, log: Log) -> None:
    for dtype in (dtype for _, dtype, since in plans.DTYPES if since > VERSION):
        assert runtime.deserialize_cuda_engine(plans.flip(dtype)) is None
        assert str(dtype).removeprefix("torch.") in log.take_error()


def test_serialization_gives_the_same_bytes(engine: Any) -> None:
    memory = engine.serialize()
    assert memory.nbytes == len(plans.scale())
    assert memory.dtype == trt.int8
    assert bytes(memory) == plans.scale()


def test_serialization_with_a_configuration(engine: Any) -> None:
    if MAJOR < 10:
        assert not hasattr(engine, "create_serialization_config")
        return
    config = engine.create_serialization_config()
    flag = trt.SerializationFlag.EXCLUDE_LEAN_RUNTIME
    assert config.flags == 0
    assert config.set_flag(flag)
    assert config.get_flag(flag)
    assert config.flags == 1 << int(flag)
    assert bytes(engine.serialize_with_config(config)) == plans.scale()
    assert config.clear_flag(flag)
    assert config.flags == 0


def test_the_inspector(engine: Any, log: Log) -> None:
    inspector = engine.create_engine_inspector()
    told = json.loads(inspector.get_engine_information(trt.LayerInformationFormat.JSON))
    assert told["Name"] == "scale"
    assert told["Bindings"] == ["x", "k", "y", "count"]
    assert len(told["Layers"]) == engine.num_layers
    layer = json.loads(inspector.get_layer_information(0, trt.LayerInformationFormat.JSON))
    assert layer["LayerType"] == "aten::relu"
    assert inspector.get_layer_information(1, trt.LayerInformationFormat.ONELINE).startswith("aten::mul:1(")
    inspector.get_layer_information(5, trt.LayerInformationFormat.JSON)
    assert "layer 5; the engine has 5 layers" in log.take_error()


def test_the_inspector_with_a_context_knows_its_shapes(engine: Any, context: Any) -> None:
    inspector = engine.create_engine_inspector()
    assert inspector.execution_context is None
    inspector.execution_context = context
    assert inspector.execution_context is context
    assert context.set_input_shape("x", (4, 3))
    told = json.loads(inspector.get_engine_information(trt.LayerInformationFormat.JSON))
    assert [tensor["Dimensions"] for tensor in told["Tensors"]] == [[4, 3], [3], [4, 3], [4]]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scratch_memory(engine: Any, log: Log) -> None:
    if MAJOR < 11:
        assert engine.device_memory_size == 256
    if MAJOR == 10:
        assert engine.get_device_memory_size_for_profile(1) == 256
    if VERSION >= (10, 1):
        assert engine.device_memory_size_v2 == 256
        assert engine.get_device_memory_size_for_profile_v2(1) == 256
        engine.get_device_memory_size_for_profile_v2(2)
        assert "getDeviceMemorySizeForProfile: profile 2; wanted 0 to 1" in log.take_error()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_weights_are_not_streamed(engine: Any, log: Log) -> None:
    if MAJOR < 10:
        assert not hasattr(engine, "streamable_weights_size")
        return
    assert engine.streamable_weights_size == 0
    if MAJOR == 10:
        assert engine.minimum_weight_streaming_budget == 0
        engine.weight_streaming_budget = 0
        assert engine.weight_streaming_budget == 0
    if VERSION >= (10, 1):
        assert engine.weight_streaming_budget_v2 == 0
        assert engine.get_weight_streaming_automatic_budget() == 0
        assert engine.weight_streaming_scratch_memory_size == 0
        engine.weight_streaming_budget_v2 = 7
        assert "setWeightStreamingBudget: 7; wanted 0" in log.take_error()


def test_attributes_of_later_releases(engine: Any, log: Log) -> None:
    if MAJOR >= 10:
        assert engine.is_debug_tensor("y") is False
        with pytest.raises(RuntimeError, match="does not correspond to an input shape tensor"):
            engine.get_tensor_profile_values(1, "k")
        engine.is_debug_tensor("other")
        assert "ICudaEngine::isDebugTensor" in log.take_error()
    if VERSION >= (10, 15):
        assert engine.get_aliased_input_tensor("y") is None
        assert 0 < engine.get_engine_stat(trt.EngineStat.TOTAL_WEIGHTS_SIZE) < len(plans.scale())
        assert engine.get_engine_stat(trt.EngineStat.STRIPPED_WEIGHTS_SIZE) == -1
