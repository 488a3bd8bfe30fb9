"""The loop around the network: windows, context, state."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from examples.speech.data import ANNOTATION, MODEL, RECORDING, SEQUENCE
from examples.speech.detector import MAX_WINDOWS, SpeechDetector
from examples.speech.program import compile_detector
from examples.speech.segments import agreement, read_annotation, segments
from examples.speech.sound import noise, read_sound, tone


class Counter(nn.Module):
    """Gives the mean of the window's last sample and of its first, and counts in its state."""

    def forward(self, window: Tensor, state: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        assert window.shape == (1, 576) and state.shape == (2, 1, 128) and int(rate) == 16000
        return window[:, 0:1] + 1000 * window[:, -1:] + 1000000 * state[0, 0, 0], state + 1


def test_windows_overlap_by_the_context_and_the_state_goes_on() -> None:
    sounds = torch.arange(2 * 1200, dtype=torch.float32).reshape(2, 1200)
    found = SpeechDetector(Counter())(sounds)
    # The first window has silence before it, the last one behind.
    assert found[0].tolist() == [511000.0, 448 + 1023000.0 + 1e6, 960 + 2e6]
    assert found[1, 0] == 1711000.0


@pytest.mark.parametrize("sounds", [torch.zeros(5), torch.zeros(1, 5, dtype=torch.int16)])
def test_other_sounds_are_refused(sounds: Tensor) -> None:
    with pytest.raises(ValueError, match=r"they must be float32 \[n, samples\]"):
        SpeechDetector(Counter())(sounds)


@pytest.fixture(scope="module")
def program() -> Any:
    return compile_detector(MODEL, "reference")


def test_the_conversation_is_found_where_a_person_noted_it(program: Any) -> None:
    probabilities = program(read_sound(RECORDING)[None])[0].tolist()
    assert len(probabilities) == 938
    noted = read_annotation(ANNOTATION)
    assert agreement(segments(probabilities), noted, len(probabilities)) > 0.95
    assert max(probabilities[:200]) < 0.35 and sum(probabilities[300:]) / 638 > 0.9


def test_many_windows_at_a_time_give_the_same(program: Any) -> None:
    sequence = compile_detector(SEQUENCE, "reference")
    sounds = read_sound(RECORDING)[None, : 16000 * 20]
    assert sounds.size(1) / 512 < MAX_WINDOWS
    wanted = program(sounds)
    torch.testing.assert_close(sequence(sounds), wanted, rtol=0, atol=1e-4)
    # Longer sounds are handed over in parts, with the state between them.
    sequence.most = 100
    torch.testing.assert_close(sequence(sounds), wanted, rtol=0, atol=1e-4)
    assert sequence(torch.zeros(2, 0)).shape == (2, 0)


def test_tones_and_noise_are_no_speech(program: Any) -> None:
    sounds = torch.stack([tone(32000), tone(32000, 200.0), noise(32000), torch.zeros(32000)])
    assert program(sounds).max() < 0.2


def test_no_sound_and_no_samples(program: Any) -> None:
    assert program(torch.zeros(0, 600)).shape == (0, 2)
    assert program(torch.zeros(2, 0)).shape == (2, 0)
