"""The example from outside, and the parts of the detector."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from examples.detector import main
from examples.detector.model import suppressed
from examples.faces.data import ASTRONAUT
from tests.examples.program import Run, check_help, check_refusal, succeed

DETECTOR = "examples/detector/detector"

# The face that the published implementation, from which the weights come, finds in the photo.
BOX = (181.05, 62.16, 267.75, 172.05)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("detector")


@pytest.fixture(scope="module")
def first_run(folder: Path) -> Run:
    """The program without any option, in an empty folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(folder / "inductor"))
        return succeed(DETECTOR, folder=folder)


def test_one_face_is_found_where_it_is(first_run: Run) -> None:
    rows = [line.split("│")[1:-1] for line in first_run.output.splitlines() if line.startswith("│")]
    (numbers,) = [[float(cell) for cell in row] for row in rows]
    assert numbers[0] > 0.99
    assert all(abs(edge - wanted) < 8 for edge, wanted in zip(numbers[1:], BOX, strict=True))


def test_python_cpp_and_eager_pytorch_agree(first_run: Run) -> None:
    assert first_run.number("Largest difference of Python to eager PyTorch") < 1e-2  # of a pixel
    assert first_run.number(r"Largest difference of C++ to Python") == 0


def test_the_package_and_the_picture_are_there(folder: Path, first_run: Run) -> None:
    assert {path.name for path in folder.glob("*.*")} == {"detector.pt2", "astronaut_detector.png"}
    drawn = Image.open(folder / "astronaut_detector.png")
    assert drawn.size == Image.open(ASTRONAUT).size
    assert f"Picture: {folder / 'astronaut_detector.png'}" in first_run.output


def test_better_boxes_suppress() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 10, 10], [20, 0, 30, 10], [0, 0, 10, 9]])
    scores = torch.tensor([0.5, 0.9, 0.1, 0.9])
    torch.testing.assert_close(suppressed(boxes, scores, 0.7), torch.tensor([0.0, 0.9, 0.1, 0.0]))


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--image", "none.png"], 2, "none.png is not there; a picture was wanted"),
        (["--backend", "abacus"], 2, "abacus"),
        (["--output", "notes.txt"], 1, "notes.txt"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, arguments: list[str], status: int, message: str) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    check_refusal(main.app, arguments, status, message, tmp_path)


def test_a_failure_of_a_process_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.pt2").write_bytes(b"no package")
    for command, options in ((main.RUN_IN_PYTHON, []), ([main.RUN_IN_CPP], ["--input", "--output"])):
        with pytest.raises(main.RunError, match=r"run_package(\.py)? failed \(exit status 1\)(.|\n)*zip archive"):
            main._run_package(command, options, tmp_path / "broken.pt2", torch.zeros(1))


def test_help_names_the_options(tmp_path: Path) -> None:
    check_help(main.app, "--image", "--output", "--backend", folder=tmp_path)
