"""Exports modules to ONNX with torch's newer exporter, which turns programs of torch.export into ONNX.

It knows operators that the exporter on TorchScript lacks, and lacks others. It needs the package onnxscript. Its
operators are those of opset 18 and later, which are converted for parsers that read less.

torch.export follows one run, with sizes as symbols, and records as guards what it took for granted. Every model is
therefore compared to the module over the whole range of its inputs before it is used.
"""

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from torch_nacelle._build.exporting import InARow, auto_shapes
from torch_nacelle._build.onnx_opset import CannotLowerError, lowered
from torch_nacelle._models.exported_program import check_inputs
from torch_nacelle._models.model_state import device_of_module
from torch_nacelle._models.onnx_model import OnnxModel, nodes_of, onnx_package
from torch_nacelle._models.onnx_source import OnnxSource
from torch_nacelle._runtime.input import Input
from torch_nacelle._runtime.messages import first_lines
from torch_nacelle.errors import InputError

OLDEST_OPSET = 18
"""The oldest opset that the exporter writes by itself (torch 2.11 to 2.13)."""

_SCOPES = "pkg.torch.onnx.name_scopes"

# torch.export's name for the place of an operator that it has added itself.
_NO_MODULE = "_empty_nn_module_stack"

_LOGGERS = ("torch.onnx", "torch.export", "torch._export", "torch.fx.experimental", "onnxscript", "onnx_ir")

_SEEDS = (0, 100)  # of the inputs on which the model is compared


def export_by_dynamo(
    module: torch.nn.Module,
    program: torch.export.ExportedProgram | None,
    inputs: Sequence[Input],
    output_names: Sequence[str],
    opset: int,
    in_one_file: int,
) -> OnnxModel:
    """The module as ONNX, written by torch's newer exporter.

    Args:
        module: The module, in eval mode, whose forward takes tensors by position.
        program: The program that the module was made from, if it was.
        inputs: Its inputs, named.
        output_names: The names of its outputs.
        opset: The newest opset that the reader knows.
        in_one_file: The bytes of weights that one file may hold.

    Raises:
        InputError: The module cannot be exported in this way, or the model computes something else.
    """
    _check_package()
    if isinstance(module, torch.jit.ScriptModule):
        raise InputError("torch.export takes no ScriptModule")
    with _quiet():
        exported = program if program is not None else _exported(module, inputs)
        _check_sizes(exported, inputs, own=program is None)
        written = _written(exported, [str(one.name) for one in inputs], output_names, max(opset, OLDEST_OPSET))
    weights = sum(tensor.nbytes for tensor in [*module.parameters(), *module.buffers()])
    outer = "module" if program is None else ""
    make = _one_file if weights <= in_one_file else _with_files
    model = make(written, inputs, opset, outer)
    model = OnnxModel(model.model, model.path, tuple(output_names), model.external_files, folder=model.folder)
    _compare(model, module, inputs)
    return model


def _check_sizes(program: torch.export.ExportedProgram, inputs: Sequence[Input], own: bool) -> None:
    """Raises InputError if the program does not take all sizes that `inputs` allow.

    A program of our own may be guarded against the size 1: its model is compared to the module with that size too.
    """
    try:
        check_inputs(program, inputs)
    except InputError as error:
        if not own:
            raise
        try:
            check_inputs(program, [_from_two(one) for one in inputs])
        except InputError:
            reason = error.reason.split(";")[0]
            raise InputError(f"torch.export takes for granted what inputs do not: {reason}") from error


def _from_two(given: Input) -> Input:
    """The same input without the size 1 in dimensions that vary beyond it."""
    if not given.dynamic:
        return given

    def raised(shape: Sequence[int], most: Sequence[int]) -> tuple[int, ...]:
        return tuple(
            max(size, min(2, high)) if varies == -1 else size
            for size, high, varies in zip(shape, most, given.shape, strict=True)
        )

    return Input(
        dtype=given.dtype,
        name=given.name,
        min=[raised(one.min, one.max) for one in given.ranges],
        opt=[raised(one.opt, one.max) for one in given.ranges],
        max=[one.max for one in given.ranges],
    )


def _ones_apart(inputs: Sequence[Input]) -> Iterator[list[Input]]:
    """The inputs with one dimension alone at a size of 1, for each that may have it."""
    for dim in range(max((len(one.shape) for one in inputs), default=0)):
        if any(len(one.shape) > dim and one.shape[dim] == -1 and one.ranges[0].min[dim] == 1 for one in inputs):
            yield [_at_min(one, dim) for one in inputs]


def _at_min(given: Input, dim: int) -> Input:
    """The input at its max, but for a dimension at its min."""
    if not given.dynamic:
        return given
    shape = list(given.ranges[0].max)
    if dim < len(shape):
        shape[dim] = given.ranges[0].min[dim]
    return Input(shape=shape, dtype=given.dtype, name=given.name)


def _check_package() -> None:
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(
            "it needs the package onnxscript, which is not installed: pip install torch-nacelle[onnx]"
        ) from error


def _exported(module: torch.nn.Module, inputs: Sequence[Input]) -> torch.export.ExportedProgram:
    """The program of a module, with each dynamic size as a symbol."""
    device = device_of_module(module)
    examples = tuple(_example(one).to(device) for one in inputs)
    try:
        # A size of 1 is one size of many then, unless the module treats it apart.
        with torch.fx.experimental._config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
            return torch.export.export(InARow(module), examples, dynamic_shapes=auto_shapes(inputs), strict=False)
    except InputError:
        raise
    except Exception as error:  # torch raises all kinds
        raise InputError(f"torch.export: {type(error).__name__}: {first_lines(error, 2)}") from error


def _example(given: Input) -> torch.Tensor:
    """The example of an input, with sizes of 2 in the place of 1, which torch.export takes for fixed."""
    example = given.example()
    if not given.dynamic:
        return example
    best = max(given.ranges, key=lambda one: sum(size > 1 for size in one.max))
    shape = [
        size if fixed != -1 else max(size, min(2, most))
        for size, most, fixed in zip(best.opt, best.max, given.shape, strict=True)
    ]
    return torch.ones(shape, dtype=given.dtype)


def _written(
    program: torch.export.ExportedProgram, input_names: Sequence[str], output_names: Sequence[str], opset: int
) -> Any:
    try:
        return torch.onnx.export(
            program,
            (),
            dynamo=True,
            opset_version=opset,
            input_names=list(input_names),
            output_names=list(output_names),
            optimize=True,
            verbose=False,
        )
    except Exception as error:  # the exporter wraps what it meets
        raise InputError(f"{type(error).__name__}: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    """The first words of what is at the bottom of an error of the exporter, whose own say how to report it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_lines(error, 1)


def _one_file(written: Any, inputs: Sequence[Input], opset: int, outer: str) -> OnnxModel:
    try:
        proto = lowered(_tidied(written.model_proto, inputs, outer), opset)
    except CannotLowerError as error:
        raise InputError(f"the model {error}") from error
    del proto.graph.value_info[:]  # it has the symbols that the inputs had
    return OnnxModel(bytes(proto.SerializeToString(deterministic=True)), "", ())


def _with_files(written: Any, inputs: Sequence[Input], opset: int, outer: str) -> OnnxModel:
    """The model with its weights in files beside it."""
    if opset < OLDEST_OPSET:
        raise InputError(f"the model has more weights than one file holds, and cannot be converted to opset {opset}")
    onnx = onnx_package("torch exports modules to ONNX")
    folder = tempfile.TemporaryDirectory(prefix="torch_nacelle.")
    path = Path(folder.name, "model.onnx")
    written.save(str(path), external_data=True)
    proto = _tidied(onnx.load(str(path), load_external_data=False), inputs, outer)
    del proto.graph.value_info[:]
    model = bytes(proto.SerializeToString(deterministic=True))
    path.write_bytes(model)
    beside = tuple(sorted(one.name for one in path.parent.iterdir() if one != path))
    return OnnxModel(model, str(path), (), beside, folder=folder)


def _tidied(proto: Any, inputs: Sequence[Input], outer: str) -> Any:
    """The model with the names that the other exporter gives, and without notes for people.

    Nodes are named after the submodule that they come from. The exporter notes that, and the source files of the model,
    beside each node; these notes would make another engine of the same model in another place.
    """
    taken: dict[str, int] = {}
    nodes = list(nodes_of(proto.graph))
    for node in nodes:
        scopes = next((one.value for one in node.metadata_props if one.key == _SCOPES), "")
        name = "/".join(["", *_path(scopes, outer), node.op_type])
        taken[name] = taken.get(name, -1) + 1
        node.name = f"{name}_{taken[name]}" if taken[name] else name
    for part in (proto, proto.graph, *nodes, *proto.graph.input, *proto.graph.output,
                 *proto.graph.value_info, *proto.graph.initializer):  # fmt: skip
        del part.metadata_props[:]
        part.doc_string = ""
    described = {str(one.name): one for one in inputs}
    for value in proto.graph.input:
        for dim, size in enumerate(value.type.tensor_type.shape.dim):
            if described[value.name].shape[dim] == -1:
                size.dim_param = f"{value.name}_dim_{dim}"
    return proto


def _path(scopes: str, outer: str) -> list[str]:
    """The path of a submodule below `outer`.

    Args:
        scopes: The list, as a text, of the paths of the modules that are around an operator, and of its own name.
        outer: The path of the module; empty if it is the outermost one.
    """
    names = [name.strip(" '\"") for name in scopes.strip("[]").split(",")][:-1]
    last = next((name for name in reversed(names) if name and not name.startswith(_NO_MODULE)), "")
    if outer:
        last = last.removeprefix(outer).removeprefix(".")
    return last.split(".") if last else []


def _compare(model: OnnxModel, module: torch.nn.Module, inputs: Sequence[Input]) -> None:
    """Raises InputError if the model computes something else than the module at min, opt or max of a shape range."""
    from torch_nacelle._check.check import first_difference, onnx_function, precision_of  # it needs the exporters

    try:
        function = onnx_function(OnnxSource(model.path or model.model))
        precision = precision_of("reference", {}, inputs)
        apart = (first_difference(function, module, inputs, precision=precision, seed=seed) for seed in _SEEDS)
        found = next(filter(None, apart), "")
        for ones in _ones_apart(inputs) if not found else ():
            with contextlib.suppress(InputError):  # not all sizes go together
                found = found or first_difference(function, module, ones, precision=precision, seed=0)
    except InputError as error:
        raise InputError(f"the model that it wrote cannot be compared to the module: {error.reason}") from error
    if found:
        raise InputError(f"the model that it wrote is no copy of the module: {found}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps torch.export and the exporter from printing and logging what an error, if there is one, says."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
