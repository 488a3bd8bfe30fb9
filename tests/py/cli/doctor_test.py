"""``nacelle doctor`` on the machine at hand, whatever it has."""

from __future__ import annotations

import dataclasses
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from nacelle_cli import machine
from nacelle_cli.commands import doctor
from tests.py.cli import samples
from tests.py.cli.commands import nacelle as in_process
from tests.py.cli.terminal import pipe, terminal


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("samples")
    samples.hybrid(made / "hybrid.ts")
    samples.for_gpu(made / "for_gpu.ts")
    return made


def test_json_tells_what_the_package_tells() -> None:
    outcome = in_process("doctor", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    found = outcome.json["machine"]
    assert (found["nacelle"], found["torch"]) == (nacelle.__version__, torch.__version__)
    wanted = [(one.path, one.kind, one.release) for one in nacelle.tensorrt_libraries()]
    assert [(one["path"], one["kind"], one["release"]) for one in found["libraries"]] == wanted
    assert bool(found["driver"]["problem"]) != bool(found["driver"]["gpus"])


def test_as_a_module_it_is_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = pipe(f"{sys.executable} -m torch_nacelle doctor hybrid.ts --json", folder)
    assert (outcome.code, outcome.err) == (0, "")
    monkeypatch.chdir(folder)
    assert outcome.json == in_process("doctor", "hybrid.ts", "--json").json


def test_an_engine_that_will_run(folder: Path) -> None:
    outcome = in_process("doctor", folder / "hybrid.ts", "--json")
    assert outcome.code == 0
    (engine,) = outcome.json["engines"]
    assert engine["path"] == "backbone.backbone_trt_engine"
    assert engine["will_run"] is True
    assert engine["runs_on"].startswith("cpu with the reference engine")


def test_an_engine_that_will_not_run_says_why_in_the_runtimes_words(folder: Path) -> None:
    outcome = terminal("nacelle doctor for_gpu.ts", folder, NO_COLOR="1")
    assert outcome.code == 1
    reason = nacelle.read(folder / "for_gpu.ts").module.net_trt_engine.why_not_ready()
    assert "No such GPU" in reason
    assert reason in outcome.words
    assert "will not run here" in outcome.words


def test_a_file_that_cannot_be_read(folder: Path) -> None:
    (folder / "text.ts").write_text("not a program")
    assert pipe("nacelle doctor missing.ts", folder).err == "nacelle: missing.ts: No such file or directory\n"
    outcome = in_process("doctor", folder / "text.ts")
    assert outcome.code == 1
    assert "is of no known kind: 13 bytes that begin with 6e 6f 74" in outcome.words


def test_tensors_on_a_device_that_is_not_here(folder: Path) -> None:
    """Torch reads them on a machine with that device, or with map_location; a note says so, and engines are asked."""
    with zipfile.ZipFile(folder / "hybrid.ts") as archive, zipfile.ZipFile(folder / "moved.ts", "w") as out:
        for item in archive.infolist():
            content = archive.read(item)
            if item.filename == "hybrid/data.pkl":
                before, text, after = content.rpartition(b"X\x03\x00\x00\x00cpu")  # the plan has one too
                assert text
                content = before + b"X\x06\x00\x00\x00cuda:1" + after
            out.writestr(item.filename, content)
    plain = machine.Machine(torch="2.13.0+cpu")
    diagnosis = doctor.examine(folder / "moved.ts", plain)
    assert diagnosis.will_run
    assert diagnosis.notes == [
        "tensors are saved on cuda:1, and torch 2.13.0+cpu has no CUDA: load it with "
        'torch.jit.load(path, map_location="cpu"), or with a torch for CUDA'
    ]
    assert doctor.examine(folder / "moved.ts", machine.Machine(torch="2.13.0+cu130", torch_cuda="13.0")).notes == []


@dataclasses.dataclass
class Gpu:
    number: int
    name: str
    compute_capability: tuple[int, int]
    memory: int


@dataclasses.dataclass
class Driver:
    version: int
    gpus: list[Gpu]
    problem: str


def test_the_driver_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nacelle_core.cuda_driver", lambda: Driver(13020, [Gpu(0, "NVIDIA A10", (8, 6), 24 << 30)], ""))
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 2025")
    monkeypatch.setattr(machine, "_KERNEL_MODULE", tmp_path / "version")
    wanted = machine.Driver("580.65.06", "13.2", [machine.Gpu(0, "NVIDIA A10", "8.6", 24 << 30)], "")
    assert machine._driver() == wanted
    assert "580.65.06, runs CUDA up to 13.2" in in_process("doctor").out


def test_a_driver_without_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nacelle_core.cuda_driver", lambda: Driver(13020, [], "the driver lists no GPU"))
    shown = " ".join(in_process("doctor").out.split())
    assert "runs CUDA up to 13.2" in shown
    assert "only plans of the reference engine run here (the driver lists no GPU)" in shown


def test_a_library_that_has_nothing_of_a_driver(tmp_path: Path) -> None:
    source = tmp_path / "libcuda.so.1"
    subprocess.run(["cc", "-shared", "-x", "c", "/dev/null", "-o", str(source)], check=True)
    outcome = pipe("nacelle doctor", tmp_path, LD_LIBRARY_PATH=str(tmp_path))
    assert (outcome.code, outcome.err) == (0, "")
    assert "none: libcuda.so.1 has no function cuInit: it is not NVIDIA's driver" in outcome.words


def with_checksum(plan: bytes) -> bytes:
    """A plan of the reference engine with size and checksum put right, as docs/reference/reference_engine.md says."""
    digest = 14695981039346656037
    body = plan[24:]
    whole = len(body) // 8
    for word in (*struct.unpack_from(f"<{whole}Q", body), *body[whole * 8 :]):
        digest = (digest ^ word) * 1099511628211 % 2**64
    return plan[:8] + struct.pack("<QQ", len(plan), digest) + body


@pytest.fixture(scope="module")
def plan() -> bytes:
    named = nacelle.Input(shape=(2,), name="AAAAAAAA")
    made = nacelle.build_engine(
        torch.nn.ReLU(), [named], backend="reference", name="CCCCCCCC", output_names=["BBBBBBBB"]
    )
    assert with_checksum(made) == made
    return made


@pytest.mark.parametrize(
    "command", [["doctor"], ["doctor", "--json"], ["inspect", "--load"], ["inspect", "--load", "--json"]]
)
def test_a_plan_whose_names_are_not_utf8(plan: bytes, tmp_path: Path, command: list[str]) -> None:
    for text in (b"AAAAAAAA", b"BBBBBBBB", b"CCCCCCCC"):
        (tmp_path / "odd.plan").write_bytes(with_checksum(plan.replace(text, b"\xff\xfe\xc3 odd!")))
        outcome = in_process(*command, tmp_path / "odd.plan")
        assert (outcome.code, outcome.err) == (0, "")
        if command == ["inspect", "--load"] and text != b"CCCCCCCC":
            assert r"\xff\xfe\xc3 odd!" in outcome.out


def test_what_an_engine_with_such_names_tells(plan: bytes) -> None:
    for text in (b"AAAAAAAA", b"BBBBBBBB", b"CCCCCCCC"):
        plan = plan.replace(text, b"\xff" + text[1:])
    engine = nacelle.embed(with_checksum(plan)).engine_trt_engine
    assert [one[0] for one in engine.inputs()] == engine.input_names() == [r"\xffAAAAAAA"]
    assert [one[0] for one in engine.outputs()] == engine.output_names() == [r"\xffBBBBBBB"]
    assert r"\xffAAAAAAA" in str(engine)
    assert "aten::relu" in engine.layer_information()
    assert engine.why_not_ready() == ""


def test_a_reason_of_several_lines_is_printed_as_lines(plan: bytes, tmp_path: Path) -> None:
    (tmp_path / "cut.plan").write_bytes(plan[:-3])
    (tmp_path / "twice.plan").write_bytes(with_checksum(plan.replace(b"AAAAAAAA", b"BBBBBBBB")))
    # A damaged module, which inspect does not look into.
    (tmp_path / "module.plan").write_bytes(with_checksum(plan.replace(b"PK\5\6", b"PK\5\7")))
    for *command, name in (["doctor", "cut.plan"], ["doctor", "twice.plan"], ["inspect", "--load", "module.plan"]):
        outcome = in_process(*command, tmp_path / name)
        assert r"\x0a" not in outcome.out
        assert "did not accept the plan" in outcome.out
        assert any(line.strip().startswith("See docs/troubleshooting.md#") for line in outcome.out.splitlines())


def test_the_reason_why_a_program_does_not_run(plan: bytes, tmp_path: Path) -> None:
    names = {"input_names": ["AAAAAAAA"], "output_names": ["BBBBBBBB"]}
    nacelle.embed(plan[:-3], abi_version=9, **names).save(str(tmp_path / "program.ts"))  # type: ignore[arg-type]
    outcome = in_process("doctor", tmp_path / "program.ts")
    assert outcome.code == 1
    assert "did not accept the plan" in outcome.out
    assert r"\x0a" not in outcome.out


def test_control_characters_in_a_reason_are_shown(tmp_path: Path) -> None:
    (tmp_path / "text.plan").write_bytes(b"hello\n\x1b[31mred")
    outcome = in_process("doctor", tmp_path / "text.plan")
    assert outcome.code == 1
    assert r"hello\x0a\x1b[" in outcome.err
    assert "\x1b" not in outcome.err


def test_one_library_and_an_odd_plan_in_a_process_of_its_own(plan: bytes, tmp_path: Path) -> None:
    """The reference engine's library stands for TensorRT's, under its path, links to it, and the system's name."""
    library = Path(nacelle.__file__).parent / "lib" / "libnacelle_reference.so"
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "libnvinfer.so.11").write_bytes(library.read_bytes())
    (tmp_path / "a" / "libnvinfer.so.11.1.0").hardlink_to(tmp_path / "a" / "libnvinfer.so.11")
    (tmp_path / "a" / "libnvinfer.so").symlink_to("libnvinfer.so.11")
    (tmp_path / "b").symlink_to("a")
    places = f"{tmp_path}/b:{tmp_path}/a:{tmp_path}/a/libnvinfer.so.11"
    (tmp_path / "odd.plan").write_bytes(with_checksum(plan.replace(b"CCCCCCCC", b"\xff\xfe\xfd name")))
    outcome = pipe(
        "nacelle doctor odd.plan --json", tmp_path, NACELLE_TENSORRT_PATH=places, LD_LIBRARY_PATH=f"{tmp_path}/a"
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.json["will_run"] is True
    ours = [one["path"] for one in outcome.json["machine"]["libraries"] if one["release"].startswith("11.1.0")]
    assert ours == [f"{tmp_path}/b/libnvinfer.so"]
