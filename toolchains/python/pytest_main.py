"""Runs pytest for a Bazel test: over the files given, with the report in the place that Bazel reads."""

from __future__ import annotations

import os
import sys

import pytest


def main(arguments: list[str]) -> int:
    """Runs pytest and returns its exit status (5, no test was found, is a failure too)."""
    options = ["-p", "no:cacheprovider", "--import-mode=importlib", "-ra", "--color=no", "--strict-markers"]
    if report := os.environ.get("XML_OUTPUT_FILE"):
        options.append(f"--junitxml={report}")
    if temporary := os.environ.get("TEST_TMPDIR"):
        options.append(f"--basetemp={temporary}/pytest")
    if chosen := os.environ.get("TESTBRIDGE_TEST_ONLY"):
        options += ["-k", chosen]
    return int(pytest.main([*options, *arguments]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
