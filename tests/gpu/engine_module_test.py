"""The two_heads network with TensorRT 8.5.3.1 as an nn.Module: eager, torch.compile, torch.export."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from tests.gpu.two_heads import DYNAMIC, TwoHeads, assert_close, images

pytestmark = pytest.mark.skipif(
    "NACELLE_TENSORRT_PATH" not in os.environ,
    reason="set NACELLE_TENSORRT_PATH to a folder with libnvinfer.so.8 of 8.5.3",
)


@pytest.fixture(scope="module")
def reference() -> TwoHeads:
    return TwoHeads()


@pytest.fixture(scope="module")
def module() -> nacelle.EngineModule:
    return nacelle.EngineModule(DYNAMIC, name="two_heads")


def exported(module: torch.nn.Module, strict: bool) -> torch.export.ExportedProgram:
    shapes: Any = (({0: torch.export.Dim.DYNAMIC},),)
    return torch.export.export(module, (images(2),), dynamic_shapes=shapes, strict=strict)


WAYS: dict[str, Callable[[torch.nn.Module], Callable[..., Any]]] = {
    "eager": lambda module: module,
    "compile, eager": lambda module: torch.compile(module, backend="eager", fullgraph=True, dynamic=True),
    "compile, aot_eager": lambda module: torch.compile(module, backend="aot_eager", fullgraph=True, dynamic=True),
    "compile, inductor": lambda module: torch.compile(module, fullgraph=True, dynamic=True),
    "compile, reduce-overhead": lambda module: torch.compile(module, fullgraph=True, mode="reduce-overhead"),
    "export": lambda module: exported(module, strict=False).module(),
}
if torch.__version__ >= "2.13":  # torch 2.11's strict mode takes no object of a C++ class; 2.12 was not tried
    WAYS["export, strict"] = lambda module: exported(module, strict=True).module()


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps inductor's and Triton's caches out of the home folder, which a sandbox may not write."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "triton"))


@pytest.mark.parametrize("way", WAYS)
def test_every_way(way: str, module: nacelle.EngineModule, reference: TwoHeads) -> None:
    torch._dynamo.reset()
    run = WAYS[way](module)
    with torch.no_grad():
        for batch in (2, 7, 16, 2, 7):
            x = images(batch, seed=batch)
            assert_close(tuple(run(x)), reference(x))


def test_sizes_of_outputs_are_those_of_inputs(module: nacelle.EngineModule) -> None:
    program = exported(module, strict=False)
    (x,) = [node.meta["val"] for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    for output in program.graph.output_node().args[0]:
        assert output.meta["val"].shape[0] == x.shape[0]


def test_an_aotinductor_package(module: nacelle.EngineModule, reference: TwoHeads, tmp_path: Path) -> None:
    with torch.no_grad():
        program = exported(module, strict=False)
        path = torch._inductor.aoti_compile_and_package(program, package_path=str(tmp_path / "model.pt2"))
    run = torch._inductor.aoti_load_package(path)
    for batch in (2, 7, 16):
        x = images(batch, seed=batch)
        assert_close(tuple(run(x)), reference(x))


FILES = {"torchscript": "program.ts", "exported": "program.pt2", "aotinductor": "package.pt2"}


@pytest.fixture(scope="module", params=FILES)
def saved(request: pytest.FixtureRequest, module: nacelle.EngineModule, tmp_path_factory: Any) -> Path:
    """The module as a file of each format, with the batches that its optimization profile allows."""
    path: Path = tmp_path_factory.mktemp("saved") / FILES[request.param]
    nacelle.save(module, path, format=request.param)
    return path


def test_a_saved_program_runs_in_a_fresh_process(saved: Path, reference: TwoHeads, tmp_path: Path) -> None:
    code = (
        "import sys, torch, torch_nacelle as nacelle\n"
        "program = nacelle.load(sys.argv[1])\n"
        "torch.save([program(x.cuda()) for x in torch.load(sys.argv[2])], sys.argv[3])\n"
    )
    inputs = [images(batch, seed=batch) for batch in (1, 7, 16)]
    torch.save([x.cpu() for x in inputs], tmp_path / "inputs.pt")
    files = [saved, tmp_path / "inputs.pt", tmp_path / "outputs.pt"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, *map(str, files)], check=True, env=environment)
    for x, found in zip(inputs, torch.load(files[2]), strict=True):
        assert_close(tuple(found), reference(x))


@pytest.mark.parametrize("command", ["run", "inspect", "doctor"])
def test_a_command_takes_a_saved_program(command: str, saved: Path) -> None:
    words = [sys.executable, "-m", "torch_nacelle", command, str(saved)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_cpp_runs_a_package(module: nacelle.EngineModule, reference: TwoHeads, tmp_path: Path) -> None:
    package = tmp_path / "package.pt2"
    nacelle.save(module, package, format="aotinductor")
    for batch in (1, 7, 16):
        x = images(batch, seed=batch)
        torch.save(x.cpu(), tmp_path / "x.pt")
        output = tmp_path / "y.pt"
        words = ["examples/cpp/run_package", str(package), "--input", str(tmp_path / "x.pt"), "--output", str(output)]
        ended = subprocess.run(words, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        assert_close(tuple(torch.load(output)), reference(x))
