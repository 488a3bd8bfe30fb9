"""Files with engines that are neither TorchScript programs nor plans, made byte by byte as their writers do."""

from __future__ import annotations

import base64
import json
import pickle
import struct
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any

from tests.py.zip_files import Entry, written

# The start of a plan of TensorRT 11.0.0.114, and bytes after it; long enough to stay in the file.
PLAN = b"ftrt" + bytes(20) + bytes([11, 0, 0, 114]) + bytes(range(256)) * 400
DEVICE = "0%9%0%0%NVIDIA H100 80GB HBM3"
TRT_MODULE = "torch_tensorrt.dynamo.runtime._TRTEngine"


def record(plan: bytes = PLAN, name: str = "net") -> list[bytes]:
    """The fields of a record of version 9, which Torch-TensorRT 2.12 and 2.13 write."""
    return [
        b"9", name.encode(), DEVICE.encode(), base64.b64encode(plan), b"x", b"y%z", b"1", b"", b"linux_x86_64", b"0",
        b"0", b"0",
    ]  # fmt: skip


def custom_object(fields: Sequence[bytes], class_name: bytes = b"__torch__.torch.classes.tensorrt\nEngine\n") -> bytes:
    """An engine as torch._C._pickle_save writes a C++ object."""
    texts = b"".join(b"X" + struct.pack("<I", len(field)) + field for field in fields)
    tagged = b"ctorch.jit._pickle\nrestore_type_tag\nq\1](" + texts + b"eX\x09\0\0\0List[str]\x86R"
    data = b"\x80\2c" + class_name + b"q\0)\x81" + tagged + b"b."
    members = {"data.pkl": data, "version": b"3\n", "byteorder": b"little", ".data/serialization_id": b"1"}
    return written(_entries("archive", members))


def opaque_object(fields: Sequence[bytes], protocol: int = 2, function: str = "_reconstruct_trt_engine") -> bytes:
    """An engine as Python pickles what Torch-TensorRT 2.13 puts in its place."""
    module = types.ModuleType(TRT_MODULE)
    made = types.FunctionType((lambda fields: fields).__code__, {}, function)
    made.__module__, made.__qualname__ = TRT_MODULE, function
    setattr(module, function, made)
    names = [TRT_MODULE.rsplit(".", i)[0] for i in range(4)]
    kept = {name: sys.modules.get(name) for name in names}
    sys.modules.update(dict.fromkeys(names, module))
    try:
        return pickle.dumps(_Reduced(made, ([field.decode() for field in fields],)), protocol=protocol)
    finally:
        for name, there in kept.items():
            if there is None:
                del sys.modules[name]
            else:
                sys.modules[name] = there


class _Reduced:
    def __init__(self, function: object, arguments: tuple[object, ...]) -> None:
        self._reduced = (function, arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return self._reduced


def exported_program(objects: Mapping[str, bytes], kind: str = "custom", model: object = None) -> list[Entry]:
    """The members of what torch.export.save writes of a program with these objects, by their names in it."""
    members = {f"data/constants/{kind}_obj_{i}": content for i, content in enumerate(objects.values())}
    config = {
        name: {"path_name": f"{kind}_obj_{i}", "is_param": False, "use_pickle": True, "tensor_meta": None}
        for i, name in enumerate(objects)
    }
    return _entries(
        "program",
        {"data/weights/model_weights_config.json": b'{"config": {}}'}
        | members
        | {
            "data/constants/model_constants_config.json": json.dumps({"config": config}).encode(),
            "models/model.json": json.dumps(_model(list(objects)) if model is None else model).encode(),
            "data/sample_inputs/model.pt": b"a pickle that nothing reads",
            "archive_format": b"pt2",
            "archive_version": b"0",
            ".data/version": b"6\n",
            "byteorder": b"little",
            ".data/serialization_id": b"1",
        },
    )


def aotinductor_package(objects: Mapping[str, bytes]) -> list[Entry]:
    """The members of what torch._inductor.aoti_compile_and_package writes of such a program."""
    folder = "data/aotinductor/model/"
    metadata = {"AOTI_DEVICE_KEY": "cuda", "AOTI_PLATFORM": "linux", "AOTI_MACHINE": "x86_64"}
    config = {name: f"custom_obj_{i}" for i, name in enumerate(objects)}
    return _entries(
        "package",
        {
            folder + "cabc.wrapper.cpp": b"int main;",
            folder + "cabc.wrapper.json": b'{"nodes": []}',
            folder + "cabc.wrapper_metadata.json": json.dumps(metadata).encode(),
        }
        | {f"data/constants/custom_obj_{i}": content for i, content in enumerate(objects.values())}
        | {
            folder + "custom_objs_config.json": json.dumps(config).encode(),
            folder + "cabc.wrapper.so": b"\x7fELF" + bytes(1000),
            "archive_format": b"pt2",
            "archive_version": b"0",
            ".data/version": b"6\n",
            "byteorder": b"little",
            ".data/serialization_id": b"1",
        },
    )


def _entries(folder: str, members: Mapping[str, bytes]) -> list[Entry]:
    return [Entry(f"{folder}/{name}".encode(), content) for name, content in members.items()]


def _model(engines: Sequence[str]) -> dict[str, object]:
    """The JSON of a program that calls its engines one after the other."""
    batch = {"as_expr": {"expr_str": "Symbol('s77', positive=True, integer=True)", "hint": {"as_int": 4}}}
    tensor = {"dtype": 7, "sizes": [batch, {"as_int": 3}], "requires_grad": False, "layout": 7}
    names = ["x", *(f"getitem_{i}" for i in range(len(engines)))]
    calls = [
        {
            "target": "torch.ops.tensorrt.execute_engine.default",
            "inputs": [
                {"name": "input_tensors", "arg": {"as_tensors": [{"name": before}]}, "kind": 1},
                {"name": "engine", "arg": {"as_custom_obj": {"name": f"obj_{engine}", "class_fqn": ""}}, "kind": 1},
            ],
            "outputs": [{"as_tensors": [{"name": after}]}],
            "metadata": {},
        }
        for engine, before, after in zip(engines, names[:-1], names[1:], strict=True)
    ]
    specs = [
        {"custom_obj": {"arg": {"name": f"obj_{name}", "class_fqn": ""}, "custom_obj_name": name}} for name in engines
    ]
    return {
        "graph_module": {
            "graph": {
                "inputs": [{"as_tensor": {"name": "x"}}],
                "outputs": [{"as_tensor": {"name": names[-1]}}],
                "nodes": calls,
                "tensor_values": dict.fromkeys(names, tensor),
            },
            "signature": {
                "input_specs": [*specs, {"user_input": {"arg": {"as_tensor": {"name": "x"}}}}],
                "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": names[-1]}}}}],
            },
        },
        "range_constraints": {"s77": {"min_val": 1, "max_val": 8}},
        "schema_version": {"major": 8, "minor": 20},
        "torch_version": "2.13.0",
    }


def ultralytics_engine(plan: bytes = PLAN, metadata: object = None) -> bytes:
    """A file of ultralytics' exporter."""
    told = {"description": "Ultralytics YOLO model", "task": "detect", "imgsz": [640, 640], "names": {"0": "person"}}
    text = json.dumps(told if metadata is None else metadata).encode()
    return struct.pack("<I", len(text)) + text + plan


def executorch_blob(plan: bytes = PLAN, magic: bytes = b"TR01", **changes: Any) -> bytes:
    """A blob of Torch-TensorRT's delegate for ExecuTorch; `changes` are of its header or its JSON."""
    told = {
        "io_bindings": [
            {"name": "x", "dtype": "float32", "shape": [1, 3], "is_input": True},
            {"name": "y", "dtype": "float16", "shape": [1, 2], "is_input": False},
        ],
        "hardware_compatible": True,
        "device_id": 0,
        "serialized_metadata": "",
        "target_platform": "linux_x86_64",
    }
    told |= {"aliased_io": {"y": ["x", "user"]}} if magic == b"TR02" else {}
    header: dict[str, Any] = {"metadata_offset": 32, "metadata_size": None, "plan_offset": None, "plan_size": len(plan)}
    text = json.dumps(told | {name: value for name, value in changes.items() if name not in header}).encode()
    start = (32 + len(text) + 15) // 16 * 16
    header |= {"metadata_size": len(text), "plan_offset": start}
    header |= {name: value for name, value in changes.items() if name in header}
    raw = struct.pack("<4sIIIQ8s", magic, *header.values(), b"")
    return (raw + text).ljust(start, b"\0") + plan


def executorch_program(blobs: Sequence[bytes]) -> bytes:
    """An ExecuTorch program, as far as its first bytes tell, with blobs at multiples of 16."""
    made = struct.pack("<I4s", 64, b"ET12") + bytes(56) + b"TR01 TR02 are letters too" + bytes(50)
    for blob in blobs:
        made += bytes(-len(made) % 16) + blob
    return made + bytes(40)


def varint(value: int) -> bytes:
    """A number of protobuf's."""
    made = b""
    while value >= 0x80:
        made += bytes([value & 0x7F | 0x80])
        value >>= 7
    return made + bytes([value])


def message(*fields: tuple[int, int | bytes | str]) -> bytes:
    """A message of protobuf's, of numbers, texts and messages."""
    made = b""
    for number, value in fields:
        if isinstance(value, int):
            made += varint(number << 3) + varint(value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            made += varint(number << 3 | 2) + varint(len(raw)) + raw
    return made


def context_node(name: str = "TRTKernel_0", **attributes: int | bytes | str) -> bytes:
    """An EPContext node of ONNX Runtime's."""
    given: dict[str, int | bytes | str] = {
        "embed_mode": 1,
        "ep_cache_context": PLAN,
        "source": "TensorrtExecutionProvider",
        "ep_sdk_version": "11.0.0.114",
        **attributes,
    }
    made = [
        (5, message((1, key), (3 if isinstance(value, int) else 4, value), (20, 2 if isinstance(value, int) else 3)))
        for key, value in given.items()
    ]
    return message((1, "x"), (2, "y"), (2, "z"), (3, name), (4, "EPContext"), *made, (7, "com.microsoft"))


def onnx_model(nodes: Sequence[bytes]) -> bytes:
    """An ONNX model with these nodes after a Relu."""

    def tensor(name: str) -> bytes:
        shape = message((1, message((2, "batch"))), (1, message((1, 3))))
        return message((1, name), (2, message((1, message((1, 1), (2, shape))))))

    relu = message((1, "input"), (2, "x"), (4, "Relu"))
    listed = [(1, node) for node in (relu, *nodes)]
    graph = message(*listed, (2, "main"), (11, tensor("input")), (12, tensor("y")))
    return message((1, 10), (2, "onnxruntime"), (7, graph), (8, message((1, "com.microsoft"), (2, 1))))
