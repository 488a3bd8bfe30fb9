"""The metadata that Torch-TensorRT wants in a record, to export a program again: shapes as expressions of sympy.

It is a pickle in base64. Nacelle writes it, and never reads one.
"""

import base64
import pickle
from collections.abc import Sequence
from typing import Any

import torch

from torch_nacelle._export.shape_laws import EngineLaws, Law, Unknown

_PROTOCOL = 4


def of_engine(engine: Any, laws: EngineLaws) -> bytes:
    """The metadata of an engine; empty if a size of an output is unknown.

    Args:
        engine: The engine, set up here.
        laws: The laws of its outputs.
    """
    import sympy

    if any(isinstance(size, Unknown) for output in laws.outputs for size in output):
        return b""
    inputs, sizes = [], []
    for place, (name, dtype, shape, _) in enumerate(engine.inputs()):
        extents = [
            sympy.Symbol(f"s{place}_{dim}", positive=True, integer=True) if size == -1 else size
            for dim, size in enumerate(shape)
        ]
        sizes.append(extents)
        inputs.append({"shape_exprs": extents, "dtype": getattr(torch, dtype), "name": name})
    outputs = [
        {"shape_exprs": [_expression(size, sizes) for size in output], "dtype": getattr(torch, dtype)}
        for (_, dtype, _, _), output in zip(engine.outputs(), laws.outputs, strict=True)
    ]
    told = {
        "settings": None,
        "inout_symexprs": {"inputs": inputs, "outputs": outputs},
        "output_tensors_are_unowned": False,
    }
    return base64.b64encode(pickle.dumps(told, protocol=_PROTOCOL))


def _expression(law: Law | Unknown, sizes: Sequence[Sequence[Any]]) -> Any:
    """A law as torch writes it: with its own division, which takes sizes for what they are."""
    from torch.utils._sympy.functions import FloorDiv

    assert isinstance(law, Law)
    total: Any = 0
    for term in law.terms:
        product: Any = term.coefficient
        for factor in term.factors:
            size = sizes[factor.dimension.input][factor.dimension.dim] + factor.offset
            product = product * (size if factor.divisor == 1 else FloorDiv(size, factor.divisor))
        total = total + product
    return total if isinstance(total, int) else int(total) if total.is_Integer else total
