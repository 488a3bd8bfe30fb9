"""Programs in a cluster of two nodes: every row and every request gets its own answer, whatever dies meanwhile."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
import ray
import torch
from ray import cloudpickle, serve
from ray.cluster_utils import Cluster
from torch import Tensor, nn

import torch_nacelle as nacelle
from torch_nacelle import Input, InputError
from torch_nacelle.ray import BatchProgram, ServeProgram, deployment

ROWS = 10_000
FEATURES = 4
ACTORS: dict[str, Any] = {"concurrency": 4, "num_cpus": 0.25, "batch_size": 100}
NODE = {"num_cpus": 2, "object_store_memory": 200 << 20}
WAIT = 240
"""Seconds until a test gives up; far above what a busy machine takes."""

# Ray's processes cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Scores(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x.sum(dim=1), (x * x).sum(dim=1)], dim=1)


def features(ids: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """The row of each id; no two are alike."""
    return ((ids[:, None] * np.arange(1, FEATURES + 1)) % 1009).astype(np.float32) / 100


def scores(ids: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    x = torch.from_numpy(features(ids))
    result: np.ndarray[Any, Any] = Scores()(x).numpy()
    return result


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "scores.ts"
    described = Input(min=(1, FEATURES), opt=(8, FEATURES), max=(32, FEATURES), name="x")
    nacelle.save(nacelle.compile(Scores(), [described], backend="reference", output_names=["scores"]), path)
    return path


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    nodes = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        nodes.add_node(**NODE)
        ray.init(nodes.address, log_to_driver=False)
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        yield nodes
    finally:
        serve.shutdown()
        ray.shutdown()
        nodes.shutdown()


def until(condition: Callable[[], Any], what: str) -> Any:
    """Waits for a condition, and returns its value."""
    end = time.monotonic() + WAIT
    while not (value := condition()):
        assert time.monotonic() < end, f"{what}: not within {WAIT} s"
        time.sleep(0.1)
    return value


def dataset() -> Any:
    rows = ray.data.range(ROWS, override_num_blocks=20)
    return rows.map_batches(lambda batch: {"id": batch["id"], "x": features(batch["id"])})


def check_rows(result: Any) -> None:
    """Checks that every row is there once, in order, with its own scores."""
    table = pyarrow.concat_tables(ray.get(result.to_arrow_refs()), promote_options="permissive")
    ids = table.column("id").to_numpy()
    assert np.array_equal(ids, np.arange(ROWS))
    found = np.concatenate([chunk.to_numpy_ndarray() for chunk in table.column("scores").chunks])
    np.testing.assert_allclose(found, scores(ids), rtol=1e-4)


class Placed(BatchProgram):
    """Tells in each row where it was computed."""

    def __call__(self, batch: Any) -> Any:
        assert isinstance(batch, pyarrow.Table)
        node = ray.get_runtime_context().get_node_id()
        return super().__call__(batch).append_column("node", pyarrow.array([node] * len(batch)))


def test_rows_go_through_four_actors_on_two_nodes(cluster: Cluster, program: Path) -> None:
    result = dataset().map_batches(Placed, fn_constructor_args=[program], batch_format="pyarrow", **ACTORS)
    result = result.materialize()
    assert result.schema().names == ["id", "scores", "node"]
    check_rows(result)
    assert len(result.unique("node")) == 2


class Fragile(BatchProgram):
    """Dies once in the middle of its rows, in one actor of the node that stays; on the other node it waits for death."""

    def __init__(self, program: Path, marks: Path, doomed: str) -> None:
        super().__init__(program)
        self._marks = marks
        self._is_doomed = ray.get_runtime_context().get_node_id() == doomed
        self._batches = 0

    def __call__(self, batch: Any) -> Any:
        result = super().__call__(batch)
        self._batches += 1
        if self._is_doomed:
            (self._marks / "node").touch()
            time.sleep(WAIT)
        if self._batches == 3:
            try:
                (self._marks / "worker").touch(exist_ok=False)
            except FileExistsError:
                return result
            os.kill(os.getpid(), signal.SIGKILL)
        return result


def test_nothing_is_lost_or_doubled_if_a_worker_and_a_node_die(cluster: Cluster, program: Path, tmp_path: Path) -> None:
    (doomed,) = cluster.worker_nodes

    def kill() -> None:
        until((tmp_path / "node").exists, "a batch on the node")
        cluster.remove_node(doomed, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    result = dataset().map_batches(Fragile, fn_constructor_args=[program, tmp_path, doomed.node_id], **ACTORS)
    try:
        check_rows(result.materialize())
    finally:
        killer.join()
    assert (tmp_path / "worker").exists()
    assert [node["Alive"] for node in ray.nodes() if node["NodeID"] == doomed.node_id] == [False]
    cluster.add_node(**NODE)


def test_a_program_that_cannot_run_fails_before_the_first_row(cluster: Cluster, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.ts"
    damaged.write_bytes(b"no program")
    seen = tmp_path / "seen"

    def note(batch: Any) -> Any:
        seen.touch()
        return batch

    failing = dataset().map_batches(BatchProgram, fn_constructor_args=[damaged], **ACTORS).map_batches(note)
    with pytest.raises(Exception, match=r"damaged\.ts") as caught:
        failing.materialize()
    print(type(caught.value), caught.value)
    assert not seen.exists()
