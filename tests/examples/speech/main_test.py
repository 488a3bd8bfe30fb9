"""The example from outside."""

import wave
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from examples.common.fresh_process import FreshRun, run_in_fresh_process
from examples.speech import main
from examples.speech.data import MODEL, RECORDING
from examples.speech.sound import read_sound
from tests.examples.program import Run, check_help, check_refusal, succeed

SPEECH = "examples/speech/speech"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("speech")


@pytest.fixture(scope="module")
def first_run(folder: Path) -> Run:
    """The program without any option, in an empty folder."""
    return succeed(SPEECH, folder=folder)


@pytest.fixture(scope="module")
def fresh(folder: Path, first_run: Run) -> FreshRun:
    """The saved program in a fresh process, over the start of the conversation."""
    return run_in_fresh_process(folder / "speech.ts", [read_sound(RECORDING)[None, : 16000 * 12]], threads=1)


def timeline(output: str, name: str) -> str:
    return next(line for line in output.splitlines() if line.lstrip().startswith(f"{name} |")).split("|")[1]


def test_speech_is_found_where_it_is(first_run: Run) -> None:
    line = timeline(first_run.output, "sample.wav")
    assert len(line) == 96
    assert line[:20].strip() == "" and line.count("█") > 50
    assert timeline(first_run.output, "a tone").strip() == timeline(first_run.output, "white noise").strip() == ""
    assert first_run.number("Tone, highest probability of speech") < 0.2
    assert first_run.number("Noise, highest probability of speech") < 0.2
    assert "6.78" in first_run.output


def test_detector_and_person_agree(first_run: Run) -> None:
    share = first_run.output.split("detector and person agree: ")[1].split("%")[0]
    assert float(share) > 95


def test_the_engine_and_onnxruntime_agree(first_run: Run) -> None:
    assert first_run.number("Largest difference to onnxruntime") < 1e-4


def test_the_saved_program_is_all_that_is_needed(fresh: FreshRun) -> None:
    probabilities = fresh.outputs[0]
    assert probabilities.shape == (1, 375)
    assert probabilities[0, :200].max() < 0.35 and probabilities[0, -50:].mean() > 0.9
    assert not [name for name in fresh.modules if name.split(".")[0] in ("examples", "onnx", "onnxruntime", "rich")]


def test_the_engine_in_the_file_is_the_one_that_is_listed(folder: Path, first_run: Run) -> None:
    (engine,) = nacelle.read(folder / "speech.ts").engines
    assert engine.name == MODEL.stem
    assert engine.name in first_run.output and engine.plan_release.split(",")[0] in first_run.output


def test_a_sound_without_speech(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "quiet.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes(bytes(44100 * 4))
    ended = succeed(SPEECH, "--sound", "quiet.wav", "--output", "found/here", folder=tmp_path)
    assert "No speech found in quiet.wav" in ended.output
    assert "noted by a person" not in ended.output
    assert [path.name for path in (tmp_path / "found/here").iterdir()] == ["speech.ts"]
    assert torch.jit.load(str(tmp_path / "found/here/speech.ts"))(torch.zeros(1, 512)).shape == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--sound", "none.wav"], 2, "none.wav is not there; a WAV file was wanted"),
        (["--sound", "notes.txt"], 2, "notes.txt cannot be read as a WAV file"),
        (["--backend", "abacus"], 2, "abacus"),
        (["--model", "none.onnx"], 1, "none.onnx"),
        (["--model", "notes.txt"], 1, "notes.txt"),
        (["--output", "notes.txt"], 1, "notes.txt"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, arguments: list[str], status: int, message: str) -> None:
    (tmp_path / "notes.txt").write_text("no sound and no model")
    check_refusal(main.app, arguments, status, message, tmp_path)
    assert "speech.ts" not in [path.name for path in tmp_path.iterdir()]


def test_help_names_the_options(tmp_path: Path) -> None:
    check_help(main.app, "--sound", "--output", "--backend", "--model", folder=tmp_path)
