"""The example from outside: the program that a newcomer runs first."""

from pathlib import Path

import pytest
import torch
from PIL import Image

import torch_nacelle as nacelle
from examples.common.fresh_process import FreshProcessError, FreshRun, run_in_fresh_process
from examples.faces import main
from examples.faces.data import ASTRONAUT
from examples.faces.picture import read_picture, to_tensor
from tests.examples.program import Run, check_help, check_refusal, succeed

FACES = "examples/faces/faces"

# The face that the published implementation, from which the weights come, finds in the photo.
BOX = [181.05, 62.16, 267.75, 172.05]
LANDMARKS = torch.tensor([[205.01, 101.73], [246.76, 103.71], [224.67, 128.96], [201.72, 139.25], [245.27, 141.86]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faces")


@pytest.fixture(scope="module")
def first_run(folder: Path) -> Run:
    """The program without any option, in an empty folder."""
    return succeed(FACES, folder=folder)


@pytest.fixture(scope="module")
def fresh(folder: Path, first_run: Run) -> FreshRun:
    """The saved program in a fresh process."""
    return run_in_fresh_process(folder / "faces.ts", [to_tensor(read_picture(ASTRONAUT))])


def overlap(a: list[float], b: list[float]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def test_the_saved_program_finds_the_face(fresh: FreshRun) -> None:
    boxes, landmarks, scores = fresh.outputs
    assert boxes.shape == (1, 4)
    assert overlap(boxes[0].tolist(), BOX) > 0.8
    assert (landmarks[0] - LANDMARKS).abs().max() < 2.0
    assert scores[0] > 0.99


def test_what_is_printed_is_what_was_found(first_run: Run, fresh: FreshRun) -> None:
    boxes, landmarks, scores = fresh.outputs
    for name, value in zip(("left", "top", "right", "bottom"), boxes[0].tolist(), strict=True):
        assert any(name in line and f" {value:.1f} " in line for line in first_run.output.splitlines())
    x, y = landmarks[0, 2].tolist()
    assert any(
        "nose" in line and f" {x:.1f}, " in line and f" {y:.1f} " in line for line in first_run.output.split("\n")
    )
    assert f"{float(scores[0]):.4f}" in first_run.output


def test_engines_and_eager_pytorch_agree(first_run: Run) -> None:
    assert first_run.number("Largest difference to eager PyTorch") < 1e-4


def test_the_file_is_the_whole_program(fresh: FreshRun) -> None:
    assert "torch_nacelle" in fresh.modules
    others = {"examples", "typer", "rich", "PIL", "numpy.testing"}
    assert not [name for name in fresh.modules if name.split(".")[0] in others or name in others]


def test_three_engines_are_in_the_file_and_listed(folder: Path, first_run: Run) -> None:
    engines = nacelle.read(folder / "faces.ts").engines
    assert [engine.path.split(".")[0] for engine in engines] == ["pnet", "rnet", "onet"]
    for engine in engines:
        assert engine.abi_version == 3
        assert engine.path in first_run.output
        assert engine.plan_release.split(",")[0] in first_run.output


def test_engines_keep_their_ranges(folder: Path, first_run: Run) -> None:
    program = torch.jit.load(str(folder / "faces.ts"))
    pnet, rnet, onet = program.pnet, program.rnet, program.onet
    assert [tuple(part.shape) for part in pnet(torch.zeros(1, 3, 12, 40))] == [(1, 4, 1, 15), (1, 2, 1, 15)]
    assert [tuple(part.shape) for part in rnet(torch.zeros(128, 3, 24, 24))] == [(128, 4), (128, 2)]
    assert [tuple(part.shape) for part in onet(torch.zeros(2, 3, 48, 48))] == [(2, 4), (2, 10), (2, 2)]
    with pytest.raises(Exception, match="129"):
        onet(torch.zeros(129, 3, 48, 48))
    with pytest.raises(Exception, match="11"):
        pnet(torch.zeros(1, 3, 11, 40))


def test_the_picture_shows_the_box(folder: Path, first_run: Run, fresh: FreshRun) -> None:
    path = folder / "astronaut_faces.png"
    assert f"Picture: {path}" in first_run.output
    drawn, photo = Image.open(path), Image.open(ASTRONAUT).convert("RGB")
    assert drawn.size == photo.size
    left, top, right, bottom = fresh.outputs[0][0].tolist()
    for x, y in ((left, (top + bottom) / 2), (right, (top + bottom) / 2), ((left + right) / 2, bottom)):
        assert drawn.getpixel((round(x), round(y))) == (0, 230, 118)
    for x, y in fresh.outputs[1][0].tolist():
        assert drawn.getpixel((round(x), round(y))) == (255, 64, 129)
    corner = (300, 200, 512, 512)
    assert drawn.crop(corner).tobytes() == photo.crop(corner).tobytes()


def test_a_picture_without_a_face(tmp_path: Path, folder: Path, first_run: Run) -> None:
    Image.new("L", (90, 70), 60).save(tmp_path / "gray.png")
    ended = succeed(FACES, "--image", "gray.png", "--output", "found/here", folder=tmp_path)
    assert "No face found in gray.png" in ended.output
    assert ended.number("Largest difference to eager PyTorch") == 0
    assert {path.name for path in (tmp_path / "found/here").iterdir()} == {"faces.ts", "gray_faces.png"}
    # The program has nothing of the picture, and nothing of the process that made it.
    assert (tmp_path / "found/here/faces.ts").read_bytes() == (folder / "faces.ts").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--image", "none.png"], 2, "none.png is not there; a picture was wanted"),
        (["--image", "notes.txt"], 2, "notes.txt cannot be read as a picture"),
        (["--min-face", "5"], 2, "--min-face"),
        (["--backend", "abacus"], 2, "abacus"),
        (["--weights", "."], 1, "pnet.pt"),
        (["--output", "notes.txt"], 1, "notes.txt"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, arguments: list[str], status: int, message: str) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    check_refusal(main.app, arguments, status, message, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_help_names_the_options(tmp_path: Path) -> None:
    check_help(main.app, "--image", "--output", "--backend", "--min-face", "--weights", folder=tmp_path)


def test_a_failure_in_the_fresh_process_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.ts").write_bytes(b"no program")
    with pytest.raises(FreshProcessError, match=r"broken\.ts in a fresh process failed \(exit status 1\)(.|\n)*Error"):
        run_in_fresh_process(tmp_path / "broken.ts", [])
