"""Tests of the table of networks; no figure is checked, and no network that needs torchvision."""

from pathlib import Path

import pytest

import torch_nacelle as nacelle
from bench import models
from bench.networks import NETWORKS

HERE = [name for name in NETWORKS if name.startswith(("MTCNN", "silero"))]


def test_every_network_takes_what_it_is_said_to_take() -> None:
    for name, network in NETWORKS.items():
        values = network.values(network.batch)
        assert len(values) == len(network.inputs), name
        for value, one in zip(values, network.inputs, strict=True):
            assert value.dtype == one.dtype, name
            low, high = (one.ranges[0].min, one.ranges[0].max) if one.dynamic else (one.shape, one.shape)
            assert all(a <= b <= c for a, b, c in zip(low, value.shape, high, strict=True)), name


def test_a_row_for_each_network(tmp_path: Path) -> None:
    table = tmp_path / "table.md"
    arguments = ["--backend", "reference", "--no-compile", "--precisions", "fp32", "--output", str(table)]
    assert models.main([*arguments, "--networks", *HERE]) == 0
    assert len(HERE) == 4
    head, line, *rows = [row.strip("| \n").split(" | ") for row in table.read_text().splitlines()]
    assert (head, set(line)) == (list(models.COLUMNS), {"---"})
    assert [row[0] for row in rows] == HERE
    for row in rows:
        cells = dict(zip(head, row, strict=True))
        assert float(cells["error"]) < 1e-3 and float(cells["fresh process"]) < 1e-3
        assert cells["torch.compile ms"] == "-"
        # A network from an ONNX file has no module to measure.
        assert (cells["eager ms"] == "-") == cells["network"].startswith("silero")


def test_what_failed_is_written_beside_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str, *_: object) -> None:
        raise nacelle.ExecutionError(f"{name} was not built")

    monkeypatch.setattr(models, "measure", fail)
    table = tmp_path / "table.md"
    arguments = ["--backend", "reference", "--precisions", "fp32", "--output", str(table)]
    assert models.main([*arguments, "--networks", HERE[0]]) == 1
    assert f"\n- {HERE[0]} fp32: ExecutionError: {HERE[0]} was not built" in table.read_text()
