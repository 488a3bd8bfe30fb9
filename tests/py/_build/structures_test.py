"""Models that take and return structures of tensors: every kind of program gives back what the model gave."""

import copy
import dataclasses
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import onnxruntime
import pytest
import torch
from torch.utils import _pytree

import torch_nacelle as nacelle
from torch_nacelle import Input
from torch_nacelle._build.engine import Method
from torch_nacelle._build.flattening import flattened
from torch_nacelle._build.onnx import export
from torch_nacelle._models.sources import bind

BATCHES = (1, 3, 5)
ROWS = Input(min=(1, 4), opt=(2, 4), max=(5, 4))


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor | None


@dataclasses.dataclass
class Scores:
    scores: torch.Tensor
    boxes: Any = None


@dataclasses.dataclass
class Unknown:
    scores: torch.Tensor


@dataclasses.dataclass
class ModelResult(OrderedDict[str, Any]):
    """A class of the kind of transformers' ModelOutput: a dataclass and a dict without the fields that are None."""

    logits: Any = None
    states: Any = None
    loss: Any = None

    def __post_init__(self) -> None:
        self.update(
            {one.name: value for one in dataclasses.fields(self) if (value := getattr(self, one.name)) is not None}
        )


def _keyed(result: ModelResult) -> tuple[list[Any], list[str]]:
    return [(_pytree.MappingKey(key), value) for key, value in result.items()], list(result)


_pytree.register_dataclass(Scores, serialized_type_name="structures_test.Scores")
_pytree.register_pytree_node(
    ModelResult,
    lambda result: (list(result.values()), list(result)),
    lambda values, keys: ModelResult(**dict(zip(keys, values, strict=True))),
    serialized_type_name="structures_test.ModelResult",
    flatten_with_keys_fn=_keyed,
)


@dataclasses.dataclass
class Unkeyed:
    sample: Any
    steps: Any


_pytree.register_pytree_node(  # without keys, as the classes of diffusers
    Unkeyed, lambda one: (list(vars(one).values()), list(vars(one))), lambda values, _: Unkeyed(*values),
    serialized_type_name="structures_test.Unkeyed"
)  # fmt: skip


class Returning(torch.nn.Module):
    """A layer, and a function that makes the result of the input and of the layer's output."""

    def __init__(self, make: Callable[[torch.Tensor, torch.Tensor], Any]) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 4, bias=False)
        torch.nn.init.eye_(self.layer.weight)
        self.make = make

    def forward(self, x: torch.Tensor) -> Any:
        return self.make(x, self.layer(x) * 2)


def _twice(x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"a": y, "b": y}


# The result, the names of the engine's outputs, and the type in TorchScript; "*" stands for a module of its own.
RESULTS: dict[str, tuple[Callable[[torch.Tensor, torch.Tensor], Any], list[str], str]] = {
    "dict": (lambda x, y: {"logits": y, "boxes": x + 1}, ["logits", "boxes"], "Dict(str, Tensor)"),
    "dict of one": (lambda x, y: {"logits": y}, ["logits"], "Dict(str, Tensor)"),
    "namedtuple": (lambda x, y: Pair(y, x + 1), ["first", "second"], "*.Pair"),
    "namedtuple with None": (lambda x, y: Pair(y, None), ["first"], "*.Pair"),
    "dataclass": (lambda x, y: Scores(y, x + 1), ["scores", "boxes"], "*.Scores"),
    "model result": (
        lambda x, y: ModelResult(logits=y, states=(x + 1, x * 3)),
        ["logits", "states.0", "states.1"],
        "*.ModelResult",
    ),
    "without keys": (lambda x, y: Unkeyed(y, (x + 1, {"z": x})), ["sample", "steps.0", "steps.1.z"], "*.Unkeyed"),
    "ordered dict": (lambda x, y: OrderedDict(z=y, a=x + 1), ["z", "a"], "Dict(str, Tensor)"),
    "nested": (
        lambda x, y: {"a": [y, {"z": x + 1}], "t": (x * 3,), "none": None, "n": 3, "f": 0.5, "yes": True, "e": {}},
        ["a.0", "a.1.z", "t.0"],
        "*.Results",
    ),
    "tuples": (
        lambda x, y: (y, (x + 1, [x * 3, y + 1])),
        ["output_0", "output_1.0", "output_1.1.0", "output_1.1.1"],
        "(",
    ),
    "with None": (lambda x, y: (y, None, x + 1), ["output_0", "output_2"], "("),
    "dict with None": (lambda x, y: {"a": y, "b": None}, ["a"], "Dict(str, Tensor?)"),
    "twice": (_twice, ["a"], "Dict(str, Tensor)"),
    "its input": (lambda x, y: {"x": x, "y": y}, ["output.x", "y"], "Dict(str, Tensor)"),
    "numbers for keys": (lambda x, y: {0: y, 1: x + 1}, ["output_0", "output_1"], "Dict(int, Tensor)"),
    "names that collide": (lambda x, y: {"a.b": y, "a": {"b": x + 1}}, ["a.b", "a.b_2"], "("),
}


def assert_same(found: object, wanted: object) -> None:
    """The same types, keys and values, all the way down."""
    leaves, spec = _pytree.tree_flatten(wanted)
    found_leaves, found_spec = _pytree.tree_flatten(found)
    assert type(found) is type(wanted)
    assert found_spec == spec
    assert_leaves(found_leaves, leaves)


def assert_leaves(found: list[Any], wanted: list[Any]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert type(one) is type(other)
        if isinstance(one, torch.Tensor):
            torch.testing.assert_close(one, other)
        else:
            assert one == other


def called(program: Callable[..., Any], arguments: Any) -> Any:
    with torch.no_grad():
        return program(**arguments) if isinstance(arguments, Mapping) else program(*arguments)


def made(inputs: Any, batch: int) -> Any:
    """Tensors in the place of what is described."""
    generator = torch.Generator().manual_seed(batch)
    return _pytree.tree_map_only(Input, lambda _: torch.randn(batch, 4, generator=generator), inputs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


@pytest.mark.parametrize("kind", RESULTS)
def test_every_kind_of_program_returns_what_the_model_returns(kind: str, folder: Path) -> None:
    make, names, scripted_type = RESULTS[kind]
    model = Returning(make)
    module = nacelle.compile(model, {"x": ROWS}, backend="reference", container="module", check=True)
    engine: Any = module.engine
    assert [name for name, *_ in engine.outputs()] == names
    nacelle.save(module, folder / "program.pt2")
    nacelle.save(module, folder / "program.ts")
    exported, script = nacelle.load(folder / "program.pt2"), nacelle.load(folder / "program.ts")
    nacelle.save(script, folder / "again.pt2")
    nacelle.save(exported, folder / "again.ts")
    converted = [nacelle.load(folder / name) for name in ("again.pt2", "again.ts")]
    returned = str(script._c._get_method("forward").schema).split(" -> ")[1]
    if scripted_type.startswith("*"):
        assert returned.startswith("__torch__.nacelle_outputs.") and returned.endswith(scripted_type[1:])
    else:
        assert returned.startswith(scripted_type)
    for batch in BATCHES:
        x = made(ROWS, batch)
        wanted = called(model, [x])
        assert_same(called(module, [x]), wanted)
        assert_same(called(module, {"x": x}), wanted)
        assert_same(called(exported, {"x": x}), wanted)
        for program in (script, *converted):
            assert_leaves(_pytree.tree_leaves(called(program, [x])), _pytree.tree_leaves(wanted))
    nacelle.check(script, exported)


@pytest.mark.parametrize("kind", RESULTS)
def test_a_model_as_onnx_has_these_names_and_values(kind: str) -> None:
    make, names, _ = RESULTS[kind]
    model = Returning(make)
    bound = bind(model, {"x": ROWS})
    flat = flattened(bound)
    onnx = export(flat.source, bound.inputs, opset=17, output_names=flat.output_names)  # type: ignore[arg-type]
    session = onnxruntime.InferenceSession(onnx.model)
    assert [one.name for one in session.get_outputs()] == names
    for batch in BATCHES:
        x = made(ROWS, batch)
        outputs = [torch.from_numpy(value) for value in session.run(None, {"x": x.numpy()})]
        assert flat.returns is not None and not isinstance(flat.returns, str)
        assert_same(flat.returns.build(outputs), called(model, [x]))


class Taking(torch.nn.Module):
    """Takes a tensor, and more by name."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor | None = None, *, state: Any = None, negative: bool = False
    ) -> dict[str, torch.Tensor | None]:
        y = self.layer(ids)
        if mask is not None:
            y = y * mask
        if state is not None:
            y = y + state["h"][0]
        return {"y": -y if negative else y, "mask": mask}


ARGUMENTS: dict[str, tuple[Any, list[str], list[str]]] = {
    "by name": ({"mask": ROWS, "ids": ROWS}, ["ids", "mask"], ["ids", "mask"]),
    "one of two": ({"ids": ROWS}, ["ids"], ["ids"]),
    "by name with a gap": ({"ids": ROWS, "state": {"h": (ROWS,)}}, ["ids", "state.h.0"], ["ids", "state_h_0"]),
    "nested with None": (
        {"ids": ROWS, "mask": ROWS, "state": {"h": [ROWS, None]}, "negative": True},
        ["ids", "mask", "state.h.0"],
        ["ids", "mask", "state_h_0"],
    ),
    "None by name": ({"ids": ROWS, "mask": None}, ["ids"], ["ids"]),
    "by position": ([ROWS, ROWS], ["input_0", "input_1"], ["input_0", "input_1"]),
    "None by position": ([ROWS, None], ["input_0"], ["input_0"]),
}


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_every_kind_of_program_takes_what_was_described(kind: str, folder: Path) -> None:
    inputs, names, scripted_names = ARGUMENTS[kind]
    model = Taking()
    module = nacelle.compile(model, inputs, backend="reference", container="module", check=True)
    engine: Any = module.engine
    assert [name for name, *_ in engine.inputs()] == names
    nacelle.save(module, folder / "program.pt2")
    nacelle.save(module, folder / "program.ts")
    exported, script = nacelle.load(folder / "program.pt2"), nacelle.load(folder / "program.ts")
    assert [one.name for one in nacelle.arguments(script)] == scripted_names
    for batch in BATCHES:
        arguments = made(inputs, batch)
        wanted = called(model, arguments)
        assert_same(called(module, arguments), wanted)
        # A constant that is no tensor is none of the exported program's arguments.
        kept = arguments
        if isinstance(arguments, dict):
            kept = {name: one for name, one in arguments.items() if not isinstance(one, bool | None)}
        assert_same(called(exported, kept), wanted)
        tensors = [one for one in _pytree.tree_leaves(_in_order(arguments)) if isinstance(one, torch.Tensor)]
        assert_leaves(_pytree.tree_leaves(called(script, tensors)), _pytree.tree_leaves(wanted))
    for program in (module, exported, script):
        nacelle.check(program, model, inputs)
        nacelle.call(program, nacelle.example_inputs(program))


def _in_order(arguments: Any) -> Any:
    order = ("ids", "mask", "state")
    return [arguments.get(name) for name in order] if isinstance(arguments, dict) else arguments


def test_arguments_are_given_as_the_models_forward_takes_them() -> None:
    model = Taking()
    module = nacelle.compile(
        model, {"ids": ROWS, "mask": ROWS, "state": {"h": [ROWS], "c": None}}, backend="reference", container="module"
    )
    ids, mask, h = (torch.randn(3, 4) for _ in range(3))
    wanted = called(model, {"ids": ids, "mask": mask, "state": {"h": [h]}})
    with torch.no_grad():
        assert_same(module(ids, mask, state={"c": None, "h": (h,)}), wanted)
        assert_same(module(mask=mask, state={"h": [h], "c": None}, ids=ids, negative=False), wanted)
        assert_same(torch.compile(module, fullgraph=True)(ids, mask=mask, state={"h": [h], "c": None}), wanted)
        assert_same(copy.deepcopy(module)(ids, mask, state={"h": [h], "c": None}), wanted)
        assert_same(pickle.loads(pickle.dumps(module))(ids, mask, state={"h": [h], "c": None}), wanted)


def test_a_default_may_be_given_too() -> None:
    model = Taking()
    module = nacelle.compile(model, [ROWS], backend="reference", container="module")
    x = torch.randn(3, 4)
    assert_same(called(module, [x, None]), called(model, [x]))
    assert_same(called(module, {"ids": x, "mask": None, "negative": False}), called(model, [x]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ids": 1}, "argument ids is 1; wanted a tensor"),
        ({"mask": torch.ones(2, 4)}, "argument ids is missing; the program takes ids, mask, state, found mask"),
        ({"x": torch.ones(2, 4)}, "the program has no argument x; it takes ids, mask, state"),
        ({"negative": True}, "argument negative is True, and the program was compiled without it: it computes with"),
        ({"mask": torch.ones(2, 4)}, "argument ids is missing"),
        ({"ids": torch.ones(2, 4), "mask": torch.ones(2, 4), "state": {}}, "argument state['h'][0] is missing"),
        (
            {"ids": torch.ones(2, 4), "mask": torch.ones(2, 4), "state": {"h": [torch.ones(2, 4)] * 2}},
            "argument state['h'][1] is given, and the program was compiled without it",
        ),
    ],
)
def test_other_arguments_are_refused(taking: torch.nn.Module, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(nacelle.InputError) as caught:
        taking(**arguments)
    assert message in str(caught.value)


@pytest.fixture(scope="module")
def taking() -> torch.nn.Module:
    inputs = {"ids": ROWS, "mask": ROWS, "state": {"h": [ROWS]}}
    return nacelle.compile(Taking(), inputs, backend="reference", container="module")


class Typed(torch.nn.Module):
    """Returns a dict, and decides by values: tracing would lose a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        y = self.layer(x)
        if mask is not None:
            y = y + 1 if bool(mask.sum() > 0) else y - 1
        return {"y": y, "x": x}


class TypedPair(torch.nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> tuple[Pair, list[torch.Tensor]]:
        return Pair(x + 1, y), [x * 2, x]


@pytest.mark.parametrize("method", ["auto", "script"])
def test_a_model_is_scripted_under_its_structures(method: Method) -> None:
    model = Typed()
    program = nacelle.compile(model, {"x": ROWS, "mask": ROWS}, backend="reference", method=method, check=True)
    for mask in (torch.ones(3, 4), -torch.ones(3, 4)):
        assert_same(called(program, {"x": torch.ones(3, 4), "mask": mask}), called(model, [torch.ones(3, 4), mask]))


@pytest.mark.parametrize("kind", [Typed, TypedPair])
@pytest.mark.parametrize("inputs", [{"x": ROWS}, [ROWS, ROWS]])
def test_so_is_a_script_module(kind: type[torch.nn.Module], inputs: Any) -> None:
    model = torch.jit.script(kind())
    module = nacelle.compile(model, inputs, backend="reference", container="module", check=True)
    for batch in BATCHES:
        arguments = made(inputs, batch)
        found, wanted = called(module, arguments), called(model, arguments)
        assert str(_pytree.tree_structure(found)) == str(_pytree.tree_structure(wanted))
        assert_leaves(_pytree.tree_leaves(found), _pytree.tree_leaves(wanted))


def test_equal_models_are_equal_files() -> None:
    contents = []
    for _ in range(2):
        model = Returning(RESULTS["nested"][0])
        stream = io.BytesIO()
        torch.jit.save(nacelle.compile(model, {"x": ROWS}, backend="reference"), stream)
        contents.append(stream.getvalue())
    assert contents[0] == contents[1]


def test_an_exported_program_is_a_model_with_structures_too() -> None:
    model = Taking().eval()
    batch = torch.export.Dim("batch", min=1, max=5)
    x = torch.ones(2, 4)
    keywords = {"state": {"h": [x, None]}, "negative": True}
    shapes = {"ids": {0: batch}, "state": {"h": [{0: batch}, None]}, "negative": None}
    program = torch.export.export(model, (x,), keywords, dynamic_shapes=shapes)
    wanted_by = program.module()
    inputs = {"ids": ROWS, "state": {"h": [ROWS, None]}, "negative": True}
    module = nacelle.compile(program, inputs, backend="reference", container="module", check=True)
    engine: Any = module.engine
    assert [name for name, *_ in engine.inputs()] == ["ids", "state.h.0"]
    for size in BATCHES:
        ids, h = torch.randn(size, 4), torch.randn(size, 4)
        wanted = wanted_by(ids, state={"h": [h, None]}, negative=True)
        assert_same(called(module, {"ids": ids, "state": {"h": [h, None]}, "negative": True}), wanted)
    row = nacelle.compile(program, [ROWS, ROWS], backend="reference")
    assert [one.name for one in nacelle.arguments(row)] == ["ids", "state_h_0"]
    with pytest.raises(nacelle.InputError, match="no argument idx; it takes ids, state, negative"):
        nacelle.compile(program, {"idx": ROWS}, backend="reference")


class Rest(torch.nn.Module):
    """A head around a part that takes arguments by name and returns a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.part = Taking()
        self.head = torch.nn.Linear(4, 2)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.part(ids, mask=mask)
        return {"logits": self.head(found["y"]), "mask": found["mask"]}


def test_submodules_with_structures_become_engines_of_a_hybrid_program(folder: Path) -> None:
    model = Rest()
    parts = {"part": {"ids": ROWS, "mask": ROWS}}
    module = nacelle.compile(model, parts, backend="reference", container="module", check=True)
    script = nacelle.compile(model, parts, backend="reference", check=True)
    nacelle.save(module, folder / "hybrid.pt2", inputs={"ids": ROWS, "mask": ROWS})
    exported = nacelle.load(folder / "hybrid.pt2")
    for batch in BATCHES:
        arguments = {"ids": torch.randn(batch, 4), "mask": torch.randn(batch, 4)}
        wanted = called(model, arguments)
        for program in (module, script, exported):
            assert_same(called(program, arguments), wanted)
    for program in (module, script, exported):
        nacelle.check(program, model, {"ids": ROWS, "mask": ROWS})
    with pytest.raises(nacelle.InputError, match=r"no submodule 'body'.*arguments: ids, mask"):
        nacelle.compile(model, {"body": [ROWS]}, backend="reference")


def _varying(x: torch.Tensor, y: torch.Tensor) -> Any:
    return {"y": y} if x.shape[0] > 1 else {"y": y, "x": x}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda x, y: Unknown(y),
            "dataclass that torch's pytree does not know: call torch.utils._pytree.register_data",
        ),
        (lambda x, y: {"y": y, "n": x.shape[0]}, "at ['n'] is 2 for inputs of the shapes [2, 4], and 1 for inputs of"),
        (lambda x, y: {"y": y, "n": bool(x.sum() > 7.5)}, "other values only if they are constant: return a tensor"),
        (_varying, "returns {'y': tensor} for inputs of the shapes [2, 4], and {'y': tensor, 'x': tensor} for"),
        (lambda x, y: {"y": y, "o": object()}, "what it returns at ['o'] is a object; wanted tensors, None, numbers"),
        (lambda x, y: {}, "returns nothing; an engine has at least one output"),
        (lambda x, y: {"n": None}, "returns nothing; an engine has at least one output"),
    ],
)
def test_what_no_engine_returns_is_refused(make: Callable[..., Any], message: str) -> None:
    with pytest.raises(nacelle.InputError) as caught:
        nacelle.compile(Returning(make), [ROWS], backend="reference")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"ids": (1, 4)}, "found tuple: give torch_nacelle.Input(shape=(1, 4))"),
        ({"ids": ROWS, "negative": object()}, "found object"),
        ({"ids": ROWS, "state": {"h": [ROWS, "x"]}}, "found str"),
        ([ROWS, 3], "found int"),
        ({"negative": True}, "inputs is empty"),
    ],
)
def test_what_describes_no_input_is_refused(inputs: Any, message: str) -> None:
    with pytest.raises(nacelle.InputError) as caught:
        nacelle.compile(Taking(), inputs, backend="reference")
    assert message in str(caught.value)


def test_a_text_stays_in_torchscript_and_no_exported_program_is_made_that_torch_cannot_read(folder: Path) -> None:
    module = nacelle.compile(
        Returning(lambda x, y: {"y": y, "kind": "boxes"}), [ROWS], backend="reference", container="module"
    )
    x = torch.randn(3, 4)
    nacelle.save(module, folder / "text.ts")
    assert nacelle.load(folder / "text.ts")(x).kind == called(module, [x])["kind"] == "boxes"
    with pytest.raises(nacelle.InputError, match="returns the str 'boxes', and torch reads no exported program"):
        nacelle.save(module, folder / "text.pt2")
    odd = nacelle.compile(Returning(lambda x, y: {(1, 2): y}), [ROWS], backend="reference", container="module")
    assert_same(called(odd, [x]), called(Returning(lambda x, y: {(1, 2): y}), [x]))
    with pytest.raises(nacelle.InputError, match="results of the program cannot be kept in a file"):
        nacelle.save(odd, folder / "odd.pt2")


def test_a_package_returns_the_structure(folder: Path) -> None:
    model = Returning(lambda x, y: ModelResult(logits=y, states=(x + 1, None)))
    module = nacelle.compile(model, {"x": ROWS}, backend="reference", container="module")
    counted = nacelle.compile(Returning(lambda x, y: {"y": y, "n": 3}), [ROWS], backend="reference", container="module")
    with pytest.raises(nacelle.InputError, match="returns the int 3, and AOTInductor compiles none that does"):
        nacelle.save(counted, folder / "counted.pt2", format="aotinductor")
    nacelle.save(module, folder / "package.pt2", format="aotinductor")
    package = nacelle.load(folder / "package.pt2")
    for batch in BATCHES:
        x = made(ROWS, batch)
        assert_same(called(package, {"x": x}), called(model, [x]))
    assert [one.name for one in nacelle.arguments(package)] == ["x"]
    nacelle.check(package, model, {"x": ROWS})
