"""Calls of a program as both sides make them: the judge in its process, Nacelle in the test's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

Tree = Any  # a tensor, or a list, tuple or dict of trees


@dataclass(frozen=True)
class Called:
    """The result of calls of a program with the same inputs, one after another.

    Attributes:
        outputs: The outputs of each call, in the CPU's tensors.
        inputs: The inputs after the last call.
        shared: For each tensor of the last call's outputs the number of the input whose memory it has, or None.
    """

    outputs: list[Tree]
    inputs: list[torch.Tensor]
    shared: list[int | None]


def each_tensor(tree: Tree, function: Callable[[torch.Tensor], Tree]) -> Tree:
    """Returns a tree with `function` applied to each of its tensors."""
    if isinstance(tree, torch.Tensor):
        return function(tree)
    if isinstance(tree, dict):
        return {key: each_tensor(value, function) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(each_tensor(value, function) for value in tree)
    return tree


def tensors(tree: Tree) -> list[torch.Tensor]:
    """Returns the tensors of a tree in order."""
    found: list[torch.Tensor] = []
    each_tensor(tree, found.append)
    return found


def moved(tensor: torch.Tensor, device: str) -> torch.Tensor:
    """Returns a copy of a tensor on a device, strides included.

    Torch's Python refuses "cuda" in a build for the CPU; its operators do not.
    """
    like = torch.ops.aten.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=torch.device(device))
    like.copy_(tensor)
    return like


def call(program: torch.jit.ScriptModule, inputs: Sequence[Tree], times: int, device: str) -> Called:
    """Calls a program `times` times with copies of the inputs on a device."""
    given = each_tensor(list(inputs), lambda tensor: moved(tensor, device))
    where = {tensor.data_ptr(): index for index, tensor in enumerate(tensors(given)) if tensor.numel() > 0}
    outputs = []
    raw: Tree = None
    with torch.no_grad():
        for _ in range(times):
            raw = program(*given)
            outputs.append(each_tensor(raw, lambda tensor: moved(tensor.contiguous(), "cpu")))
    shared = [where.get(tensor.data_ptr()) for tensor in tensors(raw)]
    return Called(outputs, [moved(tensor, "cpu") for tensor in tensors(given)], shared)


# Methods of an engine without arguments whose answer says something of the record or the plan.
_QUESTIONS = (
    "_active_profile_index_getter",
    "get_serialized_metadata",
    "num_optimization_profiles_getter",
    "requires_native_multidevice_getter",
    "serialize_metadata_only",
)


def surface(engine: Any) -> dict[str, Any]:  # torch's classes have no types
    """Returns what programs and Python code may call: the schemas of methods and operators, and what some answer."""
    names = [name for name in engine._method_names() if not name.startswith("__")]
    methods = {name: str(getattr(engine, name).schema) for name in names}
    operators = {}
    for name in torch._C._dispatch_get_all_op_names():
        if name.startswith("tensorrt::"):
            operator = getattr(torch.ops.tensorrt, name.removeprefix("tensorrt::"))
            operators[name] = [str(operator.default._schema).removesuffix(" _0")]  # a result may have a name
            if not operator.default._schema.arguments:
                operators[name].append(str(operator()))
    results = {name: getattr(engine, name)() for name in _QUESTIONS if name in names}
    if "infer_outputs" in names:
        results["infer_outputs"] = [[list(t.shape), str(t.dtype)] for t in engine.infer_outputs([[2, 6]])]
    if "serialized_engine_tensor" in names:
        results["serialized_engine_tensor"] = engine.serialized_engine_tensor().tolist()
    return {"methods": methods, "operators": operators, "results": results}
