"""The library under NVIDIA's names, and the runtime object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conformance import bindings, plans
from tests.conformance.bindings import MAJOR, RTX, VERSION, trt
from tests.conformance.clients import Log, Recorder


def test_no_other_library_of_the_kind_is_in_the_process() -> None:
    found = {file.resolve() for file in bindings.mapped_libraries()}
    assert {file for file in found if file.name.startswith("libnv")} == set()
    assert bindings.LIBRARY in found


def test_the_bindings_are_of_the_release_that_was_asked_for() -> None:
    assert trt.__version__ == bindings.RELEASE


def test_a_runtime_keeps_its_logger(runtime: Any, log: Log) -> None:
    assert runtime.logger is log


def test_a_runtime_keeps_its_settings(runtime: Any, tmp_path: Path) -> None:
    assert runtime.max_threads == 1
    runtime.max_threads = 5
    runtime.temporary_directory = str(tmp_path)
    runtime.tempfile_control_flags = 2
    assert runtime.max_threads == 5
    assert runtime.temporary_directory == str(tmp_path)
    assert runtime.tempfile_control_flags == 2
    for allowed in (False, True, False):
        runtime.engine_host_code_allowed = allowed
        assert runtime.engine_host_code_allowed is allowed
    assert (runtime.num_DLA_cores, runtime.DLA_core) == (0, 0)


def test_a_setting_that_cannot_be_is_refused(runtime: Any, log: Log) -> None:
    runtime.max_threads = 0
    assert "IRuntime::setMaxThreads: 0; wanted 1 or more" in log.take_error()
    runtime.DLA_core = 3
    assert "IRuntime::setDLACore: 3" in log.take_error()


def test_a_memory_allocator_is_taken(runtime: Any) -> None:
    class Allocator(trt.IGpuAllocator):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IGpuAllocator.__init__(self)

    runtime.gpu_allocator = Allocator()
    assert runtime.deserialize_cuda_engine(plans.scale()) is not None


def test_what_the_reference_engine_lacks_says_so(runtime: Any, log: Log) -> None:
    assert runtime.load_runtime("libnvinfer_lean.so") is None
    assert "does not support Runtime::loadRuntime" in log.take_error()


def creators(registry: Any) -> list[Any]:
    """Every creator that a registry lists or finds."""
    found = [registry.get_creator("Clip", "1", "")] if hasattr(registry, "get_creator") else []
    if hasattr(registry, "get_plugin_creator"):  # of the first kind, gone in 11.0
        found.append(registry.get_plugin_creator("Clip", "1", ""))
        found += registry.plugin_creator_list
    for name in ("all_creators", "all_creators_recursive"):
        found += getattr(registry, name, [])
    return [creator for creator in found if creator is not None]


def test_there_is_a_registry_of_plugins_and_it_is_empty() -> None:
    registries = [trt.get_plugin_registry(), trt.get_builder_plugin_registry(trt.EngineCapability.STANDARD)]
    for registry in registries:
        assert creators(registry) == []
        assert registry.parent_search_enabled is True
        recorder = Recorder()
        registry.error_recorder = recorder
        assert registry.error_recorder is recorder
        assert registry.load_library("libplugins.so") is None
        ((_, text),) = recorder.errors
        assert text == 'IPluginRegistry::loadLibrary: "libplugins.so"; the reference engine runs no plugins'
        registry.error_recorder = None
        assert registry.error_recorder is None


def test_the_registry_of_a_runtime_is_empty(runtime: Any, log: Log) -> None:
    registry = runtime.get_plugin_registry()
    assert creators(registry) == []
    registry.parent_search_enabled = False
    assert registry.parent_search_enabled is False
    assert trt.get_plugin_registry().parent_search_enabled is True
    assert registry.load_library("libplugins.so") is None
    assert "the reference engine runs no plugins" in log.take_error()
    if hasattr(registry, "release_plugin_resource"):
        assert registry.release_plugin_resource("key") == -1
        assert 'releasePluginResource: no resource is held for "key"' in log.take_error()


def test_a_creator_is_not_registered(runtime: Any, log: Log) -> None:
    registry = runtime.get_plugin_registry()

    if hasattr(trt, "IPluginCreatorV3One"):

        class Creator(trt.IPluginCreatorV3One):  # type: ignore[misc]
            def __init__(self) -> None:
                trt.IPluginCreatorV3One.__init__(self)
                self.name, self.plugin_version, self.plugin_namespace = "Clip", "1", ""
                self.field_names = trt.PluginFieldCollection([])

        creator = Creator()
        assert registry.register_creator(creator, "") is False
        assert "registerCreator: the reference engine runs no plugins" in log.take_error()
        assert registry.deregister_creator(creator) is False
    assert creators(registry) == []


def test_what_a_newer_release_added_says_so(runtime: Any, log: Log) -> None:
    if not hasattr(type(runtime), "dla_workspace_allocation_strategy"):
        assert VERSION < (11, 3) or RTX
        return
    setter, getter = (27, 28) if RTX else (23, 24)
    assert int(runtime.dla_workspace_allocation_strategy) == 0
    wanted = f"slot {getter} of IRuntime is not implemented by the reference engine: it follows TensorRT 11.1.0.106"
    assert wanted in log.take_error()
    strategy = runtime.dla_workspace_allocation_strategy
    log.take()
    with pytest.raises(RuntimeError):
        runtime.dla_workspace_allocation_strategy = strategy
    assert f"slot {setter} of IRuntime is not implemented" in log.take_error()


def test_bytes_that_are_no_plan_are_refused(runtime: Any, log: Log) -> None:
    plan = plans.scale()
    for bad, words in ((b"abc", "3 bytes are left"), (plan[:-1], "size"), (b"xxxx" + plan[4:], "magic")):
        assert runtime.deserialize_cuda_engine(bad) is None
        assert words in log.take_error()


def test_an_engine_comes_from_a_stream(runtime: Any) -> None:
    if MAJOR != 10:  # what 11 has instead, IStreamReaderV2, wants a CUDA driver in NVIDIA's bindings
        assert not hasattr(trt, "IStreamReader")
        return

    class Reader(trt.IStreamReader):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IStreamReader.__init__(self)
            self.rest = plans.scale()

        def read(self, size: int) -> bytes:
            count = min(size, 700)
            part, self.rest = self.rest[:count], self.rest[count:]
            return part

    reader = Reader()
    engine = runtime.deserialize_cuda_engine(reader)
    assert reader.rest == b""
    assert bytes(engine.serialize()) == plans.scale()
