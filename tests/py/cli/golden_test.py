"""The output of inspect and doctor, word for word: the files in golden/.

To write them anew, then read what changed:

    NACELLE_GOLDEN_OUT=$PWD/tests/py/cli/golden \
        bazel test //tests/py/cli:golden_test --test_env=NACELLE_GOLDEN_OUT --spawn_strategy=local

What differs between machines and releases is replaced: digests and sizes of plans that torch's own bytes are in.
"""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nacelle_cli import app
from nacelle_cli.commands import doctor
from nacelle_cli.machine import Driver, Gpu, Library, Machine
from tests.py.cli import samples
from tests.py.cli.terminal import pipe

GOLDEN = Path("tests/py/cli/golden").absolute()
ABSENT = "cannot be loaded: libnvinfer.so.11: cannot open shared object file: No such file or directory"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("samples")
    samples.hybrid(made / "hybrid.ts")
    samples.for_gpu(made / "for_gpu.ts")
    samples.whole(made / "whole.ts")
    (made / "two_heads.plan").write_bytes(samples.TWO_HEADS_PLAN.read_bytes())
    fields = [b"5", b"net", b"0%0%0%0%cpu", b"bnJlZg==", b"x%x", b"", b"0"]
    samples.replace_record(made / "whole.ts", fields, made / "damaged.ts")
    return made


def check(name: str, text: str) -> None:
    """Holds a text against a golden file."""
    if out := os.environ.get("NACELLE_GOLDEN_OUT"):
        Path(out, name).write_text(text, encoding="utf-8")
        pytest.fail(f"{name} is written anew; read what changed, and run without NACELLE_GOLDEN_OUT")
    assert text == (GOLDEN / name).read_text(encoding="utf-8"), f"see {GOLDEN / name}, and golden_test.py"


def steady(text: str) -> str:
    """The text without what torch's own bytes decide: all but sizes and digests of the plan that is committed."""
    text = re.sub(r"as TensorRT [\d.]+", "as TensorRT RELEASE", text)
    text = re.sub(r"[\d,]+ bytes \([\d.]+ KiB\)", lambda size: size[0] if "190,539" in size[0] else "SIZE", text)
    known = "778c950d77b32237ba1e04e187d231cbe87f174088ef86a7012fc31b5f1c78dc"
    return re.sub(r"\b[0-9a-f]{64}\b", lambda digest: digest[0] if digest[0] == known else "SHA256", text)


@pytest.mark.parametrize(
    ("name", "command", "code"),
    [
        ("inspect_program.txt", "nacelle inspect hybrid.ts", 0),
        ("inspect_several.txt", "nacelle inspect for_gpu.ts two_heads.plan", 0),
        ("inspect_damaged.txt", "nacelle inspect damaged.ts", 1),
        ("inspect_load.txt", "nacelle inspect --load whole.ts", 0),
        ("inspect_graph.txt", "nacelle inspect --graph whole.ts", 0),
    ],
)
def test_inspect(folder: Path, name: str, command: str, code: int) -> None:
    outcome = pipe(command, folder)
    assert (outcome.code, outcome.err) == (code, "")
    check(name, steady(outcome.out))


PLAIN = Machine(
    nacelle="1.2.3",
    torch="2.13.0+cpu",
    python="3.12.4",
    system="Linux x86_64",
    driver=Driver("", "", [], "libcuda.so.1: cannot open shared object file: No such file or directory"),
    libraries=[Library("libnvinfer.so.11", "the system's library path", "full", "", ABSENT)],
)
WITH_GPUS = Machine(
    nacelle="1.2.3",
    torch="2.13.0+cu130",
    torch_cuda="13.0",
    python="3.12.4",
    system="Linux x86_64",
    peer="2.13.0",
    variables={"NACELLE_TENSORRT_PATH": "/opt/tensorrt"},
    driver=Driver(
        "580.65.06",
        "13.0",
        [Gpu(0, "NVIDIA H100 80GB HBM3", "9.0", 85_520_809_984), Gpu(1, "NVIDIA A10", "8.6", 23_609_475_072)],
        "",
    ),
    libraries=[
        Library("/opt/tensorrt/libnvinfer.so.10", "NACELLE_TENSORRT_PATH", "full", "10.3.0.26", ""),
        Library("/opt/tensorrt/libnvinfer.so.9", "NACELLE_TENSORRT_PATH", "full", "", "it is of release 9.9.9.9"),
        Library("libnvinfer.so.11", "the system's library path", "full", "", ABSENT),
    ],
)


@pytest.mark.parametrize(
    ("name", "machine", "arguments", "code"),
    [
        ("doctor_plain.txt", PLAIN, [], 0),
        ("doctor_gpus.txt", WITH_GPUS, [], 0),
        ("doctor_will_run.txt", PLAIN, ["whole.ts"], 0),
        ("doctor_damaged.txt", PLAIN, ["damaged.ts"], 1),
        (
            "doctor_no_package.txt",
            dataclasses.replace(PLAIN, nacelle="", libraries=[], problem="torch is of another release"),
            ["whole.ts"],
            1,
        ),
    ],
)
def test_doctor(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, machine: Machine, arguments: list[str], code: int
) -> None:
    """On machines that are made up; doctor_test.py asks the real one."""
    machine.python, machine.system = "3.12.4", "Linux x86_64"
    monkeypatch.setattr(doctor, "look", lambda: machine)
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(app.make_app(), ["doctor", *arguments])
    assert (result.exit_code, result.stderr) == (code, "")
    check(name, steady(result.stdout))
