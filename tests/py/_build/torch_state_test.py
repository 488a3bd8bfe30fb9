"""State of torch and Python for the whole process: its defaults, and the filters of warnings."""

import contextlib
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import Detector, TwoHeads, seeded
from torch_nacelle import Input
from torch_nacelle._build.engine import Method
from torch_nacelle._runtime.torch_state import torch_defaults, without_deprecations

IMAGES = Input(min=(1, 3, 8, 8), opt=(2, 3, 8, 8), max=(4, 3, 8, 8))
X = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))


class Keyed(torch.nn.Module):
    """Traced, since its dict has keys of two types; makes tensors without dtype and device."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values: dict[Any, torch.Tensor] = {"a": torch.zeros(4) + torch.arange(0.0, 4.0) / 3, 1: x}
        result: torch.Tensor = self.linear(x) + values["a"] + torch.tensor(0.1)
        return result


class Fills(torch.nn.Module):
    """Scripted; makes tensors without dtype and device."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.linspace(0.0, 1.0, 4) * torch.full((4,), 0.1) + torch.ones(4)


@contextlib.contextmanager
def defaults(dtype: torch.dtype, device: str | None) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)


OTHERS = [(torch.float64, None), (torch.float32, "meta"), (torch.bfloat16, "meta")]


@pytest.mark.parametrize(
    ("kind", "method"),
    [(Keyed, "auto"), (Keyed, "trace"), (Fills, "script"), (Fills, "trace"), (TwoHeads, "script"), (TwoHeads, "trace")],
)
def test_plans_do_not_follow_from_torchs_defaults(kind: type[torch.nn.Module], method: Method) -> None:
    module = seeded(kind)
    inputs = [IMAGES] if kind is TwoHeads else [Input(min=(1, 4), opt=(2, 4), max=(3, 4))]
    wanted = nacelle.build_engine(module, inputs, backend="reference", method=method)
    for dtype, device in OTHERS:
        with defaults(dtype, device):
            found = nacelle.build_engine(module, inputs, backend="reference", method=method)
            assert torch.get_default_dtype() == dtype
            assert torch.get_default_device().type == (device or "cpu")
        assert found == wanted, (dtype, device)


@pytest.mark.parametrize(("dtype", "device"), OTHERS)
def test_a_program_is_made_checked_and_called_under_other_defaults(dtype: torch.dtype, device: str | None) -> None:
    module, heads = seeded(Detector), seeded(TwoHeads)
    x = torch.rand(2, 3, 8, 8)
    wanted = module(x)
    head = Input(min=(1, 8), max=(4, 8))
    with defaults(dtype, device):
        program = nacelle.compile(module, {"backbone": [IMAGES], "head": [head]}, backend="reference", check=True)
        found = program(x)
        nacelle.check(nacelle.compile(heads, [IMAGES], backend="reference"), heads, [IMAGES])
        nacelle.check(nacelle.compile(heads, [IMAGES], backend="reference"), heads)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(("dtype", "device"), OTHERS)
def test_inputs_are_made_up_alike_under_other_defaults(dtype: torch.dtype, device: str | None) -> None:
    from torch_nacelle import example_inputs

    program = nacelle.compile(seeded(TwoHeads), [IMAGES], backend="reference")
    values = Input(shape=(2,), dtype=torch.int64, min_values=(1, 1), max_values=(3, 3))

    def made() -> list[torch.Tensor]:
        fills = [example_inputs(program, fill=fill, generator=torch.Generator("cpu")) for fill in ("random", "zeros")]
        return [*(one["input_0"] for one in fills), IMAGES.example(), values.example()]

    wanted = made()
    with defaults(dtype, device):
        found = made()
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype and one.device == other.device
        assert torch.equal(one, other)


def test_an_onnx_model_is_translated_alike_under_other_defaults(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(seeded(TwoHeads), (torch.ones(1, 3, 8, 8),), str(path), dynamo=False)
    wanted = nacelle.build_engine(path, backend="reference")
    for dtype, device in OTHERS:
        with defaults(dtype, device):
            assert nacelle.build_engine(path, backend="reference") == wanted


def test_defaults_come_back_after_the_last_of_several_threads() -> None:
    inside, leave = threading.Barrier(3), threading.Event()

    def work() -> None:
        with torch_defaults():
            inside.wait(60)
            leave.wait(60)

    with defaults(torch.float64, None):
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        inside.wait(60)
        assert torch.get_default_dtype() == torch.float32
        leave.set()
        for thread in threads:
            thread.join()
        assert torch.get_default_dtype() == torch.float64


# --- What torch deprecates.

EVERYTHING = """
import sys, warnings
import torch, torch_nacelle as nacelle
from tests.py.networks import Detector, TwoHeads, seeded
from tests.py._build.torch_state_test import IMAGES, Keyed, X
warnings.simplefilter("error", DeprecationWarning)
path = sys.argv[1] + "/program.ts"
for method in ("auto", "script", "trace"):
    nacelle.compile(seeded(TwoHeads), [IMAGES], backend="reference", method=method, check=True).save(path)
nacelle.compile(seeded(Keyed), [X], backend="reference")
nacelle.compile(seeded(Detector), {"backbone": [IMAGES]}, backend="reference", check=[torch.ones(1, 3, 8, 8)])
nacelle.read(path).save(sys.argv[1] + "/again.ts")
nacelle.convert(path, sys.argv[1] + "/converted.ts", abi_version=9)
nacelle.check(nacelle.load(path), seeded(TwoHeads))
exported = torch.export.export(seeded(TwoHeads), (torch.ones(1, 3, 8, 8),))
nacelle.compile(exported, [torch.ones(1, 3, 8, 8)], backend="reference", check=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch.onnx.export(seeded(TwoHeads), (torch.ones(1, 3, 8, 8),), sys.argv[1] + "/model.onnx", dynamo=False)
sys.modules["onnxruntime"] = None  # so that the model is translated for the check, too
nacelle.compile(sys.argv[1] + "/model.onnx", backend="reference", check=True)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def test_nothing_fails_where_deprecations_are_errors(tmp_path: Path) -> None:
    done = run("-c", EVERYTHING, str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_nor_on_the_command_line(tmp_path: Path) -> None:
    program = str(tmp_path / "program.ts")
    model = str(tmp_path / "model.ts")
    nacelle.compile(seeded(TwoHeads), [IMAGES], backend="reference").save(program)
    torch.jit.script(seeded(TwoHeads)).save(model)
    command = ("-W", "error:`torch.jit:DeprecationWarning")
    for arguments in (
        ["run", program],
        ["check", program, "--against", model],
        ["compile", model, "-o", str(tmp_path / "built.ts"), "--shape", "1x3x8x8"],
    ):
        done = run(*command, "-m", "torch_nacelle", *arguments)
        assert "deprecated" not in done.stdout + done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_users_own_calls_still_warn(tmp_path: Path) -> None:
    module = torch.nn.Linear(4, 4)
    nacelle.compile(module, [X], backend="reference")
    with pytest.warns(DeprecationWarning, match="torch.jit.script"):
        torch.jit.script(module)


def test_filters_are_left_as_they_were() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        before = list(warnings.filters)
        with without_deprecations(), without_deprecations():
            torch.jit.script(torch.nn.Linear(4, 4))
        assert list(warnings.filters) == before
        with without_deprecations():
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                with without_deprecations():
                    torch.jit.script(torch.nn.Linear(4, 4))
            torch.jit.script(torch.nn.Linear(4, 4))
        assert list(warnings.filters) == before


def test_the_filter_goes_from_every_list_that_had_it() -> None:
    with warnings.catch_warnings():
        before = list(warnings.filters)
        first = without_deprecations()
        first.__enter__()
        with warnings.catch_warnings():  # as another thread may enter and leave it at any time
            first.__exit__(None, None, None)
        assert list(warnings.filters) == before


def test_several_threads_compile_while_deprecations_are_errors() -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(2):
                nacelle.compile(torch.nn.Linear(4, 4), [X], backend="reference", method="script")
        except BaseException as error:
            errors.append(error)

    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
