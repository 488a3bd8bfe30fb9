"""Matrix products."""

from onnx_to_torchscript.node import Node, number
from onnx_to_torchscript.registry import operator


@operator("MatMul", 1, 13)
def matmul(node: Node) -> str:
    return f"torch.matmul({node.input(0)}, {node.input(1)})"


@operator("Gemm", 7, 13)
def gemm(node: Node) -> str:
    turned = [bool(node.attribute(name, 0)) for name in ("transA", "transB")]
    factors = [number(node.attribute(name, 1.0)) for name in ("alpha", "beta")]
    a, b, c = node.input(0), node.input(1), node.optional(2)
    return f"fn.linear.gemm({a}, {b}, {c}, {factors[0]}, {factors[1]}, {turned[0]}, {turned[1]})"


@operator("MatMulInteger", 10, 10)
def matmul_integer(node: Node) -> str:
    return f"fn.linear.integer_matmul({node.input(0)}, {node.input(1)}, {node.optional(2)}, {node.optional(3)})"


@operator("Einsum", 12, 28)
def einsum(node: Node) -> str:
    equation = node.attribute("equation").replace(" ", "")
    return f"torch.einsum({equation!r}, [{', '.join(node.all_inputs())}])"
