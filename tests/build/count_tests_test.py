"""The count at the end of a run of .ci/run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from toolchains.ci import count_tests

REPORT = """<testsuites><testsuite>
<testcase classname="Record" name="Parses"/>
<testcase classname="Record" name="Writes"><failure message="no"/></testcase>
<testcase classname="a.b.upstream_test" name="test_loads"><skipped message="no data"/></testcase>
</testsuite></testsuites>"""


def result(label: str, status: str, report: Path | None) -> dict[str, Any]:
    outputs = [{"name": "test.xml", "uri": report.as_uri()}] if report else []
    return {"id": {"testResult": {"label": label}}, "testResult": {"status": status, "testActionOutput": outputs}}


def events(folder: Path, *found: dict[str, Any]) -> Path:
    path = folder / "events.json"
    path.write_text("".join(json.dumps(event) + "\n" for event in found), encoding="utf-8")
    return path


def test_cases_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "with space.xml"
    report.write_text(REPORT, encoding="utf-8")
    path = events(tmp_path, result("//a:b", "FAILED", report), {"id": {"started": {}}})
    assert count_tests.main([str(path), "3"]) == 3
    assert capsys.readouterr().out.splitlines() == [
        "failed: //a:b Record.Writes",
        "skipped: //a:b upstream_test.test_loads",
        "1 passed, 1 failed, 1 skipped",
    ]


def test_a_test_without_a_report_is_one_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = {"id": {"targetCompleted": {"label": "//a:broken"}}, "aborted": {}}
    path = events(tmp_path, result("//a:slow", "TIMEOUT", None), broken)
    assert count_tests.main([str(path), "0"]) == 1
    printed = capsys.readouterr().out
    assert "failed: //a:slow (TIMEOUT)" in printed
    assert "failed: //a:broken (FAILED_TO_BUILD)" in printed
    assert printed.endswith("0 passed, 2 failed, 0 skipped\n")


def test_several_runs_are_added_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "test.xml"
    report.write_text(REPORT.replace('<failure message="no"/>', ""), encoding="utf-8")
    path = str(events(tmp_path, result("//a:b", "PASSED", report)))
    assert count_tests.main([path, "0", path, "0"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "4 passed, 0 failed, 2 skipped"
    assert count_tests.main([path, "0", path, "3"]) == 3
    (tmp_path / "none").mkdir()
    assert count_tests.main([path, "0", str(events(tmp_path / "none")), "0"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "2 passed, 0 failed, 1 skipped"


def test_no_test_is_a_failure(tmp_path: Path) -> None:
    assert count_tests.main([str(events(tmp_path)), "0"]) == 1
