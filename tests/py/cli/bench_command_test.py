"""``nacelle bench``."""

from pathlib import Path

import pytest

import torch_nacelle as nacelle_package
from tests.py.cli.commands import nacelle
from tests.py.networks import TwoHeads, seeded

RANGE = nacelle_package.Input(min=(1, 3, 8, 8), opt=(4, 3, 8, 8), max=(8, 3, 8, 8))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("programs") / "program.ts"
    nacelle_package.compile(seeded(TwoHeads), [RANGE]).save(str(path))
    return path


def test_the_figures_in_words(program: Path) -> None:
    outcome = nacelle("bench", program, "--seconds", "0.2", "--threads", "1,2", "-i", "zeros:[2,3,8,8]")
    assert (outcome.code, outcome.err) == (0, "")
    lines = [line.split() for line in outcome.out.splitlines()]
    assert lines[0] == ["on", "cpu,", "with", "input_0:", "float32", "[2,", "3,", "8,", "8]"]
    rows = {" ".join(line[:-5]): [float(figure) for figure in line[-5:]] for line in lines[3:5]}
    assert list(rows) == ["host", "end to end"]
    assert all(calls >= 3 and p50 <= p90 <= p99 for calls, _, p50, p90, p99 in rows.values())
    for words in ("engines alone (the floor)", "added by the runtime", "rest of the program", "host memory: peak"):
        assert words in outcome.out
    assert [line[0] for line in lines if len(line) == 3 and line[0].isdigit()] == ["1", "2"]


def test_json_and_a_plot(program: Path, tmp_path: Path) -> None:
    plot = tmp_path / "plot.svg"
    outcome = nacelle("bench", program, "--seconds", "0.2", "--threads", "1", "--plot", plot, "--json")
    assert (outcome.code, outcome.err) == (0, f"wrote {plot}\n")
    assert outcome.json["latency_ms"]["host"]["p50"] > 0
    assert [one["threads"] for one in outcome.json["throughput"]] == [1]
    assert outcome.json["memory_bytes"]["host_peak"] > 100 << 20
    assert "</svg>" in plot.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--threads", "1,0"], 2, "--threads takes numbers with commas between them"),
        (["--threads", "two"], 2, "found 'two'"),
        (["--seconds", "0"], 1, "seconds is 0.0; wanted more than 0"),
        (["--plot", "plot.bmp"], 1, "a plot is written as .png or .svg, found plot.bmp"),
        (["--plot", "no/plot.png"], 1, "cannot write no/plot.png: there is no folder no"),
        (["--input", "x=random"], 2, "forward has no argument x"),
        (["--input", "random:[9,3,8,8]"], 1, "input_0"),
        (["--device", "cuda:99"], 1, "there is no device cuda:99 here"),
    ],
)
def test_bad_input(program: Path, arguments: list[str], code: int, words: str) -> None:
    outcome = nacelle("bench", program, *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert words in outcome.words
