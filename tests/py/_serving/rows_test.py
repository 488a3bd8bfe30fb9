"""Programs called with rows: the answers are those of each row alone, however the rows are put together."""

import asyncio
import importlib
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import torch_nacelle as nacelle
from torch_nacelle import Input, InputError
from torch_nacelle._serving.arrays import arrays_of, tensors_of
from torch_nacelle._serving.interface import Interface
from torch_nacelle._serving.rows import RowProgram


class Two(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x * 2 + y.sum(dim=1, keepdim=True)


class One(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(x, dim=1)


class Centred(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=0, keepdim=True)


class Ranked(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.arange(x.shape[0], dtype=x.dtype).unsqueeze(1)


class Total(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x * 2, x.sum(dim=0)


class Scaled(nn.Module):
    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        return x * scale


def interface(model: nn.Module, *inputs: Input, outputs: Sequence[str] | None = None) -> Interface:
    return Interface(nacelle.compile(model, list(inputs), backend="reference", output_names=outputs))


def row_program(model: nn.Module, *inputs: Input, outputs: Sequence[str] | None = None, **options: Any) -> RowProgram:
    return RowProgram(interface(model, *inputs, outputs=outputs), **options)


def counted(program: RowProgram, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The batch sizes of calls from now on."""
    sizes: list[int] = []
    call = program._call

    def noting(inputs: dict[str, Tensor], size: int) -> dict[str, Tensor]:
        sizes.append(size)
        return call(inputs, size)

    monkeypatch.setattr(program, "_call", noting)
    return sizes


@pytest.mark.parametrize("rows", [0, 1, 4, 5, 9, 23])
def test_each_row_of_several_dynamic_inputs_gets_its_answer(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = (Input(min=(1, 3), opt=(2, 3), max=(4, 3), name=name) for name in ("x", "y"))
    program = row_program(Two(), x, y, outputs=["z"])
    sizes = counted(program, monkeypatch)
    given = {"x": torch.randn(rows, 3), "y": torch.randn(rows, 3), "id": torch.arange(rows)}
    results = program(given)
    assert list(results) == ["z"]
    torch.testing.assert_close(results["z"], Two()(given["x"], given["y"]))
    assert sum(sizes) == rows and all(size <= 4 for size in sizes)
    assert (program.max_batch, program.best_batch, program.output_names) == (4, 2, ("z",))


@pytest.mark.parametrize(("rows", "calls"), [(8, [4, 4]), (6, [4, 4]), (1, [4])])
def test_a_fixed_batch_is_filled_with_rows_whose_results_are_dropped(
    rows: int, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = row_program(One(), Input(shape=(4, 3), name="x"))
    sizes = counted(program, monkeypatch)
    x = torch.randn(rows, 3)
    (result,) = program({"x": x}).values()
    torch.testing.assert_close(result, torch.softmax(x, 1))
    assert sizes == calls


@pytest.mark.parametrize("model", [Centred(), Ranked()])
def test_a_program_whose_rows_depend_on_each_other_is_refused(model: nn.Module) -> None:
    described = Input(min=(1, 3), max=(4, 3), name="x")
    with pytest.raises(InputError, match=r'output "z" of a row depends on the other rows of its batch: relative error'):
        row_program(model, described, outputs=["z"])
    example = {"x": torch.randn(2, 3)}
    with pytest.raises(InputError, match="depends on the other rows"):
        row_program(model, described, outputs=["z"], example=example)
    row_program(model, described, check_neighbours=False)
    row_program(model, Input(shape=(1, 3)))  # each row is alone


class Shared(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / x.shape[0]


@pytest.mark.parametrize("least", [1, 4])
def test_a_program_whose_results_depend_on_the_batch_size_is_refused(least: int) -> None:
    with pytest.raises(InputError, match=r'output "z" of a row depends on the batch size: relative error'):
        row_program(Shared(), Input(min=(least, 3), max=(8, 3), name="x"), outputs=["z"])


def test_an_output_without_an_entry_for_each_row_is_refused() -> None:
    with pytest.raises(InputError, match=r'output "total" has the shape \[3\] for a batch of 1'):
        row_program(Total(), Input(min=(1, 3), max=(4, 3)), outputs=["rows", "total"])
    with pytest.raises(InputError, match=r'output "total" has the shape \[3\] for a batch of 4'):  # not of 3
        row_program(Total(), Input(min=(3, 3), max=(4, 3)), outputs=["rows", "total"])


def test_inputs_that_are_the_same_for_all_rows_are_constants() -> None:
    inputs = Input(min=(1, 3), max=(4, 3), name="x"), Input(shape=(3,), name="scale")
    served = interface(Scaled(), *inputs)
    with pytest.raises(InputError, match=r'input "scale" has the first dimension 3 .* in constants'):
        RowProgram(served)
    program = RowProgram(served, constants={"scale": torch.tensor([1.0, 2.0, 3.0])})
    (result,) = program({"x": torch.ones(6, 3)}).values()
    assert result.tolist() == [[1.0, 2.0, 3.0]] * 6
    with pytest.raises(InputError, match='constants has "size", which is no input; there are: x, scale'):
        RowProgram(served, constants={"size": torch.zeros(3)})
    with pytest.raises(InputError, match='constants has a list for "scale"'):
        RowProgram(served, constants={"scale": [1.0]})  # type: ignore[dict-item]


def test_rows_that_the_program_does_not_take_are_refused() -> None:
    program = row_program(Two(), *(Input(min=(1, 3), max=(4, 3), name=name) for name in ("x", "y")))
    rows = torch.zeros(2, 3)
    for given, message in [
        ({"x": rows}, 'input "y" is missing; given: x'),
        ({"x": rows.double(), "y": rows}, 'input "x" has dtype float64; wanted float32'),
        ({"x": rows, "y": torch.zeros(3, 3)}, 'different numbers of rows: "x" 2, "y" 3'),
        ({"x": torch.zeros(2, 4), "y": rows}, r'rows of input "x" have the shape \[4\]; wanted \[3\]'),
        ({"x": torch.tensor(1.0), "y": rows}, 'input "x" has no dimension'),
    ]:
        with pytest.raises(InputError, match=message):
            program(given)


def test_an_example_is_checked() -> None:
    described = Input(min=(1, 3), max=(4, 3), name="x")
    with pytest.raises(InputError, match="the example has 1 rows; wanted two or more"):
        row_program(One(), described, example={"x": torch.zeros(1, 3)})
    program = row_program(One(), described, example={"x": torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])})
    assert program.example(3)["x"].tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [1.0, 2.0, 3.0]]


class Lookup(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.table(x)
        return found


def test_a_program_that_refuses_made_up_values_gets_an_example() -> None:
    described = Input(min=(1, 2), max=(4, 2), dtype=torch.int64, name="x")
    with pytest.raises(nacelle.ExecutionError, match=r"fails on made-up rows: .*; .* as the example"):
        row_program(Lookup(), described)
    program = row_program(Lookup(), described, example={"x": torch.tensor([[0, 1], [2, 3]])})
    assert program.example(1)["x"].tolist() == [[0, 1]]
    assert program({"x": torch.zeros(7, 2, dtype=torch.int64)})["output_0"].shape == (7, 2, 3)


class Widths(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1


def test_rows_of_each_profile_go_in_batches_of_that_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    program = row_program(Widths(), Input(min=[(1, 2), (2, 8)], max=[(8, 4), (3, 16)], name="x"))
    sizes = counted(program, monkeypatch)
    for width, calls in [(3, [8, 2]), (9, [3, 3, 2, 2])]:
        x = torch.randn(10, width)
        (result,) = program({"x": x}).values()
        assert torch.equal(result, x + 1)
        assert sizes == calls
        sizes.clear()
    assert program.max_batch == 8


class InPlace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.add_(1)


def test_a_program_that_writes_to_its_inputs_writes_to_copies() -> None:
    module = torch.export.export(InPlace(), (torch.zeros(4, 2),), dynamic_shapes=[{0: torch.export.Dim("n", max=8)}])
    program = RowProgram(Interface(module.module()))
    x = torch.zeros(4, 2)
    (result,) = program({"x": x}).values()
    assert result.tolist() == [[1.0, 1.0]] * 4
    assert not x.any()


def inputs_of(*described: Input) -> list[Any]:
    return interface(One(), *described).inputs


def test_columns_become_tensors() -> None:
    inputs = inputs_of(Input(min=(1, 3), max=(4, 3), name="x"))
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    rows.flags.writeable = False  # as arrays of Ray's store
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.zeros(3, np.float32), np.zeros(4, np.float32)]
    listed = np.empty(2, dtype=object)
    listed[:] = list(rows)
    for column in (rows, listed, rows[::-1][::-1], rows.astype(">f4").astype("=f4")):
        assert tensors_of({"x": column}, inputs)["x"].tolist() == rows.tolist()
    for column, message in [
        (ragged, r'rows of column "x" are float32 \[3\] and float32 \[4\]; wanted one shape'),
        (np.array(["a", None], dtype=object), 'column "x" holds objects or nulls'),
        (np.array(["a", "b"]), 'column "x" has the NumPy dtype <U1, which torch has not'),
    ]:
        with pytest.raises(InputError, match=message):
            tensors_of({"x": column}, inputs)
    with pytest.raises(InputError, match=r'there is no column "x", .* the batch has the columns "image", "id"'):
        tensors_of({"image": rows, "id": rows}, inputs)


def test_bfloat16_is_float32_in_numpy() -> None:
    assert arrays_of({"y": torch.tensor([1.5], dtype=torch.bfloat16)})["y"].dtype == np.float32


def batched(max_batch_size: int, batch_wait_timeout_s: float, batch_size_fn: Any) -> Any:
    """A decorator in the place of ``serve.batch``: all requests of one moment are a batch, whatever their size."""
    assert max_batch_size == 4 and 0 <= batch_wait_timeout_s <= 0.05

    def decorate(function: Any) -> Any:
        waiting: list[tuple[Any, asyncio.Future[Any]]] = []

        async def enqueue(request: Any) -> Any:
            future = asyncio.get_running_loop().create_future()
            waiting.append((request, future))
            await asyncio.sleep(0)
            if waiting:
                batch = waiting.copy()
                waiting.clear()
                assert batch_size_fn([each for each, _ in batch]) == sum(each.count for each, _ in batch)
                for (_, each), result in zip(batch, await function([each for each, _ in batch]), strict=True):
                    each.set_result(result)
            return await future

        return enqueue

    return decorate


@pytest.fixture
def ray_module(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """torch_nacelle.ray outside of a cluster, with a stand-in for Ray, which the default tests lack."""
    stand_in: Any = types.ModuleType("ray")
    stand_in.is_initialized = lambda: False
    stand_in.serve = types.SimpleNamespace(batch=batched)
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    monkeypatch.delitem(sys.modules, "torch_nacelle.ray", raising=False)
    yield importlib.import_module("torch_nacelle.ray")
    sys.modules.pop("torch_nacelle.ray", None)


def test_the_module_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "torch_nacelle.ray", raising=False)
    with pytest.raises(ImportError, match=r"needs Ray, which is not installed: pip install 'torch-nacelle\[ray\]'"):
        importlib.import_module("torch_nacelle.ray")


def test_batches_of_arrays_get_columns_of_the_outputs(ray_module: Any, tmp_path: Path) -> None:
    path = tmp_path / "two.ts"
    inputs = [Input(min=(1, 3), max=(4, 3), name=name) for name in ("x", "y")]
    nacelle.save(nacelle.compile(Two(), inputs, backend="reference", output_names=["z"]), path)
    x, y = (np.random.default_rng(seed).normal(size=(6, 3)).astype(np.float32) for seed in range(2))
    program = ray_module.BatchProgram(path)
    batch = program({"id": np.arange(6), "x": x, "y": y})
    assert list(batch) == ["id", "z"]
    np.testing.assert_allclose(batch["z"], x * 2 + y.sum(axis=1, keepdims=True), rtol=1e-5)
    assert batch["id"].tolist() == list(range(6))
    assert list(ray_module.BatchProgram(path, keep_inputs=True)({"x": x, "y": y})) == ["x", "y", "z"]
    empty = program({"id": np.arange(0), "x": x[:0], "y": y[:0]})
    assert empty["z"].shape == (0, 3) and empty["z"].dtype == np.float32
    with pytest.raises(InputError, match='the batch has a column "z", and so is an output named'):
        program({"x": x, "y": y, "z": x})
    with pytest.raises(InputError, match=r"the batch is of type list; .* batch_format"):
        program([x])


@pytest.mark.parametrize(
    ("given", "visible", "device"),
    [
        ([], "0,1", None),
        (["3"], "3", "cuda:0"),  # Ray hides the others
        (["3"], "2,3", "cuda:1"),  # Ray was told not to hide any
        (["1"], None, "cuda:1"),
        (["GPU-b"], "GPU-a,GPU-b", "cuda:1"),
    ],
)
def test_an_actor_takes_the_gpu_that_ray_gave_it(
    ray_module: Any, monkeypatch: pytest.MonkeyPatch, given: list[str], visible: str | None, device: str | None
) -> None:
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert ray_module._gpu_of_actor() is None
    ray_module.ray.is_initialized = lambda: True
    ray_module.ray.get_runtime_context = lambda: types.SimpleNamespace(get_accelerator_ids=lambda: {"GPU": given})
    assert ray_module._gpu_of_actor() == device


def test_a_program_for_a_gpu_needs_one_of_the_actor(ray_module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    on_gpu = types.SimpleNamespace(device=torch.device("cuda", 0), inputs=[])
    monkeypatch.setattr(ray_module, "load_on", lambda *_: (None, on_gpu))
    ray_module.ray.is_initialized = lambda: True
    ray_module.ray.get_runtime_context = lambda: types.SimpleNamespace(get_accelerator_ids=lambda: {"GPU": []})
    with pytest.raises(nacelle.DeviceError, match=r"runs on a GPU, and Ray gave this actor none; wanted num_gpus=1"):
        ray_module.BatchProgram("net.ts")
    with pytest.raises(InputError, match="no input for rows"):  # it goes on
        ray_module.BatchProgram("net.ts", device="cuda:0")


def saved(model: nn.Module, described: Input, path: Path) -> Path:
    nacelle.save(nacelle.compile(model, [described], backend="reference", output_names=["y"]), path)
    return path


def answers(program: Any, *requests: Any) -> list[Any]:
    """The answers or errors of requests that are sent at once."""

    async def send() -> list[Any]:
        return await asyncio.gather(*(program(request) for request in requests), return_exceptions=True)

    return asyncio.run(send())


def test_requests_of_one_moment_are_answered_together(ray_module: Any, tmp_path: Path) -> None:
    path = saved(One(), Input(min=(1, 2), max=(4, 5), name="x"), tmp_path / "one.ts")
    program = ray_module.ServeProgram(path)
    random = np.random.default_rng(0)
    requests = [
        random.normal(size=(rows, width)).astype(np.float32) for rows, width in [(1, 2), (2, 5), (1, 2), (9, 3)]
    ]
    for request, answer in zip(requests, answers(program, *({"x": one} for one in requests)), strict=True):
        np.testing.assert_allclose(answer["y"], torch.softmax(torch.from_numpy(request), 1).numpy(), rtol=1e-5)
    assert program.batch_sizes() == {2: 2, 9: 1}  # the two of one shape, that of another, and the large one
    asyncio.run(program.check_health())


def test_a_request_that_fails_in_the_program_fails_alone(ray_module: Any, tmp_path: Path) -> None:
    path = saved(Lookup(), Input(min=(1, 2), max=(4, 2), dtype=torch.int64, name="x"), tmp_path / "lookup.ts")
    program = ray_module.ServeProgram(path, example={"x": np.array([[0, 1], [2, 3]])})
    first, bad, other, wrong = answers(
        program, {"x": np.array([[0, 1]])}, {"x": np.array([[0, 9]])}, {"x": np.array([[2, 3]])}, {"z": np.zeros(1)}
    )
    assert first["y"].shape == other["y"].shape == (1, 2, 3)
    assert isinstance(bad, nacelle.ExecutionError)
    assert isinstance(wrong, InputError)


def test_a_program_that_cannot_be_loaded_says_so(ray_module: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.ts").write_bytes(b"no program")
    with pytest.raises(InputError, match=r"bad\.ts"):
        ray_module.BatchProgram(tmp_path / "bad.ts")
