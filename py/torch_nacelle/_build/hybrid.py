"""Checks the rest of a hybrid program, the TorchScript around its engines, for code that engines do not allow."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils import _pytree

from torch_nacelle import _C
from torch_nacelle._models.descriptions import describe, parameters_of
from torch_nacelle._models.model_state import device_of_module, for_inference
from torch_nacelle._models.sources import InputDescriptions
from torch_nacelle._models.state import memory_of
from torch_nacelle._runtime.holders import joined
from torch_nacelle.errors import InputError

_EXECUTE = "tensorrt::execute_engine"


def returns_its_input(module: torch.nn.Module, inputs: InputDescriptions) -> bool:
    """True if an output shares memory with an input in a run on made-up inputs of some optimization profile."""
    described, call = describe(inputs, parameters_of(module))
    count = max((one.range_count for one in described), default=0)
    with for_inference(module), torch.no_grad():
        device = device_of_module(module)
        for profile in range(max(count, 1)):
            examples = [one.example(profile if one.range_count else 0).to(device) for one in described]
            args, kwargs = call.build(examples)
            try:
                outputs = _pytree.tree_leaves(module(*args, **kwargs))
            except Exception:  # the builder has tried it, in its own way
                continue
            memory = {memory_of(output) for output in outputs if isinstance(output, torch.Tensor)} - {0}
            if any(memory_of(example) in memory for example in examples):
                return True
    return False


def refuse_python(program: torch.jit.ScriptModule) -> None:
    """Raises InputError if a method of a program calls a Python function, which no file can hold, or always raises.

    If forward calls a function that torch.jit.unused leaves out, TorchScript has an exception in its place.
    """
    for node in _inlined(program._c._get_method("forward").graph).nodes():
        if node.kind() == "prim::RaiseException":
            raise InputError(
                "forward of the program would raise an exception in every call: it calls a function that "
                "torch.jit.unused leaves out, or raises: remove torch.jit.unused, or put the call into a submodule "
                "that becomes an engine by method='trace'"
            )
    for path, part in reversed(list(program.named_modules())):  # those inside first, for their paths
        for name in part._c._method_names():
            for node in _nodes(_inlined(part._c._get_method(name).graph)):
                if node.kind() != "prim::PythonOp":
                    continue
                where = f"{path}.{name}" if path else name
                raise InputError(
                    f"{where} calls the Python function {node.pyname()!r}, which torch.jit.ignore keeps out of "
                    f"TorchScript, and a program that calls Python cannot be saved: remove torch.jit.ignore, or put "
                    f"the call into a submodule that becomes an engine by method='trace'"
                )


class Rest:
    """The forward of a hybrid program, as a graph with calls of engines in it."""

    def __init__(self, program: torch.jit.ScriptModule, engines: Mapping[str, torch.jit.ScriptModule]) -> None:
        """Analyzes a program; `engines` are those in it, by the paths of the submodules that they stand for."""
        self._program = program
        self._graph = _inlined(program._c._get_method("forward").graph)
        self._aliases: Any = self._graph.alias_db()
        self._nodes = list(_nodes(self._graph))
        self._writes = [(index, value) for index, node in enumerate(self._nodes) for value in _written_by(node)]
        self._paths = {
            site.path.split(".")[-1]: path
            for path, engine in engines.items()
            for site in _C.find_engines(joined(engine))
        }

    def refuse_writes_around(self, returning: Sequence[str]) -> None:
        """Raises InputError if forward changes the input or the output of a submodule that returns its input.

        For the submodule, input and output are one tensor, so a change of one changes the other. An engine's outputs
        are new tensors.

        Args:
            returning: Paths of the submodules that may return an input or a view of one.
        """
        for index, node in enumerate(self._nodes):
            if node.kind() != _EXECUTE:
                continue
            inputs, engine = node.inputs()
            path = self._paths.get(engine.node().s("name"))
            if path not in returning:
                continue
            passed = list(inputs.node().inputs())
            values = [*passed, *(value for use in node.output().uses() for value in use.user.outputs())]
            first = self._first_that_may_follow(index)
            for place, written in self._writes:
                if place < first or not any(self._aliases.may_contain_alias(written, value) for value in values):
                    continue
                operator = self._nodes[place].kind().removeprefix("aten::")
                raise InputError(
                    f"submodule {path!r} returns its input or a view of it, and forward of "
                    f"{self._program.original_name} then changes one of them in place ({operator}"
                    f"{_source_of(self._nodes[place])}), which changes both; an engine's outputs are new tensors: "
                    f"clone the result of {path!r} first, or write out of place"
                )

    def writes_to_parameters(self) -> bool:
        """True if forward may write to a parameter in place."""
        read = [node.output() for node in self._nodes if node.kind() == "prim::GetAttr" and _is_tensor(node.output())]
        return any(self._aliases.may_contain_alias(written, value) for _, written in self._writes for value in read)

    def _first_that_may_follow(self, index: int) -> int:
        """The first node that may run after a node: in a loop, those before it as well."""
        first = index + 1
        outer = self._nodes[index].owningBlock().owningNode()
        while outer is not None:
            if outer.kind() == "prim::Loop":
                first = self._nodes.index(outer)
            outer = outer.owningBlock().owningNode()
        return first


def own_parameters(program: torch.jit.ScriptModule) -> None:
    """Gives a program parameters of its own; those that are one tensor stay one."""
    copies: dict[int, torch.nn.Parameter] = {}
    for part in program.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            memory = parameter.data_ptr()
            if memory not in copies:
                copies[memory] = torch.nn.Parameter(parameter.detach().clone(), parameter.requires_grad)
            script: Any = part._c
            script.setattr(name, copies[memory])


def _inlined(graph: Any) -> Any:
    """A copy of a graph with functions in place of their calls, and without branches that constants decide against."""
    copy = graph.copy()
    torch._C._jit_pass_inline(copy)
    torch._C._jit_pass_constant_propagation(copy)
    return copy


def _nodes(block: Any) -> Iterator[Any]:
    """The nodes of a graph and of the blocks inside it, in the order in which they are written."""
    for node in block.nodes():
        yield node
        yield from itertools.chain.from_iterable(_nodes(inner) for inner in node.blocks())


def _written_by(node: Any) -> list[Any]:
    """The tensors, and lists of tensors, whose memory a node writes to."""
    schema = node.schema()
    if schema in ("", "(no schema)"):
        return []
    arguments = torch._C.parse_schema(schema).arguments
    writes = [one.alias_info is not None and one.alias_info.is_write for one in arguments]
    foreach = node.kind().startswith("aten::_foreach")
    return [
        value
        for value, write in zip(node.inputs(), writes, strict=False)
        if write and (_is_tensor(value) or (foreach and value.type().kind() == "ListType"))
    ]


def _is_tensor(value: Any) -> bool:
    return bool(value.type().kind() == "TensorType")


def _source_of(node: Any) -> str:
    lines = str(node.sourceRange()).splitlines()
    place = next((line.strip() for line in lines if line.strip().startswith('File "')), "")
    name, _, line = place.removeprefix('File "').partition('", line ')
    return f" at {name.rsplit('/', 1)[-1]}:{line.split(',')[0]}" if line else ""
