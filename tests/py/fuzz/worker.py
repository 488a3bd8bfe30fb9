"""Judges cases in a process of its own, which may crash, hang or grow: one line of JSON in, lines of JSON out."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any, TextIO

import torch

from tests.py.fuzz.judge import VARIANTS, Nacelle, Subject, judge
from tests.py.fuzz.modules import generate


def main(arguments: list[str]) -> None:
    """Reads cases from standard input until it ends.

    Args:
        arguments: The name of what compiles, as ``module:Class``; none: Nacelle.
    """
    torch.set_num_threads(1)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what modules print is no answer
    subject = _subject(arguments[0]) if arguments else Nacelle()
    _say(answers, {"ready": True})
    for line in sys.stdin:
        _answer(json.loads(line), subject, answers)


def _subject(name: str) -> Subject:
    module, _, attribute = name.partition(":")
    subject: Subject = getattr(importlib.import_module(module), attribute)()
    return subject


def _answer(request: dict[str, Any], subject: Subject, answers: TextIO) -> None:
    case = generate(request["seed"], frozenset(request["without"]))
    verdict = judge(
        case, subject, request["variants"] or VARIANTS, begins=lambda variant: _say(answers, {"begins": variant})
    )
    _say(
        answers,
        {
            "features": case.features,
            "findings": [[one.variant, one.kind, one.detail] for one in verdict.findings],
            "outcomes": verdict.outcomes,
            "refusals": verdict.refusals,
        },
    )


def _say(answers: TextIO, what: dict[str, Any]) -> None:
    answers.write(json.dumps(what) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
