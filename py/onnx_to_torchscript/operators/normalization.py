"""Normalization."""

from onnx_to_torchscript.errors import UnsupportedError
from onnx_to_torchscript.node import Node, Result, int_list, number
from onnx_to_torchscript.registry import operator


@operator("BatchNormalization", 7, 15)
def batch_normalization(node: Node) -> str:
    node.attribute("momentum", 0.9)
    if node.attribute("training_mode", 0):
        raise UnsupportedError("training_mode is set; an engine does not train")
    if not node.attribute("spatial", 1):
        raise UnsupportedError("spatial is 0; statistics per channel are translated")
    epsilon = number(node.attribute("epsilon", 1e-5))
    return f"fn.normalization.batch({', '.join(node.input(index) for index in range(5))}, {epsilon})"


@operator("InstanceNormalization", 6, 22)
def instance_normalization(node: Node) -> str:
    epsilon = number(node.attribute("epsilon", 1e-5))
    return f"fn.normalization.instance({node.input(0)}, {node.input(1)}, {node.input(2)}, {epsilon})"


@operator("LayerNormalization", 17, 17)
def layer_normalization(node: Node) -> str | Result:
    node.attribute("stash_type", 1)  # float32, which is what is computed with
    axis = node.attribute("axis", -1)
    epsilon = number(node.attribute("epsilon", 1e-5))
    arguments = f"{node.input(0)}, {node.input(1)}, {node.optional(2)}, {axis}, {epsilon}"
    if node.uses_output(1) or node.uses_output(2):
        return Result(f"fn.normalization.layer({arguments})", 3)
    return f"fn.normalization.layer_only({arguments})"


@operator("RMSNormalization", 23, 23)
def rms_normalization(node: Node) -> str:
    wide = node.attribute("stash_type", 1) == 1
    axis = node.attribute("axis", -1)
    epsilon = number(node.attribute("epsilon", 1e-5))
    return f"fn.normalization.root_mean_square({node.input(0)}, {node.input(1)}, {axis}, {epsilon}, {wide})"


@operator("GroupNormalization", 18, 21)
def group_normalization(node: Node) -> str:
    node.attribute("stash_type", 1)
    groups = node.attribute("num_groups")
    epsilon = number(node.attribute("epsilon", 1e-5))
    return f"fn.normalization.group({node.input(0)}, {node.input(1)}, {node.input(2)}, {groups}, {epsilon})"


@operator("MeanVarianceNormalization", 9, 13)
def mean_variance_normalization(node: Node) -> str:
    return f"fn.normalization.mean_variance({node.input(0)}, {int_list(node.attribute('axes', [0, 2, 3]))})"


@operator("LRN", 1, 13)
def local_response_normalization(node: Node) -> str:
    numbers = [number(node.attribute(name, default)) for name, default in (("alpha", 1e-4), ("beta", 0.75))]
    bias = number(node.attribute("bias", 1.0))
    return f"fn.normalization.local_response({node.input(0)}, {node.attribute('size')}, {', '.join(numbers)}, {bias})"


@operator("LpNormalization", 1, 22)
def lp_normalization(node: Node) -> str:
    return f"fn.normalization.lp({node.input(0)}, {node.attribute('axis', -1)}, {node.attribute('p', 2)})"
