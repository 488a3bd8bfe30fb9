"""Modules that torch's second exporter turns into ONNX, since the first does not; and the same in older opsets."""

import builtins
import logging
import math

import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import torch_nacelle as nacelle
from tests.py.networks import seeded
from torch_nacelle import Input
from torch_nacelle._build import onnx as exporters
from torch_nacelle._build import onnx_torchscript
from torch_nacelle._build.onnx import export
from torch_nacelle._models.onnx_model import OnnxModel
from torch_nacelle._runtime.input import with_names

IMAGES = Input(min=(1, 3, 8, 8), opt=(2, 3, 8, 8), max=(4, 3, 8, 8))
ROWS = Input(min=(1, 6), opt=(3, 6), max=(4, 6))


class Steps(nn.Module):
    """torch's exporter on TorchScript has no diff."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.first(x)
        return torch.diff(y), y.mean(0)


class Halves(nn.Module):
    """torch's exporter on TorchScript joins sizes of int64 and of float here, which onnx refuses."""

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = x.shape
        return x.reshape(rows * math.ceil(columns / 2), 2)


class Bessel(nn.Module):
    """Neither exporter has bessel_j0."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x)


def exported(module: object, inputs: list[Input], opset: int = 20, **kwargs: object) -> OnnxModel:
    return export(module, with_names(inputs), opset=opset, **kwargs)  # type: ignore[arg-type]


def assert_same(model: OnnxModel, module: nn.Module, *tensors: Tensor) -> None:
    session = onnxruntime.InferenceSession(model.model, providers=["CPUExecutionProvider"])
    feed = {one.name: tensor.numpy() for one, tensor in zip(session.get_inputs(), tensors, strict=True)}
    with torch.no_grad():
        wanted = module(*tensors)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    for one, other in zip(session.run(None, feed), wanted, strict=True):
        torch.testing.assert_close(torch.from_numpy(one), other, rtol=1e-4, atol=1e-5)


def opset_of(model: OnnxModel) -> int:
    (version,) = [one.version for one in onnx.load_model_from_string(model.model).opset_import if not one.domain]
    return int(version)


@pytest.fixture(scope="module")
def steps() -> OnnxModel:
    return exported(seeded(Steps), [ROWS], output_names=["steps", "mean"])


def test_the_second_exporter_is_tried_if_the_first_lacks_an_operator(steps: OnnxModel) -> None:
    assert (steps.exporter, opset_of(steps), steps.output_names) == ("dynamo", 20, ("steps", "mean"))
    for batch in (1, 3, 4):
        assert_same(steps, seeded(Steps), torch.randn(batch, 6))


def test_its_models_look_like_those_of_the_first(steps: OnnxModel) -> None:
    graph = onnx.load_model_from_string(steps.model).graph
    (x,) = graph.input
    assert [dim.dim_param or dim.dim_value for dim in x.type.tensor_type.shape.dim] == ["input_0_dim_0", 6]
    names = [node.name for node in graph.node]
    assert len(set(names)) == len(names)
    assert "/first/0/Gemm" in names and "/first/1/LayerNormalization" in names
    assert not any("_empty" in name for name in names)
    assert __file__.encode() not in steps.model  # nothing of where the model lies
    assert exported(seeded(Steps), [ROWS], output_names=["steps", "mean"]).model == steps.model


@pytest.mark.parametrize("opset", [16, 17])
def test_older_opsets(opset: int) -> None:
    model = exported(seeded(Steps), [ROWS], opset)
    assert (model.exporter, opset_of(model)) == ("dynamo", opset)
    operators = {node.op_type for node in onnx.load_model_from_string(model.model).graph.node}
    assert ("LayerNormalization" in operators) == (opset == 17)
    for batch in (1, 4):
        assert_same(model, seeded(Steps), torch.randn(batch, 6))


def test_the_second_exporter_is_tried_if_onnx_refuses_what_the_first_wrote(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "torch_nacelle"):
        model = exported(Halves(), [ROWS], method="script")
    assert model.exporter == "dynamo"
    assert "exported to ONNX by torch's dynamo exporter; onnx refuses what torch's TorchScript" in caplog.text
    assert_same(model, Halves(), torch.randn(2, 6))


def test_the_order_can_be_turned_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporters, "EXPORTERS", exporters.EXPORTERS[::-1])
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten()).eval()
    model = exported(module, [IMAGES])
    assert_same(model, module, torch.randn(3, 3, 8, 8))
    program = torch.export.export(
        module, (torch.ones(4, 3, 8, 8),), dynamic_shapes=({0: torch.export.Dim("n", max=8)},)
    )
    for one in (model, exported(program, [IMAGES])):
        assert one.exporter == "dynamo"
        assert onnx.load_model_from_string(one.model).graph.node[0].name == "/0/Conv"


def test_weights_beyond_one_file_lie_beside_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_torchscript, "WEIGHTS_IN_ONE_FILE", 0)
    model = exported(seeded(Steps), [ROWS])
    assert model.exporter == "dynamo" and model.path.endswith("model.onnx") and model.external_files
    with pytest.raises(nacelle.InputError, match="more weights than one file holds"):
        exported(seeded(Steps), [ROWS], 17)


def test_a_model_that_is_no_copy_is_not_taken() -> None:
    class Rows(nn.Module):
        """Computes another thing for each number of rows, after an operator that the first exporter lacks."""

        def forward(self, x: Tensor) -> Tensor:
            return torch.diff(x) * len(range(x.shape[0]))

    class OfOne(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.diff(x) if x.shape[0] > 1 else torch.diff(x) * 2

    for module in (Rows(), OfOne()):
        try:
            model = exported(module, [ROWS])
        except nacelle.InputError as error:
            assert "torch's dynamo exporter: " in str(error)
            continue
        for batch in (1, 3, 4):
            assert_same(model, module, torch.randn(batch, 6))


def test_an_error_has_the_reasons_of_both() -> None:
    with pytest.raises(nacelle.InputError) as caught:
        exported(Bessel(), [ROWS])
    for words in ("Bessel cannot be exported to ONNX opset 20", "torch's dynamo exporter: ", "nacelle.compile"):
        assert words in str(caught.value)


def test_without_onnxscript_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: object, **keywords: object) -> object:
        if name == "onnxscript":
            raise ImportError(name)
        return real(name, *arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(nacelle.InputError, match=r"dynamo exporter: it needs .* pip install torch-nacelle\[onnx\]"):
        exported(seeded(Steps), [ROWS])


def test_exporting_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(nacelle.InputError):
        exported(Bessel(), [ROWS])
    exported(seeded(Steps), [ROWS], 17)
    assert capfd.readouterr() == ("", "")
