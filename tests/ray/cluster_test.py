"""Programs in a cluster of two nodes: every row and every request gets its own answer, whatever dies meanwhile."""

import os
import signal
import sys
import tempfile
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
from bench import ray_rows
from examples.serving import ray_batch
from examples.serving.program import make_program
from torch_nacelle import Input
from torch_nacelle.ray import BatchProgram, ServeProgram, deployment

ROWS = 10_000
FEATURES = 4
ACTORS = 4
OPTIONS: dict[str, Any] = {
    "compute": ray.data.ActorPoolStrategy(size=ACTORS),
    "num_cpus": 0.25,
    "batch_size": 100,
}
NODE = {"num_cpus": 2, "object_store_memory": 200 << 20}
WAIT = 600
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


def started(start: Callable[[], Any]) -> Any:
    """Starts nodes. Ray gives a node 30 seconds, which a busy machine may not have, so it is tried again."""
    for _ in range(9):
        try:
            return start()
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
    return start()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    # Ray's sockets lie there, and names of sockets are short.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        head = {**NODE, "include_dashboard": False, "temp_dir": folder}
        nodes = started(lambda: Cluster(initialize_head=True, head_node_args=head))
        try:
            started(lambda: nodes.add_node(**NODE))
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
    rows = ray.data.range(ROWS, override_num_blocks=40)
    return rows.map_batches(lambda batch: {"id": batch["id"], "x": features(batch["id"])})


def check_rows(result: Any) -> None:
    """Checks that every row is there once, in order, with its own scores."""
    table = pyarrow.concat_tables(ray.get(result.to_arrow_refs()), promote_options="permissive")
    ids = table.column("id").to_numpy()
    assert np.array_equal(ids, np.arange(ROWS))
    found = np.concatenate([chunk.to_numpy_ndarray() for chunk in table.column("scores").chunks])
    np.testing.assert_allclose(found, scores(ids), rtol=1e-4)


class Together(BatchProgram):
    """Waits with its first batch until all actors have one, so that none is done before the others have begun."""

    def __init__(self, program: Path, marks: Path) -> None:
        super().__init__(program)
        self._marks = marks

    def __call__(self, batch: Any) -> Any:
        (self._marks / f"actor-{os.getpid()}").touch()
        until(lambda: len(list(self._marks.glob("actor-*"))) >= ACTORS, "a batch for each actor")
        return super().__call__(batch)


class Placed(Together):
    """Tells in each row where it was computed."""

    def __call__(self, batch: Any) -> Any:
        assert isinstance(batch, pyarrow.Table)
        node = ray.get_runtime_context().get_node_id()
        return super().__call__(batch).append_column("node", pyarrow.array([node] * len(batch)))


def test_rows_go_through_four_actors_on_two_nodes(cluster: Cluster, program: Path, tmp_path: Path) -> None:
    result = dataset().map_batches(Placed, fn_constructor_args=[program, tmp_path], batch_format="pyarrow", **OPTIONS)
    result = result.materialize()
    assert result.schema().names == ["id", "scores", "node"]
    check_rows(result)
    assert len(result.unique("node")) >= 2  # a node that was given up may come all the same
    assert len(list(tmp_path.glob("actor-*"))) == ACTORS


class Fragile(Together):
    """Dies once in the middle of its rows, in an actor of the node that stays; on the other node it waits for death."""

    def __init__(self, program: Path, marks: Path, doomed: str) -> None:
        super().__init__(program, marks)
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
    doomed = next(iter(cluster.worker_nodes))

    def kill() -> None:
        until((tmp_path / "node").exists, "a batch on the node")
        cluster.remove_node(doomed, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    result = dataset().map_batches(Fragile, fn_constructor_args=[program, tmp_path, doomed.node_id], **OPTIONS)
    try:
        check_rows(result.materialize())
    finally:
        killer.join()
    assert (tmp_path / "worker").exists()
    assert [node["Alive"] for node in ray.nodes() if node["NodeID"] == doomed.node_id] == [False]
    started(lambda: cluster.add_node(**NODE))


def test_a_program_that_cannot_run_fails_before_the_first_row(cluster: Cluster, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.ts"
    damaged.write_bytes(b"no program")
    seen = tmp_path / "seen"

    def note(batch: Any) -> Any:
        seen.touch()
        return batch

    options = OPTIONS | {"compute": ray.data.ActorPoolStrategy(size=1)}
    failing = dataset().map_batches(BatchProgram, fn_constructor_args=[damaged], **options).map_batches(note)
    with pytest.raises(ray.exceptions.RayError, match=r"damaged\.ts"):
        failing.materialize()
    assert not seen.exists()


class Breakable(ServeProgram):
    """Can be told to fail from now on."""

    def break_down(self) -> None:
        class Broken(type(self._program)):  # type: ignore[misc]
            def __call__(self, rows: object) -> None:  # names of this module are not known here
                raise nacelle.ExecutionError("the engine is broken")

        self._program.__class__ = Broken


def replicas() -> set[str]:
    """The names of the replicas that live."""
    return {
        one["name"]
        for one in ray.util.list_named_actors(all_namespaces=True)
        if one["name"].startswith("SERVE_REPLICA") and "scores" in one["name"]
    }


@pytest.fixture(scope="module")
def picture_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "pictures.ts"
    make_program(path, "reference")
    return path


def test_the_example_classifies_a_folder_of_pictures(cluster: Cluster, picture_program: Path, tmp_path: Path) -> None:
    ray_batch.write_pictures(tmp_path, 20)
    rows = ray_batch.classified(tmp_path, picture_program, actors=1, gpu=False).take_all()
    assert [Path(row["path"]).name for row in rows] == [f"{number:05}.png" for number in range(20)]
    assert ray_batch.largest_difference(rows, picture_program) < 1e-4


def test_the_benchmark_counts_rows_while_all_actors_work(cluster: Cluster, picture_program: Path) -> None:
    found = ray_rows.measure(picture_program, actors=2, count=512, gpu=False)
    assert found.actors in (1, 2)  # one may have done all before the other was there
    assert 0 < found.rows <= 512 if found.actors == 1 else found.rows <= 512
    batches = [("a", 0, 2), ("a", 3, 4), ("a", 5, 7), ("b", 1, 3), ("b", 3, 6)]
    rows = [{"actor": actor, "start": start, "end": end} for actor, start, end in batches for _ in range(10)]
    assert ray_rows.rate_of(rows) == ray_rows.Rate(2, 30, 5)


@pytest.fixture(scope="module")
def handle(cluster: Cluster, program: Path) -> Any:
    serve.start(http_options={"location": "NoServer"})
    app = serve.deployment(
        num_replicas=2,
        max_ongoing_requests=256,
        health_check_period_s=1,
        health_check_timeout_s=WAIT,
        ray_actor_options={"num_cpus": 0.25},
    )(Breakable).bind(program)
    return serve.run(app, name="scores", route_prefix=None)


def answer(handle: Any, ids: "np.ndarray[Any, Any]") -> tuple[Any, int]:
    """Sends a request until a replica that lives answers, as clients do, and counts those that died meanwhile."""
    died = 0
    while True:
        try:
            return handle.remote({"x": features(ids)}).result(timeout_s=WAIT)["scores"], died
        except ray.exceptions.RayActorError:
            died += 1
            assert died < 10


def test_fifty_clients_get_their_answers_while_a_replica_dies(handle: Any) -> None:
    clients, requests = 50, 12
    wrong: list[str] = []
    died: list[int] = []
    answered = threading.Semaphore(0)

    def client(number: int) -> None:
        for request in range(requests):
            ids = np.arange(1 + (number + request) % 3) + 10 * (number * requests + request)
            found, count = answer(handle, ids)
            died.append(count)
            answered.release()
            if not np.allclose(found, scores(ids), rtol=1e-4):
                wrong.append(f"client {number}, request {request}")

    threads = [threading.Thread(target=client, args=[number]) for number in range(clients)]
    before = replicas()
    assert len(before) == 2
    for thread in threads:
        thread.start()
    for _ in range(clients):
        assert answered.acquire(timeout=WAIT)
    victim = ray.get_actor(sorted(before)[0], namespace="serve")
    ray.kill(victim)
    for thread in threads:
        thread.join(WAIT)
    assert not wrong
    assert len(died) == clients * requests

    def largest_batch() -> int:
        return max(handle.batch_sizes.remote().result(timeout_s=WAIT), default=0)

    until(lambda: largest_batch() > 3, "a call for more than one request")  # none has more rows
    until(lambda: len(replicas()) == 2 and replicas() != before, "another replica")


def test_a_request_that_cannot_be_answered_fails_alone(handle: Any) -> None:
    good, other = np.arange(3), np.arange(40)  # more rows than a batch
    responses = [
        handle.remote({"x": features(good)}),
        handle.remote({"x": features(good).astype(np.float64)}),
        handle.remote({"y": features(good)}),
        handle.remote([1.0]),
        handle.remote({"x": features(other)}),
        handle.remote({"x": features(good[:0])}),
    ]
    np.testing.assert_allclose(responses[0].result(timeout_s=WAIT)["scores"], scores(good), rtol=1e-4)
    for response, message in zip(
        responses[1:4],
        ['input "x" has dtype float64; wanted float32', 'there is no column "x"', "the request is of type list"],
        strict=True,
    ):
        with pytest.raises(nacelle.InputError, match=message):
            response.result(timeout_s=WAIT)
    np.testing.assert_allclose(responses[4].result(timeout_s=WAIT)["scores"], scores(other), rtol=1e-4)
    assert responses[5].result(timeout_s=WAIT)["scores"].shape == (0, 2)


def test_a_replica_whose_engine_fails_is_replaced(handle: Any) -> None:
    until(lambda: len(replicas()) == 2, "both replicas")
    before = replicas()
    handle.break_down.remote().result(timeout_s=WAIT)
    until(lambda: len(replicas()) == 2 and replicas() != before, "another replica")
    ids = np.arange(5)
    for _ in range(10):
        np.testing.assert_allclose(answer(handle, ids)[0], scores(ids), rtol=1e-4)


def test_a_deployment_of_a_bad_program_fails_with_its_reason(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "damaged.ts").write_bytes(b"no program")
    serve.start(http_options={"location": "NoServer"})
    app = deployment(max_constructor_retry_count=1, ray_actor_options={"num_cpus": 0.25}).bind(tmp_path / "damaged.ts")
    with pytest.raises(RuntimeError, match="Failed to update the deployments"):
        serve.run(app, name="damaged", route_prefix=None)
    (status,) = serve.status().applications["damaged"].deployments.values()
    assert "damaged.ts" in status.message
