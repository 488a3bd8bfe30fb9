"""Parts with speech, made from probabilities, and the time lines."""

from pathlib import Path

import pytest

from examples.speech.segments import SECONDS, agreement, inside, joined, read_annotation, segments
from examples.speech.timeline import bars, ruler


def windows(*parts: tuple[float, int]) -> list[float]:
    return [value for value, count in parts for _ in range(count)]


def test_speech_begins_high_and_ends_low() -> None:
    found = segments(windows((0.1, 10), (0.9, 10), (0.4, 10), (0.1, 20)))
    assert found == [(10 * SECONDS, 30 * SECONDS)]


def test_short_pauses_belong_to_it_and_short_sounds_are_none() -> None:
    assert segments(windows((0.9, 10), (0.1, 5), (0.9, 10), (0.1, 30), (0.9, 2))) == [(0.0, 25 * SECONDS)]


def test_speech_that_goes_on_to_the_end_ends_there() -> None:
    assert segments(windows((0.0, 5), (0.9, 10))) == [(5 * SECONDS, 15 * SECONDS)]


@pytest.mark.parametrize("probabilities", [[], [0.49] * 50])
def test_no_speech(probabilities: list[float]) -> None:
    assert segments(probabilities) == []


def test_parts_that_overlap_are_one() -> None:
    assert joined([(3, 4), (0, 2), (1, 2.5), (3.5, 3.7)]) == [(0, 2.5), (3, 4)]


def test_an_annotation_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.rttm"
    path.write_text("SPEAKER a 1 1.500 0.500 <NA> <NA> b <NA> <NA>\n\nSPEAKER a 1 1.9 1 <NA> <NA> c <NA> <NA>\n")
    assert read_annotation(path) == [(1.5, 2.9)]
    path.write_text("SPEAKER a 1\n")
    with pytest.raises(ValueError, match="has the line 'SPEAKER a 1'; RTTM has start and length"):
        read_annotation(path)


def test_agreement_counts_windows() -> None:
    assert inside([(0.0, 2 * SECONDS)], 4) == [True, True, False, False]
    assert agreement([(0.0, 2 * SECONDS)], [(SECONDS, 3 * SECONDS)], 4) == 0.5
    assert agreement([], [], 0) == 0.0


def test_bars_are_means() -> None:
    assert bars([0.0, 0.0, 1.0, 1.0, 0.5, 0.5], 3) == " █▄"
    assert bars([1.0, 0.0], 10) == "█ "


@pytest.mark.parametrize("seconds", [0.5, 3.0, 30.0, 1000.0])
def test_a_ruler_has_the_width_and_the_seconds_in_their_places(seconds: float) -> None:
    line = ruler(seconds, 96)
    assert len(line) == 96
    for label in line.split():
        assert abs(line.split(label)[0].__len__() - 96 * int(label) / seconds) <= 1 or label == "0"
