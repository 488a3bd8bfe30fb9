"""The small programs and plans that cases are made from."""

from __future__ import annotations

import enum
from pathlib import Path

import torch

import torch_nacelle as nacelle
from tests.py import container_files
from tests.py.zip_files import Entry, entries_of, written

PLANS = Path("tests/data/two_heads")


class Color(enum.Enum):
    """A class that a program's pickle calls."""

    RED = 1
    BLUE = 2


class Small(torch.nn.Module):
    """A module with values of many kinds, methods that call each other, and constants in its code."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)
        self.inner = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Sequential(torch.nn.Sigmoid()))
        self.register_buffer("mean", torch.zeros(2, dtype=torch.float16))
        self.words: dict[str, int] = {"a": 1, "bc": -(1 << 40)}
        self.numbers: list[float] = [0.5, 1e300]
        self.pair: tuple[int, str] = (7, "text")
        self.device = torch.device("cpu")
        self.color = Color.BLUE

    def helper(self, x: torch.Tensor, scale: float = 2.0) -> torch.Tensor:
        """A method beside forward."""
        return torch.relu(self.linear(x)) * scale

    def forward(self, x: torch.Tensor, names: list[str] | None = None) -> dict[str, torch.Tensor]:
        """Calls operators in a loop and on both sides of a branch."""
        total = torch.zeros(2)
        for i in range(3):
            if x.sum() > 0:
                total = total + self.helper(x)
                total = total.abs()
            else:
                total = total - self.inner(self.helper(x, 3.0)) * i
        if names is not None:
            print(len(names), "names\\n")
        return {"total": total}


def make(folder: Path) -> None:
    """Writes the samples into a folder."""
    torch.manual_seed(0)
    torch.jit.script(Small()).save(str(folder / "small.ts"), _extra_files={"notes.txt": "kept", "a/b": "c" * 300})
    plan = nacelle.build_engine(torch.nn.Sequential(torch.nn.Linear(3, 2)), [nacelle.Input(min=(1, 3), max=(4, 3))])
    (folder / "reference.plan").write_bytes(plan)
    nacelle.embed(plan, name="net").save(str(folder / "engine.ts"))
    short = b"ftrt" + bytes(20) + bytes([11, 0, 0, 114]) + bytes(40)
    (folder / "short.plan").write_bytes(short)
    module = nacelle.embed(
        short,
        name="net",
        device="0%9%0%0%NVIDIA H100 80GB HBM3",
        abi_version=10,
        input_names=["x"],
        output_names=["y", "z"],
    )
    module.save(str(folder / "record.ts"))
    engines = {"a": container_files.custom_object(container_files.record()), "b": container_files.custom_object([])}
    opaque = {str(i): container_files.opaque_object(container_files.record(), i) for i in (2, 4)}
    blobs = [container_files.executorch_blob(magic=magic) for magic in (b"TR01", b"TR02")]
    nodes = [container_files.context_node(), container_files.context_node(embed_mode=0, ep_cache_context="short.plan")]
    files = {
        "custom.pt2": written(container_files.exported_program(engines)),
        "opaque.pt2": written(container_files.exported_program(opaque, "opaque")),
        "package.pt2": written(container_files.aotinductor_package(engines)),
        "model.onnx": container_files.onnx_model(nodes),
        "ultralytics.engine": container_files.ultralytics_engine(),
        "blobs.pte": container_files.executorch_program(blobs),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    for path in sorted(PLANS.glob("*.plan")) if PLANS.exists() else []:
        (folder / path.name).write_bytes(path.read_bytes())


def read(folder: Path) -> tuple[dict[str, list[Entry]], dict[str, bytes], dict[str, bytes]]:
    """The members of each program, the bytes of each plan, and those of other files, by file name."""
    found = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    programs = {name: entries_of(path) for name, path in found.items() if path.suffix in (".ts", ".pt2")}
    plans = {name: path.read_bytes() for name, path in found.items() if path.suffix == ".plan"}
    others = {name: path.read_bytes() for name, path in found.items() if path.suffix in (".onnx", ".engine", ".pte")}
    return programs, plans, others
