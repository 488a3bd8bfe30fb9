"""Programs and plans that the commands are tried on."""

from __future__ import annotations

import base64
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

import torch_nacelle as nacelle
from tests.py.networks import Detector, TwoHeads, seeded

TWO_HEADS_PLAN = Path("tests/data/two_heads/two_heads.trt8.5.3.1.sm90.plan")
X = torch.rand(1, 3, 8, 8)
# No machine has it.
NO_GPU = "3%99%9%0%No such GPU"


def hybrid(path: Path) -> None:
    """A program whose backbone is a reference engine."""
    program = nacelle.compile(seeded(Detector), {"backbone": [nacelle.Input(min=(1, 3, 8, 8), max=(4, 3, 8, 8))]})
    torch.jit.save(program, str(path), _extra_files={"notes.txt": "kept"})


def model_files(folder: Path) -> None:
    """``original.ts``, a model; ``model.ts``, the program with its engine "net"; ``net.plan``, that engine's plan."""
    model = torch.jit.script(seeded(TwoHeads))
    torch.jit.save(model, str(folder / "original.ts"))
    nacelle.compile(model, [X], backend="reference", name="net").save(str(folder / "model.ts"))
    nacelle.extract(folder / "model.ts", "net", folder / "net.plan")


def for_gpu(path: Path) -> None:
    """A program with a TensorRT plan for a GPU that is nowhere, all fields of its record set."""
    module = nacelle.embed(
        TWO_HEADS_PLAN.read_bytes(),
        name="net",
        device=NO_GPU,
        abi_version=10,
        input_names=["input_0"],
        output_names=["boxes", "scores"],
        hardware_compatible=True,
    )
    module.save(str(path))


def held_in_containers(path: Path) -> None:
    """A program that holds one engine in a list, a dict and a tuple."""
    engine_type = torch.classes.tensorrt.Engine
    program = nacelle.embed(nacelle.build_engine(seeded(TwoHeads), [X]))

    class Holder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            engine = program.engine_trt_engine
            self.listed: list[engine_type] = torch.jit.annotate(list[engine_type], [engine, engine])  # type: ignore[valid-type]
            self.named: dict[str, engine_type] = {'a"b.c': engine, "x": engine}  # type: ignore[valid-type]
            self.paired: tuple[engine_type, int] = (engine, 3)  # type: ignore[valid-type]

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            outputs: list[torch.Tensor] = torch.ops.tensorrt.execute_engine([x], self.listed[0])
            return outputs

    torch.jit.script(Holder()).save(str(path))


def whole(path: Path, name: str = "net") -> None:
    """A program that is one reference engine, with dynamic shapes."""
    images = nacelle.Input(min=(1, 3, 8, 8), opt=(2, 3, 8, 8), max=(4, 3, 16, 16))
    nacelle.compile(seeded(TwoHeads), [images], name=name).save(str(path))


def short_string(text: bytes) -> bytes:
    """A string as torch pickles it."""
    return b"X" + struct.pack("<I", len(text)) + text


def long_string(text: bytes) -> bytes:
    """A string as torch pickles those of 4 GiB and more."""
    return b"\x8d" + struct.pack("<Q", len(text)) + text


def replace_record(
    program: Path, fields: Sequence[bytes], path: Path, string: Callable[[bytes], bytes] = short_string
) -> None:
    """Copies a program that has one engine, with other fields in its record."""
    with zipfile.ZipFile(program) as archive, zipfile.ZipFile(path, "w") as out:
        for item in archive.infolist():
            content = archive.read(item)
            if item.filename.endswith("/data.pkl"):
                start = content.index(b"(", content.index(b"restore_type_tag\n"))
                end = content.index(b"eX\x09\x00\x00\x00List[str]")
                content = content[:start] + b"(" + b"".join(map(string, fields)) + content[end:]
            out.writestr(item.filename, content)


def large(small: Path, path: Path, plan_size: int) -> None:
    """Copies a program that has one engine, with a plan of many bytes."""
    plan = b"ftrt" + bytes(20) + bytes([11, 0, 0, 114])
    plan += bytes(range(256)) * ((plan_size - len(plan)) // 256)
    fields = [b"9", b"net", b"0%9%0%0%NVIDIA H100 80GB HBM3", base64.b64encode(plan), b"x", b"y", b"0", b""]
    replace_record(small, [*fields, b"linux_x86_64", b"0", b"0", b"0"], path)
