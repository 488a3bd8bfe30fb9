"""Rows a second of a program in Ray Data, with one actor and with several.

    python -m bench.ray_rows                                # the network of examples/serving, one actor and two
    python -m bench.ray_rows --actors 1,2,4 --rows 100000

The rows lie in Ray's store before the clock starts. What is counted are the rows of batches that began and ended while
all actors were at work, so the start of the processes is not in it. With GPUs each actor has one of its own.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import toolchains.ray.path  # noqa: F401 - before Ray

# isort: split
import numpy as np
import ray
import torch

from examples.serving.program import MAX_BATCH, SIDE, made_up_pictures, make_program
from examples.serving.ray_cluster import local_ray
from torch_nacelle.ray import BatchProgram

BATCH = 8 * MAX_BATCH


class Timed(BatchProgram):
    """Tells in each row the actor and the time of its batch."""

    def __call__(self, batch: Any) -> Any:
        """Computes a batch."""
        start = time.time()
        result = super().__call__(batch)
        count = len(batch["images"])
        actor = ray.get_runtime_context().get_actor_id()
        times = {"start": np.full(count, start), "end": np.full(count, time.time())}
        return {**result, **times, "actor": np.full(count, actor)}


@dataclass(frozen=True)
class Rate:
    """The rows that were computed while all actors were at work.

    Attributes:
        actors: Number of actors.
        rows: Number of rows.
        seconds: The time from the moment when all had begun until the first one ended.
    """

    actors: int
    rows: int
    seconds: float


def rate_of(rows: Sequence[dict[str, Any]]) -> Rate:
    """The rate of a run, from the columns that `Timed` adds."""
    starts: dict[str, list[float]] = {}
    ends: dict[str, list[float]] = {}
    for row in rows:
        starts.setdefault(row["actor"], []).append(row["start"])
        ends.setdefault(row["actor"], []).append(row["end"])
    begin = max(min(times) for times in starts.values())
    end = min(max(times) for times in ends.values())
    counted = sum(begin <= row["start"] and row["end"] <= end for row in rows)
    return Rate(len(starts), counted, end - begin)


def measure(program: Path, actors: int, count: int, *, gpu: bool) -> Rate:
    """Computes `count` rows with a number of actors, in the cluster that this process is connected to.

    Args:
        program: The program of examples/serving/program.py.
        actors: Number of actors.
        count: Number of rows.
        gpu: True gives each actor a GPU.
    """
    pictures = made_up_pictures(BATCH).numpy()

    def filled(batch: dict[str, Any]) -> dict[str, Any]:
        return {"images": pictures[batch["id"] % BATCH]}

    blocks = max(2 * actors, count // 1024)
    images = ray.data.range(count, override_num_blocks=blocks).map_batches(filled, batch_size=1024).materialize()
    resources = {"num_gpus": 1} if gpu else {"num_cpus": 0.25}
    pool = ray.data.ActorPoolStrategy(size=actors)
    results = images.map_batches(Timed, fn_constructor_args=[program], batch_size=BATCH, compute=pool, **resources)
    return rate_of(results.drop_columns(["scores"]).take_all())


def main() -> None:
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--actors", default="1,2", help="numbers of actors, with commas")
    parser.add_argument("--rows", type=int, default=50_000, help="rows of each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each number of actors, in turns")
    parser.add_argument("--store", type=float, default=16.0, help="GB of Ray's store, for the rows and as much again")
    options = parser.parse_args()
    numbers = [int(number) for number in options.actors.split(",")]
    gpu = torch.cuda.is_available()
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "pictures.ts"
        make_program(program)
        with local_ray(int(options.store * 1e9)):
            print(f"rows of {3 * SIDE * SIDE * 4 / 1e3:.0f} kB, batches of {BATCH}, GPUs: {torch.cuda.device_count()}")
            for _ in range(options.rounds):
                for number in numbers:
                    found = measure(program, number, options.rows, gpu=gpu)
                    rate = f"{found.rows / found.seconds:.0f}" if found.rows else "not measured, too few rows"
                    print(f"actors: {found.actors} of {number}  rows a second: {rate}", flush=True)


if __name__ == "__main__":
    main()
