"""The detector without engines: in Python and as TorchScript."""

import pytest
import torch
from torch import Tensor, nn

from examples.faces.data import ASTRONAUT, WEIGHTS
from examples.faces.detector import FaceDetector, load_detector
from examples.faces.networks import ONet, PNet, RNet
from examples.faces.picture import read_picture, to_tensor

# The face that the published implementation, from which the weights come, finds in the photo.
BOX = torch.tensor([181.05, 62.16, 267.75, 172.05])
LANDMARKS = torch.tensor([[205.01, 101.73], [246.76, 103.71], [224.67, 128.96], [201.72, 139.25], [245.27, 141.86]])


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return load_detector(WEIGHTS)


@pytest.fixture(scope="module")
def scripted(detector: FaceDetector) -> torch.jit.ScriptModule:
    return torch.jit.script(detector)


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return to_tensor(read_picture(ASTRONAUT))


def overlap(a: Tensor, b: Tensor) -> float:
    size = (torch.minimum(a[2:], b[2:]) - torch.maximum(a[:2], b[:2])).clamp(min=0)
    areas = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()
    return float(size.prod() / (areas - size.prod()))


def test_shapes_of_the_networks() -> None:
    corrections, probabilities = PNet()(torch.zeros(1, 3, 12, 12))
    assert corrections.shape == (1, 4, 1, 1) and probabilities.shape == (1, 2, 1, 1)
    corrections, probabilities = PNet()(torch.zeros(1, 3, 33, 50))
    assert corrections.shape == (1, 4, 12, 20)
    corrections, probabilities = RNet()(torch.zeros(5, 3, 24, 24))
    assert corrections.shape == (5, 4) and probabilities.shape == (5, 2)
    corrections, landmarks, probabilities = ONet()(torch.zeros(5, 3, 48, 48))
    assert corrections.shape == (5, 4) and landmarks.shape == (5, 10)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(5))


def test_finds_the_face(detector: FaceDetector, photo: Tensor) -> None:
    boxes, landmarks, scores = detector(photo)
    assert boxes.shape == (1, 4) and landmarks.shape == (1, 5, 2) and scores.shape == (1,)
    assert scores[0] > 0.99
    assert overlap(boxes[0], BOX) > 0.85
    assert (landmarks[0] - LANDMARKS).abs().max() < 2.0


def test_torchscript_gives_the_same(detector: FaceDetector, scripted: torch.jit.ScriptModule, photo: Tensor) -> None:
    for _ in range(3):  # the interpreter profiles first, and optimizes afterwards
        for mine, wanted in zip(scripted(photo), detector(photo), strict=True):
            torch.testing.assert_close(mine, wanted, atol=1e-4, rtol=0)


def test_finds_two_faces(scripted: torch.jit.ScriptModule, photo: Tensor) -> None:
    both = torch.cat([photo, photo.flip(1)], dim=1)
    boxes, landmarks, scores = scripted(both)
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    (first, second) = boxes[boxes[:, 0].argsort()]
    assert overlap(first, BOX) > 0.8
    assert overlap(second, torch.stack([1024 - BOX[2], BOX[1], 1024 - BOX[0], BOX[3]])) > 0.8
    # The left eye is the left one in the image, in a mirrored face too.
    assert bool((landmarks[:, 0, 0] < landmarks[:, 1, 0]).all())


def test_a_face_at_the_edge_has_its_box_inside(scripted: torch.jit.ScriptModule, photo: Tensor) -> None:
    boxes, _, _ = scripted(photo[75:, 190:].contiguous())
    assert boxes.size(0) == 1
    assert boxes.min() >= 0
    assert boxes[0, 0] < 5


def test_a_large_picture(scripted: torch.jit.ScriptModule, photo: Tensor) -> None:
    large = photo.repeat_interleave(3, dim=0).repeat_interleave(3, dim=1)
    boxes, _, _ = scripted(large)
    assert boxes.size(0) == 1
    assert overlap(boxes[0] / 3, BOX) > 0.8


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (0, 100), (100, 0), (12, 12), (19, 400), (20, 20), (200, 31)])
def test_no_face(scripted: torch.jit.ScriptModule, size: tuple[int, int]) -> None:
    boxes, landmarks, scores = scripted(torch.full((*size, 3), 90, dtype=torch.uint8))
    assert boxes.shape == (0, 4) and landmarks.shape == (0, 5, 2) and scores.shape == (0,)
    assert boxes.dtype == landmarks.dtype == scores.dtype == torch.float32


class Recorder(nn.Module):
    """Passes a network on, and keeps the shapes that it was given."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.shapes: list[list[int]] = []

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        self.shapes.append(list(pixels.shape))
        result: tuple[Tensor, ...] = self.network(pixels)
        return result


def test_batches_keep_within_the_engines_limit(photo: Tensor) -> None:
    whole = load_detector(WEIGHTS)
    split = load_detector(WEIGHTS)
    split.max_crops = 3
    recorder = split.rnet = Recorder(split.rnet)
    for mine, wanted in zip(split(photo), whole(photo), strict=True):
        torch.testing.assert_close(mine, wanted, atol=1e-4, rtol=0)
    batches = [shape[0] for shape in recorder.shapes]
    assert max(batches) == 3 and len(batches) > 2


def test_levels_keep_within_the_engines_limit() -> None:
    detector = load_detector(WEIGHTS)
    recorder = detector.pnet = Recorder(detector.pnet)
    detector(torch.zeros(2200, 300, 3, dtype=torch.uint8))
    sides = [side for shape in recorder.shapes for side in shape[2:]]
    assert max(sides) == 1280
    assert min(sides) >= 12


@pytest.mark.parametrize("shape", [(10, 10), (3, 10, 10), (1, 10, 10, 3), (10, 10, 4)])
def test_an_image_of_another_shape_is_refused(detector: FaceDetector, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"image has shape \[.*must be \[height, width, 3\]"):
        detector(torch.zeros(shape, dtype=torch.uint8))


def test_an_image_of_another_dtype_is_refused(detector: FaceDetector, scripted: torch.jit.ScriptModule) -> None:
    with pytest.raises(ValueError, match="image must be uint8"):
        detector(torch.zeros(10, 10, 3))
    with pytest.raises(torch.jit.Error, match="image must be uint8"):
        scripted(torch.zeros(10, 10, 3))


def test_faces_smaller_than_the_window_are_refused() -> None:
    with pytest.raises(ValueError, match="min_face is 11 pixels"):
        FaceDetector(PNet(), RNet(), ONet(), min_face=11)
