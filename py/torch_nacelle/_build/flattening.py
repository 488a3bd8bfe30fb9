"""Modules between structures and an engine, which takes and returns tensors in a row."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree

from torch_nacelle import _C
from torch_nacelle._check.cases import made_up_inputs
from torch_nacelle._models.exported_program import positional_module
from torch_nacelle._models.model_state import device_of_module, for_inference
from torch_nacelle._models.onnx_source import OnnxSource
from torch_nacelle._models.sources import Bound, ModelSource
from torch_nacelle._models.state import refused_writes
from torch_nacelle._programs.scripted_results import ScriptedResults
from torch_nacelle._programs.structures import (
    CONSTANTS,
    Call,
    Path,
    Slot,
    Structure,
    flat,
    key_of,
    name_of,
    path_text,
    refuse_leaf,
    row_call,
    unique,
)
from torch_nacelle._runtime.messages import first_lines
from torch_nacelle.errors import InputError


@dataclass(frozen=True)
class Results:
    """The form of a model's result.

    Attributes:
        kind: "tensor", "tuple" or "list" if it is one tensor or a row of some; else empty.
        structure: For others, the tree around an engine's outputs; a tensor that is in it twice is one output.
        paths: The path to each output.
    """

    kind: str
    structure: Structure | None = None
    paths: tuple[Path, ...] = ()

    def tensors(self, result: Any) -> tuple[torch.Tensor, ...]:
        """The outputs in what one call returned."""
        if self.kind:
            return (result,) if self.kind == "tensor" else tuple(result)
        leaves = dict(flat(result))
        return tuple(leaves[path] for path in self.paths)

    def names(self, inputs: Sequence[str]) -> tuple[str, ...]:
        """Names for the outputs, other than those of the inputs."""
        return tuple(unique([name_of(path, "output") for path in self.paths], inputs))


class FlatModule(torch.nn.Module):
    """A module in eval mode that takes and returns an engine's tensors, around a model.

    Attributes:
        model: The model.
        of_program: True if the model is a program of torch.export, which can only be traced.
    """

    def __init__(self, model: torch.nn.Module, call: Call, results: Results, *, of_program: bool = False) -> None:
        super().__init__()
        self.model = model
        self.call = call
        self.results = results
        self.of_program = of_program
        self.training = False

    @staticmethod
    def around(source: ModelSource, model: torch.nn.Module, call: Call, results: Results) -> "FlatModule":
        """Makes one around the module of a source, whose class has the source's name, for messages."""
        kind: type[FlatModule] = type(type(source).__name__, (FlatModule,), {"__module__": __name__})
        return kind(model, call, results, of_program=isinstance(source, torch.export.ExportedProgram))

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Calls the model."""
        args, kwargs = self.call.build(tensors)
        return self.results.tensors(self.model(*args, **kwargs))

    def source(self) -> str:
        """The source of forward in TorchScript, for a module whose attribute ``model`` is the model's script.

            def forward(self, input_0, input_1):
                result = self.model(input_0, mask=input_1)
                output_0 = result["scores"]
                assert output_0 is not None
                return (output_0,)

        A tensor that may be None in the model's types is none here, which the asserts tell the compiler.
        """
        count = sum(isinstance(leaf, Slot) for leaf in self.call.structure.leaves)
        results = ScriptedResults(lambda one: f"input_{one.place}" if isinstance(one, Slot) else None)
        args, kwargs = self.call.structure.template
        given = [results.expression(one) for one in args]
        given += [f"{name}={results.expression(one)}" for name, one in kwargs.items()]
        lines = [f"result = self.model({', '.join(given)})"]
        if self.results.kind:
            lines.append(f"return {'(result,)' if self.results.kind == 'tensor' else 'result'}")
        else:
            for place, path in enumerate(self.results.paths):
                lines.append(f"output_{place} = result{''.join(map(_access, path))}")
                lines.append(f"assert output_{place} is not None")
            lines.append(f"return ({''.join(f'output_{place}, ' for place in range(len(self.results.paths)))})")
        names = "".join(f", input_{place}" for place in range(count))
        return "\n    ".join([f"def forward(self{names}):", *lines]) + "\n"


def _access(step: Any) -> str:
    key = key_of(step)
    return f".{key}" if isinstance(step, _pytree.GetAttrKey) else f"[{key!r}]"


def model_of(module: torch.nn.Module) -> torch.nn.Module:
    """The model in a ``FlatModule``; any other module itself."""
    return module.model if isinstance(module, FlatModule) else module


@dataclass(frozen=True)
class Flattened:
    """A model that takes and returns tensors in a row.

    Attributes:
        source: The model; itself if it is so.
        returns: The form of what it returns: see ``embed_returning``; None if only the builders find out.
        output_names: Names for the outputs; None if those of a row are meant.
    """

    source: ModelSource
    returns: str | Structure | None = None
    output_names: tuple[str, ...] | None = None


def flattened(bound: Bound) -> Flattened:
    """Tries a model on made-up inputs, and wraps it unless it takes and returns tensors in a row.

    Raises:
        InputError: It returns something else than tensors and constants, or what no tensor follows from.
    """
    source, call = bound.source, bound.call
    if isinstance(source, torch.export.ExportedProgram):
        call = row_call(len(bound.inputs))  # of the module that the builders make of it
    if isinstance(source, OnnxSource) or call is None or (call.is_row and _returns_a_row(source)):
        return Flattened(source)
    if isinstance(source, torch.jit.ScriptModule):
        _C.refuse_state(source._c, len(bound.inputs))  # a trial run would change it
    name = type(source).__name__
    model = positional_module(source) if isinstance(source, torch.export.ExportedProgram) else source
    with for_inference(model), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = _tried(model, name, bound, call)
    if results is None or (results.kind and call.is_row):
        return Flattened(source)
    flat_module = FlatModule.around(source, model, call, results)
    if results.structure is None:
        return Flattened(flat_module, results.kind)
    return Flattened(flat_module, results.structure, results.names([str(one.name) for one in bound.inputs]))


def _returns_a_row(source: ModelSource) -> bool:
    """True if it is known without a run that a model returns a tensor, or a tuple or list of tensors."""
    if isinstance(source, torch.export.ExportedProgram):
        spec = source.call_spec.out_spec
        row = spec.is_leaf() or (spec.type in (tuple, list) and all(child.is_leaf() for child in spec.children()))
        return row and all(isinstance(name, str) for name in _outputs_of(source))
    if isinstance(source, torch.jit.ScriptModule):
        return _is_row_type(source._c._get_method("forward").schema.returns[0].type)
    return False


def _outputs_of(program: torch.export.ExportedProgram) -> list[Any]:
    """For each output the name of a tensor, or a constant."""
    kinds = torch.export.graph_signature.OutputKind
    specs = [spec.arg for spec in program.graph_signature.output_specs if spec.kind == kinds.USER_OUTPUT]
    return [one.name if isinstance(one, torch.export.graph_signature.TensorArgument) else None for one in specs]


def _is_row_type(kind: Any) -> bool:
    if kind.kind() == "TupleType":
        return not kind.annotation_str.startswith("__torch__") and all(
            one.kind() == "TensorType" for one in kind.elements()
        )
    element = kind.getElementType() if kind.kind() == "ListType" else kind
    return str(element.kind()) == "TensorType"


def _tried(model: torch.nn.Module, name: str, bound: Bound, call: Call) -> Results | None:
    """The structure of what a model returns; None if it fails on the inputs, which its builder may tell better."""
    device = device_of_module(model)

    def run(tensors: Sequence[torch.Tensor]) -> Any:
        args, kwargs = call.build([tensor.to(device) for tensor in tensors])
        with torch.random.fork_rng(devices=[]), refused_writes(model) as guarded:
            return guarded(*args, **kwargs)

    try:
        examples = [one.example() for one in bound.inputs]
        result = run(examples)
    except Exception as error:
        if call.is_row:
            return None
        if isinstance(error, InputError):
            raise
        described = ", ".join(str(list(one.shape)) for one in bound.inputs)
        raise InputError(
            f"{name} fails on inputs of the shapes {described}: {type(error).__name__}: {first_lines(error)}"
        ) from error
    results = _results(result, name)
    if results.kind:
        return results
    try:
        others = made_up_inputs(bound.inputs)
    except (MemoryError, RuntimeError):  # no memory for the largest, as the builder says
        return results
    for tensors in others:
        _compare(results, name, run, tensors, examples)
    return results


def _shapes(tensors: Sequence[torch.Tensor]) -> str:
    return ", ".join(str(list(tensor.shape)) for tensor in tensors)


def _results(result: Any, name: str) -> Results:
    kind = _kind(result)
    if kind:
        return Results(kind)
    places: dict[int, int] = {}
    paths: list[Path] = []
    leaves: list[Any] = []
    for path, leaf in flat(result):
        if isinstance(leaf, torch.Tensor):
            if id(leaf) not in places:
                places[id(leaf)] = len(paths)
                paths.append(path)
            leaves.append(Slot(places[id(leaf)]))
        elif isinstance(leaf, CONSTANTS):
            leaves.append(leaf)
        else:
            raise refuse_leaf(leaf, f"{name}: {_where(path)}")
    if not paths:
        raise InputError(f"{name} returns nothing; an engine has at least one output")
    return Results("", Structure(_pytree.tree_structure(result), tuple(leaves)), tuple(paths))


def _where(path: Path) -> str:
    return f"what it returns at {path_text(path)}" if path else "what it returns"


def _kind(result: Any) -> str:
    if isinstance(result, torch.Tensor):
        return "tensor"
    # A namedtuple is none of these, but torch's own, such as those of torch.topk, have no place in a file.
    is_named = hasattr(type(result), "_fields") and type(result).__module__ != "torch.return_types"
    if not isinstance(result, (tuple, list)) or is_named or not all(isinstance(one, torch.Tensor) for one in result):
        return ""
    if not result:
        return ""
    return "tuple" if isinstance(result, tuple) else "list"


def _compare(
    results: Results,
    name: str,
    run: Callable[[Sequence[torch.Tensor]], Any],
    tensors: Sequence[torch.Tensor],
    first: Sequence[torch.Tensor],
) -> None:
    """Raises InputError if the model returns another structure, or another constant, for other inputs."""
    try:
        result = run(tensors)
    except Exception:  # made-up values need not be what it takes
        return
    found = _results(result, name)
    wanted = results.structure
    at = f"for inputs of the shapes {_shapes(tensors)}"
    before = f"for inputs of the shapes {_shapes(first)}"
    advice = "an engine always returns the same structure of tensors"
    # TorchScript makes a new class of a NamedTuple for each call, so specs are compared by their texts.
    if wanted is None or found.structure is None or str(wanted.spec) != str(found.structure.spec):
        raise InputError(f"{name} returns {_tree(results)} {before}, and {_tree(found)} {at}; {advice}")
    for (path, leaf), other in zip(wanted.paths, found.structure.leaves, strict=True):
        if isinstance(leaf, Slot) and isinstance(other, Slot):
            continue
        if isinstance(leaf, Slot) or isinstance(other, Slot) or type(leaf) is not type(other) or leaf != other:
            raise InputError(
                f"{name}: {_where(path)} is {_shown(leaf)} {before}, and {_shown(other)} {at}; {advice}, and other "
                f"values only if they are constant: return a tensor, or leave it out"
            )


class _Tensor:
    def __repr__(self) -> str:
        return "tensor"


def _tree(results: Results) -> str:
    """A tree as Python writes it, such as ``{'scores': tensor}``."""
    if results.structure is None:
        return f"a {results.kind}"
    return repr(results.structure.build([_Tensor() for _ in results.paths]))


def _shown(leaf: Any) -> str:
    return "a tensor" if isinstance(leaf, Slot) else repr(leaf)
