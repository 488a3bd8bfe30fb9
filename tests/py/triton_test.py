"""``nacelle triton`` and ``torch_nacelle.triton``: the model repositories that they write, without a server."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

import torch_nacelle as nacelle
from tests.py.cli.commands import nacelle as command
from tests.py.triton_stand_in import Request, load_model
from torch_nacelle.triton import write_repository

PICTURES = nacelle.Input(min=(1, 6), opt=(4, 6), max=(8, 6), name="images")


class Scores(torch.nn.Module):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images.softmax(1), images.sum(1)


class Series(torch.nn.Module):
    """One size of the output is that of the input, one is fixed."""

    def forward(self, series: Tensor) -> Tensor:
        return torch.stack([series, -series], 2)


class Total(torch.nn.Module):
    """One number for all rows."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum()


class Positive(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.nonzero(x > 0)


def program(
    path: Path,
    model: torch.nn.Module,
    *inputs: nacelle.Input,
    outputs: list[str] | None = None,
    data_dependent: Sequence[str] = (),
) -> Path:
    module = nacelle.compile(
        model,
        list(inputs),
        container="module",
        backend="reference",
        output_names=outputs,
        data_dependent=data_dependent,
    )
    nacelle.save(module, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("programs")
    program(made / "scores.ts", Scores(), PICTURES, outputs=["scores", "total"])
    nacelle.save(nacelle.load(made / "scores.ts"), made / "scores.pt2", inputs=[PICTURES])
    return made


def config(folder: Path) -> str:
    """The configuration without its line breaks."""
    return " ".join((folder / "config.pbtxt").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("name", ["scores.ts", "scores.pt2"])
def test_names_types_shapes_and_batches_come_from_the_program(folder: Path, tmp_path: Path, name: str) -> None:
    outcome = command("triton", folder / name, "-o", tmp_path / "models")
    assert outcome.code == 0, outcome.err
    model = tmp_path / "models" / "scores"
    copy = f"program{Path(name).suffix}"
    assert f"wrote {model}: 1/model.py, 1/{copy}, config.pbtxt" in outcome.out
    assert f"tritonserver --model-repository={tmp_path / 'models'}" in outcome.out
    text = config(model)
    assert text.startswith('name: "scores" backend: "python" max_batch_size: 8 ')
    assert 'input { name: "images" data_type: TYPE_FP32 dims: [ 6 ] }' in text
    assert 'output { name: "scores" data_type: TYPE_FP32 dims: [ 6 ] }' in text
    assert 'output { name: "total" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } }' in text
    assert "dynamic_batching { preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 100 }" in text
    assert "instance_group { count: 1 kind: KIND_CPU }" in text
    assert re.findall(r"batch_size: (\d) inputs", text) == ["1", "8"]
    assert (model / "1" / copy).read_bytes() == (folder / name).read_bytes()
    assert f'PROGRAM = "{copy}"' in (model / "1" / "model.py").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models"]


def test_options_are_written(folder: Path, tmp_path: Path) -> None:
    options = ["--name", 'a "b" ü', "--instances", "3", "--queue-delay", "0", "--max-batch-size", "2"]
    outcome = command("triton", folder / "scores.ts", "-o", tmp_path, *options, "--environment", "/env", "--json")
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out)
    assert told["model"] == 'a "b" ü' and told["files"] == ["1/model.py", "1/program.ts", "config.pbtxt"]
    text = config(tmp_path / 'a "b" ü')
    assert text.startswith(r'name: "a \"b\" \303\274" ')
    assert "max_batch_size: 2 " in text and "preferred_batch_size: [ 2 ] max_queue_delay_microseconds: 0 " in text
    assert "count: 3 " in text
    assert 'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "/env" } }' in text


def test_sizes_that_vary_are_open(tmp_path: Path) -> None:
    series = nacelle.Input(min=(1, 4), opt=(2, 8), max=(8, 16), name="series")
    model = write_repository(program(tmp_path / "series.ts", Series(), series), tmp_path / "models")
    assert 'name: "series" data_type: TYPE_FP32 dims: [ -1 ] }' in config(model)
    assert 'name: "output_0" data_type: TYPE_FP32 dims: [ -1, 2 ] }' in config(model)
    assert config(model).count("value { data_type: TYPE_FP32 dims: [ 8 ] zero_data: true }") == 2


@pytest.mark.parametrize(
    ("ranges", "largest"),
    [
        ([((1, 4), (8, 8)), ((1, 9), (2, 16))], 2),  # a long request can be in a batch of 2 alone
        ([((1, 4), (4, 8)), ((5, 4), (16, 8))], 16),  # one profile goes on where the other ends
        ([((1, 4), (4, 8)), ((6, 4), (16, 8))], 4),  # none has a batch of 5
    ],
)
def test_every_batch_is_in_a_profile(
    tmp_path: Path, ranges: list[tuple[tuple[int, int], tuple[int, int]]], largest: int
) -> None:
    low, high = ([one[which] for one in ranges] for which in (0, 1))
    series = nacelle.Input(min=low, opt=low, max=high, name="series")
    model = write_repository(program(tmp_path / "series.ts", Series(), series), tmp_path / "models")
    assert f"max_batch_size: {largest} " in config(model)


def test_the_pytorch_backend_has_its_own_names(folder: Path, tmp_path: Path) -> None:
    model = write_repository(folder / "scores.ts", tmp_path, backend="pytorch")
    text = config(model)
    assert text.startswith('name: "scores" platform: "pytorch_libtorch" max_batch_size: 8 ')
    assert 'input { name: "INPUT__0" ' in text and 'output { name: "OUTPUT__1" ' in text
    assert 'parameters { key: "DISABLE_OPTIMIZED_EXECUTION" value { string_value: "true" } }' in text
    assert [path.name for path in (model / "1").iterdir()] == ["model.pt"]


def test_the_pytorch_backend_loads_no_exported_programs(folder: Path, tmp_path: Path) -> None:
    outcome = command("triton", folder / "scores.pt2", "-o", tmp_path, "--backend", "pytorch")
    assert outcome.code == 1
    assert "found an exported program" in outcome.err and "wanted one of these" in outcome.err
    assert not list(tmp_path.iterdir())


def test_the_pytorch_backend_takes_no_dict(tmp_path: Path) -> None:
    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.engine = nacelle.compile(Scores(), [PICTURES], backend="reference")

        def forward(self, images: Tensor) -> dict[str, Tensor]:
            return {"scores": self.engine(images)[0]}

    torch.jit.script(Named()).save(tmp_path / "named.ts")
    with pytest.raises(nacelle.InputError, match=r"returns Dict\[str, Tensor\], .*; wanted a tensor, or a tuple"):
        write_repository(tmp_path / "named.ts", tmp_path / "models", backend="pytorch")
    assert 'output { name: "scores" ' in config(write_repository(tmp_path / "named.ts", tmp_path / "models"))


@pytest.mark.parametrize(
    ("model", "described", "data_dependent", "message"),
    [
        (
            Series(),
            nacelle.Input(shape=(2, 4), name="series"),
            [],
            r'input "series" has the shape \[2, 4\]; wanted a first dimension that varies',
        ),
        (
            Series(),
            nacelle.Input(min=(2, 4), max=(8, 4)),
            [],
            "the smallest batch is 2, and a server passes single requests on",
        ),
        (
            Total(),
            nacelle.Input(min=(1, 4), max=(8, 4)),
            [],
            r'output "output_0" has the shape \[\] for a batch of 1; wanted 1 as its first size',
        ),
        (
            Positive(),
            nacelle.Input(min=(1, 4), max=(8, 4)),
            ["output_0"],
            r'output "output_0" has the shape \[\d, 2\] for a batch of 1',
        ),
    ],
)
def test_what_has_no_batch_is_said_and_served_without(
    tmp_path: Path, model: torch.nn.Module, described: nacelle.Input, data_dependent: list[str], message: str
) -> None:
    source = program(tmp_path / "model.ts", model, described, data_dependent=data_dependent)
    with pytest.raises(nacelle.InputError, match=message) as caught:
        write_repository(source, tmp_path / "models")
    assert "Serve it without batches, a call for each request: max_batch_size 0" in str(caught.value)
    assert not (tmp_path / "models").exists()
    text = config(write_repository(source, tmp_path / "models", max_batch_size=0))
    assert "max_batch_size: 0 " in text and "dynamic_batching" not in text and text.count("model_warmup") == 1


class Table(torch.nn.Module):
    """Rows of a table of three, so that few made-up ids are in it."""

    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.rand(3, 4))

    def forward(self, ids: Tensor) -> Tensor:
        return self.table[ids]


def test_made_up_inputs_that_a_program_refuses_are_no_hindrance(tmp_path: Path) -> None:
    ids = nacelle.Input(min=(1, 50), opt=(2, 50), max=(4, 50), dtype=torch.int64, name="ids")
    text = config(write_repository(program(tmp_path / "table.ts", Table(), ids), tmp_path / "models"))
    assert 'output { name: "output_0" data_type: TYPE_FP32 dims: [ 50, 4 ] }' in text and "model_warmup" in text


def test_an_output_that_depends_on_values_is_open(tmp_path: Path) -> None:
    described = nacelle.Input(shape=(2, 4), name="x")
    source = program(tmp_path / "model.ts", Positive(), described, data_dependent=["output_0"])
    text = config(write_repository(source, tmp_path / "models", max_batch_size=0))
    assert 'input { name: "x" data_type: TYPE_FP32 dims: [ 2, 4 ] }' in text
    assert 'output { name: "output_0" data_type: TYPE_INT64 dims: [ -1, 2 ] }' in text


def test_an_output_that_is_no_tensor_is_named(tmp_path: Path) -> None:
    class Counted(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.engine = nacelle.compile(Scores(), [PICTURES], backend="reference")

        def forward(self, images: Tensor) -> dict[str, int]:
            return {"count": int(self.engine(images)[0].shape[0])}

    torch.jit.script(Counted()).save(tmp_path / "model.ts")
    with pytest.raises(nacelle.InputError, match='output "count" is of type int; wanted a tensor') as caught:
        write_repository(tmp_path / "model.ts", tmp_path / "models")
    assert "without batches" not in str(caught.value)


def test_a_program_in_memory_is_no_file() -> None:
    with pytest.raises(nacelle.InputError, match="found Scores; wanted the path of a program's file"):
        write_repository(Scores(), "models")  # type: ignore[arg-type]


def test_a_dtype_that_triton_lacks_is_named(tmp_path: Path) -> None:
    class Complex(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.engine = nacelle.compile(Scores(), [PICTURES], backend="reference")

        def forward(self, images: Tensor) -> Tensor:
            scores = self.engine(images)[0]
            return torch.complex(scores, scores)

    torch.jit.script(Complex()).save(tmp_path / "model.ts")
    with pytest.raises(nacelle.InputError, match='tensor "output" has dtype complex64, which Triton cannot carry'):
        write_repository(tmp_path / "model.ts", tmp_path / "models")


def test_the_model_answers_a_batch(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(write_repository(folder / "scores.ts", tmp_path), monkeypatch)
    images = torch.randn(6, 6).split([1, 2, 3])
    answers = model.execute([Request({"images": one}, ["scores", "total"]) for one in images])
    for answer, one in zip(answers, images, strict=True):
        scores, total = Scores()(one)
        assert answer.error == ""
        torch.testing.assert_close(answer.outputs, {"scores": scores, "total": total})
    (part,) = model.execute([Request({"images": images[0]}, ["total"])])
    assert list(part.outputs) == ["total"]


def test_the_model_refuses_one_request_of_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = nacelle.Input(min=(1, 2), opt=(2, 2), max=(4, 2), dtype=torch.int64, name="ids")
    source = program(tmp_path / "table.ts", Table(), ids)
    model = load_model(write_repository(source, tmp_path / "models"), monkeypatch)
    given = [torch.tensor([[0, 1]]), torch.tensor([[0, 7]])]
    right, wrong = model.execute([Request({"ids": one}, ["output_0"]) for one in given])
    assert right.error == "" and right.outputs["output_0"].shape == (1, 2, 4)
    assert "index 7 is out of bounds" in wrong.error and "Table" in wrong.error


def test_a_model_is_replaced_with_force_alone(folder: Path, tmp_path: Path) -> None:
    model = write_repository(folder / "scores.ts", tmp_path / "models", instances=1)
    outcome = command("triton", folder / "scores.pt2", "-o", tmp_path / "models")
    assert outcome.code == 1 and "the repository has a model of this name" in outcome.err and "--force" in outcome.err
    assert (model / "1/program.ts").exists()
    outcome = command("triton", folder / "scores.pt2", "-o", tmp_path / "models", "--force", "--instances", "2")
    assert outcome.code == 0, outcome.err
    assert sorted(path.name for path in (model / "1").iterdir()) == ["model.py", "program.pt2"]
    assert "count: 2" in config(model)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models"]


def test_a_folder_that_is_no_model_stays(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores/notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is no model's folder"):
        write_repository(folder / "scores.ts", tmp_path, force=True)
    assert (tmp_path / "scores/notes.txt").read_text() == "mine"


def test_a_failure_leaves_the_model_as_it_was(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_repository(folder / "scores.ts", tmp_path / "models")
    before = config(model)
    move = os.rename

    def fails(source: str, target: str) -> None:
        if Path(target) == model and Path(source).name == "content":
            raise PermissionError(13, "Permission denied", source, None, target)
        move(source, target)

    monkeypatch.setattr(os, "rename", fails)
    with pytest.raises(PermissionError) as caught:
        write_repository(folder / "scores.pt2", tmp_path / "models", instances=2, force=True)
    assert caught.value.filename == str(model)
    assert config(model) == before and (model / "1/program.ts").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models"]


def test_what_killed_writers_left_is_removed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    killed = (
        "import os, signal, sys\n"
        "from nacelle_cli import folders\n"
        "with folders.replacing(sys.argv[1], replace=False) as temporary:\n"
        "    (temporary / 'half').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command_line = [sys.executable, "-c", killed, str(tmp_path / "models/scores")]
    assert subprocess.run(command_line, env=environment, check=False).returncode == -9
    assert not list((tmp_path / "models").iterdir()) and len(list(tmp_path.iterdir())) == 2
    write_repository(folder / "scores.ts", tmp_path / "models")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backend", "tensorrt"], "--backend is one of python, pytorch"),
        (["--instances", "0"], "--instances"),
        (["--max-batch-size", "-1"], "--max-batch-size"),
    ],
)
def test_wrong_usage(folder: Path, tmp_path: Path, options: list[str], message: str) -> None:
    outcome = command("triton", folder / "scores.ts", "-o", tmp_path, *options)
    assert outcome.code == 2 and message in outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_batch_size": 9}, "max_batch_size is 9, and the optimization profiles allow batches of 1 to 8"),
        ({"name": "a/b"}, "'a/b' cannot be a model's name"),
        ({"name": ".hidden"}, "'.hidden' cannot be a model's name"),
        ({"name": ""}, "'' cannot be a model's name"),
        ({"backend": "onnx"}, "there is no backend 'onnx'; wanted python or pytorch"),
        ({"instances": 0}, "instances is 0; wanted 1 or more"),
        ({"queue_delay": -1}, "queue_delay is -1; wanted 0 or more"),
        ({"environment": "/env", "backend": "pytorch"}, "an environment is for the Python backend"),
        ({"queue_delay": 0.5}, "queue_delay is 0.5; wanted a whole number"),
    ],
)
def test_wrong_arguments(folder: Path, tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(nacelle.InputError, match=re.escape(message)):
        write_repository(folder / "scores.ts", tmp_path / "models", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "models").exists()


def test_a_repository_that_cannot_be_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for repository, message in (("file", "is no folder"), ("no/models", "there is no folder")):
        outcome = command("triton", folder / "scores.ts", "-o", tmp_path / repository)
        assert outcome.code == 1 and message in outcome.err
