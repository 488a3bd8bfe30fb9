"""Reading programs and converting them between versions of the record."""

import os
import zipfile
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import Detector, TwoHeads, seeded

X = torch.rand(1, 3, 8, 8)
UPSTREAM = os.environ.get("NACELLE_UPSTREAM_DATA")
needs_upstream = pytest.mark.skipif(
    not UPSTREAM, reason="programs that Torch-TensorRT saved: set NACELLE_UPSTREAM_DATA to their folder"
)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "program.ts"
    nacelle.compile(seeded(TwoHeads), [X], name="net").save(str(path))
    return path


def test_reading_a_file(saved: Path) -> None:
    (engine,) = nacelle.read(saved).engines
    assert engine.path == "net_trt_engine"
    assert (engine.abi_version, engine.name, engine.device) == (3, "net", "0%0%0%0%cpu")
    assert engine.plan == nacelle.build_engine(seeded(TwoHeads), [X], name="net")
    assert engine.plan_size == len(engine.plan)
    assert engine.plan_release == "reference engine, plan format 1"
    assert (engine.input_names, engine.output_names) == ([], [])
    assert engine.flags["hardware_compatible"] is False
    assert engine.metadata == ""


def test_reading_a_module() -> None:
    program = nacelle.compile(seeded(Detector), {"backbone": [X]})
    assert [engine.name for engine in nacelle.read(program).engines] == ["backbone"]


def test_a_program_without_engines(tmp_path: Path) -> None:
    torch.jit.script(seeded(TwoHeads)).save(str(tmp_path / "plain.ts"))
    assert nacelle.read(tmp_path / "plain.ts").engines == []


@pytest.mark.parametrize("version", range(3, 11))
def test_converting_to_every_version_and_back(saved: Path, tmp_path: Path, version: int) -> None:
    nacelle.convert(saved, tmp_path / "new.ts", abi_version=version)
    (engine,) = nacelle.read(tmp_path / "new.ts").engines
    assert engine.abi_version == version
    assert engine.plan == nacelle.read(saved).engines[0].plan
    program = torch.jit.load(str(tmp_path / "new.ts"))
    torch.testing.assert_close(program(X), seeded(TwoHeads)(X))
    nacelle.convert(tmp_path / "new.ts", tmp_path / "back.ts", abi_version=3)
    assert nacelle.read(tmp_path / "back.ts").engines[0].plan == engine.plan


def test_a_file_can_be_converted_in_place(saved: Path) -> None:
    nacelle.convert(saved, saved, abi_version=5)
    assert nacelle.read(saved).engines[0].abi_version == 5
    assert [path.name for path in saved.parent.iterdir()] == ["program.ts"]


def test_the_same_conversion_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    files = [tmp_path / folder / "new.ts" for folder in ("a", "b")]
    for path in files:
        path.parent.mkdir()
        nacelle.convert(saved, path, abi_version=9)
    assert files[0].read_bytes() == files[1].read_bytes()
    with zipfile.ZipFile(files[0]) as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"program"}


def test_extra_files_come_along(tmp_path: Path) -> None:
    path = tmp_path / "program.ts"
    program = nacelle.compile(seeded(TwoHeads), [X])
    torch.jit.save(program, str(path), _extra_files={"notes.txt": "kept", "folder/bytes": b"\xff\x00"})
    nacelle.convert(path, path, abi_version=4)
    extra: dict[str, object] = {"notes.txt": "", "folder/bytes": ""}
    torch.jit.load(str(path), _extra_files=extra)
    assert extra == {"notes.txt": b"kept", "folder/bytes": b"\xff\x00"}


def test_what_a_version_cannot_keep_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "program.ts"
    plan = nacelle.build_engine(seeded(TwoHeads), [X])
    nacelle.embed(plan, abi_version=5, hardware_compatible=True).save(str(path))
    before = path.read_bytes()
    with pytest.raises(nacelle.RecordError, match=r"engine engine_trt_engine: .*hardware_compatible"):
        nacelle.convert(path, path, abi_version=3)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
    nacelle.convert(path, path, abi_version=3, drop=["hardware_compatible"])
    assert nacelle.read(path).engines[0].flags["hardware_compatible"] is False


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"abi_version": 2}, nacelle.RecordError, "2"),
        ({"abi_version": 11}, nacelle.RecordError, "11"),
        ({"abi_version": 3, "drop": ["colour"]}, nacelle.InputError, "colour"),
    ],
)
def test_wrong_arguments(saved: Path, arguments: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        nacelle.convert(saved, saved.with_name("out.ts"), **arguments)  # type: ignore[arg-type]
    assert not saved.with_name("out.ts").exists()


def test_files_that_are_no_programs(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.ts"):
        nacelle.read(tmp_path / "missing.ts")
    (tmp_path / "text.ts").write_text("not a program")
    with pytest.raises(nacelle.InputError, match=r"text\.ts is no TorchScript program"):
        nacelle.read(tmp_path / "text.ts")
    torch.save({"a": X}, tmp_path / "tensors.pt")
    with pytest.raises(nacelle.InputError, match=r"tensors\.pt is what torch\.save wrote"):
        nacelle.read(tmp_path / "tensors.pt")
    (tmp_path / "cut.ts").write_bytes(saved.read_bytes()[:-200])
    with pytest.raises(nacelle.InputError, match=r"cut\.ts"):
        nacelle.read(tmp_path / "cut.ts")


def test_a_folder_that_is_not_there(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        nacelle.convert(saved, tmp_path / "no" / "out.ts", abi_version=4)


@needs_upstream
@pytest.mark.parametrize(
    ("name", "version", "release", "gpu", "inputs", "outputs"),
    [
        ("abi5_trt8.6.1_a100.ts", 5, "TensorRT 8.6.1.6", "NVIDIA A100-PCIE-40GB", None, None),
        ("abi9_trt11.0.0_rtx5090.ts", 9, "TensorRT 11.0.0.114", "NVIDIA GeForce RTX 5090", ["x"], ["output0"]),
    ],
)
class TestProgramsOfTorchTensorRT:
    def test_are_read(
        self, name: str, version: int, release: str, gpu: str, inputs: list[str] | None, outputs: list[str] | None
    ) -> None:
        (engine,) = nacelle.read(Path(UPSTREAM or "", name)).engines
        assert engine.path == "_run_on_acc_0.engine"
        assert (engine.abi_version, engine.plan_release) == (version, release)
        assert engine.device.endswith("%" + gpu)
        assert engine.flags["hardware_compatible"] is True
        if inputs is not None:
            assert (engine.input_names, engine.output_names) == (inputs, outputs)

    def test_are_converted_and_back(
        self, name: str, version: int, tmp_path: Path, release: str, gpu: str, inputs: object, outputs: object
    ) -> None:
        source = Path(UPSTREAM or "", name)
        (wanted,) = nacelle.read(source).engines
        nacelle.convert(source, tmp_path / "ten.ts", abi_version=10)
        nacelle.convert(tmp_path / "ten.ts", tmp_path / "back.ts", abi_version=version)
        (found,) = nacelle.read(tmp_path / "back.ts").engines
        for field in ("abi_version", "name", "device", "plan", "input_names", "output_names", "flags", "metadata"):
            assert getattr(found, field) == getattr(wanted, field), field

    def test_say_what_they_want_when_they_are_called(
        self, name: str, version: int, release: str, gpu: str, inputs: object, outputs: object
    ) -> None:
        program = torch.jit.load(str(Path(UPSTREAM or "", name)), map_location="cpu")
        with pytest.raises(nacelle.Error) as caught:
            program(torch.ones(1, 3, 224, 224))
        assert release in str(caught.value)
        assert gpu in str(caught.value)
