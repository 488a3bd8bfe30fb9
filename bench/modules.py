"""Measures the host time of a call in each kind of program: bazel run //bench:modules.

An engine that returns from a run at once (idle_engine.cc) is called as TorchScript, through torch.ops, as an
EngineModule, under torch.compile, and exported. Beside it stands one operator of torch in the same kind of program. So
the difference is the engine's share, and the rest is torch's. Two more rows time the guards that torch.compile checks
before each call, and the part of them that asks the engine for its identity.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch._dynamo.eval_frame import _debug_get_cache_entry_list

import torch_nacelle as nacelle
from bench.overhead import OneOutput, idle_engines, median_us

BATCHED = nacelle.Input(min=(1, 16), opt=(2, 16), max=(8, 16))
X = torch.ones(2, 16)


class OneOperator(torch.nn.Module):
    """One operator of torch, called as EngineModule calls an engine."""

    def forward(self, *inputs: torch.Tensor, **named: torch.Tensor) -> torch.Tensor:
        """The negative of the input."""
        return torch.neg(inputs[0])


@dataclass(frozen=True)
class Row:
    """Two calls to time: with an engine, and with one operator of torch instead, if there is such a thing."""

    name: str
    engine: Callable[[torch.Tensor], object]
    torchs: Callable[[torch.Tensor], object] | None = None


def compiled(module: torch.nn.Module, backend: str) -> Callable[[torch.Tensor], object]:
    """A module under torch.compile, compiled."""
    call = torch.compile(module, backend=backend, fullgraph=True)
    call(X)
    return call


def guards(module: torch.nn.Module) -> Callable[[torch.Tensor], object]:
    """The check of the guards of a module that was compiled."""
    (entry,) = _debug_get_cache_entry_list(type(module).forward.__code__)
    check: Callable[[dict[str, object]], bool] = entry.guard_manager.check
    arguments = {"self": module, "inputs": (X,), "named": {}}

    def checked(_: torch.Tensor) -> bool:
        if not check(arguments):  # a refusal takes less time, and would be measured for a check
            raise RuntimeError("the guards refuse the arguments that the module was compiled with")
        return True

    checked(X)
    return checked


def rows() -> list[Row]:
    """The calls, of which those under torch.compile are compiled."""
    with idle_engines():
        program = nacelle.compile(OneOutput(), [BATCHED], backend="reference")
        module = nacelle.EngineModule(program)
    operator = OneOperator()
    engine = module.engine
    execute = torch.ops.tensorrt.execute_engine
    found = [
        Row("TorchScript", program, torch.jit.freeze(torch.jit.trace(operator.eval(), X))),
        Row("torch.ops", lambda x: execute([x], engine), torch.ops.aten.neg),
        Row("nn.Module", module, operator),
        Row("exported", *(torch.export.export(one, (X,)).module() for one in (module, operator))),
    ]
    for backend in ("eager", "aot_eager", "inductor"):
        torch._dynamo.reset()
        found.append(Row(f"torch.compile, {backend}", *(compiled(one, backend) for one in (module, operator))))
    found.append(Row("guards of torch.compile", guards(module), guards(operator)))
    flatten: Callable[[], object] = engine.__obj_flatten__  # type: ignore[attr-defined]
    found.append(Row("the engine's identity", lambda _: flatten()))
    return found


def main(
    seconds: float = typer.Option(2.0, help="How long to run each call."),
    rounds: int = typer.Option(
        10, help="Rounds of each call, of which the one that was disturbed least counts.", min=1
    ),
) -> None:
    """Prints the host time of a call in each kind of program, and that of the guards."""
    started = nacelle.conditions()
    torch.set_num_threads(1)  # as the timer does, which the guards compare
    table = Table("call", "engine, µs", "one operator of torch, µs", title="Host time per call")
    with torch.no_grad():
        for row in rows():
            times = [
                "" if call is None else f"{min(median_us(call, X, seconds / rounds) for _ in range(rounds)):.1f}"
                for call in (row.engine, row.torchs)
            ]
            table.add_row(row.name, *times)
    console = Console()
    console.print(table)
    console.print(started, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
