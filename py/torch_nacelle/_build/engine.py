"""Builds the plan of an engine from a model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from typing_extensions import Unpack

from torch_nacelle import _C
from torch_nacelle._build.builders import Backend, Choice, choose_builder, tell
from torch_nacelle._build.flattening import FlatModule, flattened
from torch_nacelle._build.onnx import EXPORTERS
from torch_nacelle._build.option_types import BuildOptions
from torch_nacelle._build.options import check_options_for_reference
from torch_nacelle._build.progress import Display, display
from torch_nacelle._build.reference import build_reference
from torch_nacelle._build.tensorrt import build_from_some_model
from torch_nacelle._build.torchscript import scripted
from torch_nacelle._models.sources import InputDescriptions, Model, bind, cuda_device, names_of_outputs
from torch_nacelle._models.state import refuse_global_hooks
from torch_nacelle._programs.structures import Call, Structure
from torch_nacelle._runtime import checks
from torch_nacelle._runtime.input import Input, dtype_name
from torch_nacelle._runtime.torch_state import torch_defaults
from torch_nacelle.errors import InputError

Method: TypeAlias = Literal["auto", "script", "trace"]

METHODS: tuple[str, ...] = ("auto", "script", "trace")


def build_engine(
    model: Model,
    inputs: InputDescriptions | None = None,
    *,
    backend: Backend = "auto",
    name: str = "engine",
    output_names: Sequence[str] | None = None,
    data_dependent: Sequence[str] = (),
    method: Method = "auto",
    progress: bool | None = None,
    **options: Unpack[BuildOptions],
) -> bytes:
    """Builds an engine that computes what `model` computes, and returns its plan.

    The plan holds a copy of the model in eval mode, weights included; `model` is left as it is.

    Args:
        model: An ``nn.Module``, a ``ScriptModule``, an ``ExportedProgram`` of torch.export, or an ONNX model, as a path
            or as bytes. For the reference engine it is on the CPU, for the others on any one device. Its forward takes
            and returns tensors, or structures of some that torch's pytree knows: tuples, lists, dicts, namedtuples,
            registered classes. The engine's tensors are their leaves.
        inputs: The model's inputs: tensors (their dtype and exact shape) or ``Input``, in a list by position, or in a
            dict by the names of forward's parameters. An argument that is a structure has them in place of its
            tensors; None stays None, and a number or a text given by name stays what it is. Parameters that are not
            given keep their defaults. Left out: the inputs that the model itself states, if it is an ONNX model or an
            ``ExportedProgram`` with fixed shapes.
        backend: ``"tensorrt"``; ``"tensorrt_rtx"``; ``"reference"``, the reference engine, which runs on the CPU; or
            ``"auto"``: TensorRT if a CUDA device and a builder are found, else the reference engine. The logger
            ``torch_nacelle`` says which it took, at level INFO, and so does the terminal.
        name: The engine's name.
        output_names: The outputs' names; left out, ``output_0``, ``output_1`` …, the keys in the structure that the
            model returns (``logits``, ``states.0``), or those of the ONNX model.
        data_dependent: Names of outputs whose shape follows from the inputs' values, for the reference engine. Its
            builder tries the module and finds most of them; name the others. TensorRT finds all.
        method: The way to turn an ``nn.Module`` into a graph. ``"script"`` keeps control flow; ``"trace"`` follows one
            run with made-up inputs; ``"auto"`` tries one after the other, whichever step fails, and torch.export as the
            last: script first for the reference engine, trace first for the others. It takes what computes the same as
            the model at min, opt and max of every shape range.
        progress: True if a terminal shows progress; None: if standard error is a terminal.
        options: See ``BuildOptions``.

    Returns:
        The plan. The reference engine's is the same bytes for the same model, weights and arguments.

    Warns:
        TracingWarning: The model is traced, and values of its inputs decide about branches. With ``"trace"`` also: the
            trace lost decisions about shapes, or differs from the model at min, opt or max of a shape range.

    Raises:
        InputError: The model cannot be turned into the form that the backend reads, it fails on the inputs, or an
            argument is wrong. For ONNX models this is found before anything is built.
        LibraryError: No builder is found for the backend, or its release lacks an option.
        KeyboardInterrupt: Ctrl-C was pressed; the build was cancelled and nothing is half written.
    """
    return build(
        model,
        inputs,
        backend=backend,
        name=name,
        output_names=output_names,
        data_dependent=data_dependent,
        method=method,
        progress=progress,
        options=options,
    ).plan


@dataclass(frozen=True)
class Built:
    """A plan and the facts about it.

    Attributes:
        plan: The plan.
        choice: The builder that built it.
        inputs: Its inputs, named, in order.
        output_names: Its outputs' names; None if the plan tells them.
        device: The GPU that the model is on; None if it is on none.
        returns: The form in which the model returns its outputs; None if it does not say. See ``embed_returning``.
        call: The arguments that the model takes; None if it has no forward.
    """

    plan: bytes
    choice: Choice
    inputs: list[Input]
    output_names: tuple[str, ...] | None
    device: torch.device | None = None
    returns: str | Structure | None = None
    call: Call | None = None


def build(
    model: Model,
    inputs: InputDescriptions | None,
    *,
    backend: str,
    name: str,
    output_names: Sequence[str] | None,
    data_dependent: Sequence[str],
    method: str,
    progress: bool | None,
    options: BuildOptions,
    choice: Choice | None = None,
) -> Built:
    """``build_engine``, and what it chose: `choice` if that was made before."""
    _C.check_build_options(options)
    checks.text(name, "name")
    checks.texts(data_dependent, "data_dependent")
    if output_names is not None:
        checks.texts(output_names, "output_names")
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}; there are: {', '.join(METHODS)}")
    bound = bind(model, inputs)
    if isinstance(bound.source, torch.nn.Module) and (
        method != "trace" or isinstance(bound.source, torch.jit.ScriptModule)
    ):
        refuse_global_hooks()
    with torch_defaults():
        flat = flattened(bound)
    source = flat.source
    if isinstance(source, FlatModule) and isinstance(source.model, torch.jit.ScriptModule):
        source = scripted(source)
    names = names_of_outputs(source, output_names) or flat.output_names
    shown = display(progress)
    choice = choice or choose(backend, options, shown)
    if choice.builder is None:
        try:
            with torch_defaults():
                plan, returns = build_reference(
                    source, bound.inputs, name, names or (), data_dependent, method, options
                )
        except MemoryError as error:
            raise InputError(_too_large(bound.inputs)) from error
        return Built(plan, choice, bound.inputs, names, returns=flat.returns or returns, call=bound.call)
    device = cuda_device(source)
    exported, plan = build_from_some_model(
        source, bound.inputs, choice.builder, names, method, name, options, shown, device
    )
    if exported.exporter not in ("", EXPORTERS[0]):
        shown.line(f"{name!r} was exported to ONNX by torch's {exported.exporter} exporter")
    returned = flat.returns or exported.returns
    return Built(plan, choice, bound.inputs, exported.output_names, device, returned, bound.call)


def _too_large(inputs: Sequence[Input]) -> str:
    """The message for a model that needs more memory to run than the reference engine's builder got."""
    largest = [(one, max((allowed.max for allowed in one.ranges), key=math.prod, default=one.shape)) for one in inputs]
    listed = ", ".join(
        f"{one.name} is {dtype_name(one.dtype)} {list(shape)}, {math.prod(shape) * one.dtype.itemsize} bytes"
        for one, shape in largest
    )
    return (
        "there is not enough memory to run the model with its largest inputs, as the reference engine's builder does: "
        f"{listed}; give a smaller shape or max"
    )


def choose(backend: str, options: BuildOptions, shown: Display) -> Choice:
    """Returns the builder, and shows it if it was not named. Raises InputError for options that it never has."""
    _C.check_build_options(options)
    choice = choose_builder(backend, options.get("library"))
    if backend == "auto":
        shown.line(tell(choice))
    if choice.builder is None:
        check_options_for_reference(options, choice.why)
    return choice
