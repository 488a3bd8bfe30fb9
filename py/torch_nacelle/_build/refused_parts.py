"""Says which submodules have the nodes that a parser refuses, and which can be engines without them.

Nodes of an exported model are named after submodules: "/head/box/NonZero" is of ``head.box``.
"""

import re
from collections.abc import Iterable

import torch

from torch_nacelle._models.onnx_model import nodes_of, onnx_package

# The name and the operator of a refused node, as the parser's message has them.
_NODE = re.compile(r"""\bnode \d+ \((["'])(?P<name>.*?)\1, operator (?P<operator>\w+)\)""")

_CONTAINERS = (torch.nn.ModuleList, torch.nn.ModuleDict)

_MOST = 4  # submodules that a message lists


def refused_parts(reason: str, model: bytes, module: torch.nn.Module) -> str:
    """The end of an error's sentence: the submodule of each refused operator, and the call that leaves it out.

    Args:
        reason: The error of the parser.
        model: The ONNX model.
        module: The module that it was exported from.

    Returns:
        The words, with a semicolon before them; empty if the message names no node of a submodule.
    """
    paths = {path for path, _ in module.named_modules() if path}
    operators = dict.fromkeys(found["operator"] for found in _NODE.finditer(reason))
    nodes = list(nodes_of(onnx_package("nodes are named").load_model_from_string(model).graph))
    named = {node.name for node in nodes}
    if not paths or not any(found["name"] in named for found in _NODE.finditer(reason)):
        return ""
    words = []
    refused: set[str] = set()
    for operator in operators:
        places = dict.fromkeys(_submodule(node.name, paths) for node in nodes if node.op_type == operator)
        refused.update(places)
        told = [f"of submodule {path!r}" if path else "of the module's own forward" for path in list(places)[:_MOST]]
        more = f" and {len(places) - _MOST} more" if len(places) > _MOST else ""
        words.append(f"{operator} is {', '.join(told)}{more}")
    rest = _without(module, refused)
    if rest:
        inputs = ", ".join(f'"{path}": inputs' for path in rest[:_MOST])
        words.append(
            f"submodules without it can become engines, and the rest stays TorchScript; give the inputs of each one's "
            f"own forward: nacelle.compile(model, {{{inputs}}})"
        )
    return "; " + "; ".join(words)


def _submodule(node: str, paths: Iterable[str]) -> str:
    """The innermost submodule that a node's name leads to; empty for the module itself."""
    path = ""
    for part in node.split("/")[1:-1]:
        inner = f"{path}.{part.rsplit('.', 1)[-1]}" if path else part
        if inner in paths:
            path = inner
    return path


def _without(module: torch.nn.Module, refused: set[str]) -> list[str]:
    """Paths of the largest submodules with weights that have none of the refused nodes inside."""
    found: list[str] = []

    def walk(parent: torch.nn.Module, path: str) -> None:
        for name, child in parent.named_children():
            inner = f"{path}.{name}" if path else name
            has_refused = any(one == inner or one.startswith(f"{inner}.") for one in refused)
            if next(child.parameters(), None) is None:
                continue
            if has_refused or isinstance(child, _CONTAINERS):
                walk(child, inner)
            else:
                found.append(inner)

    walk(module, "")
    return found
