"""``nacelle compile``: from a model in a file to a program with an engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from nacelle_cli.arguments import destinations
from nacelle_cli.arguments.models import load_model
from nacelle_cli.arguments.tensors import parse_described
from nacelle_cli.failures import wrong_usage
from nacelle_cli.render import output

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SIZE = re.compile(r"(\d+)\s*([KMG]?)(?:i?B)?\Z", re.IGNORECASE)

_PANEL = "Building with TensorRT"
_CACHES = "Caches"


def _flag(help_text: str, *names: str) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=_PANEL, show_default=False)


def compile(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="ONNX (.onnx), what torch.export.save wrote (.pt2; no Python of the file runs, its operators do), or "
            "TorchScript (.ts; a program, which runs).",
        ),
    ],
    destination: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="The program to write.", parser=destinations.parse)
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="[NAME=]DTYPE[SHAPE]",
            help="What the model takes, once for each input, in order: for each dimension a size (3), a range (1..16), "
            "or a range and where to be fastest (1..16:8); +\\[…] for another optimization profile; =\\[…] for the "
            "ranges of values that decide about shapes.",
        ),
    ] = None,
    backend: Annotated[
        str, typer.Option(help="Who builds: auto, tensorrt, tensorrt_rtx, reference (on the CPU).")
    ] = "auto",
    check: Annotated[
        bool, typer.Option("--check", help="Compare the program with the model before it is written.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="The engine's name. Default: the file's.")] = None,
    abi_version: Annotated[
        int | None, typer.Option("--abi", metavar="N", help="The version of the record. Default: 3, or what is needed.")
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The platform that the engine is for, such as linux_x86_64; needs version 6. Default: this machine's.",
        ),
    ] = None,
    fp16: Annotated[bool | None, _flag("Layers may compute in float16.", "--fp16")] = None,
    bf16: Annotated[bool | None, _flag("Layers may compute in bfloat16.", "--bf16")] = None,
    int8: Annotated[bool | None, _flag("Layers may compute in int8, with the model's scales.", "--int8")] = None,
    fp32_layers: Annotated[
        list[str] | None, _flag("Layers that compute in float32 all the same, by name: '/head/*'.", "--fp32-layers")
    ] = None,
    tf32: Annotated[bool | None, _flag("float32 layers may compute in TF32.", "--tf32/--no-tf32")] = None,
    strongly_typed: Annotated[
        bool | None, _flag("Layers compute in the dtypes that the model says.", "--strongly-typed")
    ] = None,
    workspace: Annotated[str | None, _flag("Scratch memory at most: 512M, 4G.")] = None,
    tactic_sources: Annotated[
        str | None, _flag("Where kernels may come from, with commas between: cublas, cublas_lt, cudnn …; or none.")
    ] = None,
    optimization_level: Annotated[int | None, _flag("0 builds fastest, 5 looks for the fastest engine.")] = None,
    avg_timing_iterations: Annotated[int | None, _flag("Measurements of each kernel; 1 builds fastest.")] = None,
    hardware_compatibility: Annotated[
        str | None, _flag("GPUs that the engine runs on: none, ampere_plus, same_compute_capability.")
    ] = None,
    version_compatible: Annotated[
        bool | None, _flag("Newer releases of the same major one can run the engine.", "--version-compatible")
    ] = None,
    exclude_lean_runtime: Annotated[
        bool | None, _flag("A version-compatible plan brings no runtime.", "--exclude-lean-runtime")
    ] = None,
    refittable: Annotated[bool | None, _flag("Weights can be replaced without a new build.", "--refittable")] = None,
    weight_stripped: Annotated[bool | None, _flag("The plan leaves weights out.", "--weight-stripped")] = None,
    max_aux_streams: Annotated[int | None, _flag("Streams beside the caller's at most.")] = None,
    profiling_verbosity: Annotated[
        str | None, _flag("What the engine tells of its layers: none, layer_names_only, detailed.")
    ] = None,
    fold_constants: Annotated[
        bool | None,
        _flag(
            "Compute constant parts of the model first, with onnxruntime. Default: where it is not built as it is.",
            "--fold-constants/--no-fold-constants",
        ),
    ] = None,
    library: Annotated[Path | None, _flag("The builder: a TensorRT library's file, or a folder with one.")] = None,
    timing_cache: Annotated[
        str | None, typer.Option(metavar="FOLDER|on", help="Keep measured times on disk.", rich_help_panel=_CACHES)
    ] = None,
    engine_cache: Annotated[
        str | None, typer.Option(metavar="FOLDER|on", help="Keep engines on disk.", rich_help_panel=_CACHES)
    ] = None,
    engine_cache_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="What that folder may hold: 4G.", rich_help_panel=_CACHES)
    ] = None,
    json: output.Json = False,
) -> None:
    r"""Make a program with an engine of a model, with whatever TensorRT is there, or for the CPU.

    A TorchScript model is loaded and its code is run: give a file that you trust.

    Example: [bold]nacelle compile resnet.onnx -o resnet.ts --input 'images=float32\[1..16:8,3,224,224]' --fp16[/bold]
    """
    given = {
        "fp16": fp16,
        "bf16": bf16,
        "int8": int8,
        "fp32_layers": fp32_layers or None,
        "tf32": tf32,
        "strongly_typed": strongly_typed,
        "workspace": _size("--workspace", workspace),
        "tactic_sources": _listed(tactic_sources),
        "optimization_level": optimization_level,
        "avg_timing_iterations": avg_timing_iterations,
        "hardware_compatibility": hardware_compatibility,
        "version_compatible": version_compatible,
        "exclude_lean_runtime": exclude_lean_runtime,
        "timing_cache": _cache(timing_cache),
        "engine_cache": _cache(engine_cache),
        "engine_cache_size": _size("--engine-cache-size", engine_cache_size),
        "refittable": refittable,
        "weight_stripped": weight_stripped,
        "max_aux_streams": max_aux_streams,
        "profiling_verbosity": profiling_verbosity,
        "fold_constants": fold_constants,
        "library": library,
    }
    described = [parse_described(text) for text in inputs or ()]
    destinations.check(destination)
    import torch

    import torch_nacelle as nacelle
    from torch_nacelle._programs.arguments import forward_schema
    from torch_nacelle._programs.program import Program

    options: Any = {option: value for option, value in given.items() if value is not None}
    choice: Any = backend  # nacelle.compile knows the backends
    loaded = load_model(model)
    if not described and isinstance(loaded, torch.jit.ScriptModule):
        names = [argument.name for argument in forward_schema(loaded).arguments[1:]]
        wrong_usage(
            f"a TorchScript model does not tell what it takes: give --input for each of {', '.join(names)}, for "
            f"instance --input '{names[0] if names else 'x'}=float32[1..16:8,3,224,224]'"
        )
    program = nacelle.compile(
        loaded,
        [one.to_input() for one in described] or None,
        backend=choice,
        check=check,
        name=name or (None if isinstance(loaded, Path) else _identifier(model.stem)),
        abi_version=abi_version,
        platform=platform,
        **options,
    )
    Program(program).save(destination)
    (engine,) = nacelle.read(program).engines
    if json:
        facts = {"path": engine.path, "plan_release": engine.plan_release, "plan_size": engine.plan_size}
        output.print_json({"output": str(destination), "checked": check, "engine": facts}, beside=destination)
        return
    output.stdout(beside=destination).print(
        f"wrote {destination}: {engine.path}, {engine.plan_release}, {output.size_text(engine.plan_size)}"
        + (", computes what the model computes" if check else "")
    )


def _size(option: str, text: str | None) -> int | None:
    """Bytes: ``"4G"`` is 4 times 2 to the 30."""
    if text is None:
        return None
    match = _SIZE.match(text.strip())
    if match is None:
        wrong_usage(f"{option} takes a number of bytes, such as 512M or 4G; found {text!r}")
    return int(match.group(1)) * _UNITS[match.group(2).upper()]


def _listed(text: str | None) -> list[str] | None:
    if text is None:
        return None
    return [] if text == "none" else [part.strip() for part in text.split(",")]


def _cache(text: str | None) -> bool | Path | None:
    if text is None:
        return None
    return True if text == "on" else Path(text)


def _identifier(stem: str) -> str:
    """A file's name as the name of an engine."""
    name = re.sub(r"\W", "_", stem, flags=re.ASCII)
    if not name.strip("_"):
        return "engine"
    return f"_{name}" if name[0].isdigit() else name


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("compile")(compile)
