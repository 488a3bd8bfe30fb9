"""Records as other readers and writers need them: platform, what a plan tells, plans as raw bytes, shared memory."""

import base64
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import TwoHeads, seeded
from tests.py.record_files import with_record

X = torch.rand(1, 3, 8, 8)
HERE = "linux_x86_64"


class Sub(torch.nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a - b


class Parts(torch.nn.Module):
    """Two outputs that are told apart."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x * 10, x * 20


class Found(torch.nn.Module):
    """An output whose shape follows from values."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nonzero(x)


class Cache(torch.nn.Module):
    def forward(self, cache: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        new = cache + x
        return new, new.sum(1)


def only_engine(path: Path) -> nacelle.EngineInfo:
    (engine,) = nacelle.read(path).engines
    return engine


def saved(program: torch.jit.ScriptModule, folder: Path, name: str = "program.ts") -> Path:
    path = folder / name
    program.save(str(path))
    return path


# ---- platform


@pytest.fixture
def oldest(tmp_path: Path) -> Path:
    return saved(nacelle.compile(seeded(TwoHeads), [X], name="net"), tmp_path)


@pytest.mark.parametrize("version", range(6, 11))
def test_converting_states_this_machines_platform(oldest: Path, version: int) -> None:
    nacelle.convert(oldest, oldest, abi_version=version)
    assert only_engine(oldest).flags["target_platform"] == HERE


def test_what_a_record_states_is_kept_unless_it_is_unknown(oldest: Path) -> None:
    nacelle.convert(oldest, oldest, abi_version=6, platform="windows_x86_64")
    nacelle.convert(oldest, oldest, abi_version=9)
    assert only_engine(oldest).flags["target_platform"] == "windows_x86_64"
    nacelle.convert(oldest, oldest, abi_version=9, platform="unknown")
    assert only_engine(oldest).flags["target_platform"] == "unknown"
    nacelle.convert(oldest, oldest, abi_version=9)
    assert only_engine(oldest).flags["target_platform"] == HERE


def test_the_platform_that_is_found_again_is_no_loss(oldest: Path) -> None:
    nacelle.convert(oldest, oldest, abi_version=9)
    nacelle.convert(oldest, oldest, abi_version=5)
    nacelle.convert(oldest, oldest, abi_version=9, platform="linux_aarch64")
    with pytest.raises(nacelle.RecordError, match="target_platform = linux_aarch64"):
        nacelle.convert(oldest, oldest, abi_version=5)


@pytest.mark.parametrize(
    "make",
    [
        lambda path, **options: nacelle.convert(path, path, **options),
        lambda path, **options: nacelle.embed(only_engine(path).plan, **options).save(str(path)),
        lambda path, **options: nacelle.compile(seeded(TwoHeads), [X], **options).save(str(path)),
    ],
    ids=["convert", "embed", "compile"],
)
def test_the_platform_can_be_given(make: Callable[..., object], oldest: Path) -> None:
    make(oldest, abi_version=7, platform="linux_aarch64")
    assert only_engine(oldest).flags["target_platform"] == "linux_aarch64"
    with pytest.raises(nacelle.InputError, match=r'platform is "linux"; wanted one of linux_x86_64, .*unknown'):
        make(oldest, abi_version=7, platform="linux")
    with pytest.raises(nacelle.RecordError, match=r"version 5 keep no platform.*abi_version=6 or later"):
        make(oldest, abi_version=5, platform="linux_aarch64")


def test_a_platform_asks_for_a_version_that_keeps_it(tmp_path: Path) -> None:
    path = saved(nacelle.compile(seeded(TwoHeads), [X], platform="linux_aarch64"), tmp_path)
    assert only_engine(path).abi_version == 6


# ---- what a plan tells


@pytest.mark.parametrize("version", range(3, 11))
def test_an_output_whose_shape_follows_from_values_requires_an_allocator(version: int, tmp_path: Path) -> None:
    x = torch.tensor([0.0, 2.0, 3.0])
    compiled = nacelle.compile(Found(), [x], data_dependent=["output_0"], abi_version=version)
    path = saved(compiled, tmp_path)
    assert only_engine(path).flags["requires_output_allocator"] is (version >= 7)
    nacelle.embed(only_engine(path).plan, abi_version=version).save(str(path))
    assert only_engine(path).flags["requires_output_allocator"] is (version >= 7)
    nacelle.convert(path, path, abi_version=10)
    assert only_engine(path).flags["requires_output_allocator"] is True
    torch.testing.assert_close(torch.jit.load(str(path))(x), torch.nonzero(x))


def test_outputs_of_known_shapes_require_none(tmp_path: Path) -> None:
    batched = nacelle.Input(min=(1, 3, 8, 8), opt=(2, 3, 8, 8), max=(4, 3, 8, 8))
    path = saved(nacelle.compile(seeded(TwoHeads), [batched], abi_version=3), tmp_path)
    nacelle.convert(path, path, abi_version=9)
    assert only_engine(path).flags["requires_output_allocator"] is False


def test_names_that_the_plan_tells_are_written_and_need_not_be_kept(tmp_path: Path) -> None:
    inputs = [nacelle.Input((2,), name="left"), nacelle.Input((2,), name="right")]
    path = saved(nacelle.compile(Sub(), inputs, abi_version=3), tmp_path)
    nacelle.convert(path, path, abi_version=9)
    assert only_engine(path).input_names == ["left", "right"]
    assert only_engine(path).output_names == ["output_0"]
    nacelle.convert(path, path, abi_version=3)
    a, b = torch.tensor([5.0, 7.0]), torch.tensor([1.0, 2.0])
    torch.testing.assert_close(torch.jit.load(str(path))(a, b), a - b)


def test_a_program_that_cannot_run_here_is_converted_with_what_its_record_says(tmp_path: Path) -> None:
    plan = b"ftrt" + bytes(20) + bytes([10, 3, 0, 26]) + bytes(100)
    device = "0%9%0%0%NVIDIA H100"
    path = saved(nacelle.embed(plan, device=device, input_names=["x"], output_names=["y"]), tmp_path)
    nacelle.convert(path, path, abi_version=10)
    engine = only_engine(path)
    assert (engine.input_names, engine.output_names) == ([], [])
    assert engine.flags["requires_output_allocator"] is False
    assert engine.plan == plan


# ---- the order of tensors without names


def numbered(names: Sequence[str]) -> list[nacelle.Input]:
    return [nacelle.Input((2,), name=name) for name in names]


@pytest.mark.parametrize("names", [["x_1", "x_0"], ["a.b.1", "a.b.0"], ["x.1", "y.0"]])
def test_an_order_of_inputs_that_version_three_would_change_is_an_error(names: list[str]) -> None:
    words = rf"version 3 keeps no input names.* be {names[1]}, {names[0]}, not {names[0]}, {names[1]}.*abi_version=4"
    with pytest.raises(nacelle.RecordError, match=words):
        nacelle.compile(Sub(), numbered(names), abi_version=3)
    program = nacelle.compile(Sub(), numbered(names))
    a, b = torch.tensor([5.0, 7.0]), torch.tensor([1.0, 2.0])
    torch.testing.assert_close(program(a, b), a - b)
    assert nacelle.read(program).engines[0].abi_version == 4


def test_an_order_of_outputs_that_version_three_would_change_is_an_error() -> None:
    with pytest.raises(nacelle.RecordError, match=r"keeps no output names.* be y_0, y_1, not y_1, y_0"):
        nacelle.compile(Parts(), [torch.ones(2)], output_names=["y_1", "y_0"], abi_version=3)
    first, second = nacelle.compile(Parts(), [torch.ones(2)], output_names=["y_1", "y_0"])(torch.ones(2))
    assert (first[0].item(), second[0].item()) == (10.0, 20.0)


class Around(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.part = Sub()

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self.part(a, b) + 1


def test_hybrid_programs_keep_the_order_too() -> None:
    with pytest.raises(nacelle.RecordError, match=r"keeps no input names"):
        nacelle.compile(Around(), {"part": numbered(["x_1", "x_0"])}, abi_version=3)
    a, b = torch.tensor([5.0, 7.0]), torch.tensor([1.0, 2.0])
    torch.testing.assert_close(nacelle.compile(Around(), {"part": numbered(["x_1", "x_0"])})(a, b), a - b + 1)


def test_names_without_numbers_keep_the_modules_order_in_version_three() -> None:
    program = nacelle.compile(Sub(), numbered(["b", "a"]), abi_version=3)
    a, b = torch.tensor([5.0, 7.0]), torch.tensor([1.0, 2.0])
    torch.testing.assert_close(program(a, b), a - b)


# ---- plans as raw bytes


def fields(program: torch.jit.ScriptModule) -> list[str | bytes]:
    """The fields of the program's record as Torch-TensorRT's Python code gives them to the class: the plan is raw."""
    (engine,) = nacelle.read(program).engines
    if engine.abi_version == 3:
        return ["3", engine.name, engine.device, engine.plan]
    state = program.net_trt_engine.__getstate__()
    record: list[str | bytes] = list(state[0] if isinstance(state, tuple) else state)
    record[3] = engine.plan
    return record


@pytest.mark.parametrize("version", range(3, 11))
def test_an_engine_is_made_from_raw_bytes_and_from_base64(version: int, tmp_path: Path) -> None:
    program = nacelle.compile(seeded(TwoHeads), [X], name="net", abi_version=version)
    raw = fields(program)
    plan = raw[3]
    assert isinstance(plan, bytes)
    forms = [raw] if version == 3 else [raw, [*raw[:3], base64.b64encode(plan).decode(), *raw[4:]]]
    for form in forms:
        engine = torch.classes.tensorrt.Engine(form)
        assert engine.why_not_ready() == ""
        torch.testing.assert_close(torch.ops.tensorrt.execute_engine([X], engine), list(seeded(TwoHeads)(X)))


def test_what_is_neither_a_plan_nor_base64_is_refused() -> None:
    raw = fields(nacelle.compile(seeded(TwoHeads), [X], name="net", abi_version=9))
    raw[3] = b"not a plan"
    with pytest.raises(nacelle.RecordError, match=r"field 3 \(engine\)"):
        torch.classes.tensorrt.Engine(raw)


def test_files_hold_base64_alone(tmp_path: Path) -> None:
    path = saved(nacelle.compile(seeded(TwoHeads), [X], name="net", abi_version=4), tmp_path)
    record = [b"4", b"net", b"0%0%0%0%cpu", only_engine(path).plan[:64], b"input_0", b"output_0%output_1"]
    with pytest.raises(nacelle.RecordError, match=r"field 3 \(engine\)"):
        nacelle.read(with_record(path, record, tmp_path))


# ---- shared memory


def test_a_program_whose_record_binds_an_output_to_an_input(tmp_path: Path) -> None:
    cache, x = torch.zeros(2, 3), torch.ones(2, 3)
    inputs = [nacelle.Input((2, 3), name="cache"), nacelle.Input((2, 3), name="x")]
    program = nacelle.compile(Cache(), inputs, name="net", output_names=["new_cache", "sums"], abi_version=10)
    plan = nacelle.read(program).engines[0].plan
    texts = ["10", "net", "0%0%0%0%cpu", base64.b64encode(plan).decode(), "cache%x", "new_cache%sums"]
    texts += ["0", "", "linux_x86_64", "0", "0", "0", "new_cache@cache@user"]
    path = with_record(saved(program, tmp_path), [text.encode() for text in texts], tmp_path)
    loaded = torch.jit.load(str(path))
    for call in range(1, 4):
        new_cache, sums = loaded(cache, x)
        assert new_cache.data_ptr() == cache.data_ptr()
        torch.testing.assert_close(cache, torch.full((2, 3), float(call)))
        torch.testing.assert_close(sums, torch.full((2,), 3.0 * call))
