"""The example from outside."""

from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

import torch_nacelle as nacelle
from examples.common.fresh_process import FreshRun, run_in_fresh_process
from examples.faces.picture import to_tensor
from examples.text import main
from examples.text.characters import read_characters, texts
from examples.text.data import MODELS, RECOGNITION
from examples.text.picture import LINES, sample
from tests.examples.program import Run, check_help, check_refusal, succeed

TEXT = "examples/text/text"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("text")


@pytest.fixture(scope="module")
def first_run(folder: Path) -> Run:
    """The program without any option, in an empty folder."""
    return succeed(TEXT, folder=folder)


@pytest.fixture(scope="module")
def fresh(folder: Path, first_run: Run) -> FreshRun:
    """The saved program in a fresh process."""
    return run_in_fresh_process(folder / "text.ts", [to_tensor(sample())])


def test_all_lines_are_read(fresh: FreshRun) -> None:
    boxes, codes, scores = fresh.outputs
    assert texts(codes, read_characters(MODELS / RECOGNITION)) == [text for text, *_ in LINES]
    assert scores.min() > 0.95
    for box, (_, size, (left, top), _, _) in zip(boxes.tolist(), LINES, strict=True):
        assert box[0] <= left + 3 and box[1] <= top + size / 2 <= box[3]


def test_what_is_printed_is_what_was_read(first_run: Run, fresh: FreshRun) -> None:
    for (text, *_), box, score in zip(LINES, fresh.outputs[0].tolist(), fresh.outputs[2].tolist(), strict=True):
        row = next(line for line in first_run.output.splitlines() if f" {text} " in line)
        printed = [float(cell) for cell in row.split("│")[1:6]]
        assert printed == pytest.approx([score, *box], abs=0.06)


def test_engines_and_onnxruntime_agree(first_run: Run) -> None:
    assert first_run.number("Largest difference to onnxruntime") < 1e-3


def test_the_file_is_the_whole_program(fresh: FreshRun) -> None:
    assert not [name for name in fresh.modules if name.split(".")[0] in ("examples", "onnx", "onnxruntime", "PIL")]


def test_two_engines_are_in_the_file_and_listed(folder: Path, first_run: Run) -> None:
    engines = nacelle.read(folder / "text.ts").engines
    assert [engine.path.split(".")[0] for engine in engines] == ["detector", "recognizer"]
    assert all(engine.name in first_run.output for engine in engines)


def test_the_picture_shows_the_boxes(folder: Path, fresh: FreshRun) -> None:
    drawn = Image.open(folder / "sample_text.png")
    assert drawn.size == (1280, 320)
    left, top, right, bottom = fresh.outputs[0][0].round().tolist()
    assert drawn.getpixel((left, (top + bottom) / 2)) == drawn.getpixel((right, (top + bottom) / 2)) == (0, 160, 90)


def test_a_picture_without_text_and_one_with_other_text(tmp_path: Path, folder: Path, first_run: Run) -> None:
    Image.new("L", (90, 70), 60).save(tmp_path / "gray.png")
    ended = succeed(TEXT, "--image", "gray.png", "--output", "found/here", "--cache", "kept", folder=tmp_path)
    assert "No text found." in ended.output
    assert ended.number("Largest difference to onnxruntime") == 0
    assert {path.name for path in (tmp_path / "found/here").iterdir()} == {"text.ts", "gray_text.png"}
    assert len(list((tmp_path / "kept/engines").glob("*.plan"))) == 2
    # The program has nothing of the picture, and nothing of the process that made it.
    assert (tmp_path / "found/here/text.ts").read_bytes() == (folder / "text.ts").read_bytes()
    other = Image.new("RGB", (1400, 200), "navy")
    ImageDraw.Draw(other).text((100, 60), "Quite another size, 98.6 %", fill="yellow", font=ImageFont.load_default(70))
    _, codes, _ = torch.jit.load(str(folder / "text.ts"))(to_tensor(other))
    (text,) = texts(codes, read_characters(MODELS / RECOGNITION))
    assert text.replace(" ", "") == "Quiteanothersize,98.6%"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--image", "none.png"], 2, "none.png is not there; a picture was wanted"),
        (["--image", "notes.txt"], 2, "notes.txt cannot be read as a picture"),
        (["--backend", "abacus"], 2, "abacus"),
        (["--models", "nowhere"], 1, "nowhere"),
        (["--models", "."], 1, "PP-OCRv6_rec_small.onnx"),
        (["--models", "wrong"], 1, "cannot be read as an ONNX model"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, arguments: list[str], status: int, message: str) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / RECOGNITION).write_text("no model")
    check_refusal(main.app, arguments, status, message, tmp_path)
    assert "text.ts" not in [path.name for path in tmp_path.iterdir()]


def test_help_names_the_options(tmp_path: Path) -> None:
    check_help(main.app, "--image", "--output", "--backend", "--models", "--cache", folder=tmp_path)
