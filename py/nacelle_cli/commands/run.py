"""``nacelle run`` calls a program once, and shows and writes its outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacelle_cli import files
from nacelle_cli.arguments.destinations import check, check_folder, parse_or_folder
from nacelle_cli.arguments.tensors import parse_given, tensors_of, torch_device
from nacelle_cli.failures import CommandError, wrong_usage
from nacelle_cli.packages import need
from nacelle_cli.render import output

if TYPE_CHECKING:
    import torch

ProgramFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="A program: TorchScript, an exported program (.pt2, .ep), or an AOTInductor package."
    ),
]
GivenInputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="[NAME=]VALUE",
        help="FILE.npy, FILE.npz:KEY, or random, zeros, ones with :DTYPE\\[SHAPE]. Repeatable. Left out: random, of "
        "the dtype and shape that the program or its engines want.",
    ),
]
Device = Annotated[
    str | None, typer.Option(help="Where to run it: cpu, cuda, cuda:1. Default: where the program wants to be.")
]
Seed = Annotated[int, typer.Option(help="For random inputs: the same number gives the same values.")]


def run(
    file: ProgramFile,
    given: GivenInputs = None,
    destination: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Where to write the outputs: a .npz file, a .npy file if there is one output, or a folder; a device "
            "or a pipe gets what a .npz file has.",
            parser=parse_or_folder,
        ),
    ] = None,
    device: Device = None,
    seed: Seed = 0,
    json: output.Json = False,
) -> None:
    r"""Call a program once; print its outputs, and write them with --output.

    This runs the code of the file: give a file that you trust. Of an exported program it runs torch's operators and
    engines alone; an AOTInductor package is machine code.

    Example: [bold]nacelle run model.ts --input x=photo.npy --output scores.npz[/bold]

    Example: [bold]nacelle run model.ts --input 'x=random:float32\[1,3,224,224]'[/bold]
    """
    sources = [parse_given(text) for text in given or ()]
    _check_destination(destination)
    import torch

    import torch_nacelle as nacelle

    where = torch_device(device) if device is not None else None
    program = nacelle.load(file, where)
    if where is not None and isinstance(program, torch.jit.ScriptModule):
        nacelle.to(program, where)  # loading has moved its tensors alone
    where = where or nacelle.device_of(program)
    inputs = tensors_of(sources, program, seed)
    with torch.inference_mode(), calling(file):
        result = nacelle.call(program, {name: tensor.to(where) for name, tensor in inputs.items()})
    outputs = dict(flattened(result))
    if destination is not None:
        _write(outputs, destination)
    _print(inputs, outputs, destination, str(where), as_json=json)


@contextmanager
def calling(file: Path) -> Iterator[None]:
    """Turns an exception of a program's own operations, or of its asserts, into a message."""
    import torch

    import torch_nacelle as nacelle

    try:
        yield
    except nacelle.Error:
        raise
    except (RuntimeError, torch.jit.Error, AssertionError, LookupError, TypeError, ValueError) as error:
        raise CommandError(f"{file} failed: {str(error).strip() or type(error).__name__}") from error


def flattened(value: Any, name: str = "output") -> list[tuple[str, Any]]:
    """The tensors and other values of a result, each with a name: ``output``, or ``output_0``, ``output_1.scores``."""
    if isinstance(value, Mapping):
        named = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        fields = getattr(value, "_fields", range(len(value)))  # of a namedtuple
        named = [(str(key), item) for key, item in zip(fields, value, strict=True)]
    elif is_dataclass(value) and not isinstance(value, type):
        named = [(field.name, getattr(value, field.name)) for field in fields_of(value)]
    else:
        return [(name, value)]
    joint = "_" if name == "output" else "."
    return [found for key, item in named for found in flattened(item, f"{name}{joint}{key}")]


def _check_destination(destination: Path | None) -> None:
    if destination is None:
        return
    format = _format(destination)
    if format not in (".npz", ".npy", ""):
        wrong_usage(f"outputs are written as .npz, .npy or into a folder, found {destination}")
    if format:
        check(destination)
    else:
        check_folder(destination)


def _format(destination: Path) -> str:
    """The end of the name, which tells the format; empty for a folder."""
    format = destination.suffix
    return ".npz" if not format and files.is_stream(destination) else format


def _write(outputs: Mapping[str, Any], destination: Path) -> None:
    """Writes the tensors; every file is whole at any time."""
    np = need("numpy", f"{destination} is written with")

    arrays = {name: _array(value) for name, value in outputs.items()}
    arrays = {name: array for name, array in arrays.items() if array is not None}
    format = _format(destination)
    if format == ".npz":
        with files.replacing(destination) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)
        return
    if format == ".npy" and len(arrays) != 1:
        raise CommandError(
            f"a .npy file holds one array, and there are {len(arrays)} outputs ({', '.join(arrays) or 'none'}): "
            "write a .npz file or into a folder"
        )
    if format == "":
        destination.mkdir(exist_ok=True)
    for name, array in arrays.items():
        path = destination if format == ".npy" else destination / f"{name.replace('/', '_')}.npy"
        with files.replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, array)


def _array(value: Any) -> Any:
    """The tensor as a numpy array; None for dtypes that are no numbers. Dtypes that numpy lacks become float32."""
    import torch

    if isinstance(value, bool | int | float):
        value = torch.tensor(value)
    if not isinstance(value, torch.Tensor):
        return None
    value = value.detach().cpu()
    try:
        return value.numpy()
    except TypeError:
        return value.float().numpy()


def _print(
    inputs: Mapping[str, torch.Tensor],
    outputs: Mapping[str, Any],
    destination: Path | None,
    device: str,
    *,
    as_json: bool,
) -> None:
    facts = {name: statistics(value) for name, value in outputs.items()}
    if as_json:
        shapes = {name: {"dtype": _dtype(one), "shape": list(one.shape)} for name, one in inputs.items()}
        written = str(destination) if destination is not None else None
        output.print_json(
            {"device": device, "inputs": shapes, "outputs": facts, "written": written}, beside=destination
        )
        return
    from rich.table import Table

    table = Table("output", "dtype", "shape", "min", "mean", "max", "std", box=None, pad_edge=False)
    for name, fact in facts.items():
        if "value" in fact:
            table.add_row(name, str(fact["type"]), "", str(fact["value"]))
            continue
        figures = [fact[key] for key in ("min", "mean", "max", "std")]
        shown = ["" if figure is None else f"{figure:.6g}" for figure in figures]
        odd = f"{fact['nan']} NaN, {fact['inf']} infinite" if fact["nan"] or fact["inf"] else ""
        table.add_row(name, str(fact["dtype"]), str(fact["shape"]), *shown, odd)
    console = output.stdout(beside=destination)
    console.print(table)
    if destination is not None:
        console.print(f"wrote {destination}")


def statistics(value: Any) -> dict[str, Any]:
    """The facts about an output: its dtype, shape and figures over its finite elements; a value that is no tensor."""
    import torch

    if not isinstance(value, torch.Tensor):
        return {"type": type(value).__name__, "value": value if isinstance(value, bool | int | float) else str(value)}
    fact: dict[str, Any] = {"dtype": _dtype(value), "shape": list(value.shape)}
    numbers = value.detach().cpu()
    numbers = numbers.abs() if numbers.is_complex() else numbers
    numbers = numbers.double().flatten()
    finite = numbers[torch.isfinite(numbers)]
    figures = dict.fromkeys(("min", "mean", "max", "std")) | (
        {
            "min": float(finite.min()),
            "mean": float(finite.mean()),
            "max": float(finite.max()),
            "std": float(finite.std(correction=0)),
        }
        if finite.numel()
        else {}
    )
    return fact | figures | {"nan": int(numbers.isnan().sum()), "inf": int(numbers.isinf().sum())}


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("run")(run)
