"""Arguments, calls, measurements and checks of programs of every kind: what ``load`` returns, and modules."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import Head, TwoHeads, seeded

RANGE = nacelle.Input(min=(1, 3, 8, 8), opt=(4, 3, 8, 8), max=(8, 3, 8, 8), name="images")
KINDS = ("module", "sequential", "compiled", "torchscript", "exported", "aotinductor")
X = torch.rand(3, 3, 8, 8)


class Pair(torch.nn.Module):
    """An engine and an operator; an argument that is a dict, a keyword, and one that the engine does not see."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nacelle.compile(seeded(TwoHeads), [RANGE], container="module")

    def forward(self, batch: dict[str, Any], factor: int, *, offset: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores, boxes = self.net(batch["images"])
        return scores * factor + offset, boxes * batch["scale"]


def exported_pair() -> torch.export.ExportedProgram:
    size = torch.export.Dim("size", min=2, max=6)
    given = {"images": torch.rand(4, 3, 8, 8), "scale": torch.rand(4, 1)}
    with torch.no_grad():
        return torch.export.export(
            Pair(),
            (given, 2),
            {"offset": torch.rand(10)},
            dynamic_shapes={"batch": {"images": {0: size}, "scale": {0: size}}, "factor": None, "offset": {}},
        )


@pytest.fixture(scope="module", autouse=True)
def inductor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps inductor's cache out of the system's folder, and lets it compile fast."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("inductor")))
        with torch._inductor.config.patch({"aot_inductor.compile_wrapper_opt_level": "O0"}):
            yield


@pytest.fixture(scope="module")
def module() -> nacelle.EngineModule:
    made = nacelle.compile(seeded(TwoHeads), [RANGE], container="module")
    assert isinstance(made, nacelle.EngineModule)
    return made


@pytest.fixture(scope="module")
def files(module: nacelle.EngineModule, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder: Path = tmp_path_factory.mktemp("programs")
    made = {"torchscript": folder / "a.ts", "exported": folder / "a.pt2", "aotinductor": folder / "package.pt2"}
    for format, path in made.items():
        nacelle.save(module, path, format=format)  # type: ignore[arg-type]
    return made


@pytest.fixture(scope="module")
def pair_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("pair") / "pair.pt2"
    nacelle.save(exported_pair(), path, format="aotinductor")
    return path


def program_of(kind: str, module: nacelle.EngineModule, files: dict[str, Path]) -> Any:
    if kind in files:
        return nacelle.load(files[kind])
    made: dict[str, Any] = {"module": module, "sequential": torch.nn.Sequential(module)}
    return made.get(kind) or torch.compile(module, backend="eager")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(kind: str, module: nacelle.EngineModule, files: dict[str, Path]) -> None:
    program = program_of(kind, module, files)
    (argument,) = nacelle.arguments(program)
    wanted = RANGE.named("images" if kind != "torchscript" else argument.name)
    assert argument.input is not None
    assert (argument.name, argument.input.shape, argument.input.dtype) == (wanted.name, wanted.shape, wanted.dtype)
    assert (argument.input.ranges, argument.input.name) == (RANGE.ranges, "images")
    assert nacelle.device_of(program) == torch.device("cpu")
    inputs = nacelle.example_inputs(program, at="max")
    assert {name: tuple(tensor.shape) for name, tensor in inputs.items()} == {wanted.name: (8, 3, 8, 8)}
    with torch.inference_mode():
        assert all(map(torch.equal, nacelle.call(program, [X]), module(X)))
        assert all(map(torch.equal, nacelle.call(program, {str(wanted.name): X}), module(X)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_measured(kind: str, module: nacelle.EngineModule, files: dict[str, Path]) -> None:
    program = program_of(kind, module, files)
    result = nacelle.bench(program, seconds=0.1, threads=[2])
    assert [shape for _, _, shape in result.inputs] == [(4, 3, 8, 8)]
    assert (result.load, len(result.throughput)) == (None, 1)
    assert result.parts is not None
    assert result.parts.engine > 0
    with torch.no_grad(), nacelle.profile(program) as recorded:
        nacelle.call(program, [X])
    (layer,) = recorded.layers
    (argument,) = nacelle.arguments(program)
    assert (layer.name, argument.engine) == ("forward", None if kind == "aotinductor" else layer.engine)


@pytest.mark.parametrize("kind", ["torchscript", "exported", "aotinductor"])
def test_a_file_is_measured(kind: str, files: dict[str, Path]) -> None:
    result = nacelle.bench(files[kind], device="cpu", seconds=0.1, threads=[1])
    assert result.load is not None
    assert result.parts is not None


def test_a_module_without_engines_is_measured() -> None:
    result = nacelle.bench(seeded(Head), [torch.rand(1, 8)], seconds=0.1, threads=[1])
    assert (result.parts, result.inputs) == (None, (("x", "float32", (1, 8)),))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_checked(kind: str, module: nacelle.EngineModule, files: dict[str, Path]) -> None:
    program = program_of(kind, module, files)
    report = nacelle.check(program, seeded(TwoHeads))
    assert {one.input_shapes[0][0] for one in report.outputs} == {1, 4, 8}
    assert len(report.outputs) == 6
    assert nacelle.check(seeded_program(), program, [X]).passed
    with torch.random.fork_rng(), pytest.raises(nacelle.CheckError):
        torch.manual_seed(1)
        nacelle.check(program, TwoHeads(), [X])


def seeded_program() -> torch.jit.ScriptModule:
    return nacelle.compile(seeded(TwoHeads), [RANGE])


def pair_inputs(count: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(count)
    return {
        "batch_images": torch.rand(count, 3, 8, 8),
        "batch_scale": torch.rand(count, 1),
        "offset": torch.rand(10),
    }


@pytest.mark.parametrize("kind", ["exported", "aotinductor"])
def test_arguments_in_a_structure(kind: str, pair_package: Path) -> None:
    program = exported_pair().module() if kind == "exported" else nacelle.load(pair_package)
    told = {one.name: one for one in nacelle.arguments(program)}
    assert list(told) == ["batch_images", "batch_scale", "factor", "offset"]
    assert not told["factor"].required
    shapes = {
        at: [tuple(one.shape) for one in nacelle.example_inputs(program, at=at).values()] for at in ("min", "max")
    }
    assert shapes == {"min": [(2, 3, 8, 8), (2, 1), (10,)], "max": [(6, 3, 8, 8), (6, 1), (10,)]}
    inputs = pair_inputs(3)
    eager = Pair()
    with torch.inference_mode():
        found = nacelle.call(program, inputs)
        batch = {"images": inputs["batch_images"], "scale": inputs["batch_scale"]}
        wanted = eager(batch, 2, offset=inputs["offset"])
        torch.testing.assert_close(found, wanted)
        torch.testing.assert_close(nacelle.call(program, list(inputs.values())), wanted)
    result = nacelle.bench(program, inputs, seconds=0.05, threads=[1])
    assert [name for name, _, _ in result.inputs] == list(inputs)
    assert nacelle.check(program, program).passed


WRONG = {
    "batch_images": (torch.rand(7, 3, 8, 8), r'"batch_images" has the shape \[7, 3, 8, 8\]; wanted \[2..6, 3, 8, 8\]'),
    "batch_scale": (torch.rand(3), r'input "batch_scale" has the shape \[3\]; wanted \[2\.\., 1\]'),
    "offset": (torch.rand(10).double(), r'input "offset" has dtype float64; wanted float32; convert it with \.to'),
}


@pytest.mark.parametrize("kind", ["exported", "aotinductor"])
@pytest.mark.parametrize("name", WRONG)
def test_wrong_inputs_are_named(kind: str, name: str, pair_package: Path) -> None:
    program = exported_pair().module() if kind == "exported" else nacelle.load(pair_package)
    tensor, words = WRONG[name]
    with pytest.raises(nacelle.InputError, match=words):
        nacelle.call(program, pair_inputs(3) | {name: tensor})
    with pytest.raises(nacelle.InputError, match="forward has no argument factor; it has: batch_images, batch_scale"):
        nacelle.call(program, pair_inputs(3) | {"factor": torch.ones(())})
    with pytest.raises(nacelle.InputError, match="an input for argument offset of forward is missing"):
        nacelle.call(program, list(pair_inputs(3).values())[:2])


def with_metadata(package: Path, change: dict[str, str] | None, folder: Path) -> Path:
    """A copy of a package, with other inputs in its metadata; None: without."""
    out = folder / "changed.pt2"
    with zipfile.ZipFile(package) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as made:
        for info in source.infolist():
            content = source.read(info)
            if info.filename.endswith("_metadata.json"):
                facts = {key: value for key, value in json.loads(content).items() if key != "nacelle_inputs"}
                content = json.dumps(facts | (change or {})).encode()
            made.writestr(info.filename, content)
    return out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (torch.ones(4, 3, 8, 8, dtype=torch.float64), "unmatched dtype"),
        (torch.ones(4, 3, 8, 9), "unmatched dim value at 3"),
        (torch.ones(7, 3, 8, 8), "dim value is too large at 0"),
        (torch.ones(3, 8, 8), "dim"),
    ],
)
def test_a_package_takes_no_input_for_another(given: torch.Tensor, words: str, pair_package: Path) -> None:
    program = nacelle.load(pair_package)
    with pytest.raises(RuntimeError, match=words):
        program({"images": given, "scale": torch.rand(4, 1)}, 2, offset=torch.rand(10))


def test_a_package_of_others_tells_names_alone(pair_package: Path, tmp_path: Path) -> None:
    program = nacelle.load(with_metadata(pair_package, None, tmp_path))
    told = nacelle.arguments(program)
    assert [one.name for one in told] == ["input_0_images", "input_0_scale", "input_1", "offset"]
    assert {(one.input, one.engine) for one in told} == {(None, None)}
    with pytest.raises(nacelle.InputError, match="argument input_0_images are not known: the package does not tell"):
        nacelle.example_inputs(program)


def test_metadata_that_is_no_description(files: dict[str, Path], tmp_path: Path) -> None:
    for number, text in enumerate(("[1]", "{", '[{"name": "x", "required": true, "dtype": "float33"}]', '{"a": 1}')):
        folder = tmp_path / str(number)
        folder.mkdir()
        program = nacelle.load(with_metadata(files["aotinductor"], {"nacelle_inputs": text}, folder))
        with pytest.raises(nacelle.InputError, match="metadata nacelle_inputs cannot be read"):
            nacelle.arguments(program)


def exported(module: torch.nn.Module, *given: Any, shapes: Any) -> Any:
    with torch.no_grad():
        return torch.export.export(module, given, dynamic_shapes=shapes).module()


class Once(torch.nn.Module):
    """An engine whose argument has a name."""

    def __init__(self, engine: torch.nn.Module) -> None:
        super().__init__()
        self.engine = engine

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.engine(x)


def engine_of(*ranges: tuple[int, int, int]) -> torch.nn.Module:
    """An engine of a batch of eights, with an optimization profile for each range."""
    low, opt, high = ([(one[which], 8) for one in ranges] for which in range(3))
    return nacelle.compile(torch.nn.Linear(8, 2), [nacelle.Input(min=low, opt=opt, max=high)], container="module")


def sizes(program: Any) -> list[tuple[tuple[int, int, int], ...]]:
    """The first sizes of each argument: min, opt, max of each profile."""
    found = []
    for argument in nacelle.arguments(program):
        assert argument.input is not None, argument.why_unknown
        shapes = argument.input.ranges or ((nacelle.ShapeRange(*[argument.input.shape] * 3)),)
        found.append(tuple((one.min[0], one.opt[0], one.max[0]) for one in shapes))
    return found


def test_of_the_shapes_that_a_program_was_exported_for_the_engine_allows_a_part() -> None:
    def dim(low: int, high: int) -> dict[str, dict[int, Any]]:
        return {"x": {0: torch.export.Dim("n", min=low, max=high)}}

    x = torch.rand(4, 8)
    assert sizes(exported(Once(engine_of((1, 6, 16))), x, shapes=None)) == [((4, 4, 4),)]
    assert sizes(exported(Once(engine_of((1, 6, 16))), x, shapes=dim(2, 5))) == [((2, 5, 5),)]
    two = engine_of((1, 2, 4), (8, 12, 16))
    assert sizes(exported(Once(two), x, shapes=dim(2, 16))) == [((2, 2, 4), (8, 12, 16))]
    assert sizes(exported(Once(two), x, shapes=dim(3, 7))) == [((3, 3, 4),)]
    (argument,) = nacelle.arguments(exported(Once(two), x, shapes=dim(2, 5)))
    assert argument.required


class Both(torch.nn.Module):
    """Two engines with a batch in common, whose best sizes differ."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = engine_of((1, 2, 16)), engine_of((1, 9, 12))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.first(x) + self.second(y)


def test_arguments_with_a_size_in_common_have_it_in_common() -> None:
    n = torch.export.Dim("n", min=1, max=12)
    program = exported(Both(), torch.rand(4, 8), torch.rand(4, 8), shapes={"x": {0: n}, "y": {0: n}})
    assert sizes(program) == [((1, 2, 12),), ((1, 2, 12),)]
    at: Any
    for at in ("min", "opt", "max"):
        nacelle.call(program, nacelle.example_inputs(program, at=at))


class Halves(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(2, -1, 8).sum(0)


def test_sizes_that_depend_on_others_and_sizes_without_a_bound() -> None:
    half = torch.export.Dim("half", min=2, max=9)
    assert sizes(exported(Halves(), torch.rand(8, 8), shapes={"x": {0: 2 * half}})) == [((4, 8, 18),)]
    auto = exported(torch.nn.Linear(8, 2), torch.rand(5, 8), shapes=({0: torch.export.Dim("n")},))
    (argument,) = nacelle.arguments(auto)
    assert argument.input is not None
    assert argument.input.ranges[0].max == (5, 8)
    assert nacelle.call(auto, [torch.rand(50, 8)]).shape == (50, 2)


def test_no_profile_of_the_engine_allows_what_the_program_was_exported_for() -> None:
    program = exported(Once(engine_of((1, 2, 4))), torch.rand(3, 8), shapes=None)
    for node in program.graph.nodes:
        if node.op == "placeholder":
            with torch._subclasses.FakeTensorMode():
                node.meta["val"] = torch.empty(9, 8)
    (argument,) = nacelle.arguments(program)
    assert argument.why_unknown == (
        "the shapes that the program was exported for are in no optimization profile of its engines"
    )


class Scaled(torch.nn.Module):
    def forward(self, x: torch.Tensor, n: int) -> torch.Tensor:
        return x * n


def test_a_number_is_given_as_a_tensor() -> None:
    program = exported(Scaled(), torch.rand(4), 3, shapes={"x": None, "n": torch.export.Dim.DYNAMIC})
    assert [one.why_unknown for one in nacelle.arguments(program)] == ["", "it is a number"]
    x = torch.rand(4)
    assert torch.equal(nacelle.call(program, [x, torch.tensor(7)]), x * 7)


class Around(torch.nn.Module):
    """A module whose forward is Python, around an engine."""

    def __init__(self, engine: torch.nn.Module) -> None:
        super().__init__()
        self.engine = engine

    def forward(self, x: torch.Tensor, factor: float = 2.0) -> torch.Tensor:
        scores: torch.Tensor = self.engine(x)[0]
        return scores * factor


def test_a_module_of_python_tells_names(module: nacelle.EngineModule) -> None:
    program = Around(module)
    assert [(one.name, one.required, one.input) for one in nacelle.arguments(program)] == [
        ("x", True, None),
        ("factor", False, None),
    ]
    with pytest.raises(nacelle.InputError, match=r"argument x are not known: Around\.forward is Python code"):
        nacelle.check(program, seeded(TwoHeads))
    with torch.no_grad():
        assert torch.equal(nacelle.call(program, {"x": X}), module(X)[0] * 2)
    result = nacelle.bench(program, [X], seconds=0.05, threads=[1])
    assert result.parts is not None


@pytest.mark.parametrize("what", [3, "a.ts", io.BytesIO()])
def test_what_is_no_program(what: object) -> None:
    with pytest.raises(nacelle.InputError, match=r"found \w+; wanted a program, as nacelle\.load"):
        nacelle.arguments(what)  # type: ignore[arg-type]
