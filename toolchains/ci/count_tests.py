"""Counts the test cases of Bazel runs.

    count_tests.py EVENTS STATUS [EVENTS STATUS ...]

For each run EVENTS is the file of --build_event_json_file and STATUS Bazel's exit status. Prints what failed or was
skipped, and at last one line over all runs: N passed, N failed, N skipped. Ends with the first status that is not 0, or
with 1 if all are 0 and yet a test failed, or a run has none.
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse


def results(events: Path) -> Iterator[tuple[str, str, Path | None]]:
    """Yields the label, the status and the report of each test target that ran, and of each that did not get built."""
    for line in events.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if "testResult" in event.get("id", {}):
            result = event.get("testResult", {})
            files = {item["name"]: item.get("uri", "") for item in result.get("testActionOutput", [])}
            report = files.get("test.xml")
            path = Path(unquote(urlparse(report).path)) if report else None
            yield event["id"]["testResult"]["label"], result.get("status", "NO_STATUS"), path
        elif "targetCompleted" in event.get("id", {}) and not event.get("completed", {}).get("success"):
            yield event["id"]["targetCompleted"]["label"], "FAILED_TO_BUILD", None


def cases(report: Path | None) -> Iterator[tuple[str, str]]:
    """Yields the name and the outcome of each test case in a report."""
    if report is None or not report.is_file():
        return
    for case in ET.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname', '').split('.')[-1]}.{case.get('name', '')}"
        if case.find("failure") is not None or case.find("error") is not None:
            yield name, "failed"
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            yield name, "skipped"
        else:
            yield name, "passed"


def count(events: Path) -> Counter[str]:
    """Counts the outcomes, and prints the cases that did not pass."""
    outcomes: Counter[str] = Counter()
    for label, status, report in results(events):
        found = list(cases(report))
        for name, outcome in found:
            outcomes[outcome] += 1
            if outcome != "passed":
                print(f"{outcome}: {label} {name}")
        if status != "PASSED" and not any(outcome == "failed" for _, outcome in found):
            outcomes["failed"] += 1
            print(f"failed: {label} ({status})")
    return outcomes


def main(arguments: list[str]) -> int:
    """Runs the program."""
    runs = [count(Path(events)) for events in arguments[::2]]
    outcomes = sum(runs, Counter[str]())
    passed, failed, skipped = (outcomes[name] for name in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    statuses = [int(status) for status in arguments[1::2]]
    return next(filter(None, statuses), int(failed > 0 or not all(run["passed"] for run in runs)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
