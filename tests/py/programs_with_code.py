"""Programs that bring code which torch.jit.load runs: each writes a file when it is loaded."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import torch

import torch_nacelle as nacelle
from tests.py.networks import TwoHeads, seeded

X = torch.rand(1, 3, 8, 8)
# TorchScript that makes a file of the given path with four bytes "A" in it.
_WRITE = 'torch.fill_(torch.from_file("{mark}", True, 4, dtype=0), 65)'


def _engine() -> torch.jit.ScriptModule:
    return nacelle.embed(nacelle.build_engine(seeded(TwoHeads), [X]), name="net", abi_version=9)


def _with_state(mark: Path) -> torch.nn.Module:
    """A module whose state a method of its own restores."""

    class WithState(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mark = str(mark)
            self.first_byte = 0
            self.training = False

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

        @torch.jit.export
        def __getstate__(self) -> tuple[str, bool]:
            return self.mark, self.training

        @torch.jit.export
        def __setstate__(self, state: tuple[str, bool]) -> None:
            self.mark = state[0]
            self.training = state[1]
            self.first_byte = int(torch.from_file(self.mark, True, 4, dtype=torch.uint8).fill_(65)[0])

    return WithState()


class _Holder(torch.nn.Module):
    def __init__(self, first: torch.nn.Module) -> None:
        super().__init__()
        self.first = first
        self.net = _engine()
        self.size = 3

    def forward(self, x: torch.Tensor, more: int = 5) -> list[torch.Tensor]:
        scores, boxes = self.net(self.first(x))
        return [scores, boxes * more]


def module_with_state(path: Path, mark: Path) -> None:
    torch.jit.script(_Holder(_with_state(mark))).save(str(path))


def outermost_with_state(path: Path, mark: Path) -> None:
    class Outermost(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mark = str(mark)
            self.first_byte = 0
            self.engine = _engine().net_trt_engine
            self.training = False

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            return torch.ops.tensorrt.execute_engine([x], self.engine)

        @torch.jit.export
        def __getstate__(self) -> tuple[str, torch.classes.tensorrt.Engine, bool]:  # type: ignore[name-defined]
            return self.mark, self.engine, self.training

        @torch.jit.export
        def __setstate__(self, state: tuple[str, torch.classes.tensorrt.Engine, bool]) -> None:  # type: ignore[name-defined]
            self.mark = state[0]
            self.engine = state[1]
            self.training = state[2]
            self.first_byte = int(torch.from_file(self.mark, True, 4, dtype=torch.uint8).fill_(65)[0])

    torch.jit.script(Outermost()).save(str(path))


def _with_source(path: Path, change: Callable[[str, str], str]) -> None:
    """Saves a program whose source code is changed as `change` says; it gets the code and the prefix of its names."""
    plain = path.with_suffix(".plain")
    torch.jit.script(_Holder(torch.nn.Identity())).save(str(plain))
    changed = False
    with zipfile.ZipFile(plain) as archive, zipfile.ZipFile(path, "w") as out:
        for item in archive.infolist():
            content = archive.read(item)
            if item.filename.endswith(".py") and b"more: int=5" in content:
                module = item.filename.partition("/code/")[2].removesuffix(".py").replace("/", ".")
                content = change(content.decode(), module).encode()
                changed = True
            if not item.filename.endswith(".debug_pkl"):
                out.writestr(item.filename, content)
    assert changed
    plain.unlink()


def computed_default(path: Path, mark: Path) -> None:
    write = _WRITE.format(mark=mark)
    _with_source(path, lambda source, _: source.replace("more: int=5", f"more: int=int({write}[0])"))


def computed_constant(path: Path, mark: Path) -> None:
    write = _WRITE.format(mark=mark)
    _with_source(
        path,
        lambda source, _: source.replace("  size : int\n", f"  size : int\n  more : Final[int] = int({write}[0])\n"),
    )


def computed_default_of_a_function(path: Path, mark: Path) -> None:
    write = _WRITE.format(mark=mark)
    function = f"def helper(x: Tensor, y: int=int({write}[0])) -> Tensor:\n  return torch.add(x, y)\n"

    def change(source: str, module: str) -> str:
        return function + source.replace(
            "    net = self.net\n", f"    x0 = {module}.helper(x, 1)\n    net = self.net\n"
        )

    _with_source(path, change)


def computed_default_on_two_lines(path: Path, mark: Path) -> None:
    """The same in a form that torch.jit.save does not write."""
    write = _WRITE.format(mark=mark)
    _with_source(path, lambda source, _: source.replace("more: int=5", f"more: int=\\\n      int({write}[0])"))


ALL = (
    module_with_state,
    outermost_with_state,
    computed_default,
    computed_constant,
    computed_default_of_a_function,
    computed_default_on_two_lines,
)
