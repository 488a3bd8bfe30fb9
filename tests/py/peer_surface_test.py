"""The names that Torch-TensorRT's Python code calls on engines and on torch.ops.tensorrt."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle

OPS = torch.ops.tensorrt


class Two(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x * 2, (x > 0).sum(1)


class Found(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nonzero(x)


def batches(smallest: int, largest: int) -> nacelle.Input:
    return nacelle.Input(min=(smallest, 3), opt=(largest, 3), max=(largest, 3))


@pytest.fixture
def program() -> torch.jit.ScriptModule:
    return nacelle.compile(Two(), [batches(1, 4)], name="net", abi_version=10)


@pytest.fixture
def engine(program: torch.jit.ScriptModule) -> Any:
    """The engine: its methods are those of a class that torch makes at run time."""
    return program.net_trt_engine


def test_the_layout_of_records_matches_what_is_written(engine: Any) -> None:
    record = engine.serialize_metadata_only()
    assert OPS.ABI_VERSION() == record[OPS.ABI_TARGET_IDX()] == "10"
    assert OPS.SERIALIZATION_LEN() == len(record) == 13
    assert record[OPS.NAME_IDX()] == "net"
    assert record[OPS.DEVICE_IDX()].split(OPS.SERIALIZED_RT_DEVICE_DELIM()) == ["0", "0", "0", "0", "cpu"]
    assert record[OPS.ENGINE_IDX()] == ""
    assert record[OPS.INPUT_BINDING_NAMES_IDX()] == "input_0"
    outputs = record[OPS.OUTPUT_BINDING_NAMES_IDX()]
    assert outputs.split(OPS.SERIALIZED_ENGINE_BINDING_DELIM()) == ["output_0", "output_1"]
    assert record[OPS.HW_COMPATIBLE_IDX()] == "0"
    assert record[OPS.SERIALIZED_METADATA_IDX()] == engine.get_serialized_metadata() == ""
    assert record[OPS.TARGET_PLATFORM_IDX()] == OPS.get_current_platform() == OPS._platform_linux_x86_64()
    assert record[OPS.REQUIRES_OUTPUT_ALLOCATOR_IDX()] == "0"
    assert record[OPS.RESOURCE_ALLOCATION_STRATEGY_IDX()] == "0"
    assert record[OPS.REQUIRES_NATIVE_MULTIDEVICE_IDX()] == "0"
    assert record[OPS.ALIASED_IO_IDX()] == ""


def test_platforms() -> None:
    names = [OPS._platform_linux_aarch64(), OPS._platform_win_x86_64(), OPS._platform_win_arm64()]
    assert names == ["linux_aarch64", "windows_x86_64", "windows_arm64"]
    assert OPS._platform_unknown() == "unknown"


def test_a_record_that_is_put_together_by_these_names_runs(engine: Any) -> None:
    record: list[str | bytes] = [""] * OPS.SERIALIZATION_LEN()
    record[OPS.ABI_TARGET_IDX()] = OPS.ABI_VERSION()
    record[OPS.NAME_IDX()] = "mine"
    record[OPS.DEVICE_IDX()] = OPS.SERIALIZED_RT_DEVICE_DELIM().join(["0", "0", "0", "0", "cpu"])
    record[OPS.ENGINE_IDX()] = engine.serialized_engine_tensor().numpy().tobytes()
    record[OPS.TARGET_PLATFORM_IDX()] = OPS.get_current_platform()
    for flag in ("HW_COMPATIBLE", "REQUIRES_OUTPUT_ALLOCATOR", "RESOURCE_ALLOCATION_STRATEGY"):
        record[getattr(OPS, f"{flag}_IDX")()] = "0"
    record[OPS.REQUIRES_NATIVE_MULTIDEVICE_IDX()] = "0"
    x = torch.randn(2, 3)
    torch.testing.assert_close(OPS.execute_engine([x], torch.classes.tensorrt.Engine(record)), list(Two()(x)))


def test_the_plan_as_a_tensor(program: torch.jit.ScriptModule, engine: Any) -> None:
    plan = engine.serialized_engine_tensor()
    assert plan.dtype == torch.uint8
    assert plan.numpy().tobytes() == nacelle.read(program).engines[0].plan


def test_layers(engine: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = engine.get_engine_layer_info()
    assert text == engine.layer_information()
    assert json.loads(text)
    engine.dump_engine_layer_info()
    assert capfd.readouterr().out == text + "\n"
    engine.dump_engine_layer_info_to_file(str(tmp_path / "layers.json"))
    assert (tmp_path / "layers.json").read_text() == text
    with pytest.raises(nacelle.InputError, match=r"cannot write .*layers\.json\": No such file or directory"):
        engine.dump_engine_layer_info_to_file(str(tmp_path / "no" / "layers.json"))


def test_infer_outputs(engine: Any) -> None:
    for batch in (1, 3, 4):
        doubled, counts = engine.infer_outputs([[batch, 3]])
        assert (doubled.shape, doubled.dtype) == ((batch, 3), torch.float32)
        assert (counts.shape, counts.dtype) == ((batch,), torch.int64)
    with pytest.raises(nacelle.InputError, match=r"has the shapes \[9, 3\], which no optimization profile"):
        engine.infer_outputs([[9, 3]])
    with pytest.raises(nacelle.InputError, match=r"has the shapes \[2\], which no optimization profile"):
        engine.infer_outputs([[2]])
    with pytest.raises(nacelle.InputError, match=r"infer_outputs has 2 shapes; engine \"net\" takes 1 inputs: input_0"):
        engine.infer_outputs([[2, 3], [2, 3]])


def test_infer_outputs_of_a_shape_that_follows_from_values() -> None:
    program = nacelle.compile(Found(), [torch.ones(3)], data_dependent=["output_0"], name="net")
    engine: Any = program.net_trt_engine
    with pytest.raises(nacelle.InputError, match='output "output_0" follows from values'):
        engine.infer_outputs([[3]])


def test_optimization_profiles() -> None:
    profiles = nacelle.Input(min=[(1, 3), (3, 3)], opt=[(2, 3), (4, 3)], max=[(2, 3), (4, 3)])
    program = nacelle.compile(Two(), [profiles], name="net")
    engine: Any = program.net_trt_engine
    assert engine.num_optimization_profiles == 2
    assert (engine._auto_select_profiles, engine._active_profile_index) == (True, 0)
    small, large = torch.ones(1, 3), torch.ones(4, 3)
    program(small)
    program(large)
    engine.set_active_profile(1)
    assert (engine._auto_select_profiles, engine._active_profile_index) == (False, 1)
    torch.testing.assert_close(program(large)[0], large * 2)
    with pytest.raises(nacelle.InputError, match=r"dimension 0 is 1; wanted 3 to 4"):
        program(small)
    engine._auto_select_profiles = True
    torch.testing.assert_close(program(small)[0], small * 2)
    engine._auto_select_profiles = False
    assert engine._active_profile_index == 0
    with pytest.raises(nacelle.InputError, match=r"dimension 0 is 4; wanted 1 to 2"):
        program(large)
    with pytest.raises(nacelle.InputError, match=r"its setting optimization_profile is 2, and its plan has 2"):
        engine.set_active_profile(2)
    assert engine._active_profile_index == 0


def test_what_has_no_meaning_here_is_not_there(engine: Any) -> None:
    assert engine.requires_native_multidevice is False
    for name in ("enable_profiling", "device_memory_budget", "reset_captured_graph", "set_group_name"):
        assert not hasattr(engine, name), name
    for name in ("set_logging_level", "set_cudagraphs_mode", "set_multi_device_safe_mode"):
        assert not hasattr(OPS, name), name
