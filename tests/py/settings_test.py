"""Settings of engines, moves to devices, and the libraries that are here."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import Detector, TwoHeads, seeded
from torch_nacelle import Input

IMAGES = Input(min=(1, 3, 8, 8), opt=(2, 3, 8, 8), max=(4, 3, 8, 8))


@pytest.fixture
def program() -> torch.jit.ScriptModule:
    return nacelle.compile(seeded(TwoHeads), [IMAGES], name="net")


def test_inputs_of_another_dtype_are_converted_when_asked(program: torch.jit.ScriptModule) -> None:
    x = torch.randn(2, 3, 8, 8)
    wanted = program(x)
    with pytest.raises(nacelle.InputError, match=r"has dtype float64.*configure\(program, convert_inputs=True\)"):
        program(x.double())
    assert nacelle.configure(program, convert_inputs=True) is program
    for found in (program(x.double()), program(x)):
        assert all(torch.equal(left, right) for left, right in zip(found, wanted, strict=True))
    nacelle.configure(program, convert_inputs=False)
    with pytest.raises(nacelle.InputError):
        program(x.double())


def test_what_cannot_be_converted_is_an_error(program: torch.jit.ScriptModule) -> None:
    nacelle.configure(program, convert_inputs=True)
    with pytest.raises(nacelle.InputError, match="dimension 0 is 5; wanted 1 to 4"):
        program(torch.zeros(5, 3, 8, 8, dtype=torch.float64))


@pytest.mark.parametrize("settings", [{"max_contexts": 1}, {"max_contexts": 2, "plan_copies": 2}], ids=str)
def test_threads_wait_where_contexts_are_few(program: torch.jit.ScriptModule, settings: dict[str, int]) -> None:
    nacelle.configure(program, **settings)  # type: ignore[arg-type]
    inputs = [torch.randn(1 + i % 4, 3, 8, 8) for i in range(8)]
    wanted = [seeded(TwoHeads)(x) for x in inputs]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(50):
            found = program(inputs[i])
            if not all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, wanted[i], strict=True)):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_nearest_profile_is_taken_or_the_one_that_is_set() -> None:
    least, best, most = ([(n, 3, 8, 8) for n in sizes] for sizes in ((4, 1), (8, 2), (16, 4)))
    batches = Input(min=least, opt=best, max=most)
    program = nacelle.compile(seeded(TwoHeads), [batches], name="net")
    for batch in (1, 4, 16):
        program(torch.zeros(batch, 3, 8, 8))
    nacelle.configure(program, optimization_profile=1)
    program(torch.zeros(4, 3, 8, 8))
    with pytest.raises(nacelle.InputError, match=r"dimension 0 is 16; wanted 1 to 4 \(optimization profile 1\)"):
        program(torch.zeros(16, 3, 8, 8))
    with pytest.raises(
        nacelle.InputError, match="its setting optimization_profile is 2, and its plan has 2; wanted one of 0 to 1"
    ):
        nacelle.configure(program, optimization_profile=2)
    program(torch.zeros(4, 3, 8, 8))  # the former settings hold
    nacelle.configure(program, optimization_profile=None)
    program(torch.zeros(16, 3, 8, 8))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_contexts": 0}, "max_contexts is 0; wanted 1 to 1024"),
        ({"plan_copies": 2000}, "plan_copies is 2000; wanted 1 to 1024"),
        ({"contexts": 4}, 'there is no setting "contexts"; there are max_contexts, plan_copies'),
    ],
)
def test_settings_that_no_engine_can_have(
    program: torch.jit.ScriptModule, settings: dict[str, int], message: str
) -> None:
    with pytest.raises(nacelle.InputError, match=message):
        nacelle.configure(program, **settings)  # type: ignore[arg-type]


def test_one_engine_of_several_is_configured() -> None:
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = torch.nn.Linear(3, 3)
            self.b = torch.nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.b(self.a(x.double()).double()))

    x = torch.randn(2, 3)
    program = nacelle.compile(Two(), {"a": [x], "b": [x]})
    a, b = (engine.path for engine in nacelle.read(program).engines)
    nacelle.configure(program, engine=a, convert_inputs=True)
    with pytest.raises(nacelle.InputError, match='engine "b"'):
        program(x)
    nacelle.configure(program, engine=b, convert_inputs=True)
    assert program(x).shape == (2, 3)
    with pytest.raises(nacelle.InputError, match=f'there is no engine "c"; there are: {a}, {b}'):
        nacelle.configure(program, engine="c", max_contexts=1)


def test_a_reference_engine_stays_on_the_cpu(program: torch.jit.ScriptModule) -> None:
    assert nacelle.to(program, "cpu") is program
    program(torch.zeros(1, 3, 8, 8))
    with pytest.raises(nacelle.DeviceError, match=r"cannot run on cuda:1.*reference engine, which runs on the CPU"):
        nacelle.to(program, "cuda:1")
    program(torch.zeros(1, 3, 8, 8))


def test_a_tensorrt_engine_does_not_go_to_the_cpu() -> None:
    plan = Path("tests/data/two_heads/two_heads.trt8.5.3.1.sm90.plan").read_bytes()
    program = nacelle.embed(
        plan,
        device="0%9%0%0%NVIDIA H100 80GB HBM3",
        input_names=["input_0"],
        output_names=["output_0", "output_1"],
        abi_version=4,
    )
    with pytest.raises(nacelle.DeviceError, match=r"built by TensorRT 8.5.3.1, which runs on GPUs; name a CUDA device"):
        nacelle.to(program, "cpu")


def test_libraries_are_listed_with_what_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "tensorrt_lean_libs"
    folder.mkdir()
    (folder / "libnvinfer_lean.so.11").write_text("damaged")
    code = (
        "import torch_nacelle\n"
        "for l in torch_nacelle.tensorrt_libraries(): print(l.path, l.source, l.kind, l.problem, sep='|')"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(tmp_path)])}
    environment.pop("NACELLE_TENSORRT_PATH", None)
    run = subprocess.run([sys.executable, "-c", code], env=environment, check=True, text=True, stdout=subprocess.PIPE)
    rows = [line.split("|") for line in run.stdout.splitlines()]
    found = next(row for row in rows if row[0].startswith(str(folder)))
    assert found[1:3] == ["the Python package tensorrt_lean_libs", "lean"]
    assert "file too short" in found[3] or "invalid ELF header" in found[3]
    assert ["libnvinfer.so.8", "the system's library path", "full"] in [row[:3] for row in rows]


@pytest.fixture
def holder(program: torch.jit.ScriptModule) -> torch.nn.Module:
    """A module that holds two programs, one of them with several engines, beside modules of torch."""
    hybrid = nacelle.compile(seeded(Detector), {"backbone": [IMAGES], "head.box": [Input(min=(1, 8), max=(4, 8))]})
    return torch.nn.ModuleDict({"first": torch.nn.Sequential(torch.nn.Identity(), program), "second": hybrid})


def calls_with_double(module: torch.nn.Module) -> bool:
    try:
        module(torch.randn(2, 3, 8, 8, dtype=torch.float64))
    except nacelle.InputError:
        return False
    return True


def test_engines_in_a_module_that_holds_programs(holder: torch.nn.Module) -> None:
    first, second = holder["first"], holder["second"]  # type: ignore[index]
    assert nacelle.configure(holder, convert_inputs=True) is holder
    assert calls_with_double(first)
    assert calls_with_double(second)
    nacelle.configure(holder, "first.1.net_trt_engine", convert_inputs=False)
    assert not calls_with_double(first)
    assert calls_with_double(second)
    nacelle.configure(first, "1.net_trt_engine", convert_inputs=True)
    assert calls_with_double(first)
    with pytest.raises(
        nacelle.InputError, match=r"no engine \"net_trt_engine\"; there are: first\.1\.net_trt_engine, "
    ):
        nacelle.configure(holder, "net_trt_engine", convert_inputs=False)


def test_other_holders_of_programs(program: torch.jit.ScriptModule) -> None:
    class Own(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList([torch.nn.Linear(1, 1), program])
            self.same = program

        def forward(self, x: torch.Tensor) -> object:
            return self.parts[1](x)

    for module in (Own(), torch.nn.Sequential(torch.nn.Sequential(program))):
        nacelle.configure(program, convert_inputs=False)
        nacelle.configure(module, convert_inputs=True)
        assert calls_with_double(program)


def test_a_module_that_holds_programs_is_moved(holder: torch.nn.Module) -> None:
    assert nacelle.to(holder, "cpu") is holder
    with pytest.raises(nacelle.DeviceError, match="engine "):
        nacelle.to(holder, "cuda")
    assert holder["second"](torch.rand(2, 3, 8, 8))  # type: ignore[index]


@pytest.mark.parametrize(
    ("program_given", "words"),
    [
        (torch.nn.Linear(1, 1), "Linear holds no program; wanted a program, as nacelle.compile or torch.jit.load"),
        (
            "model.ts",
            "found str; wanted a program, .* or an nn.Module that holds one: load the file with torch.jit.load",
        ),
        (None, "found NoneType; wanted a program"),
        ([], "found list; wanted a program"),
    ],
    ids=["module", "path", "none", "list"],
)
def test_what_is_no_program_is_told(program_given: Any, words: str) -> None:
    def profiled(given: Any) -> None:
        with nacelle.profile(given):
            raise AssertionError

    for function in (nacelle.configure, lambda given: nacelle.to(given, "cpu"), profiled):
        with pytest.raises(nacelle.InputError, match=words):
            function(program_given)
