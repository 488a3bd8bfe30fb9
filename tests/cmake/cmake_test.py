"""find_package(Nacelle): a CMake project beside an installed wheel is configured, built and run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import cmake
import pytest

from toolchains.wheel.virtual_environment import VirtualEnvironment, torch_site

(WHEEL,) = Path("py").glob("torch_nacelle-*.whl")
PROJECT = Path("tests/cmake").resolve()
EXAMPLES = Path("examples/cpp").resolve()

# Prints the folders for CMAKE_PREFIX_PATH, as docs/guide/cpp_cmake.md has it.
PREFIXES = "import torch, torch_nacelle; print(torch.utils.cmake_prefix_path, torch_nacelle.cmake_prefix_path, sep=';')"

MAKE_PACKAGE = """
import torch, torch_nacelle as nacelle
model = torch.nn.Linear(3, 2, bias=False)
torch.nn.init.constant_(model.weight, 0.5)
module = nacelle.compile(model, [nacelle.Input(min=(1, 3), opt=(2, 3), max=(4, 3))], name="net", container="module")
with torch.no_grad():
    program = torch.export.export(module, (torch.ones(2, 3),), strict=False)
    torch._inductor.aoti_compile_and_package(program, package_path="model.pt2")
"""

MAKE_PROGRAM = """
import torch, torch_nacelle as nacelle
model = torch.nn.Linear(3, 2, bias=False)
torch.nn.init.constant_(model.weight, 0.5)
plan = nacelle.build_engine(model, [nacelle.Input(min=(1, 3), max=(4, 3))])
nacelle.embed(plan, name="net").save("model.ts")
print(len(plan))
"""


def environment() -> dict[str, str]:
    """The environment of a user's shell, with the pinned ninja and without a set-up Python."""
    own = ("TEST_", "RUNFILES_", "PYTHON", "NACELLE_", "LD_", "CMAKE_", "Torch_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return kept | {"PATH": os.pathsep.join([str(torch_site() / "bin"), os.environ["PATH"]])}


def run(*command: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == status, f"{command} ended with {ended.returncode}\n{ended.stdout}{ended.stderr}"
    return ended


def configure(build: Path, prefixes: str, *options: str, status: int = 0, project: Path = PROJECT) -> str:
    program = Path(cmake.CMAKE_BIN_DIR) / "cmake"
    command: list[str | Path] = [
        program,
        "-G",
        "Ninja",
        "-S",
        project,
        "-B",
        build,
        f"-DCMAKE_PREFIX_PATH={prefixes}",
        *options,
    ]
    ended = run(*command, status=status)
    return ended.stdout + ended.stderr


def build(folder: Path, target: str = "all") -> None:
    run(Path(cmake.CMAKE_BIN_DIR) / "cmake", "--build", folder, "--target", target)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> VirtualEnvironment:
    made = VirtualEnvironment(tmp_path_factory.mktemp("environment") / "venv")
    made.install(WHEEL)
    return made


@pytest.fixture(scope="module")
def prefixes(installed: VirtualEnvironment) -> str:
    printed = installed.run("-c", PREFIXES).stdout.strip()
    assert str(installed.folder) in printed
    return printed


@pytest.fixture(scope="module")
def built(prefixes: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    configure(folder, prefixes)
    build(folder)
    return folder


@pytest.fixture(scope="module")
def program(installed: VirtualEnvironment, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A saved program, and the size of its plan."""
    folder = tmp_path_factory.mktemp("program")
    size = int(installed.run("-c", MAKE_PROGRAM, cwd=folder).stdout)
    return folder / "model.ts", size


def test_a_program_loads_and_runs(built: Path, program: tuple[Path, int]) -> None:
    path, size = program
    assert run(built / "run_program", path, "2", "3").stdout == f"net_trt_engine net {size}\n6\n"


def test_an_error_through_torch_has_its_class_and_its_reference(built: Path, program: tuple[Path, int]) -> None:
    said = run(built / "run_program", program[0], "9", "3", status=1).stderr
    assert said.startswith('torch_nacelle.InputError: input "input_0" (number 0) of engine "net"')
    assert said.endswith("\nSee docs/troubleshooting.md#inputerror\n")


def test_an_error_of_a_function_is_caught_by_its_class(built: Path) -> None:
    said = run(built / "run_program", status=1).stderr
    assert said.startswith("kind 2: not a plan that is known: 7 bytes")
    assert said.endswith("\nSee docs/troubleshooting.md#planerror\n")


def test_the_examples_run_a_program_and_a_package(
    installed: VirtualEnvironment, prefixes: str, program: tuple[Path, int], tmp_path: Path
) -> None:
    configure(tmp_path / "build", prefixes, project=EXAMPLES)
    build(tmp_path / "build")
    ran = run(tmp_path / "build" / "run_program", program[0], "--input", "float32:2x3:ones").stdout
    assert "output: float32 [2, 2] cpu: 1.5 1.5 1.5 1.5\n" in ran
    installed.run("-c", MAKE_PACKAGE, cwd=tmp_path)
    ran = run(tmp_path / "build" / "run_package", tmp_path / "model.pt2", "--input", "float32:2x3:ones").stdout
    assert "output[0]: float32 [2, 2] cpu: 1.5 1.5 1.5 1.5\n" in ran


def test_the_library_is_kept_where_nothing_of_it_is_called(built: Path) -> None:
    names = run(built / "registered").stdout.split()
    assert "libtorch_nacelle.so" in names
    assert "libtorch_python.so" not in names


def test_torch_without_its_package(prefixes: str, tmp_path: Path) -> None:
    """A build of torch for CUDA, on a machine without nvcc."""
    said = configure(tmp_path, prefixes, "-DNacelle_TORCH_PACKAGE=OFF")
    assert f"takes torch's libraries in {torch_site()}/torch/lib as files" in said
    assert "Caffe2" not in said
    build(tmp_path, "registered")
    assert {"libtorch.so", "libtorch_nacelle.so"} <= set(run(tmp_path / "registered").stdout.split())


def copy_of_torch(folder: Path, release: str) -> Path:
    """A torch installation whose package names another release; returns its share/cmake."""
    target = folder / "torch" / "share" / "cmake"
    shutil.copytree(torch_site() / "torch" / "share" / "cmake", target)
    version = target / "Torch" / "TorchConfigVersion.cmake"
    version.write_text(f'set(PACKAGE_VERSION "{release}")\nset(PACKAGE_VERSION_COMPATIBLE TRUE)\n', encoding="utf-8")
    (folder / "torch" / "include").symlink_to(torch_site() / "torch" / "include")
    (folder / "torch" / "lib").mkdir()
    for library in (torch_site() / "torch" / "lib").glob("*.so"):
        (folder / "torch" / "lib" / library.name).symlink_to(library)
    return target


def test_a_build_of_torch_for_cuda_without_nvcc_is_taken_as_files(prefixes: str, tmp_path: Path) -> None:
    folder = copy_of_torch(tmp_path, torch_release(prefixes))
    (tmp_path / "torch" / "lib" / "libtorch_cuda.so").touch()
    # An answer that is given is not looked for: so it is on a machine that has nvcc, too.
    said = configure(tmp_path / "build", f"{folder};{prefixes.split(';')[1]}", "-DNacelle_NVCC=")
    assert f"takes torch's libraries in {tmp_path}/torch/lib as files" in said


def torch_release(prefixes: str) -> str:
    """The release of the torch that was installed."""
    text = (Path(prefixes.split(";")[0]) / "Torch" / "TorchConfigVersion.cmake").read_text(encoding="utf-8")
    return text.split('"')[1]


def test_another_release_of_torch_is_refused(prefixes: str, tmp_path: Path) -> None:
    folder = copy_of_torch(tmp_path, "2.1.0")
    options = ["-DNacelle_TORCH_PACKAGE=OFF"]
    said = configure(tmp_path / "build", f"{folder};{prefixes.split(';')[1]}", *options, status=1)
    words = " ".join(said.split())
    assert f"built for torch {torch_release(prefixes)}, and torch 2.1.0 is in" in words


def test_no_torch_at_all(prefixes: str, tmp_path: Path) -> None:
    said = configure(tmp_path, prefixes.split(";")[1], "-DNacelle_TORCH_PACKAGE=OFF", status=1)
    assert "torch was not found" in " ".join(said.split())


@pytest.mark.parametrize(
    ("wanted", "found"), [("0.1", True), ("0.1.0", True), ("0.0.9", False), ("0.2", False), ("1", False)]
)
def test_which_release_a_project_may_ask_for(prefixes: str, tmp_path: Path, wanted: str, found: bool) -> None:
    script = tmp_path / "find.cmake"
    folder = prefixes.split(";")[1]
    script.write_text(
        f"set(PACKAGE_FIND_VERSION {wanted})\nset(CMAKE_SIZEOF_VOID_P 8)\n"
        f"include({folder}/Nacelle/NacelleConfigVersion.cmake)\n"
        'message("${PACKAGE_VERSION} ${PACKAGE_VERSION_COMPATIBLE}")\n',
        encoding="utf-8",
    )
    said = run(Path(cmake.CMAKE_BIN_DIR) / "cmake", "-P", script).stderr
    assert said == f"0.1.0 {'TRUE' if found else 'FALSE'}\n"
