"""The table and the chart of the results are those that their data file gives."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs.site import results

FOLDER = Path("docs/results")


def test_the_page_and_the_chart_are_current() -> None:
    title, rows = results.read(FOLDER / "results.json")
    page = (FOLDER / "index.md").read_text(encoding="utf-8")
    assert page == results.with_table(page, rows), "run: python3 docs/site/results.py"
    svg = (FOLDER / "results.svg").read_text(encoding="utf-8")
    assert svg == results.chart(title, rows), "run: python3 docs/site/results.py"


def test_bars_are_as_long_as_their_numbers() -> None:
    rows = [results.Row("first & last", "s", 2, 4, chart=True), results.Row("not drawn", "s", 1, "none")]
    picture = ElementTree.fromstring(results.chart("a < b", rows))
    names = {"svg": "http://www.w3.org/2000/svg"}
    bars = [float(bar.attrib["width"]) for bar in picture.findall("svg:rect[@rx='2']", names)]
    assert len(bars) == 2
    assert bars[1] == pytest.approx(2 * bars[0], abs=0.2)
    texts = [text.text for text in picture.findall("svg:text", names)]
    assert "a < b" in texts
    assert "first & last" in texts


def test_a_page_without_marks_is_an_error() -> None:
    with pytest.raises(ValueError, match="marks of the table"):
        results.with_table("# Results", [])
