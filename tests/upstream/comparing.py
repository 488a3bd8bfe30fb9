"""One program, run and saved by the judge and by Nacelle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from tests.upstream.calling import Called, Tree, call, tensors
from tests.upstream.judge import Judge


def assert_same(judged: Called, ours: Called) -> None:
    """Checks that two runs gave the same structures of the same tensors, bit for bit, and shared the same memory."""
    assert len(judged.outputs) == len(ours.outputs)
    for wanted, found in zip(judged.outputs, ours.outputs, strict=True):
        assert type(wanted) is type(found)
        torch.testing.assert_close(found, wanted, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(ours.inputs, judged.inputs, rtol=0, atol=0, equal_nan=True)
    assert ours.shared == judged.shared


def compare(judge: Judge, path: Path, folder: Path, *calls: Sequence[Tree], times: int = 2) -> Called:
    """Runs and saves a program on both sides, and the other way round: files that one side saved on the other.

    Args:
        judge: Torch-TensorRT's runtime.
        path: The program.
        folder: The folder to save in; each side has a folder there, since a program's file name is in its bytes.
        calls: The inputs of each call.
        times: Number of times that each call is made.

    Returns:
        The judge's result of the last call.
    """
    judged_program, our_program = judge.load(path), torch.jit.load(str(path))
    first, again = folder / "first", folder / "again"
    for side in (first, again):
        for name in ("judge", "nacelle"):
            (side / name).mkdir(parents=True)
    saved_by_judge = judged_program.save(first / "judge" / "program.ts")
    saved_by_us = first / "nacelle" / "program.ts"
    our_program.save(str(saved_by_us))
    assert saved_by_us.read_bytes() == saved_by_judge.read_bytes()

    results = []
    from_judge, from_us = torch.jit.load(str(saved_by_judge)), judge.load(saved_by_us)
    for inputs in calls:
        judged = judged_program.call(inputs, times)
        assert tensors(judged.outputs), "a comparison of nothing"
        assert_same(judged, call(our_program, inputs, times, "cpu"))
        assert_same(judged, call(from_judge, inputs, times, "cpu"))
        assert_same(from_us.call(inputs, times), judged)
        results.append(judged)

    # Calls leave nothing in a program: it is saved as before.
    judged_program.save(again / "judge" / "program.ts")
    our_program.save(str(again / "nacelle" / "program.ts"))
    for name in ("judge", "nacelle"):
        assert (again / name / "program.ts").read_bytes() == saved_by_us.read_bytes()
    return results[-1]
