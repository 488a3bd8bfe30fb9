"""Makes the table and the chart of docs/results/index.md from docs/results/results.json.

    python3 docs/site/results.py

Run it in the root of the source tree after a change of the figures: `//tests/docs:results_test` fails until then.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("docs/results")
MARKS = ("<!-- table -->\n\n", "\n\n<!-- end of table -->")
SIDES = (("nacelle", "Nacelle", "#3f51b5"), ("torch_tensorrt", "Torch-TensorRT 2.13.0", "#9aa0a6"))
# Sizes of the chart in pixels.
WIDTH, LABELS, ROW, BAR, TOP = 900, 390, 48, 16, 64


@dataclass(frozen=True)
class Row:
    """Something that was measured on both sides.

    Attributes:
        what: The name of the measurement.
        unit: Its unit, in Markdown.
        nacelle: The figure, or a remark.
        torch_tensorrt: The same of Torch-TensorRT.
        chart: True if the row is in the chart, too; its figures are numbers then.
    """

    what: str
    unit: str
    nacelle: float | str
    torch_tensorrt: float | str
    chart: bool = False


def read(path: Path) -> tuple[str, list[Row]]:
    """Returns the chart's title and the rows of a data file."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return data["chart"], [Row(**row) for row in data["rows"]]


def table(rows: list[Row]) -> str:
    """Returns the rows as a table of Markdown."""
    lines = [f"| | unit | {' | '.join(name for _, name, _ in SIDES)} |", "|---|---|---|---|"]
    lines += [f"| {row.what} | {row.unit} | {row.nacelle} | {row.torch_tensorrt} |" for row in rows]
    return "\n".join(lines)


def chart(title: str, rows: list[Row]) -> str:
    """Returns the rows that belong to the chart as bars, in an SVG picture."""
    rows = [row for row in rows if row.chart]
    scale = (WIDTH - LABELS - 70) / max(float(getattr(row, side)) for row in rows for side, _, _ in SIDES)
    height = TOP + len(rows) * ROW + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="14" fill="#202124">',
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>',
        f'<text x="16" y="24" font-weight="bold">{html.escape(title)}</text>',
    ]
    for index, (_, name, color) in enumerate(SIDES):
        x = LABELS + 130 * index
        parts.append(f'<rect x="{x}" y="38" width="12" height="12" fill="{color}"/>')
        parts.append(f'<text x="{x + 18}" y="49">{html.escape(name)}</text>')
    for index, row in enumerate(rows):
        top = TOP + index * ROW
        parts.append(
            f'<text x="{LABELS - 10}" y="{top + BAR + 5}" text-anchor="end" font-size="13">'
            f"{html.escape(row.what)}</text>"
        )
        for number, (side, _, color) in enumerate(SIDES):
            value = float(getattr(row, side))
            y = top + number * (BAR + 2)
            parts.append(
                f'<rect x="{LABELS}" y="{y}" width="{value * scale:.1f}" height="{BAR}" rx="2" fill="{color}"/>'
            )
            parts.append(f'<text x="{LABELS + value * scale + 6:.1f}" y="{y + 13}">{value:g}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def with_table(page: str, rows: list[Row]) -> str:
    """Returns a page with the table between its two marks."""
    begin, end = MARKS
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError("the page lacks the marks of the table")
    return re.sub(f"(?s){begin}.*{end}", lambda _: begin + table(rows) + end, page)


def main() -> None:
    """Runs the program."""
    title, rows = read(FOLDER / "results.json")
    page = FOLDER / "index.md"
    page.write_text(with_table(page.read_text(encoding="utf-8"), rows), encoding="utf-8")
    (FOLDER / "results.svg").write_text(chart(title, rows), encoding="utf-8")


if __name__ == "__main__":
    main()
