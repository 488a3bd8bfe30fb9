"""The program that all examples of serving share: a small network for pictures, as one engine."""

from pathlib import Path

import torch
from torch import Tensor, nn

import torch_nacelle as nacelle
from examples.common.backend import Backend, build_options

SIDE = 64
CLASSES = 10
MAX_BATCH = 8
"""The largest batch of the engine's optimization profile; the smallest is 1."""


class PictureNet(nn.Module):
    """Classifies pictures of 64 x 64 pixels."""

    def __init__(self, channels: int = 32) -> None:
        """Makes the layers, with weights from torch's random generator."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, channels, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * channels, 4 * channels, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.head = nn.Linear(4 * channels, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [n, 3, 64, 64], float32, to scores [n, 10]."""
        scores: Tensor = self.head(self.layers(images).mean(dim=(2, 3)))
        return scores


def seeded_network(seed: int = 0) -> PictureNet:
    """A network that is not trained: its weights come from a seed, so that nothing is downloaded.

    The state of torch's random generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PictureNet()
    return network.eval().requires_grad_(False)


def backend_here() -> Backend:
    """The backend for this machine: TensorRT if torch sees a GPU, else the reference engine on the CPU."""
    return "tensorrt" if torch.cuda.is_available() else "reference"


def make_program(path: Path, backend: Backend | None = None) -> None:
    """Writes the program for batches of 1 to 8 pictures. The engine's input is "images", its output "scores".

    Args:
        path: The file. Its suffix tells the kind, as for ``nacelle.save``: ``.ts`` and ``.pt`` for TorchScript,
            ``.pt2`` for an exported program.
        backend: The library that builds and runs the engine; left out, ``backend_here()``.

    Raises:
        nacelle.Error: The engine cannot be built here.
        OSError: The file cannot be written.
    """
    chosen = backend or backend_here()
    shape = (3, SIDE, SIDE)
    images = nacelle.Input(min=(1, *shape), opt=(4, *shape), max=(MAX_BATCH, *shape), name="images")
    program = nacelle.compile(
        seeded_network(),
        [images],
        backend=chosen,
        output_names=["scores"],
        **build_options(chosen),
    )
    nacelle.save(program, path)


def made_up_pictures(count: int, seed: int = 1) -> Tensor:
    """Pictures of noise, [count, 3, 64, 64], the same ones for a seed."""
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
