"""The wheel as a user has it: installed into an empty virtual environment, beside torch."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from toolchains.wheel.virtual_environment import VirtualEnvironment, torch_site

(WHEEL,) = Path("py").glob("torch_nacelle-*.whl")

BUILD_AND_SAVE = """
import torch, torch_nacelle as nacelle
torch.manual_seed(3)
model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten()).eval()
plan = nacelle.build_engine(model, [nacelle.Input(min=(1, 3, 8, 8), max=(4, 3, 8, 8))])
nacelle.embed(plan, name="net").save("net.ts")
x = torch.randn(2, 3, 8, 8)
torch.save((x, model(x)), "wanted.pt")
"""

LOAD_AND_RUN = """
import torch, torch_nacelle as nacelle
x, wanted = torch.load("wanted.pt")
torch.testing.assert_close(torch.jit.load("net.ts")(x), wanted)
print([engine.name for engine in nacelle.read("net.ts").engines], nacelle.__version__, nacelle.__file__)
"""

# The code of a server that loads programs and knows nothing of Nacelle.
LOAD_WITHOUT_IMPORT = """
import sys, torch
x, wanted = torch.load("wanted.pt")
torch.testing.assert_close(torch.jit.load("net.ts")(x), wanted)
print("torch_nacelle" in sys.modules)
"""

# Regular expressions for the files in the wheel, and how many there are of each; None: one or more.
KINDS = {
    r"torch_nacelle/\w+\.py": None,
    r"torch_nacelle/_(bench|build|check|export|models|programs|saving|serving)/\w+\.py": None,
    r"torch_nacelle/_runtime/(?!build_info)\w+\.py": None,
    r"torch_nacelle/_runtime/build_info\.pyi?": 2,
    r"onnx_to_torchscript/((operators|functions)/)?\w+\.py": None,
    r"nacelle_cli/((arguments|commands|exported|reading|reading/containers|render)/)?\w+\.py": None,
    r"nacelle_cli/render/report\.html\.jinja": 1,
    r"nacelle_core/(\w+\.py|_core\.pyi|py\.typed)": 5,
    r"nacelle_core/_core\.cpython-\d+-x86_64-linux-gnu\.so": 1,
    r"torch_nacelle/_C\.pyi": 1,
    r"torch_nacelle/py\.typed": 1,
    r"torch_nacelle/_C\.cpython-\d+-x86_64-linux-gnu\.so": 1,
    r"torch_nacelle/lib/lib(torch_nacelle|nacelle_reference)\.so": 2,
    r"torch_nacelle/include/core/(record/|plan/|device/)?\w+\.h": 6,
    r"torch_nacelle/include/runtime/\w+\.h": 15,
    r"torch_nacelle/share/cmake/Nacelle/NacelleConfig(Version)?\.cmake": 2,
    r"torch_nacelle-[\d.]+\.dist-info/(METADATA|WHEEL|RECORD|entry_points\.txt|licenses/LICENSE)": 5,
}

# Prints the modules that the import adds to torch's own, and the files that it maps, as JSON.
IMPORT = """
import json, sys, torch
def mapped():
    return {line.split(maxsplit=5)[5].strip() for line in open("/proc/self/maps") if "/" in line}
before, modules = mapped(), set(sys.modules)
import torch_nacelle
print(json.dumps([sorted(set(sys.modules) - modules), sorted(mapped() - before)]))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> VirtualEnvironment:
    made = VirtualEnvironment(tmp_path_factory.mktemp("environment") / "venv")
    made.install(WHEEL)
    return made


def test_embeds_saves_loads_and_runs(environment: VirtualEnvironment, tmp_path: Path) -> None:
    environment.run("-c", BUILD_AND_SAVE, cwd=tmp_path)
    text = environment.run("-c", LOAD_AND_RUN, cwd=tmp_path).stdout
    assert text.startswith("['net'] ")
    assert str(environment.folder) in text


def test_is_enough_when_it_is_preloaded(
    environment: VirtualEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.run("-c", BUILD_AND_SAVE, cwd=tmp_path)
    (library,) = environment.folder.glob("lib/*/site-packages/torch_nacelle/lib/libtorch_nacelle.so")
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(torch_site() / "torch" / "lib"))
    assert environment.run("-c", LOAD_WITHOUT_IMPORT, cwd=tmp_path).stdout == "False\n"


def test_holds_these_files_and_no_others() -> None:
    with zipfile.ZipFile(WHEEL) as wheel:
        names = wheel.namelist()
    for name in names:
        assert sum(re.fullmatch(kind, name) is not None for kind in KINDS) == 1, name
    for kind, count in KINDS.items():
        found = [name for name in names if re.fullmatch(kind, name)]
        assert len(found) == count or (count is None and found), (kind, found)


def test_headers_need_no_header_that_is_not_there() -> None:
    with zipfile.ZipFile(WHEEL) as wheel:
        headers = {name: wheel.read(name).decode() for name in wheel.namelist() if name.endswith(".h")}
    for name, text in headers.items():
        for included in re.findall(r'^#include "(.*)"$', text, re.MULTILINE):
            assert f"torch_nacelle/include/{included}" in headers, f"{name} includes {included}"


def test_installs_the_command(environment: VirtualEnvironment, tmp_path: Path) -> None:
    environment.run("-c", BUILD_AND_SAVE, cwd=tmp_path)
    command = [str(environment.folder / "bin" / "nacelle"), "inspect", "net.ts", "--html", "report.html", "--json"]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(outcome.stdout)[0]["engines"][0]["name"] == "net"
    assert "net_trt_engine" in (tmp_path / "report.html").read_text()
    shown = environment.run("-m", "torch_nacelle", "--version", cwd=tmp_path).stdout
    assert shown.startswith("nacelle ")


def test_says_what_it_requires() -> None:
    with zipfile.ZipFile(WHEEL) as wheel:
        (metadata,) = (wheel.read(name).decode() for name in wheel.namelist() if name.endswith("/METADATA"))
    required = re.findall(r"^Requires-Dist: (\w+)[=>]=[^;\n]*$", metadata, re.MULTILINE)
    assert required == ["torch", "jinja2", "platformdirs", "rich", "typer"]
    assert "License-Expression: Apache-2.0\n" in metadata


def test_is_small() -> None:
    """Three libraries that link with torch, and one extension without: 1.9 MB packed, 5.3 MB unpacked.

    Debug information would be ten times that.
    """
    assert WHEEL.stat().st_size < 2_000_000
    with zipfile.ZipFile(WHEEL) as wheel:
        assert sum(item.file_size for item in wheel.infolist()) < 6_000_000


@pytest.fixture(scope="module")
def imported(environment: VirtualEnvironment) -> tuple[list[str], list[str]]:
    modules, files = json.loads(environment.run("-c", IMPORT).stdout)
    return modules, files


def test_importing_imports_nothing_of_others(imported: tuple[list[str], list[str]]) -> None:
    modules, _ = imported
    packages = {name.split(".")[0] for name in modules} - sys.stdlib_module_names
    assert packages <= {"nacelle_cli", "nacelle_core", "torch_nacelle"}
    parts = {name.split(".")[1] for name in modules if name.startswith("nacelle_cli.")}
    assert parts <= {"exported", "files", "reading"}


def test_importing_maps_its_own_files_and_no_engine(imported: tuple[list[str], list[str]]) -> None:
    _, paths = imported
    names = {Path(path).name.split(".")[0] for path in paths if "/torch_nacelle/" in path}
    assert names == {"_C", "_core", "libtorch_nacelle"}
    assert not drivers({Path(path).name for path in paths})


def test_importing_opens_no_driver(environment: VirtualEnvironment, tmp_path: Path) -> None:
    before = libraries_searched(environment, tmp_path / "torch", "import torch")
    after = libraries_searched(environment, tmp_path / "nacelle", "import torch, torch_nacelle")
    assert "libtorch_nacelle.so" in after
    assert not drivers(after - before)  # a build of torch for CUDA may look for its own
    control = libraries_searched(environment, tmp_path / "control", "import ctypes; ctypes.CDLL('libcuda.so.1')")
    assert drivers(control) == {"libcuda.so.1"}


def drivers(names: set[str]) -> set[str]:
    return {name for name in names if re.match(r"lib(cuda|cudart|nvinfer|nvidia|tensorrt)", name)}


def libraries_searched(environment: VirtualEnvironment, log: Path, code: str) -> set[str]:
    """The file names that the dynamic loader was asked for while Python ran `code`, found or not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_DEBUG", "libs,files")
        patch.setenv("LD_DEBUG_OUTPUT", str(log))
        environment.run("-c", f"try:\n  {code}\nexcept OSError: pass")
    text = "".join(path.read_text(errors="replace") for path in log.parent.glob(log.name + ".*"))
    return {Path(name).name for name in re.findall(r"(?:find library|file)=(\S+)", text)}
