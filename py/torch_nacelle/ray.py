"""Programs in Ray: batches of Ray Data, and a deployment of Ray Serve. Needs the extra: pip install torch-nacelle[ray].

    import ray
    from torch_nacelle.ray import BatchProgram

    actors = ray.data.ActorPoolStrategy(size=4)
    scores = ray.data.read_parquet("rows").map_batches(
        BatchProgram, fn_constructor_args=["scorer.ts"], batch_size=64, compute=actors, num_gpus=1
    )

Ray does what Ray does: it starts actors, gives each its GPU, restarts what died, routes requests. These classes load
the program once in each actor, and make batches that it takes.

The program's file must be at the same path on each node, in a shared folder or by ``runtime_env``.
"""

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch

try:
    import ray
except ImportError as error:
    raise ImportError(
        "torch_nacelle.ray needs Ray, which is not installed: pip install 'torch-nacelle[ray]'", name="ray"
    ) from error

from torch_nacelle._serving.arrays import arrays_of, described, tensors_of
from torch_nacelle._serving.interface import load_on
from torch_nacelle._serving.rows import RowProgram
from torch_nacelle._serving.transfers import Tensors
from torch_nacelle.errors import DeviceError, InputError

__all__ = ["BatchProgram", "ServeProgram", "deployment"]


class BatchProgram:
    """A program as a class for ``Dataset.map_batches``: it is loaded once in each actor, and called with batches.

        actors = ray.data.ActorPoolStrategy(size=4)
        dataset.map_batches(
            BatchProgram, fn_constructor_args=["scorer.ts"], batch_size=64, compute=actors, num_gpus=1
        )

    A column with the name of each input of the program goes in; a column with the name of each output comes out. The
    other columns stay. ``batch_size`` is free: each batch is split into those that the program takes, up to the largest
    of its optimization profiles, and padded only if no split does without. A multiple of the largest is best.

    Batches are dicts of NumPy arrays or Arrow tables (``batch_format="pyarrow"``), and come out as they go in. Arrow
    tells nulls, which are refused; in NumPy's format Ray has made NaN of them.

    A row's results must not depend on the other rows of a batch, since Ray puts rows together as they come. The
    constructor checks this with three calls, which find a normalization over the batch, a sum over it and the like.

    On a GPU the copies of one piece go through pinned memory while another is computed.
    """

    def __init__(
        self,
        program: str | os.PathLike[str],
        *,
        device: str | torch.device | None = None,
        constants: Mapping[str, torch.Tensor] | None = None,
        example: Mapping[str, Any] | None = None,
        keep_inputs: bool = False,
        check_neighbours: bool = True,
    ) -> None:
        """Loads a program and runs it at the ends of its optimization profiles. Ray calls this in each actor.

        Args:
            program: The file; see ``nacelle.load``.
            device: The device; left out, the GPU that Ray gave the actor, or if it has none, the one of the program.
            constants: Tensors for inputs that are the same for all rows, by name.
            example: Rows for the first calls, as arrays by the input's name, two rows or more. Give it for a program
                that fails on made-up values, such as one that takes indices.
            keep_inputs: True keeps the columns of the inputs too.
            check_neighbours: False leaves out the check that a row's results do not depend on other rows.

        Raises:
            InputError: The program cannot be given rows; the message says why.
            DeviceError: The program needs a GPU, and Ray gave the actor none.
            Error: The program cannot be loaded or run here.
        """
        self._program = _loaded(program, device, constants, example, check_neighbours)
        self._keep_inputs = keep_inputs

    def __call__(self, batch: Any) -> Any:
        """Computes the outputs of a batch.

        Args:
            batch: A dict of arrays, or an Arrow table, with a column for each input.

        Returns:
            The same kind of batch, with a column for each output.

        Raises:
            InputError: A column is missing or is not what the program takes, or an output has the name of a column
                that stays.
            Error: The program failed.
        """
        table = _arrow_table(batch)
        if table is None and not isinstance(batch, Mapping):
            raise InputError(
                f"the batch is of type {type(batch).__name__}; wanted a dict of arrays or an Arrow table: give "
                'map_batches batch_format="numpy" or "pyarrow"'
            )
        names = [one.name for one in self._program.inputs]
        columns = dict(batch) if table is None else _numpy_columns(table, names)
        outputs = arrays_of(self._program(tensors_of(columns, self._program.inputs)))
        present = list(batch) if table is None else table.column_names
        kept = [name for name in present if self._keep_inputs or name not in names]
        twice = [name for name in outputs if name in kept]
        if twice:
            raise InputError(f'the batch has a column "{twice[0]}", and so is an output named; rename the column')
        if table is None:
            return {**{name: batch[name] for name in kept}, **outputs}
        return _with_columns(table.select(kept), outputs)


@dataclass
class _Request:
    """A request that waits for its batch."""

    count: int
    tensors: Tensors


_Answer: TypeAlias = dict[str, Any] | Exception


class ServeProgram:
    """A program as a class for a deployment of Ray Serve; see ``deployment``.

    Requests are dicts of arrays by the names of the inputs, of one row or several, and so are the answers. Those that
    come at about the same time are answered by one call of the program. A request that cannot be answered gets its
    error alone, and the others their answers.
    """

    def __init__(
        self,
        program: str | os.PathLike[str],
        *,
        device: str | torch.device | None = None,
        constants: Mapping[str, torch.Tensor] | None = None,
        example: Mapping[str, Any] | None = None,
        check_neighbours: bool = True,
        batch_wait: float | None = None,
    ) -> None:
        """Loads a program and runs it at the ends of its profiles. Ray calls this in each replica before it is ready.

        Args:
            program: The file; see ``nacelle.load``.
            device: See ``BatchProgram``.
            constants: See ``BatchProgram``.
            example: See ``BatchProgram``. The health check computes its first row, or a made-up one.
            check_neighbours: See ``BatchProgram``.
            batch_wait: Seconds that a request waits for others, to fill a batch. Left out, the time of one call with
                the batch that the first optimization profile is fastest at, 50 ms at most; 0 if batches have one row.

        Raises:
            InputError: The program cannot be given rows; the message says why.
            DeviceError: The program needs a GPU, and Ray gave the replica none.
            Error: The program cannot be loaded or run here.
        """
        from ray import serve

        self._program = _loaded(program, device, constants, example, check_neighbours)
        self._calls: Counter[int] = Counter()
        self._calls_lock = threading.Lock()
        # The program takes one call at a time; the event loop goes on meanwhile.
        self._thread = ThreadPoolExecutor(1, "torch_nacelle")

        async def together(requests: list[_Request]) -> list[_Answer]:
            return await self._answered(requests)

        self._together: Callable[[_Request], Awaitable[_Answer]] = serve.batch(
            max_batch_size=self._program.max_batch,
            batch_wait_timeout_s=self._usual_wait() if batch_wait is None else batch_wait,
            batch_size_fn=lambda requests: sum(request.count for request in requests),
        )(together)

    async def __call__(self, rows: Mapping[str, Any]) -> dict[str, Any]:
        """Answers a request.

        Args:
            rows: Arrays by the input's name, one row or more.

        Returns:
            Arrays by the output's name.

        Raises:
            InputError: An input is missing or is not what the program takes.
            Error: The program failed.
        """
        if not isinstance(rows, Mapping):
            raise InputError(
                f"the request is of type {type(rows).__name__}; wanted a dict of arrays for the inputs "
                f"{described(self._program.inputs)}: HTTP requests are for a deployment of yours, which calls this one "
                "by its handle"
            )
        tensors = tensors_of(rows, self._program.inputs)
        request = _Request(self._program.check(tensors), tensors)
        if 0 < request.count <= self._program.max_batch:
            answer = await self._together(request)
        else:  # the program splits it
            (answer,) = await self._answered([request])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def check_health(self) -> None:
        """Runs the program with one row. Ray calls this from time to time, and replaces a replica that fails."""
        row = self._program.example(1)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._program, row)

    def batch_sizes(self) -> dict[int, int]:
        """Returns the number of calls of the program by the rows of requests in them, since the replica started."""
        with self._calls_lock:
            return dict(self._calls)

    async def _answered(self, requests: list[_Request]) -> list[_Answer]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answers, requests)

    def _answers(self, requests: Sequence[_Request]) -> list[_Answer]:
        """The answers of several requests. Those whose rows have one shape are computed together."""
        alike: dict[tuple[Any, ...], list[int]] = {}
        for place, request in enumerate(requests):
            shapes = tuple(tuple(tensor.shape[1:]) for tensor in request.tensors.values())
            alike.setdefault(shapes, []).append(place)
        answers: dict[int, _Answer] = {}
        for places in alike.values():
            found = self._answers_of_alike([requests[place] for place in places])
            answers.update(zip(places, found, strict=True))
        return [answers[place] for place in range(len(requests))]

    def _answers_of_alike(self, requests: Sequence[_Request]) -> list[_Answer]:
        names = requests[0].tensors
        try:
            outputs = self._program({name: torch.cat([one.tensors[name] for one in requests]) for name in names})
        except Exception as error:
            if len(requests) == 1:
                return [error]
            return [answer for request in requests for answer in self._answers_of_alike([request])]
        with self._calls_lock:
            self._calls[sum(one.count for one in requests)] += 1
        parts = {name: output.split([one.count for one in requests]) for name, output in outputs.items()}
        return [
            arrays_of({name: part[place].clone() for name, part in parts.items()}) for place in range(len(requests))
        ]

    def _usual_wait(self) -> float:
        if self._program.max_batch == 1:
            return 0.0
        rows = self._program.example(self._program.best_batch)
        start = time.perf_counter()
        self._program(rows)
        return min(time.perf_counter() - start, 0.05)


def deployment(**options: Any) -> Any:
    """Makes a deployment of Ray Serve, to be bound to a program.

        app = deployment(num_replicas=2, ray_actor_options={"num_gpus": 1}).bind("scorer.ts")
        handle = serve.run(app)
        scores = await handle.remote({"images": images})

    A replica is ready when the program has run at the ends of its optimization profiles. The largest batch and the time
    that requests wait for each other come from the profiles; see ``ServeProgram``, whose arguments ``bind`` takes.

    Args:
        options: Those of ``serve.deployment``. ``max_ongoing_requests`` left out is 256, since a replica must hold more
            requests than a batch has rows; ``name`` left out is ``"ServeProgram"``.

    Returns:
        The ``ray.serve.Deployment``.

    Raises:
        ImportError: Ray is installed without Serve.
    """
    from ray import serve

    return serve.deployment(**{"max_ongoing_requests": 256, **options})(ServeProgram)


def _loaded(
    program: str | os.PathLike[str],
    device: str | torch.device | None,
    constants: Mapping[str, torch.Tensor] | None,
    example: Mapping[str, Any] | None,
    check_neighbours: bool,
) -> RowProgram:
    where = _gpu_of_actor() if device is None else device
    _, interface = load_on(Path(program), where)
    if where is None and interface.device.type == "cuda" and ray.is_initialized():
        raise DeviceError(
            f"{program} runs on a GPU, and Ray gave this actor none; wanted num_gpus=1 among the actor's options, or a "
            "device"
        )
    rows = [one for one in interface.inputs if one.name not in (constants or {})]
    given = None if example is None else tensors_of(example, rows)
    return RowProgram(interface, constants=constants, example=given, check_neighbours=check_neighbours)


def _gpu_of_actor() -> str | None:
    """The GPU that Ray gave this actor, as torch counts them; None if it gave none, or this is no process of Ray's."""
    if not ray.is_initialized():
        return None
    given = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
    if not given:
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return f"cuda:{visible.index(given[0])}" if given[0] in visible else f"cuda:{given[0]}"


def _arrow_table(batch: Any) -> Any:
    """The batch if it is an Arrow table, else None."""
    if type(batch).__module__.partition(".")[0] != "pyarrow":
        return None
    import pyarrow

    if isinstance(batch, pyarrow.RecordBatch):
        batch = pyarrow.Table.from_batches([batch])
    return batch if isinstance(batch, pyarrow.Table) else None


def _numpy_columns(table: Any, names: Sequence[str]) -> dict[str, Any]:
    """Columns of an Arrow table as arrays, as Ray makes them; of other columns the names alone."""
    from ray.data.block import BlockAccessor

    present = [name for name in names if name in table.column_names]
    for name in present:
        nulls = sum(_null_count(chunk) for chunk in table.column(name).chunks)
        if nulls:
            raise InputError(f'column "{name}" has {nulls} nulls in this batch; wanted numbers')
    arrays: dict[str, Any] = BlockAccessor.for_block(table.select(present)).to_numpy(present)
    return {name: arrays.get(name) for name in table.column_names}


def _null_count(array: Any) -> int:
    """The nulls of an array, those in its lists too."""
    import pyarrow

    stored = array.storage if isinstance(array, pyarrow.ExtensionArray) else array
    kinds = (pyarrow.ListType, pyarrow.LargeListType, pyarrow.FixedSizeListType)
    inside = _null_count(stored.flatten()) if isinstance(stored.type, kinds) else 0
    return int(stored.null_count) + inside


def _with_columns(table: Any, columns: Mapping[str, Any]) -> Any:
    from ray.data.block import BlockAccessor

    made = BlockAccessor.batch_to_arrow_block(dict(columns))
    for name in made.column_names:
        table = table.append_column(made.schema.field(name), made.column(name))
    return table
