"""The wheel as a user has it: installed into an empty virtual environment, beside torch."""

import zipfile
from pathlib import Path

import pytest

from toolchains.wheel.virtual_environment import VirtualEnvironment

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


def test_holds_what_it_should() -> None:
    with zipfile.ZipFile(WHEEL) as wheel:
        names = set(wheel.namelist())
        (metadata,) = (wheel.read(name).decode() for name in names if name.endswith("/METADATA"))
    for name in ("__init__.py", "py.typed", "_C.pyi", "lib/libtorch_nacelle.so", "lib/libnacelle_reference.so"):
        assert f"torch_nacelle/{name}" in names
    assert sum(name.startswith("torch_nacelle/_C.") and name.endswith(".so") for name in names) == 1
    assert "Requires-Dist: torch==" in metadata
    assert "License" in metadata
