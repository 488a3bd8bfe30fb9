"""The whole detector, from an image to faces, as one module that TorchScript compiles.

Its three networks are submodules: in the saved program they are engines, and everything between them stays TorchScript.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from examples.faces import boxes as bx
from examples.faces import pixels as px
from examples.faces.networks import ONet, PNet, RNet, load_weights

# The ranges that the engines are built for; the detector keeps within them.
WINDOW = 12  # P-Net's window: the smallest height and width that it takes
MAX_SIDE = 1280  # the largest
MAX_CROPS = 128  # the largest batch of R-Net and O-Net; more crops go in several batches
RNET_SIDE = 24
ONET_SIDE = 48


class FaceDetector(nn.Module):
    """Finds faces, each with a box, five landmarks and a score."""

    def __init__(self, pnet: nn.Module, rnet: nn.Module, onet: nn.Module, min_face: float = 20.0) -> None:
        """Puts the networks together.

        Args:
            pnet: proposes places; see `networks` for what the three take and give.
            rnet: refines them.
            onet: judges what is left, and places the landmarks.
            min_face: side of the smallest face to be found, in pixels; at least 12.

        Raises:
            ValueError: `min_face` is too small.
        """
        super().__init__()
        if min_face < WINDOW:
            raise ValueError(f"min_face is {min_face:g} pixels; P-Net sees faces of {WINDOW} pixels and more")
        # Plain attributes, not Final: torch writes constants into the program in an order that changes from run to run.
        self.pnet = pnet
        self.rnet = rnet
        self.onet = onet
        self.min_face = float(min_face)
        self.factor = 0.709  # from level to level: half the area
        self.face_threshold = (0.6, 0.7, 0.7)  # the least probability of a face that each network lets pass
        self.window = WINDOW
        self.max_side = MAX_SIDE
        self.max_crops = MAX_CROPS
        self.rnet_side = RNET_SIDE
        self.onet_side = ONET_SIDE
        self.max_proposals = 2000  # the best of each level; bounds the memory of suppression

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Finds the faces in an image.

        Args:
            image: uint8 [height, width, 3], RGB.

        Returns:
            boxes float32 [n, 4] (left, top, right, bottom, in pixels, inside the image), landmarks float32 [n, 5, 2]
            (x, y of the eyes, the nose, the corners of the mouth; of a pair the left one in the image first), scores
            float32 [n] from 0 to 1, best first. n is 0 if there is no face, or no room for one.

        Raises:
            ValueError: the image has another dtype or shape (torch.jit.Error from TorchScript, with the same words).
        """
        if image.dim() != 3 or image.size(-1) != 3:
            raise ValueError(f"image has shape {list(image.shape)}; it must be [height, width, 3]: one RGB image")
        if image.dtype != torch.uint8:
            raise ValueError("image must be uint8, from 0 to 255; it has another dtype")
        height = image.size(0)
        width = image.size(1)
        pixels = image.permute(2, 0, 1)[None].float()
        boxes = self.propose(pixels)
        boxes = self.refine(pixels, boxes)
        boxes, landmarks, scores = self.judge(pixels, boxes)
        return bx.clip(boxes, height, width), landmarks, scores

    def propose(self, pixels: Tensor) -> Tensor:
        """Runs P-Net over the pyramid of pixels [1, 3, h, w]; returns squares [n, 4] that may be faces."""
        found_boxes = [pixels.new_zeros([0, 4])]
        found_corrections = [pixels.new_zeros([0, 4])]
        found_scores = [pixels.new_zeros([0])]
        scales = px.pyramid_scales(
            pixels.size(2), pixels.size(3), self.window, self.min_face, self.factor, self.max_side
        )
        for scale in scales:
            level = px.resize(pixels, scale)
            corrections, probabilities = self.pnet(px.normalize(level))
            boxes, corrections, scores = self.windows(level, corrections, probabilities)
            # From the level's pixels to the image's: the sides of a level are whole, so not exactly the scale.
            across = pixels.size(3) / level.size(3)
            down = pixels.size(2) / level.size(2)
            keep = bx.suppress(boxes, scores, 0.5)
            found_boxes.append(boxes[keep] * torch.tensor([across, down, across, down], device=boxes.device))
            found_corrections.append(corrections[keep])
            found_scores.append(scores[keep])
        boxes = torch.cat(found_boxes)
        keep = bx.suppress(boxes, torch.cat(found_scores), 0.7)
        return bx.square(bx.correct(boxes[keep], torch.cat(found_corrections)[keep]))

    def windows(self, level: Tensor, corrections: Tensor, probabilities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The windows of a level that may show a face: boxes [n, 4] in its pixels, corrections [n, 4], scores [n]."""
        face = probabilities[0, 1]
        places = torch.nonzero(face >= self.face_threshold[0])  # [n, 2]: row, column
        scores = face[places[:, 0], places[:, 1]]
        if scores.size(0) > self.max_proposals:
            scores, best = torch.topk(scores, self.max_proposals)
            places = places[best]
        corner = places.flip(1).to(level.dtype) * 2.0  # P-Net's stride
        boxes = torch.cat([corner, corner + float(self.window)], dim=1)
        return boxes, corrections[0, :, places[:, 0], places[:, 1]].t(), scores

    def refine(self, pixels: Tensor, boxes: Tensor) -> Tensor:
        """Runs R-Net on squares [n, 4]; returns the squares [m, 4] that pass, corrected."""
        all_corrections = [boxes.new_zeros([0, 4])]
        all_scores = [boxes.new_zeros([0])]
        for start in range(0, boxes.size(0), self.max_crops):
            crops = px.crop(pixels, boxes[start : start + self.max_crops], self.rnet_side)
            corrections, probabilities = self.rnet(px.normalize(crops))
            all_corrections.append(corrections)
            all_scores.append(probabilities[:, 1])
        corrections = torch.cat(all_corrections)
        scores = torch.cat(all_scores)
        passed = torch.nonzero(scores >= self.face_threshold[1])[:, 0]
        passed = passed[bx.suppress(boxes[passed], scores[passed], 0.7)]
        return bx.square(bx.correct(boxes[passed], corrections[passed]))

    def judge(self, pixels: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Runs O-Net on squares [n, 4]; returns the faces: boxes [m, 4], landmarks [m, 5, 2], scores [m]."""
        all_corrections = [boxes.new_zeros([0, 4])]
        all_landmarks = [boxes.new_zeros([0, 10])]
        all_scores = [boxes.new_zeros([0])]
        for start in range(0, boxes.size(0), self.max_crops):
            crops = px.crop(pixels, boxes[start : start + self.max_crops], self.onet_side)
            corrections, landmarks, probabilities = self.onet(px.normalize(crops))
            all_corrections.append(corrections)
            all_landmarks.append(landmarks)
            all_scores.append(probabilities[:, 1])
        # Landmarks are given within the square that O-Net saw, five x and then five y, from 0 to 1.
        inside = torch.cat(all_landmarks).reshape(-1, 2, 5).transpose(1, 2)
        landmarks = boxes[:, None, :2] + inside * (boxes[:, 2:] - boxes[:, :2])[:, None, :]
        scores = torch.cat(all_scores)
        boxes = bx.correct(boxes, torch.cat(all_corrections))
        passed = torch.nonzero(scores >= self.face_threshold[2])[:, 0]
        passed = passed[bx.suppress(boxes[passed], scores[passed], 0.7, of_smaller=True)]
        return boxes[passed], landmarks[passed], scores[passed]


def load_detector(weights: Path, min_face: float = 20.0) -> FaceDetector:
    """Makes the detector from the folder that holds pnet.pt, rnet.pt and onet.pt.

    Raises:
        FileNotFoundError: one of them is not there.
        ValueError: `min_face` is too small.
    """
    pnet = load_weights(PNet(), weights / "pnet.pt")
    rnet = load_weights(RNet(), weights / "rnet.pt")
    onet = load_weights(ONet(), weights / "onet.pt")
    return FaceDetector(pnet, rnet, onet, min_face).eval()
