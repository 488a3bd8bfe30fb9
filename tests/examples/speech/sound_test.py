"""Sounds of all kinds."""

import math
import wave
from pathlib import Path

import pytest
import torch

from examples.speech.sound import SoundError, noise, read_sound, resample, tone


def saved(path: Path, data: bytes, rate: int = 16000, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return path


@pytest.mark.parametrize(
    ("width", "data"),
    [(1, bytes([128, 255, 0])), (2, b"\0\0\xff\x7f\0\x80"), (4, b"\0\0\0\0\xff\xff\xff\x7f\0\0\0\x80")],
)
def test_all_widths_go_from_minus_one_to_one(tmp_path: Path, width: int, data: bytes) -> None:
    samples = read_sound(saved(tmp_path / "a.wav", data, width=width))
    assert samples.dtype == torch.float32
    assert samples.tolist() == pytest.approx([0.0, 1.0, -1.0], abs=1 / 100)


def test_channels_become_one(tmp_path: Path) -> None:
    samples = read_sound(saved(tmp_path / "a.wav", b"\0\x20\0\x40\0\xe0\0\xc0", channels=2))
    assert samples.tolist() == pytest.approx([0.375, -0.375])


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_other_rates_keep_a_tone(rate: int) -> None:
    time = torch.arange(rate, dtype=torch.float64) / rate
    turned = resample(torch.sin(2 * math.pi * 440 * time), rate, 16000)
    wanted = torch.sin(2 * math.pi * 440 * torch.arange(16000, dtype=torch.float64) / 16000)
    assert turned.shape == wanted.shape
    torch.testing.assert_close(turned, wanted, atol=1e-6, rtol=0)


def test_what_the_wanted_rate_cannot_hold_is_left_out() -> None:
    time = torch.arange(48000, dtype=torch.float64) / 48000
    assert resample(torch.sin(2 * math.pi * 12000 * time), 48000, 16000).abs().max() < 1e-6


def test_what_is_no_sound(tmp_path: Path) -> None:
    with pytest.raises(SoundError, match=r"none\.wav is not there; a WAV file was wanted"):
        read_sound(tmp_path / "none.wav")
    with pytest.raises(SoundError, match="is a folder"):
        read_sound(tmp_path)
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(SoundError, match=r"text\.wav cannot be read as a WAV file"):
        read_sound(tmp_path / "text.wav")
    with pytest.raises(SoundError, match="has no samples"):
        read_sound(saved(tmp_path / "empty.wav", b""))
    with pytest.raises(SoundError, match="samples of 24 bits; 8, 16 and 32 can be read"):
        read_sound(saved(tmp_path / "a.wav", bytes(6), width=3))


def test_a_file_that_was_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = saved(tmp_path / "a.wav", bytes(200)).read_bytes()
    (tmp_path / "b.wav").write_bytes(whole[:-51])
    assert read_sound(tmp_path / "b.wav").shape == (74,)


def test_made_sounds() -> None:
    assert tone(1600).abs().max() == pytest.approx(0.3, abs=1e-3)
    assert torch.fft.rfft(tone(16000)).abs().argmax() == 440
    assert noise(16000).std() == pytest.approx(0.1, rel=0.05)
    assert torch.equal(noise(100), noise(100))
