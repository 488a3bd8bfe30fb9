"""Our slots of the builder and of the ONNX parser are those that NVIDIA's bindings call."""

from __future__ import annotations

import ctypes
import gc
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from tests.conformance.bindings import LIBRARY, MAJOR, RTX, VERSION, trt

PROBE = ctypes.CDLL(str(LIBRARY))
PROBE.probe_object.restype = ctypes.c_void_p
PROBE.probe_set_result.argtypes = [ctypes.c_int, ctypes.c_ssize_t]

BUILDER, NETWORK, PARSER, OTHER, TENSOR, REGISTRY, LAYER = range(7)
NAMES = {BUILDER: "Builder", NETWORK: "NetworkDefinition", PARSER: "Parser", TENSOR: "Tensor"}


def taken() -> list[int]:
    """The calls since the last time."""
    calls = (ctypes.c_int * 100)()
    return list(calls[: PROBE.probe_take(calls, 100)])


def give(kind: int, result: int | None) -> None:
    """The result of the functions of a kind of object: another object, or 0."""
    PROBE.probe_set_result(kind, PROBE.probe_object(result) if result is not None else 0)


@cache
def slots() -> dict[str, int]:
    """Our slots by "Class::function" of the release."""
    text = subprocess.run(["tests/py/slot_tables/print_slot_tables"], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in text.splitlines()]
    releases = dict.fromkeys(row[0] for row in rows)
    if RTX:
        (wanted,) = (name for name in releases if name.startswith("RTX-"))  # one table for all its releases
    else:
        numbered = {tuple(map(int, name.split("."))): name for name in releases if not name.startswith("RTX-")}
        prefix = [key for key in numbered if key[: len(VERSION)] == VERSION]
        wanted = numbered[max(prefix or [key for key in numbered if key[0] == MAJOR and key <= VERSION])]
    return {row[4]: int(row[3]) for row in rows if row[0] == wanted}


def expect(kind: int, function: str) -> None:
    """The one call since the last time is that of a function of ours."""
    name = function if "::" in function else f"{NAMES[kind]}::{function}"
    assert taken() == [kind * 1000 + slots()[name]], name


def test_deletion() -> None:
    # First of all: the bindings know objects by their addresses, and here every network is the same one.
    log = trt.Logger()
    give(BUILDER, NETWORK)
    builder = trt.Builder(log)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, log)
    taken()
    del parser, network
    gc.collect()
    # 8.x deletes with the function, which is no destructor's slot; ours calls destroy().
    if MAJOR >= 10:
        assert PARSER * 1000 + slots()["Parser::delete"] in taken()


@pytest.fixture(scope="module")
def made() -> Iterator[tuple[Any, Any, Any]]:
    """A builder, a network and a parser of the bindings, over objects that remember."""
    log = trt.Logger()
    builder = trt.Builder(log)
    taken()
    give(BUILDER, NETWORK)
    network = builder.create_network(0)
    expect(BUILDER, "createNetworkV2")
    parser = trt.OnnxParser(network, log)
    assert taken() == []
    yield builder, network, parser
    give(PARSER, None)


def test_the_parser(made: tuple[Any, Any, Any]) -> None:
    parser = made[2]
    give(PARSER, None)
    assert parser.num_errors == 0
    expect(PARSER, "getNbErrors")
    assert not parser.parse(b"model")
    expect(PARSER, "parse")
    give(PARSER, OTHER)
    error = parser.get_error(0)
    expect(PARSER, "getError")
    give(OTHER, None)
    assert error.node() == 0
    expect(OTHER, "ParserError::node")
    error.desc()
    expect(OTHER, "ParserError::desc")
    if MAJOR >= 10:
        error.node_name()
        expect(OTHER, "ParserError::nodeName")
        error.node_operator()
        expect(OTHER, "ParserError::nodeOperator")


def test_the_network_and_its_inputs(made: tuple[Any, Any, Any]) -> None:
    network = made[1]
    give(NETWORK, None)
    assert network.num_inputs == 0
    expect(NETWORK, "getNbInputs")
    network.name = "net"
    expect(NETWORK, "setName")
    give(NETWORK, TENSOR)
    give(TENSOR, None)
    tensor = network.get_input(0)
    expect(NETWORK, "getInput")
    assert not tensor.is_shape_tensor
    expect(TENSOR, "isShapeTensor")
    assert tensor.dtype == trt.float32
    expect(TENSOR, "getType")
    assert not tensor.name
    expect(TENSOR, "getName")


def test_layers_and_their_precision(made: tuple[Any, Any, Any]) -> None:
    if MAJOR >= 11 or RTX:
        assert not hasattr(trt.ILayer, "precision"), "layers have a precision again: builder/layer_slots.h"
        return
    network = made[1]
    give(NETWORK, None)
    assert network.num_layers == 0
    expect(NETWORK, "getNbLayers")
    give(NETWORK, LAYER)
    give(LAYER, None)
    layer = network.get_layer(0)
    assert NETWORK * 1000 + slots()["NetworkDefinition::getLayer"] in taken()
    assert not layer.name
    expect(LAYER, "Layer::getName")
    assert layer.num_inputs == 0
    expect(LAYER, "Layer::getNbInputs")
    assert layer.num_outputs == 0
    expect(LAYER, "Layer::getNbOutputs")
    layer.precision = trt.float32
    expect(LAYER, "Layer::setPrecision")
    layer.set_output_type(0, trt.float32)
    expect(LAYER, "Layer::setOutputType")
    give(LAYER, TENSOR)
    layer.get_output(0)
    expect(LAYER, "Layer::getOutput")


def test_the_configuration(made: tuple[Any, Any, Any]) -> None:
    give(BUILDER, OTHER)
    give(OTHER, None)
    config = made[0].create_builder_config()
    expect(BUILDER, "createBuilderConfig")
    config.set_flag(trt.BuilderFlag.TF32)
    expect(OTHER, "BuilderConfig::setFlag")
    config.clear_flag(trt.BuilderFlag.TF32)
    expect(OTHER, "BuilderConfig::clearFlag")
    config.set_tactic_sources(0)
    expect(OTHER, "BuilderConfig::setTacticSources")
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1)
    expect(OTHER, "BuilderConfig::setMemoryPoolLimit")
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    expect(OTHER, "BuilderConfig::setProfilingVerbosity")
    config.builder_optimization_level = 3
    expect(OTHER, "BuilderConfig::setBuilderOptimizationLevel")
    config.avg_timing_iterations = 2
    expect(OTHER, "BuilderConfig::setAvgTimingIterations")
    config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.NONE
    expect(OTHER, "BuilderConfig::setHardwareCompatibilityLevel")
    config.max_aux_streams = 1
    expect(OTHER, "BuilderConfig::setMaxAuxStreams")
    config.create_timing_cache(b"")
    expect(OTHER, "BuilderConfig::createTimingCache")
    if MAJOR >= 10:
        config.progress_monitor = None
        expect(OTHER, "BuilderConfig::setProgressMonitor")
    profile = made[0].create_optimization_profile()
    expect(BUILDER, "createOptimizationProfile")
    config.add_optimization_profile(profile)
    expect(OTHER, "BuilderConfig::addOptimizationProfile")
    with pytest.raises(RuntimeError):  # the probe says that it does not take it
        profile.set_shape("x", (1,), (1,), (1,))
    expect(OTHER, "OptimizationProfile::setDimensions")


def test_the_build(made: tuple[Any, Any, Any]) -> None:
    builder, network, _ = made
    give(BUILDER, OTHER)
    config = builder.create_builder_config()
    taken()
    give(BUILDER, None)
    assert builder.build_serialized_network(network, config) is None
    expect(BUILDER, "buildSerializedNetwork")


def test_the_registry_of_plugins() -> None:
    # reference/plugin_registry.cc has its functions in this order.
    registry = trt.get_plugin_registry()
    give(REGISTRY, None)
    calls: dict[str, Callable[[], object]] = {
        "setErrorRecorder": lambda: setattr(registry, "error_recorder", None),
        "getErrorRecorder": lambda: registry.error_recorder,
        "isParentSearchEnabled": lambda: registry.parent_search_enabled,
        "setParentSearchEnabled": lambda: setattr(registry, "parent_search_enabled", True),
        "loadLibrary": lambda: registry.load_library("libplugins.so"),
    }
    places = {name: place for place, name in enumerate(calls, 2 if MAJOR >= 11 else 5)}
    if MAJOR < 11:  # a destructor takes two slots, and deregisterCreator stands between
        calls["getPluginCreator"] = lambda: registry.get_plugin_creator("Clip", "1", "")
        places |= {"getPluginCreator": 2, "isParentSearchEnabled": 8, "setParentSearchEnabled": 9, "loadLibrary": 10}
    if MAJOR >= 10:
        calls["getCreator"] = lambda: registry.get_creator("Clip", "1", "")
        calls["releasePluginResource"] = lambda: registry.release_plugin_resource("key")
        places |= {"getCreator": 10 if MAJOR >= 11 else 14, "releasePluginResource": 13 if MAJOR >= 11 else 17}
    taken()
    for name, call in calls.items():
        call()
        assert taken() == [REGISTRY * 1000 + places[name]], name


def test_flags_have_the_numbers_of_the_release() -> None:
    assert int(trt.BuilderFlag.TF32) == slots()["BuilderFlag::kTF32"]
    assert int(trt.BuilderFlag.REFIT) == slots()["BuilderFlag::kREFIT"]
    assert int(trt.BuilderFlag.VERSION_COMPATIBLE) == slots()["BuilderFlag::kVERSION_COMPATIBLE"]
    assert int(trt.TacticSource.JIT_CONVOLUTIONS) == slots()["TacticSource::kJIT_CONVOLUTIONS"]
