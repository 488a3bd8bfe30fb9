"""Copies and pickles of engines, of every version of a record."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._inductor import codecache

import torch_nacelle as nacelle

X = torch.arange(6, dtype=torch.float32).view(2, 3)
VERSIONS = range(3, 11)


class Doubled(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


def program(abi_version: int = 3) -> torch.jit.ScriptModule:
    return nacelle.compile(
        Doubled(), [nacelle.Input(min=(1, 3), opt=(2, 3), max=(8, 3))], name="net", abi_version=abi_version
    )


def run(engine: torch.ScriptObject, x: torch.Tensor = X) -> torch.Tensor:
    result: torch.Tensor = torch.ops.tensorrt.execute_engine([x], engine)[0]
    return result


def saved(engine: torch.ScriptObject) -> torch.ScriptObject:
    file = io.BytesIO()
    torch.save({"engine": engine}, file)
    file.seek(0)
    loaded: torch.ScriptObject = torch.load(file, weights_only=False)["engine"]
    return loaded


WAYS: dict[str, Callable[[torch.ScriptObject], torch.ScriptObject]] = {
    "deepcopy": copy.deepcopy,
    "deepcopy of a list": lambda engine: copy.deepcopy([engine, engine])[1],
    "pickle": lambda engine: pickle.loads(pickle.dumps(engine)),
    "pickle, oldest protocol": lambda engine: pickle.loads(pickle.dumps(engine, protocol=0)),
    "torch.save": saved,
    # as in the archive of an exported program
    "torch's own pickle": lambda engine: torch._C._pickle_load_obj(torch._C._pickle_save(engine)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("abi_version", VERSIONS)
def test_a_copy_has_the_same_record_and_runs(abi_version: int, way: str) -> None:
    engine = program(abi_version).net_trt_engine
    copied = WAYS[way](engine)
    assert torch._C._pickle_save(copied) == torch._C._pickle_save(engine)
    torch.testing.assert_close(run(copied), X * 2)
    torch.testing.assert_close(run(engine), X * 2)


def test_the_key_of_a_compilers_cache_holds_no_plan() -> None:
    class Large(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.rand(3, 100_000))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x @ self.weight).sum(1)

    module: Any = nacelle.compile(Large(), [X], container="module")
    keys: list[bytes] = []

    class Recorded(codecache.FxGraphCachePickler):
        def dumps(self, obj: object) -> bytes:
            keys.append(super().dumps(obj))
            return keys[-1]

    torch._dynamo.reset()
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(codecache, "FxGraphCachePickler", Recorded)
        compiled: Any = torch.compile(module, fullgraph=True)
        compiled(X)
    identity = module.engine.__obj_flatten__()[0][1].encode()
    assert any(identity in key for key in keys)
    assert max(map(len, keys)) < 1_000_000 < len(pickle.dumps(module.engine))


def test_one_engine_in_two_places_stays_one() -> None:
    engine = program().net_trt_engine
    for copied in (copy.deepcopy([engine, engine]), pickle.loads(pickle.dumps([engine, engine]))):
        assert copied[0] is copied[1]


def test_a_program_is_still_saved_as_it_was() -> None:
    before, after = io.BytesIO(), io.BytesIO()
    made = program()
    torch.jit.save(made, before)
    copied = copy.deepcopy(made)
    torch.jit.save(copied, after)
    assert nacelle.read(io.BytesIO(after.getvalue())).engines[0].abi_version == 3
    assert nacelle.read(io.BytesIO(before.getvalue())).engines[0].abi_version == 3


def test_settings_of_a_copy_are_its_own() -> None:
    made = program()
    nacelle.configure(made, convert_inputs=True)
    copied = copy.deepcopy(made.net_trt_engine)
    torch.testing.assert_close(run(copied, X.double()), X * 2)
    nacelle.configure(made, convert_inputs=False)
    torch.testing.assert_close(run(copied, X.double()), X * 2)
    with pytest.raises(nacelle.InputError, match="dtype float64"):
        made(X.double())


def test_objects_of_other_classes_are_copied_as_before() -> None:
    packed = torch.ops.quantized.linear_prepack(torch.quantize_per_tensor(X, 0.1, 0, torch.qint8), None)
    for copied in (copy.deepcopy(packed), pickle.loads(pickle.dumps(packed))):
        weight, _ = torch.ops.quantized.linear_unpack(copied)
        torch.testing.assert_close(weight.dequantize(), X, atol=0.1, rtol=0)


def test_an_engine_that_cannot_run_here_is_copied_with_its_reason() -> None:
    plan = b"ftrt" + bytes(20) + bytes([99, 0, 0, 1]) + bytes(40)  # of a release that there is not
    module = nacelle.embed(plan, name="far", input_names=["x"], output_names=["y"], device="0%9%0%0%NVIDIA H100")
    engine = module.far_trt_engine
    reason = engine.why_not_ready()
    assert "99" in reason
    for copied in (copy.deepcopy(engine), pickle.loads(pickle.dumps(engine))):
        assert copied.why_not_ready() == reason
