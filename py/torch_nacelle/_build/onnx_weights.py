"""Gives every weight of an ONNX model a copy of its own.

If two weights are the same, torch's exporter keeps one of them, and an Identity node in the place of the other. To
TensorRT 8.5 that node is a layer, but scales of a quantized model and weights of a convolution must be constants.
"""

from typing import Any

from torch_nacelle._models.onnx_model import graphs_in, nodes_of, onnx_package


def without_copied_weights(model: bytes) -> bytes:
    """The model with weights in the place of Identity nodes that copy them; the same bytes if there are none."""
    proto = onnx_package("ONNX models are read").load_model_from_string(model)
    graph = proto.graph
    copies = _copies(graph)
    if not copies:
        return model
    for node in nodes_of(graph):
        for place, name in enumerate(node.input):
            if name in copies:
                node.input[place] = copies[name]
    kept = [node for node in graph.node if not (node.op_type == "Identity" and node.output[0] in copies)]
    del graph.node[:]
    graph.node.extend(kept)
    return bytes(proto.SerializeToString(deterministic=True))


def _copies(graph: Any) -> dict[str, str]:
    """The weight that each such node gives, by the name of the node's output; outputs of the model keep theirs."""
    weights = {tensor.name for tensor in graph.initializer}
    outputs = {value.name for value in graph.output}
    outputs.update(value.name for node in nodes_of(graph) for inner in graphs_in(node) for value in inner.output)
    copies: dict[str, str] = {}
    for node in graph.node:
        if node.op_type == "Constant":
            weights.add(node.output[0])
        elif node.op_type == "Identity" and node.output[0] not in outputs:
            source = copies.get(node.input[0], node.input[0])
            if source in weights:
                copies[node.output[0]] = source
    return copies
