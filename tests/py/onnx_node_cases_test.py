"""The models of one node that the onnx package brings for tests of backends, with the results that they must give."""

import re
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from onnx_to_torchscript import TranslationError, supported_operators, to_torchscript
from onnx_to_torchscript.constants import tensor_of
from onnx_to_torchscript.errors import UnsupportedError

# Cases of translated operators that are not passed, by what their names match. A case on the list that passes fails.
NOT_PASSED = {
    r"_(cast|castlike|quantizelinear|dequantizelinear)_.*(FLOAT8|FLOAT4|INT4|INT2|e8m0|e4m3|e5m2|int4|int2|float4)": (
        "floats of 8 bits and less, and integers of less than a byte: the reference engine computes with none of them"
    ),
    r"_(add|sub|div|mod|max|min|less|less_equal|greater|greater_equal|bitwise_not)_(uint16|uint32|uint64|3d)": (
        "torch has no arithmetic for unsigned integers of more than a byte on the CPU"
    ),
    r"_equal_string|_identity_sequence|_identity_opt": "texts, sequences and optional values are no tensors",
    r"_batchnorm_.*training|_training_dropout": "an engine does not train",
    r"_roialign_mode_max": "the maximum of weighted samples, which no exporter asks for",
    r"_spacetodepth_crd_mode_example$": "new in opset 28",
    r"_resize_downsample_scales_(linear|cubic)_align_corners": (
        "align_corners with a scale that gives no whole extent: torch and onnxruntime, which such models come from and "
        "run on, put the last pixel onto the last; the standard counts the part of a pixel that was cut off too"
    ),
}


class Case(NamedTuple):
    """A model, and sets of inputs with the outputs that they must give."""

    name: str
    model: onnx.ModelProto
    data_sets: Any


@cache
def cases() -> dict[str, Case]:
    """The cases whose operators are all translated, in opset 7 or later, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, about the numbers that some cases want: 1 / 0 and their like
        found = load_model_tests(kind="node")
    operators = set(supported_operators())
    return {
        case.name: case
        for case in (Case(one.name, one.model, one.data_sets) for one in found if one.model is not None)
        if case.model.opset_import[0].version >= 7
        and all(not node.domain and node.op_type in operators for node in nodes(case.model.graph))
    }


def nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of the graphs in it."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            yield from nodes(attribute.g)


def to_tensor(value: object) -> torch.Tensor:
    return tensor_of(value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(np.asarray(value)))


def tolerance(dtype: torch.dtype) -> tuple[float, float]:
    """The relative and the absolute tolerance of a dtype."""
    if dtype == torch.bfloat16:
        return 2e-2, 1e-2
    return 1e-3, 1e-3 if dtype == torch.float16 else 1e-5


def run(case: Case) -> None:
    module = to_torchscript(case.model)
    for inputs, outputs in case.data_sets:
        wanted = [to_tensor(value) for value in outputs]
        found = module(*[to_tensor(value) for value in inputs])
        found = [found] if isinstance(found, torch.Tensor) else list(found)
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            relative, absolute = tolerance(other.dtype)
            torch.testing.assert_close(one, other, rtol=relative, atol=absolute, equal_nan=True)


def reason(name: str) -> str | None:
    return next((text for pattern, text in NOT_PASSED.items() if re.search(pattern, name)), None)


@pytest.mark.parametrize("operator", sorted(supported_operators()))
def test_cases(operator: str) -> None:
    """All cases that have nodes of this operator, and of others that come before it in the alphabet."""
    of_operator = [
        case for case in cases().values() if max(node.op_type for node in nodes(case.model.graph)) == operator
    ]
    failed = []
    for case in of_operator:
        if reason(case.name) is None:
            try:
                run(case)
            except Exception as error:
                failed.append(f"{case.name}: {type(error).__name__}: {str(error)[-300:]}")
    assert not failed, "\n".join(failed)


def test_what_is_not_passed_is_not_passed() -> None:
    passed = []
    matched = set()
    for name, case in cases().items():
        text = reason(name)
        if text is not None:
            matched.add(text)
            try:
                run(case)
                passed.append(name)
            except (TranslationError, UnsupportedError, RuntimeError, AssertionError):
                pass
    assert not passed
    assert matched == set(NOT_PASSED.values())


def test_the_cases_are_many() -> None:
    """Guards against a loader that finds nothing, and says how far the cases reach."""
    passed = [name for name in cases() if reason(name) is None]
    covered = {node.op_type for name in passed for node in nodes(cases()[name].model.graph)}
    print(f"{len(passed)} of {len(cases())} cases of {len(covered)} operators")
    assert len(passed) >= 1200
    # These have no case of their own; onnx_to_torchscript_test.py has some.
    assert set(supported_operators()) - covered == {"GlobalLpPool"}
