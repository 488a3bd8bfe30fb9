"""The network of tests/data/two_heads: its plans of TensorRT 8.5.3.1, and what it computes."""

from pathlib import Path

import numpy
import onnx
import onnx.reference
import torch

import torch_nacelle as nacelle

DATA = Path("tests/data/two_heads")
DYNAMIC = DATA / "two_heads.trt8.5.3.1.sm90.plan"
FIXED = DATA / "two_heads.batch1.trt8.5.3.1.sm90.plan"
EIGHT_PROFILES = DATA / "two_heads.8profiles.trt8.5.3.1.sm90.plan"


class TwoHeads:
    """The network of two_heads.onnx in float64, on the CPU."""

    def __init__(self) -> None:
        model = onnx.load(str(DATA / "two_heads.onnx"))
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT:
                values = onnx.numpy_helper.to_array(tensor).astype(numpy.float64)
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
            value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
        self._session = onnx.reference.ReferenceEvaluator(model)
        self._name = model.graph.input[0].name

    def __call__(self, x: torch.Tensor) -> list[torch.Tensor]:
        outputs = self._session.run(None, {self._name: x.double().cpu().numpy()})
        return [torch.from_numpy(output) for output in outputs]


def load(plan: Path, folder: Path, **settings: object) -> torch.jit.ScriptModule:
    """A program of a plan, saved to a folder the first time, loaded anew, with these settings."""
    path = folder / f"{plan.name}.ts"
    if not path.exists():
        nacelle.embed(plan.read_bytes(), name="two_heads").save(str(path))
    program = torch.jit.load(str(path))
    return nacelle.configure(program, **settings) if settings else program  # type: ignore[arg-type]


def assert_close(found: tuple[torch.Tensor, ...], wanted: list[torch.Tensor]) -> None:
    """Relative error under 1e-5."""
    for left, right in zip(found, wanted, strict=True):
        assert left.shape == right.shape
        error = (left.double().cpu() - right).norm() / right.norm()
        assert float(error) < 1e-5


def images(batch: int, seed: int = 0, device: str = "cuda") -> torch.Tensor:
    """Made-up inputs [batch, 3, 32, 32] on a device."""
    return torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(seed)).to(device)
