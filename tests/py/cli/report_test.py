"""The report as a file: what it holds, what it refuses, and that it is whole or not there."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from nacelle_cli import files
from nacelle_cli.commands import inspect
from nacelle_cli.reading import traces
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.walks import Module
from nacelle_cli.render import report
from tests.py.cli import samples
from tests.py.cli.terminal import pipe


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("samples")
    samples.hybrid(made / "hybrid.ts")
    samples.whole(made / "whole.ts")
    program = torch.jit.load(str(made / "hybrid.ts"))
    with nacelle.profile(program) as profile:
        for _ in range(3):
            program(samples.X)
    profile.save_trace(made / "trace.json")
    return made


class Page(HTMLParser):
    """Collects a page's text, the addresses in it, and tags that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action")]
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += " " + data.strip()


def test_holds_what_inspect_tells(folder: Path) -> None:
    outcome = pipe("nacelle inspect hybrid.ts --html report.html --profile trace.json", folder)
    assert (outcome.code, outcome.out, outcome.err) == (0, "wrote report.html\n", "")
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert all(address.startswith("data:") for address in page.addresses)
    words = " ".join(page.text.split())
    (engine,) = nacelle.read(folder / "hybrid.ts").engines
    for wanted in (
        "forward(x: Tensor) -> Tuple[Tensor, Tensor]",
        engine.path,
        "reference engine, plan format 1",
        f"{engine.plan_size:,} bytes",
        "input_0",
        "[-1, 3, 8, 8]",
        "4 tensors, 45 elements, 180 bytes (float32)",
        "tensorrt::execute_engine",
        "notes.txt, 4 bytes",
        "A mean of 6 calls",
        "enqueue",
        "100.0 %",
    ):
        assert wanted in words, wanted


def test_a_trace_is_summed_up(folder: Path) -> None:
    (times,) = traces.read(folder / "trace.json").values()
    events: list[dict[str, Any]] = json.loads((folder / "trace.json").read_text())["traceEvents"]
    wanted = [event["dur"] / 1000 for event in events if event["ph"] == "X" and event["pid"] == 1]
    assert [layer.name for layer in times.layers] == ["forward"]
    assert times.layers[0].calls == times.calls == len(wanted) == 6
    assert times.layers_ms == pytest.approx(sum(wanted))
    assert [phase.name for phase in times.phases][:3] == ["context", "inputs", "shapes"]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"traceEvents": [{"ph": "X"}]}', b'{"traceEvents": 3}', b"\xff"]
)
def test_what_is_no_trace(folder: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(ReadingError, match=r"bad\.json is no trace that nacelle\.profile"):
        report.write(tmp_path / "out.html", [inspect.inspect_file(folder / "hybrid.ts")], tmp_path / "bad.json")
    assert not (tmp_path / "out.html").exists()


def test_a_trace_of_another_program(folder: Path) -> None:
    outcome = pipe("nacelle inspect whole.ts --html other.html --profile trace.json", folder)
    assert outcome.code == 1
    assert "is a trace of backbone.backbone_trt_engine; the programs have net_trt_engine" in outcome.err
    assert not (folder / "other.html").exists()


def test_where_it_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    outcome = pipe("nacelle inspect whole.ts --html no/report.html", folder)
    assert (outcome.code, outcome.err) == (1, "nacelle: cannot write no/report.html: there is no folder no\n")
    outcome = pipe(f"nacelle inspect whole.ts --html {tmp_path}", folder)
    assert outcome.code == 1
    assert "it is a folder" in outcome.err
    outcome = pipe("nacelle inspect missing.ts --html report2.html", folder)
    assert outcome.code == 1
    assert "report2.html is not written" in outcome.err
    assert not (folder / "report2.html").exists()


def test_a_damaged_program_has_a_report_too(folder: Path, tmp_path: Path) -> None:
    samples.replace_record(folder / "whole.ts", [b"5", b"x"], tmp_path / "damaged.ts")
    outcome = pipe("nacelle inspect damaged.ts --html report.html", tmp_path)
    assert outcome.code == 1
    words = " ".join(Page((tmp_path / "report.html").read_text()).text.split())
    assert "record of ABI version 5 has 2 fields; wanted 7" in words


KILLED = """
import os, pathlib, signal, sys
from nacelle_cli import files
os.fsync = lambda number: os.kill(os.getpid(), int(sys.argv[1]))  # the moment before the file is moved
files.write_text(pathlib.Path("report.html"), "new" * 1_000_000)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_leaves_no_half_file(tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "report.html").write_text("old")
    environment = {"PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", KILLED, str(int(how))]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert result.returncode == -how
    assert (tmp_path / "report.html").read_text() == "old"
    if how == signal.SIGINT:
        assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(mode)
    files.write_text(tmp_path / "a", "new ä \udcff")
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode
    assert (tmp_path / "a").read_text() == "new ä \\udcff"


def test_hidden_layers_of_no_time(tmp_path: Path) -> None:
    times = traces.EngineTimes(
        calls=1, layers=[traces.Span("a", 1, 1.0), traces.Span("b", 1, 0.0), traces.Span("c", 1, 3.0)]
    )
    found = report._segments(times)
    assert [(one.name, one.start, one.width) for one in found] == [("a", 0.0, 250.0), ("c", 250.0, 750.0)]
    assert report._segments(traces.EngineTimes()) == []


@pytest.mark.parametrize(
    ("value", "text"), [(12.345, "12.3 ms"), (1.0, "1 ms"), (0.5, "500 µs"), (0.0004, "0.4 µs"), (0.0, "0 µs")]
)
def test_milliseconds(value: float, text: str) -> None:
    assert report._milliseconds(value) == text


def test_a_deep_tree(folder: Path) -> None:
    """Modules nested a thousand deep are drawn without recursion."""
    found = inspect.inspect_file(folder / "whole.ts")
    assert found.program is not None
    module = found.program.modules
    for _ in range(1000):
        child = Module("m", "__torch__.M")
        module.children.append(child)
        module = child
    assert len(re.findall("<li ", report.render([found], {}))) == 1001
