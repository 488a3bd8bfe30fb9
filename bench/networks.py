"""Networks that users run. Modules have weights that were made up: times do not depend on them, errors a little."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

import torch_nacelle as nacelle
from examples.faces import networks as faces
from examples.faces import program as faces_program
from examples.speech.data import SEQUENCE
from examples.speech.detector import CONTEXT, MAX_WINDOWS, STATE, WINDOW
from examples.speech.program import sequence_inputs

Precision: TypeAlias = Literal["fp32", "tf32", "fp16"]


@dataclass(frozen=True)
class Network:
    """One network to build, check and measure.

    Attributes:
        make: Makes the module, in eval mode on the CPU, or returns the path of an ONNX file.
        inputs: Its inputs.
        values: Makes the inputs of a call for a batch of this size.
        batch: Number of items in a measured call.
        precisions: Precisions of its engines: ``fp32`` (TF32 off), ``tf32`` (TensorRT's default), ``fp16``.
        fp32_layers: Layers that compute in float32 or TF32 in an engine in float16.
    """

    make: Callable[[], nn.Module | Path]
    inputs: tuple[nacelle.Input, ...]
    values: Callable[[int], list[Tensor]]
    batch: int = 8
    precisions: tuple[Precision, ...] = ("fp32",)
    fp32_layers: tuple[str, ...] = ()


def _images(size: int, batch: int) -> nacelle.Input:
    return nacelle.Input(min=(1, 3, size, size), opt=(batch, 3, size, size), max=(16, 3, size, size))


def _random_images(size: int) -> Callable[[int], list[Tensor]]:
    return lambda batch: [torch.randn(batch, 3, size, size)]


def _resnet(depth: int) -> nn.Module:
    import torchvision

    module: nn.Module = getattr(torchvision.models, f"resnet{depth}")(weights=None)
    _settle(module, torch.randn(8, 3, 224, 224))
    return module.eval()


def _settle(module: nn.Module, images: Tensor) -> None:
    """Gives batch normalizations the statistics of data, so that activations stay in range as trained ones do."""
    module.train()
    with torch.no_grad():
        for _ in range(3):
            module(images)


class Encoder(nn.Module):
    """BERT's encoder: word, position and type embeddings, 12 layers of 768 with 12 heads, and a pooled output."""

    def __init__(self, words: int = 30522, width: int = 768, layers: int = 12, heads: int = 12, length: int = 512):
        """Makes the layers; the defaults are BERT-base's."""
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.positions = nn.Embedding(length, width)
        self.kinds = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, activation="gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.pool = nn.Linear(width, width)

    def forward(self, words: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """Maps word and type indices [n, length] to states [n, length, width] and a summary [n, width]."""
        places = torch.arange(words.shape[1], device=words.device).unsqueeze(0)
        x = self.norm(self.words(words) + self.positions(places) + self.kinds(kinds))
        x = self.layers(x)
        return x, torch.tanh(self.pool(x[:, 0]))


def _tokens(batch: int, length: int = 128) -> list[Tensor]:
    return [torch.randint(0, 30522, (batch, length)), torch.randint(0, 2, (batch, length))]


class Detector(nn.Module):
    """SSD300 with a VGG16 backbone, without what follows the network: boxes and class scores of 8732 places."""

    def __init__(self) -> None:
        """Makes torchvision's model, with weights that were made up."""
        import torchvision

        super().__init__()
        ssd = torchvision.models.detection.ssd300_vgg16(weights=None, weights_backbone=None)
        self.backbone = ssd.backbone
        self.head = ssd.head

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Maps images [n, 3, 300, 300] to boxes [n, 8732, 4] and scores [n, 8732, 91]."""
        found = self.head(list(self.backbone(images).values()))
        return found["bbox_regression"], found["cls_logits"]


def _ids(name: str) -> nacelle.Input:
    return nacelle.Input(min=(1, 128), opt=(8, 128), max=(16, 128), dtype=torch.int64, name=name)


def _faces(part: str, make: Callable[[], nn.Module], side: int, batch: int) -> Network:
    """One of MTCNN's networks, for what the example gives it."""
    inputs = tuple(faces_program.engine_inputs()[part])
    return Network(
        lambda: make().eval(), inputs, lambda n: [torch.rand(n, 3, side, side) * 2 - 1], batch, ("fp32", "fp16")
    )


def _windows(count: int) -> list[Tensor]:
    state = torch.zeros(1, *STATE[1:])
    return [torch.rand(count, CONTEXT + WINDOW) - 0.5, state, state.clone()]


NETWORKS: dict[str, Network] = {
    "ResNet-18": Network(
        lambda: _resnet(18), (_images(224, 8),), _random_images(224), precisions=("fp32", "tf32", "fp16")
    ),
    "ResNet-50": Network(
        lambda: _resnet(50), (_images(224, 8),), _random_images(224), precisions=("fp32", "tf32", "fp16")
    ),
    "BERT-base encoder": Network(
        lambda: Encoder().eval(), (_ids("words"), _ids("kinds")), _tokens, precisions=("fp32", "fp16")
    ),
    "SSD300 (VGG16)": Network(
        lambda: Detector().eval(),
        (_images(300, 8),),
        _random_images(300),
        precisions=("fp32", "fp16"),
        # Free to compute every layer in float16, 8.5.3.1 is off by up to 1.07e-2, with these at most by 5.4e-3.
        fp32_layers=("/head/*", "*features.17*", "*features.19*", "*features.21*"),
    ),
    "MTCNN P-Net": _faces("pnet", faces.PNet, 320, 1),
    "MTCNN R-Net": _faces("rnet", faces.RNet, 24, 32),
    "MTCNN O-Net": _faces("onet", faces.ONet, 48, 32),
    "silero-vad, windows": Network(lambda: SEQUENCE, tuple(sequence_inputs()), _windows, MAX_WINDOWS),
}
