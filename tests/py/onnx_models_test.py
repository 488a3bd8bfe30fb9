"""Whole ONNX models: those that torch's exporter writes, against the modules, and control flow."""

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

import torch_nacelle as nacelle
from onnx_to_torchscript import to_torchscript


def exported(
    module: nn.Module, inputs: Sequence[Tensor], dynamic: Mapping[int, Sequence[int]], opset: int = 17
) -> onnx.ModelProto:
    """The module as ONNX; of the inputs that `dynamic` names, the dimensions that it lists are dynamic."""
    buffer: Any = io.BytesIO()  # the exporter writes to files too, though its types do not say so
    names = [f"input_{index}" for index in range(len(inputs))]
    axes = {names[index]: {axis: f"d{index}_{axis}" for axis in of} for index, of in dynamic.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(inputs),
            buffer,
            dynamo=False,
            opset_version=opset,
            input_names=names,
            dynamic_axes=axes,
        )
    return onnx.load_model_from_string(buffer.getvalue())


def as_list(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)


def compare(module: nn.Module, model: onnx.ModelProto, *calls: Sequence[Tensor]) -> None:
    translated = to_torchscript(model)
    with torch.no_grad():
        for inputs in calls:
            for one, other in zip(as_list(translated(*inputs)), as_list(module(*inputs)), strict=True):
                torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


class Residual(nn.Module):
    """A block as in ResNets, with a projection, pooling and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.body = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, 1, 1))
        self.short = nn.Conv2d(8, 16, 1, 2)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.first(x))
        x = torch.relu(self.body(x) + self.short(x))
        return self.head(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


class Attention(nn.Module):
    """Attention written out, after an embedding, with a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 16)
        self.project = nn.Linear(16, 48)
        self.norm = nn.LayerNorm(16)
        self.out = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        x = self.words(tokens)
        batch, length, width = x.shape
        q, k, v = self.project(x).view(batch, length, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-1, -2) / 2.0).masked_fill(mask[:, None, None, :] == 0, float("-inf"))
        weights = scores.softmax(-1)
        x = self.norm(x + (weights @ v).transpose(1, 2).reshape(batch, length, width))
        return self.norm(x + self.out(x)), weights


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU]) -> None:
        super().__init__()
        self.layer = kind(5, 7, num_layers=2, bidirectional=True, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layer(x)[0]
        return result


class Decoder(nn.Module):
    """Up again from a small grid, in all the ways that are common."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(4, 4, 3, 2, 1, 1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.hardswish(self.up(x))
        x = nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        x = nn.functional.interpolate(x, size=(x.size(2) + 3, x.size(3) * 2), mode="nearest")
        x = nn.functional.pad(x, (1, 2, 0, 1), mode="reflect")
        return self.shuffle(nn.functional.interpolate(x, scale_factor=0.5, mode="bicubic", align_corners=True))


class Anchors(nn.Module):
    """A detector's end: scores and boxes of two grids, joined, the best of them taken."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 6, 3, 2)
        self.scores = nn.Conv2d(6, 2 * 3, 3, padding=1)
        self.boxes = nn.Conv2d(6, 2 * 4, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scores, boxes = [], []
        for _ in range(2):
            x = nn.functional.leaky_relu(self.down(nn.functional.avg_pool2d(x, 2))).repeat(1, 1, 1, 1)
            scores.append(self.scores(x).permute(0, 2, 3, 1).reshape(x.size(0), -1, 3))
            boxes.append(self.boxes(x).permute(0, 2, 3, 1).reshape(x.size(0), -1, 4))
            x = x[:, ::2].contiguous()
        best, places = torch.cat(scores, 1).softmax(-1).amax(-1).topk(5, 1)
        return best, torch.cat(boxes, 1).gather(1, places[..., None].expand(-1, -1, 4))


@pytest.mark.parametrize("opset", [11, 13, 17, 18])
def test_a_residual_network(opset: int) -> None:
    module = Residual().eval()
    model = exported(module, [torch.randn(2, 3, 64, 64)], {0: [0, 2, 3]}, opset)
    compare(module, model, [torch.randn(2, 3, 64, 64)], [torch.randn(1, 3, 50, 71)], [torch.randn(3, 3, 50, 71)])


@pytest.mark.parametrize("opset", [13, 17])
def test_attention(opset: int) -> None:
    module = Attention().eval()
    tokens, mask = torch.randint(50, (2, 6)), torch.ones(2, 6, dtype=torch.int64)
    model = exported(module, [tokens, mask], {0: [0, 1], 1: [0, 1]}, opset)
    masked = torch.ones(3, 9, dtype=torch.int64)
    masked[0, 5:] = 0
    compare(module, model, [tokens, mask], [torch.randint(50, (3, 9)), masked])


def test_a_transformer_encoder() -> None:
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=True)
    module = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    for parameter in module.parameters():  # with those, the layer is not run by its fused form, which ONNX has not
        parameter.requires_grad_(True)
    with torch.enable_grad():
        model = exported(module, [torch.randn(2, 6, 16)], {0: [0]})
    compare(module, model, [torch.randn(2, 6, 16)], [torch.randn(5, 6, 16)])


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_recurrent_layers(kind: type[nn.LSTM] | type[nn.GRU]) -> None:
    module = Recurrent(kind).eval()
    model = exported(module, [torch.randn(2, 6, 5)], {0: [0, 1]})
    compare(module, model, [torch.randn(2, 6, 5)], [torch.randn(3, 9, 5)])


def test_a_decoder() -> None:
    module = Decoder().eval()
    model = exported(module, [torch.randn(1, 4, 6, 5)], {0: [0, 2, 3]})
    compare(module, model, [torch.randn(1, 4, 6, 5)], [torch.randn(2, 4, 8, 7)])


def test_a_detector_with_two_outputs() -> None:
    module = Anchors().eval()
    model = exported(module, [torch.randn(1, 3, 64, 64)], {0: [0, 2, 3]})
    compare(module, model, [torch.randn(1, 3, 64, 64)], [torch.randn(2, 3, 80, 96)])


def control_flow() -> onnx.ModelProto:
    """y = x + x if the sum of x is positive, else -x; z: x * k for the k from 0 to before n."""

    def graph(nodes: list[onnx.NodeProto], name: str, inputs: Sequence[str], outputs: Sequence[str]) -> Any:
        info: dict[str, tuple[int, Any]] = {
            "i": (TensorProto.INT64, []),
            "go": (TensorProto.BOOL, []),
            "ok": (TensorProto.BOOL, []),
        }
        taken, given = (
            [helper.make_tensor_value_info(n, *info.get(n, (TensorProto.FLOAT, None))) for n in names]
            for names in (inputs, outputs)
        )
        return helper.make_graph(nodes, name, taken, given)

    then = graph([helper.make_node("Add", ["x", "x"], ["a"])], "then", [], ["a"])
    other = graph([helper.make_node("Neg", ["x"], ["b"])], "else", [], ["b"])
    body_nodes = [
        helper.make_node("Cast", ["i"], ["k"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["x", "k"], ["scaled"]),
        helper.make_node("Add", ["sum", "scaled"], ["next"]),
        helper.make_node("Identity", ["go"], ["ok"]),
    ]
    body = graph(body_nodes, "body", ["i", "go", "sum"], ["ok", "next", "scaled"])
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0),
        helper.make_node("Constant", [], ["zero"], value_float=0.0),
        helper.make_node("Greater", ["total", "zero"], ["positive"]),
        helper.make_node("If", ["positive"], ["y"], then_branch=then, else_branch=other),
        helper.make_node("Loop", ["n", "", "y"], ["z", "all"], body=body),
    ]
    main = graph(nodes, "main", ["x"], ["y", "z", "all"])
    main.input.append(helper.make_tensor_value_info("n", TensorProto.INT64, []))
    return helper.make_model(main, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_branches_and_loops(sign: float) -> None:
    module = to_torchscript(control_flow())
    x = sign * torch.tensor([1.0, 2.0, 3.0])
    for count in (4, 2):
        y, z, every = module(x, torch.tensor(count))
        torch.testing.assert_close(y, x + x if sign > 0 else -x)
        torch.testing.assert_close(every, x * torch.arange(float(count))[:, None])
        torch.testing.assert_close(z, y + every.sum(0))


def test_an_engine_of_a_model() -> None:
    module = Residual().eval()
    model = exported(module, [torch.randn(2, 3, 64, 64)], {0: [0, 2, 3]})
    images = nacelle.Input(min=(1, 3, 40, 40), opt=(2, 3, 64, 64), max=(4, 3, 80, 80))
    engine = nacelle.compile(to_torchscript(model), [images], name="residual")
    x = torch.randn(3, 3, 48, 80)
    with torch.no_grad():
        torch.testing.assert_close(engine(x), module(x), rtol=1e-4, atol=1e-5)


def test_the_same_model_gives_the_same_plan() -> None:
    model = exported(Attention(), [torch.randint(50, (2, 6)), torch.ones(2, 6, dtype=torch.int64)], {})
    inputs = [nacelle.Input(shape=(2, 6), dtype=torch.int64)] * 2
    # Not every constant is folded by one round of torch's passes, and not the same ones each time.
    plans = {nacelle.build_engine(to_torchscript(model), inputs) for _ in range(40)}
    assert len(plans) == 1


def test_shapes_that_are_known_are_computed_once() -> None:
    """A result of constants is a constant, also behind several nodes."""
    nodes = [
        helper.make_node("Shape", ["w"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["extent"]),
        helper.make_node("Concat", ["minus", "extent"], ["wanted"], axis=0),
        helper.make_node("Reshape", ["x", "wanted"], ["y"]),
    ]
    constants = {"w": np.zeros((2, 3), dtype="float32"), "one": np.array([1]), "minus": np.array([-1])}
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    module = to_torchscript(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    assert [str(name) for name, _ in module.named_buffers()] == []
    assert "[-1, 3]" in module.code
    assert module(torch.zeros(4, 6)).shape == (8, 3)
