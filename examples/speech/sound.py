"""Sounds: read from WAV files, or made."""

import math
import wave
from pathlib import Path

import torch
from torch import Tensor

from examples.speech.detector import RATE


class SoundError(Exception):
    """A file is no sound that can be read; the message says why."""


def read_sound(path: Path) -> Tensor:
    """Reads a WAV file of integers of 8, 16 or 32 bits as float32 [samples], one channel, 16000 a second.

    Raises:
        SoundError: no such file, no WAV file of this kind, or an empty one.
    """
    if not path.is_file():
        raise SoundError(f"{path} is {'a folder' if path.is_dir() else 'not there'}; a WAV file was wanted")
    try:
        with wave.open(str(path), "rb") as file:
            rate, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
            data = bytearray(file.readframes(file.getnframes()))
    except (wave.Error, EOFError) as error:
        raise SoundError(f"{path} cannot be read as a WAV file: {error or 'it ends too early'}") from error
    if width not in (1, 2, 4):
        raise SoundError(f"{path} has samples of {8 * width} bits; 8, 16 and 32 can be read")
    data = data[: len(data) // (width * channels) * width * channels]  # a file that was cut short
    if not data:
        raise SoundError(f"{path} has no samples")
    dtype = {1: torch.uint8, 2: torch.int16, 4: torch.int32}[width]
    samples = torch.frombuffer(data, dtype=dtype).reshape(-1, channels).to(torch.float64).mean(1)
    samples = (samples - 128) / 128 if width == 1 else samples / 2 ** (8 * width - 1)
    return resample(samples, rate, RATE).to(torch.float32)


def resample(samples: Tensor, rate: int, wanted: int) -> Tensor:
    """A sound at another rate: its spectrum, cut off or filled up with nothing."""
    if rate == wanted:
        return samples
    count = max(round(samples.numel() * wanted / rate), 1)
    spectrum = torch.fft.rfft(samples)
    kept = torch.zeros(count // 2 + 1, dtype=spectrum.dtype)
    shared = min(kept.numel(), spectrum.numel())
    kept[:shared] = spectrum[:shared]
    turned: Tensor = torch.fft.irfft(kept, n=count) * (count / samples.numel())
    return turned


def tone(count: int, frequency: float = 440.0) -> Tensor:
    """A tone of `count` samples."""
    return 0.3 * torch.sin(torch.arange(count) * (2 * math.pi * frequency / RATE))


def noise(count: int) -> Tensor:
    """White noise of `count` samples, the same each time."""
    return 0.1 * torch.randn(count, generator=torch.Generator().manual_seed(0))
