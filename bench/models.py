"""Builds networks that users run, checks the programs, and measures them against eager PyTorch and torch.compile.

    bazel run --config=local_torch //bench:models -- [--backend tensorrt] [--networks ResNet-18 …] [--output TABLE.md]

For each network and precision: nacelle.compile with check=True (the relative error against the module, for min, opt and
max of the profile), save, a fresh process that loads the program and calls it once (compared again), then the latency
of a call that is waited for: the program, the module in eager mode, and torch.compile of it, in the same process one
after the other, the median of many. A network that comes as an ONNX file is compared to onnxruntime, and has no module
to measure. TensorRT has to be installed with its ONNX parser, and torchvision for the networks that come from it.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

import torch_nacelle as nacelle
from bench.networks import NETWORKS, Network, Precision
from examples.common.fresh_process import run_in_fresh_process
from examples.common.onnxruntime_model import OnnxRuntimeModel

COLUMNS = ("network", "precision", "batch", "build s", "plan MiB", "error", "fresh process", "program ms", "eager ms",
           "torch.compile ms")  # fmt: skip

PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class Row:
    """The measurements of one engine."""

    network: str
    precision: str
    batch: int
    build_seconds: float
    plan_bytes: int
    error: float
    fresh_error: float
    program_ms: float
    eager_ms: float | None
    compiled_ms: float | None

    def cells(self) -> list[str]:
        """The values as text, in the order of COLUMNS."""
        eager, compiled = ("-" if ms is None else f"{ms:.3f}" for ms in (self.eager_ms, self.compiled_ms))
        return [
            self.network,
            self.precision,
            str(self.batch),
            f"{self.build_seconds:.1f}",
            f"{self.plan_bytes / 2**20:.1f}",
            f"{self.error:.1e}",
            f"{self.fresh_error:.1e}",
            f"{self.program_ms:.3f}",
            eager,
            compiled,
        ]


def options_for(network: Network, precision: str, asked: argparse.Namespace) -> dict[str, object]:
    """The build options of a network in a precision."""
    if asked.backend == "reference":
        return {}
    # Tactic sources: none but TensorRT's own kernels, so that cuBLAS and cuDNN of its release need not be there.
    options: dict[str, object] = {"tf32": precision == "tf32", "fp16": precision == "fp16", "tactic_sources": []}
    if precision == "fp16" and network.fp32_layers:
        options |= {"fp32_layers": network.fp32_layers, "tf32": True}
    return options if asked.avg_timing is None else options | {"avg_timing_iterations": asked.avg_timing}


def relative_error(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """The largest over the outputs of max |a - b| / max |b|."""
    assert len(found) == len(wanted)
    return max(
        ((a.cpu().double() - b.cpu().double()).abs().max() / b.cpu().double().abs().max()).item()
        for a, b in zip(found, wanted, strict=True)
    )


def as_list(result: object) -> list[Tensor]:
    """A module's result as a list of tensors."""
    return list(result) if isinstance(result, (tuple, list)) else [result]  # type: ignore[list-item]


def median_ms(call: Callable[[], object], device: str, seconds: float = 1.0) -> float:
    """The median time of a call that is waited for, in milliseconds."""

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    for _ in range(10):
        call()
    wait()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 10:
        start = time.perf_counter()
        call()
        wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def set_tf32(allowed: bool) -> None:
    """Allows PyTorch itself to use TF32, or forbids it."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def measure(name: str, precision: Precision, asked: argparse.Namespace, folder: Path) -> Row:
    """Builds, checks and measures one engine, as the command line asks."""
    network = NETWORKS[name]
    backend = asked.backend
    torch.manual_seed(0)
    device = "cpu" if backend == "reference" else "cuda"
    made = network.make()
    model = made.to(device) if isinstance(made, nn.Module) else made
    set_tf32(False)
    start = time.perf_counter()
    options: Any = {"backend": backend, **options_for(network, precision, asked)}
    program = nacelle.compile(model, network.inputs, **options)
    build_seconds = time.perf_counter() - start
    if backend == "tensorrt" and any(one.dtype == torch.int64 for one in network.inputs):
        nacelle.configure(program, convert_inputs=True)
    report = nacelle.check(program, model, network.inputs, precision=precision)
    values = [value.to(device) for value in network.values(network.batch)]
    original = model if isinstance(model, nn.Module) else OnnxRuntimeModel(model)
    with torch.no_grad():
        wanted = [tensor.cpu() for tensor in as_list(original(*values))]
    path = folder / "program.ts"
    program.save(str(path))
    engine_inputs = [value.int() if value.dtype == torch.int64 and backend == "tensorrt" else value for value in values]
    fresh = run_in_fresh_process(path, engine_inputs, device)
    fresh_error = relative_error(fresh.outputs, wanted)
    if fresh_error > report.threshold:
        raise SystemExit(f"{name} {precision}: a fresh process is off by {fresh_error:.1e}")
    eager_ms = compiled_ms = None
    with torch.inference_mode():
        program_ms = median_ms(lambda: program(*engine_inputs), device)
        if isinstance(model, nn.Module):
            eager, eager_values = _as_precision(model, values, precision)
            eager_ms = median_ms(lambda: eager(*eager_values), device)
            if not asked.no_compile:
                compiled = torch.compile(eager)
                compiled_ms = median_ms(lambda: compiled(*eager_values), device)
                torch._dynamo.reset()
    set_tf32(False)
    plan_bytes = nacelle.Program(program).engines[0].plan_size
    mixed = f", {' '.join(network.fp32_layers)} in float32 or TF32" if "fp32_layers" in options else ""
    return Row(name, precision + mixed, network.batch, build_seconds, plan_bytes, report.worst.comparison.error,
               fresh_error, program_ms, eager_ms, compiled_ms)  # fmt: skip


def _as_precision(module: nn.Module, values: list[Tensor], precision: str) -> tuple[nn.Module, list[Tensor]]:
    """The module as PyTorch computes in a precision."""
    set_tf32(precision == "tf32")
    if precision != "fp16":
        return module, values
    return module.half(), [value.half() if value.is_floating_point() else value for value in values]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures what is asked for and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="tensorrt", choices=("tensorrt", "tensorrt_rtx", "reference"))
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--avg-timing", type=int, help="measurements of each kernel; see avg_timing_iterations")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--output", type=Path, help="also write the table, as Markdown")
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    failed = []
    for name in options.networks:
        for precision in [p for p in NETWORKS[name].precisions if p in options.precisions]:
            print(f"{name} {precision} …", file=sys.stderr, flush=True)
            try:
                with tempfile.TemporaryDirectory() as folder:
                    rows.append(measure(name, precision, options, Path(folder)))
            except nacelle.Error as error:
                failed.append(f"{name} {precision}: {type(error).__name__}: {error}")
                print(failed[-1], file=sys.stderr, flush=True)
            _write(rows, failed, options.output)
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*row.cells())
    Console(width=160).print(table)
    return 1 if failed else 0


def _write(rows: Sequence[Row], failed: Sequence[str], path: Path | None) -> None:
    if path is None:
        return
    lines = [COLUMNS, tuple("---" for _ in COLUMNS), *(tuple(row.cells()) for row in rows)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    notes = "".join(f"\n- {failure}\n" for failure in failed)
    path.write_text(table + notes, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
