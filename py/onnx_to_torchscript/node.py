"""A node of an ONNX graph as the translation of its operator sees it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import onnx
import torch
from onnx import AttributeProto, helper
from torch import Tensor

from onnx_to_torchscript.errors import UnsupportedError


@dataclass(frozen=True)
class Value:
    """A value of the graph.

    Attributes:
        text: the expression that has it in the generated source.
        constant: its tensor, if it is known before the program runs.
    """

    text: str
    constant: Tensor | None = None


@dataclass(frozen=True)
class Result:
    """A node's result, if it is not one tensor: an expression for a tuple, or a list, of `count` tensors."""

    text: str
    count: int


@dataclass
class Node:
    """A node with its inputs looked up.

    Attributes:
        proto: the node as the model has it.
        version: the version of its operator: the opset that brought it.
        opset: the model's opset for the operator's domain.
        inputs: the values, None for those that are left out.
        new_constant: makes a value of a tensor.
        asked: the attributes that the translation has looked at.
    """

    proto: onnx.NodeProto
    version: int
    opset: int
    inputs: list[Value | None]
    new_constant: Callable[[Tensor], Value]
    asked: set[str] = field(default_factory=set)

    @property
    def output_count(self) -> int:
        """The number of outputs that the node lists."""
        return len(self.proto.output)

    def uses_output(self, index: int) -> bool:
        """True if the model gives a name to an output."""
        return index < len(self.proto.output) and bool(self.proto.output[index])

    def has_input(self, index: int) -> bool:
        """True if an input is there."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def value(self, index: int) -> Value:
        """An input that must be there."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if value is None:
            raise UnsupportedError(f"input {index} is left out")
        return value

    def input(self, index: int) -> str:
        """The expression of an input that must be there."""
        return self.value(index).text

    def optional(self, index: int) -> str:
        """The expression of an input, `None` if it is left out."""
        return self.input(index) if self.has_input(index) else "None"

    def all_inputs(self) -> list[str]:
        """The expressions of all inputs."""
        return [self.input(index) for index in range(len(self.inputs))]

    def constant(self, index: int) -> Tensor | None:
        """The tensor of an input that is a constant, else None."""
        return self.value(index).constant if self.has_input(index) else None

    def ints(self, index: int) -> str:
        """An input as a list of integers: a literal if it is a constant."""
        constant = self.constant(index)
        return f"fn.values.ints({self.input(index)})" if constant is None else int_list(constant.reshape(-1).tolist())

    def integer(self, index: int) -> str:
        """An input of one element as an integer."""
        constant = self.constant(index)
        return f"int({self.input(index)})" if constant is None else str(int(constant))

    def attribute(self, name: str, default: Any = None) -> Any:
        """The value of an attribute: int, float, str, a list of these, or a proto."""
        self.asked.add(name)
        for attribute in self.proto.attribute:
            if attribute.name == name:
                value = helper.get_attribute_value(attribute)
                if attribute.type == AttributeProto.STRING:
                    return value.decode()
                if attribute.type == AttributeProto.STRINGS:
                    return [text.decode() for text in value]
                return value
        return default

    def has_attribute(self, name: str) -> bool:
        """True if the node has an attribute."""
        self.asked.add(name)
        return any(attribute.name == name for attribute in self.proto.attribute)

    def int_list_attribute(self, name: str) -> str:
        """A list attribute as a literal; empty if it is left out."""
        return int_list(self.attribute(name, []))

    def choice(self, name: str, default: str, known: tuple[str, ...]) -> str:
        """A text attribute that is one of `known`, as a literal."""
        value = self.attribute(name, default)
        if value not in known:
            raise UnsupportedError(f"{name} is {value!r}; translated are {', '.join(known)}")
        return repr(value)

    def axes(self, index: int) -> str:
        """`axes`, which are an attribute in older versions of many operators and input `index` in newer ones."""
        if self.has_attribute("axes"):
            return self.int_list_attribute("axes")
        return self.ints(index) if self.has_input(index) else int_list([])

    def unknown_attributes(self) -> list[str]:
        """The attributes that the translation has not looked at."""
        return [attribute.name for attribute in self.proto.attribute if attribute.name not in self.asked]


def int_list(values: list[int]) -> str:
    """A list of integers as a literal; TorchScript takes `[]` for a list of tensors."""
    return repr([int(value) for value in values]) if len(values) else "fn.values.no_ints()"


def number(value: float) -> str:
    """A float as a literal."""
    value = float(value)
    return repr(value) if value == value and abs(value) != float("inf") else f"float('{value}')"


def dtype_text(dtype: torch.dtype) -> str:
    """A dtype as TorchScript writes it."""
    return str(dtype)
