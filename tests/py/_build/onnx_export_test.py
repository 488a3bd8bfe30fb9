"""Modules as ONNX: onnxruntime computes what torch computes."""

import io
import warnings
from collections.abc import Sequence

import onnx
import onnxruntime
import pytest
import torch

import torch_nacelle as nacelle
from tests.py.networks import TwoHeads, seeded
from torch_nacelle import Input
from torch_nacelle._build.onnx import export
from torch_nacelle._build.onnx_torchscript import NEWEST_OPSET
from torch_nacelle._models.onnx_model import OnnxModel
from torch_nacelle._runtime.input import with_names

IMAGES = Input(min=(1, 3, 8, 8), opt=(2, 3, 8, 8), max=(4, 3, 8, 8))
SEQUENCES = Input(min=(1, 3, 16), opt=(2, 5, 16), max=(4, 9, 16))


def exported(
    module: torch.nn.Module | torch.export.ExportedProgram, inputs: Sequence[Input], opset: int = 17, **kwargs: object
) -> OnnxModel:
    return export(module, with_names(inputs), opset=opset, **kwargs)  # type: ignore[arg-type]


def run(model: OnnxModel, *tensors: torch.Tensor) -> list[torch.Tensor]:
    session = onnxruntime.InferenceSession(model.model)
    feed = {one.name: tensor.numpy() for one, tensor in zip(session.get_inputs(), tensors, strict=True)}
    return [torch.from_numpy(value) for value in session.run(None, feed)]


def assert_same(model: OnnxModel, module: torch.nn.Module, *tensors: torch.Tensor) -> None:
    with torch.no_grad():
        wanted = module(*tensors)
    found = run(model, *tensors)
    for one, other in zip(found, wanted if isinstance(wanted, (tuple, list)) else [wanted], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


class Sizes(torch.nn.Module):
    """Computes with sizes, normalizes, and returns two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.norm = torch.nn.BatchNorm2d(4)
        self.linear = torch.nn.Linear(4 * 36, 5)
        self.layer_norm = torch.nn.LayerNorm(5)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = torch.relu(self.norm(self.conv(x))).view(x.shape[0], -1)
        return self.layer_norm(self.linear(y)), torch.cat([y, y])[: x.shape[0] + 1]


class Embedding(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(10, 4)

    def forward(self, tokens: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return self.table(tokens) * scale


class Sign(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool(x.sum() > 0):
            return x + 1.0
        return x - 1.0


@pytest.mark.parametrize("opset", [16, 17, 20])
@pytest.mark.parametrize("kind", ["module", "script", "trace", "exported program"])
def test_any_batch_computes_the_same(kind: str, opset: int) -> None:
    module = seeded(Sizes)
    example = torch.ones(4, 3, 8, 8)
    source: torch.nn.Module | torch.export.ExportedProgram = module
    if kind == "script":
        source = torch.jit.script(module)
    elif kind == "trace":
        source = torch.jit.trace(module, example)
    elif kind == "exported program":
        source = torch.export.export(module, (example,), dynamic_shapes=({0: torch.export.Dim("batch", max=8)},))
    model = exported(source, [IMAGES], opset)
    for batch in (1, 3, 4):
        assert_same(model, module, torch.randn(batch, 3, 8, 8))
    proto = onnx.load_model_from_string(model.model)
    onnx.checker.check_model(proto, full_check=True)
    assert [one.version for one in proto.opset_import if not one.domain] == [opset]


def test_a_newer_opset_than_the_exporter_writes_counts_as_its_newest() -> None:
    from torch.onnx import _constants

    assert NEWEST_OPSET == _constants.ONNX_TORCHSCRIPT_EXPORTER_MAX_OPSET
    proto = onnx.load_model_from_string(exported(seeded(TwoHeads), [IMAGES], 23).model)
    assert proto.opset_import[0].version == NEWEST_OPSET


def test_names_and_dynamic_axes() -> None:
    model = exported(seeded(TwoHeads), [IMAGES])
    graph = onnx.load_model_from_string(model.model).graph
    assert model.output_names == ("output_0", "output_1")
    assert [one.name for one in graph.output] == ["output_0", "output_1"]
    (one,) = graph.input
    assert one.name == "input_0"
    assert [dim.dim_param or dim.dim_value for dim in one.type.tensor_type.shape.dim] == ["input_0_dim_0", 3, 8, 8]
    model = exported(seeded(TwoHeads), [Input(shape=(1, 3, 8, 8), name="image")], output_names=["scores", "boxes"])
    graph = onnx.load_model_from_string(model.model).graph
    assert [one.name for one in [*graph.input, *graph.output]] == ["image", "scores", "boxes"]
    with pytest.raises(nacelle.InputError, match=r"output_names lists 1 names \(a\), and TwoHeads returns 2"):
        exported(seeded(TwoHeads), [IMAGES], output_names=["a"])


def test_int64_inputs() -> None:
    module = seeded(Embedding)
    tokens = Input(min=(1, 2), opt=(2, 3), max=(4, 8), dtype=torch.int64)
    model = exported(module, [tokens, Input(shape=(1,))])
    assert_same(model, module, torch.tensor([[1, 9, 3, 0]]), torch.tensor([2.0]))
    kinds = [one.type.tensor_type.elem_type for one in onnx.load_model_from_string(model.model).graph.input]
    assert kinds == [onnx.TensorProto.INT64, onnx.TensorProto.FLOAT]


@pytest.mark.parametrize("exported_program", [False, True])
def test_attention_keeps_its_dynamic_sizes(exported_program: bool) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        module = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    source: torch.nn.Module | torch.export.ExportedProgram = module
    if exported_program:
        dims = {0: torch.export.Dim("batch", max=8), 1: torch.export.Dim("length", max=64)}
        source = torch.export.export(module, (torch.ones(2, 5, 16),), dynamic_shapes=(dims,))
    model = exported(source, [SEQUENCES])
    for batch, length in ((1, 3), (3, 7), (4, 9)):
        assert_same(model, module, torch.randn(batch, length, 16))


def test_what_values_decide_is_kept() -> None:
    model = exported(Sign(), [SEQUENCES])
    assert_same(model, Sign(), torch.rand(1, 4, 16))
    assert_same(model, Sign(), -torch.rand(1, 4, 16))
    traced = exported(Sign(), [SEQUENCES], method="trace")
    assert torch.equal(run(traced, -torch.ones(1, 4, 16))[0], torch.zeros(1, 4, 16))


def test_what_tracing_lost_is_told_where_scripting_fails() -> None:
    class Unscriptable(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            values: dict[object, torch.Tensor] = {"a": x, 1: x}
            return values["a"] + 1.0 if bool(x.abs().sum() > 0) else x

    with pytest.warns(nacelle.TracingWarning, match=r"Unscriptable is traced.* decide at onnx_export_test.py:\d+"):
        exported(Unscriptable(), [SEQUENCES])


def test_a_trace_that_is_right_for_one_shape_alone_is_not_exported() -> None:
    class Rows(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            total = torch.zeros(16)
            for row in range(x.shape[1]):
                total = total + x[0, row]
            return total

    class Unscriptable(Rows):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            values: dict[object, torch.Tensor] = {"a": x, 1: x}
            return super().forward(values["a"])

    model = exported(Rows(), [SEQUENCES])
    for length in (3, 9):
        assert_same(model, Rows(), torch.randn(1, length, 16))
    with pytest.raises(nacelle.InputError, match=r"its trace cannot be accepted: .* cannot be scripted"):
        exported(Unscriptable(), [SEQUENCES])
    exported(Unscriptable(), [SEQUENCES], method="trace")


def test_the_module_is_left_as_it_is() -> None:
    module = seeded(Sizes).train()
    module.get_submodule("norm").eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    modes = {name: part.training for name, part in module.named_modules()}
    attributes = dict(module.__dict__)
    exported(module, [IMAGES])
    assert {name: part.training for name, part in module.named_modules()} == modes
    assert module.__dict__ == attributes
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_the_same_module_gives_the_same_bytes() -> None:
    assert exported(seeded(Sizes), [IMAGES]).model == exported(seeded(Sizes), [IMAGES]).model


def test_exporting_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    class Bessel(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.i0(x)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exported(seeded(TwoHeads), [IMAGES])
        with pytest.raises(nacelle.InputError):
            exported(Bessel(), [IMAGES])
    assert capfd.readouterr() == ("", "")


def test_inputs_that_nothing_uses_stay_inputs() -> None:
    class Ignores(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
            return y * 2.0

    lengths = Input(min=(1,), opt=(2,), max=(4,), dtype=torch.int64, name="length")
    model = exported(Ignores(), [lengths, Input(shape=(3,)), Input(shape=(2, 2), dtype=torch.float16)])
    proto = onnx.load_model_from_string(model.model)
    onnx.checker.check_model(proto, full_check=True)
    assert [one.name for one in proto.graph.input] == ["length", "input_1", "input_2"]
    (length,) = proto.graph.input[0].type.tensor_type.shape.dim
    assert length.dim_param == "length_dim_0"
    assert_same(model, Ignores(), torch.ones(3, dtype=torch.int64), torch.ones(3), torch.ones(2, 2).half())


@pytest.mark.parametrize("script", [False, True])
def test_an_operator_that_onnx_lacks_is_named(script: bool) -> None:
    class Bessel(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.i0(x)

    module = torch.jit.script(Bessel()) if script else Bessel()
    with pytest.raises(nacelle.InputError) as caught:
        exported(module, [IMAGES])
    for words in ("ONNX opset 17", "aten::i0", "leave it in TorchScript", "nacelle.compile"):
        assert words in str(caught.value)


class Returns(torch.nn.Module):
    def __init__(self, what: object) -> None:
        super().__init__()
        self.what = what

    def forward(self, x: torch.Tensor) -> object:
        return self.what if self.what != "input" else {"a": x}


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Returns("input"), ["what it returns is a dict", "a tensor, or a tuple or list of tensors"]),
        (Returns((torch.ones(1), 3)), ["output 1 is a int"]),
        (Returns(()), ["returns nothing"]),
        (torch.nn.Linear(3, 3), ["Linear fails on inputs of the shapes [2, 3, 8, 8]", "RuntimeError"]),
    ],
)
def test_what_no_engine_returns_is_named(module: torch.nn.Module, words: list[str]) -> None:
    with pytest.raises(nacelle.InputError) as caught:
        exported(module, [IMAGES])
    for word in words:
        assert word in str(caught.value)


def test_an_exported_program_must_allow_the_inputs() -> None:
    module = seeded(TwoHeads)
    fixed = torch.export.export(module, (torch.ones(2, 3, 8, 8),))
    with pytest.raises(nacelle.InputError, match="dimension 0 is 2 in the ExportedProgram, and inputs says 1 to 4"):
        nacelle.build_engine(fixed, [IMAGES], backend="reference")
    with pytest.raises(nacelle.InputError, match="takes float32, and inputs says float16"):
        nacelle.build_engine(fixed, [torch.ones(2, 3, 8, 8, dtype=torch.float16)], backend="reference")
    with pytest.raises(nacelle.InputError, match=r"takes 1 tensors \(x\), and inputs describes 2"):
        nacelle.build_engine(fixed, [IMAGES, IMAGES], backend="reference")
    program = nacelle.compile(fixed, backend="reference", check=True)
    assert program.engine_trt_engine.inputs()[0][2] == [2, 3, 8, 8]


def test_an_exported_program_runs_in_the_reference_engine() -> None:
    module = seeded(Sizes)
    dims = ({0: torch.export.Dim("batch", max=8)},)
    source = torch.export.export(module, (torch.ones(4, 3, 8, 8),), dynamic_shapes=dims)
    program = nacelle.compile(source, [IMAGES], backend="reference", check=True)
    for one, other in zip(program(torch.ones(3, 3, 8, 8)), module(torch.ones(3, 3, 8, 8)), strict=True):
        torch.testing.assert_close(one, other)


def test_weights_beyond_one_file_lie_beside_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch_nacelle._build.onnx_torchscript.WEIGHTS_IN_ONE_FILE", 0)
    model = exported(seeded(TwoHeads), [IMAGES])
    assert model.path.endswith("model.onnx")
    assert onnx.load(io.BytesIO(model.model)).graph.output[0].name == "output_0"


def test_a_frozen_module_is_exported() -> None:
    """It has no mode to be put into, nor to be given back."""
    frozen = torch.jit.freeze(torch.jit.script(seeded(TwoHeads)))
    exported = export(frozen, [nacelle.Input(shape=(2, 3, 8, 8), name="x")], opset=17)
    assert exported.output_names == ("output_0", "output_1")


@pytest.mark.parametrize("count", [1, 2, 3, 7, (2, 5)])
@pytest.mark.parametrize("script", [False, True])
def test_adaptive_pooling_of_any_size(count: int, script: bool) -> None:
    module: torch.nn.Module = torch.nn.AdaptiveAvgPool2d(count)
    source = torch.jit.script(module) if script else module
    model = exported(source, [Input(min=(1, 2, 4, 6), opt=(2, 2, 7, 8), max=(4, 2, 16, 9))])
    assert model.exporter == "TorchScript"
    for shape in ((1, 2, 4, 6), (2, 2, 7, 8), (4, 2, 16, 9)):
        assert_same(model, module, torch.randn(shape))
    fixed = exported(source, [Input(min=(1, 2, 5, 6), opt=(2, 2, 5, 6), max=(4, 2, 5, 6))])
    for batch in (1, 4):
        assert_same(fixed, module, torch.randn(batch, 2, 5, 6))


def test_adaptive_pooling_of_one_dimension_and_in_half_precision() -> None:
    rows = torch.nn.AdaptiveAvgPool1d(4)
    model = exported(rows, [Input(min=(1, 2, 3), opt=(2, 2, 9), max=(4, 2, 11))])
    for shape in ((1, 2, 3), (4, 2, 11)):
        assert_same(model, rows, torch.randn(shape))
    half = exported(torch.nn.AdaptiveAvgPool2d(3), [Input(min=(1, 2, 4, 4), max=(2, 2, 8, 8), dtype=torch.float16)])
    x = torch.randn(2, 2, 7, 8)
    torch.testing.assert_close(run(half, x.half())[0].float(), torch.nn.AdaptiveAvgPool2d(3)(x), rtol=1e-2, atol=1e-2)


def test_other_users_of_the_exporter_get_its_own_pooling() -> None:
    from torch.onnx._internal.torchscript_exporter.registration import registry

    exported(torch.nn.AdaptiveAvgPool2d(3), [IMAGES])
    for name in ("aten::adaptive_avg_pool1d", "aten::adaptive_avg_pool2d"):
        group = registry.get_function_group(name)
        assert group is not None and str(getattr(group.get(17), "__module__", "")).startswith("torch.")
