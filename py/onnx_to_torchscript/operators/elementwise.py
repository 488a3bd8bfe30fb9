"""Operators that work element by element, with broadcasting."""

from functools import partial

from onnx_to_torchscript.constants import dtype_of
from onnx_to_torchscript.errors import UnsupportedError
from onnx_to_torchscript.node import Node, Result, dtype_text, number
from onnx_to_torchscript.registry import add, operator

# Operators without attributes: the first and the last version, and the expression with their inputs as {0}, {1} …
PLAIN: dict[str, tuple[int, int, str]] = {
    "Abs": (6, 13, "torch.abs({0})"),
    "Acos": (7, 22, "torch.acos({0})"),
    "Acosh": (9, 22, "torch.acosh({0})"),
    "Add": (7, 14, "torch.add({0}, {1})"),
    "And": (7, 7, "torch.logical_and({0}, {1})"),
    "Asin": (7, 22, "torch.asin({0})"),
    "Asinh": (9, 22, "torch.asinh({0})"),
    "Atan": (7, 22, "torch.atan({0})"),
    "Atanh": (9, 22, "torch.atanh({0})"),
    "BitwiseAnd": (18, 18, "torch.bitwise_and({0}, {1})"),
    "BitwiseNot": (18, 18, "torch.bitwise_not({0})"),
    "BitwiseOr": (18, 18, "torch.bitwise_or({0}, {1})"),
    "BitwiseXor": (18, 18, "torch.bitwise_xor({0}, {1})"),
    "Ceil": (6, 13, "torch.ceil({0})"),
    "Cos": (7, 22, "torch.cos({0})"),
    "Cosh": (9, 22, "torch.cosh({0})"),
    "Div": (7, 14, "fn.arithmetic.div({0}, {1})"),
    "Equal": (7, 19, "torch.eq({0}, {1})"),
    "Erf": (9, 13, "torch.erf({0})"),
    "Exp": (6, 13, "torch.exp({0})"),
    "Floor": (6, 13, "torch.floor({0})"),
    "Greater": (7, 13, "torch.gt({0}, {1})"),
    "GreaterOrEqual": (12, 16, "torch.ge({0}, {1})"),
    "HardSwish": (14, 22, "torch.nn.functional.hardswish({0})"),
    "Identity": (1, 25, "{0}"),
    "IsNaN": (9, 20, "torch.isnan({0})"),
    "Less": (7, 13, "torch.lt({0}, {1})"),
    "LessOrEqual": (12, 16, "torch.le({0}, {1})"),
    "Log": (6, 13, "torch.log({0})"),
    "Mish": (18, 22, "torch.nn.functional.mish({0})"),
    "Mul": (7, 14, "torch.mul({0}, {1})"),
    "Neg": (6, 13, "torch.neg({0})"),
    "Not": (1, 1, "torch.logical_not({0})"),
    "Or": (7, 7, "torch.logical_or({0}, {1})"),
    "PRelu": (7, 16, "fn.arithmetic.prelu({0}, {1})"),
    "Pow": (7, 15, "fn.arithmetic.power({0}, {1})"),
    "Reciprocal": (6, 13, "torch.reciprocal({0})"),
    "Relu": (6, 14, "torch.relu({0})"),
    "Round": (11, 22, "torch.round({0})"),
    "Sigmoid": (6, 13, "torch.sigmoid({0})"),
    "Sign": (9, 13, "torch.sign({0})"),
    "Sin": (7, 22, "torch.sin({0})"),
    "Sinh": (9, 22, "torch.sinh({0})"),
    "Softplus": (1, 22, "torch.nn.functional.softplus({0})"),
    "Softsign": (1, 22, "torch.nn.functional.softsign({0})"),
    "Sqrt": (6, 13, "torch.sqrt({0})"),
    "Sub": (7, 14, "torch.sub({0}, {1})"),
    "Tan": (7, 22, "torch.tan({0})"),
    "Tanh": (6, 13, "torch.tanh({0})"),
    "Where": (9, 16, "torch.where({0}, {1}, {2})"),
    "Xor": (7, 7, "torch.logical_xor({0}, {1})"),
}

# Operators whose attributes are numbers only: the function, and the attributes with their defaults in its order.
WITH_NUMBERS: dict[str, tuple[int, int, str, dict[str, float]]] = {
    "Celu": (12, 28, "fn.arithmetic.celu", {"alpha": 1.0}),
    "Elu": (6, 22, "fn.arithmetic.elu", {"alpha": 1.0}),
    "HardSigmoid": (6, 22, "fn.arithmetic.hard_sigmoid", {"alpha": 0.2, "beta": 0.5}),
    "LeakyRelu": (6, 16, "torch.nn.functional.leaky_relu", {"alpha": 0.01}),
    "Selu": (
        6,
        22,
        "fn.arithmetic.selu",
        {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875},
    ),
    "Shrink": (9, 9, "fn.arithmetic.shrink", {"lambd": 0.5, "bias": 0.0}),
    "Swish": (24, 24, "fn.arithmetic.swish", {"alpha": 1.0}),
    "ThresholdedRelu": (10, 22, "fn.arithmetic.thresholded_relu", {"alpha": 1.0}),
}

# Operators of any number of inputs: the function of two.
OF_MANY: dict[str, tuple[int, int, str]] = {
    "Max": (6, 13, "torch.maximum"),
    "Min": (6, 13, "torch.minimum"),
    "Sum": (6, 13, "torch.add"),
}


def _plain(node: Node, template: str) -> str:
    return template.format(*node.all_inputs())


def _with_numbers(node: Node, function: str, attributes: dict[str, float]) -> str:
    numbers = [number(node.attribute(name, default)) for name, default in attributes.items()]
    return f"{function}({', '.join([node.input(0), *numbers])})"


def _of_many(node: Node, function: str) -> str:
    first, *others = node.all_inputs()
    for other in others:
        first = f"{function}({first}, {other})"
    return first


for _name, (_first, _last, _template) in PLAIN.items():
    add(_name, _first, _last, partial(_plain, template=_template))
for _name, (_first, _last, _function, _attributes) in WITH_NUMBERS.items():
    add(_name, _first, _last, partial(_with_numbers, function=_function, attributes=_attributes))
for _name, (_first, _last, _function) in OF_MANY.items():
    add(_name, _first, _last, partial(_of_many, function=_function))


@operator("Mean", 6, 13)
def mean(node: Node) -> str:
    return f"fn.arithmetic.mean([{', '.join(node.all_inputs())}])"


@operator("Clip", 6, 13)
def clip(node: Node) -> str:
    if node.version >= 11:
        return f"fn.arithmetic.clip({node.input(0)}, {node.optional(1)}, {node.optional(2)})"
    low = number(node.attribute("min", -3.4028234663852886e38))
    high = number(node.attribute("max", 3.4028234663852886e38))
    return f"torch.clamp({node.input(0)}, {low}, {high})"


@operator("Gelu", 20, 20)
def gelu(node: Node) -> str:
    approximate = node.choice("approximate", "none", ("none", "tanh"))
    return f"torch.nn.functional.gelu({node.input(0)}, approximate={approximate})"


@operator("Mod", 10, 28)
def mod(node: Node) -> str:
    return f"fn.arithmetic.modulo({node.input(0)}, {node.input(1)}, {bool(node.attribute('fmod', 0))})"


@operator("BitShift", 11, 28)
def bit_shift(node: Node) -> str:
    left = node.choice("direction", "", ("LEFT", "RIGHT")) == "'LEFT'"
    return f"fn.arithmetic.shift({node.input(0)}, {node.input(1)}, {left})"


@operator("IsInf", 10, 20)
def is_inf(node: Node) -> str:
    negative = bool(node.attribute("detect_negative", 1))
    positive = bool(node.attribute("detect_positive", 1))
    return f"fn.arithmetic.is_infinite({node.input(0)}, {negative}, {positive})"


@operator("Cast", 6, 28)
def cast(node: Node) -> str:
    node.attribute("saturate", 1)  # both are about floats of 8 bits and less, which have no torch dtype here
    node.attribute("round_mode", "up")
    return f"{node.input(0)}.to({dtype_text(dtype_of(node.attribute('to')))})"


@operator("CastLike", 15, 25)
def cast_like(node: Node) -> str:
    node.attribute("saturate", 1)
    node.attribute("round_mode", "up")
    return f"{node.input(0)}.to({node.input(1)}.dtype)"


@operator("Dropout", 7, 22)
def dropout(node: Node) -> str | Result:
    node.attribute("ratio", 0.5)
    node.attribute("seed", 0)
    if node.has_input(2):
        training = node.constant(2)
        if training is None or bool(training):
            raise UnsupportedError("training_mode is not false; an engine does not train")
    if not node.uses_output(1):
        return node.input(0)
    dtype = "torch.bool" if node.version >= 10 else f"{node.input(0)}.dtype"
    return Result(f"({node.input(0)}, torch.ones_like({node.input(0)}, dtype={dtype}))", 2)
