"""Exports modules to ONNX, with torch's own exporters.

torch has two. The one on TorchScript (`onnx_torchscript.py`) needs nothing beside torch and writes opsets up to 20,
among them 17, the newest that TensorRT 8.5 reads. The one on torch.export (`onnx_dynamo.py`) needs onnxscript and
writes opset 18 and later, which are converted. Each knows operators that the other lacks, so the second is tried if the
first fails.

int64 at an engine's interface: TensorRT before 10 has no int64 tensors. Its parser makes int32 bindings of int64 inputs
and outputs, so the engine takes int32 tensors there, and ONNX needs no change.
"""

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from torch_nacelle import _C
from torch_nacelle._build import onnx_torchscript
from torch_nacelle._build.exporting import exported_module, exported_trace
from torch_nacelle._build.flattening import FlatModule
from torch_nacelle._build.onnx_dynamo import export_by_dynamo
from torch_nacelle._build.onnx_torchscript import NEWEST_OPSET, ExportJob, run_exporter
from torch_nacelle._build.torchscript import (
    TRACER,
    Traced,
    compared_trace,
    script_difference,
    scripted,
    tell_faults,
    tell_losses,
)
from torch_nacelle._models.exported_program import positional_module
from torch_nacelle._models.model_state import device_of_module, for_inference
from torch_nacelle._models.onnx_model import OnnxModel, nodes_of, onnx_package
from torch_nacelle._models.state import StateError, refuse_state, refused_writes
from torch_nacelle._runtime.input import Input
from torch_nacelle._runtime.messages import first_lines
from torch_nacelle.errors import Error, ExecutionError, InputError

EXPORTERS = ("TorchScript", "dynamo")
"""torch's exporters, in the order in which they are tried."""

_logger = logging.getLogger("torch_nacelle")

_DYNAMO = "torch's dynamo exporter"

_NO_ENGINE = "no engine can be built from its"


def export(
    module: torch.nn.Module | torch.export.ExportedProgram,
    inputs: Sequence[Input],
    *,
    opset: int,
    output_names: Sequence[str] | None = None,
    method: str = "auto",
) -> OnnxModel:
    """Exports a module in the first way that leads to a model; see ``Exports``, which has the same arguments.

    Returns:
        The model. The same module and arguments give the same bytes.

    Raises:
        InputError: The module fails on the inputs, returns what no engine returns, or uses an operator that ONNX or
            the exporter does not have; the message names it.
    """
    return Exports(module, inputs, opset=opset, output_names=output_names, method=method).next()


class Exports:
    """The models that a module can be exported as, in the order in which they are to be tried.

        exports = Exports(module, inputs, opset=17)
        while True:
            model = exports.next()  # raises if there is no other
            try:
                return build(model)
            except InputError as error:
                exports.failed(error)

    The module is exported in eval mode and on the device that it is on, and is left as it is. Not to be used by several
    threads at once.
    """

    def __init__(
        self,
        module: torch.nn.Module | torch.export.ExportedProgram,
        inputs: Sequence[Input],
        *,
        opset: int,
        output_names: Sequence[str] | None = None,
        method: str = "auto",
    ) -> None:
        """Runs the module once, to see what it returns.

        Args:
            module: An ``nn.Module``, ``ScriptModule`` or ``ExportedProgram``.
            inputs: The inputs of its forward, each with a name.
            opset: The newest opset that the reader knows; a newer one than the exporter writes counts as that.
            output_names: Names of the outputs; left out, ``output_0``, ``output_1`` …
            method: The way to turn an ``nn.Module`` into a graph: ``"trace"`` follows one run with made-up inputs,
                ``"script"`` keeps control flow, ``"auto"`` traces, scripts if tracing was seen to lose a decision or
                failed, and tries torch.export if both failed.

        Raises:
            InputError: The module fails on the inputs, or returns what no engine returns.
        """
        onnx_package("torch exports modules to ONNX")
        name = type(module).__name__
        self._module = positional_module(module) if isinstance(module, torch.export.ExportedProgram) else module
        examples = tuple(one.example().to(device_of_module(self._module)) for one in inputs)
        with for_inference(self._module), torch.no_grad():
            count, self._returns = _outputs(self._module, examples, name)
        with for_inference(self._module), torch.no_grad():
            _refuse_what_is_dropped(self._module, examples, name)
        names = tuple(output_names or (f"output_{index}" for index in range(count)))
        if len(names) != count:
            raise InputError(f"output_names lists {len(names)} names ({', '.join(names)}), and {name} returns {count}")
        self._job = ExportJob(name, examples, tuple(inputs), names, min(opset, NEWEST_OPSET))
        self._failures: list[tuple[str, Error]] = []
        self._way = ""
        self._program = module if isinstance(module, torch.export.ExportedProgram) else None
        if isinstance(module, torch.export.ExportedProgram) or (isinstance(module, FlatModule) and module.of_program):
            ways = self._of_program()
        elif isinstance(module, torch.jit.ScriptModule):
            ways = self._of_script()
        else:
            ways = {"script": self._script, "trace": self._trace}.get(method, self._every_way)()
        self._models = self._by_each_exporter(ways)

    def next(self) -> OnnxModel:
        """Exports in the next way that leads to a model.

        Raises:
            InputError: There is none; the message has the reasons against all.
            ExecutionError: The same, and the builder failed on each.
        """
        for way, model in self._models:
            self._way = way
            since = "".join(f"; {reason}" for reason in _reasons(self._failures))
            _logger.info("%s was exported to ONNX by torch's %s exporter%s", self._job.name, model.exporter, since)
            return replace(model, returns=self._returns)
        first = self._failures[0][1]
        if _are_one(self._failures):
            raise first
        reasons = "; ".join(_reasons(self._failures))
        kind = ExecutionError if all(isinstance(one, ExecutionError) for _, one in self._failures) else InputError
        raise kind(f"{self._job.name} cannot become an engine; {reasons}") from first

    def failed(self, error: Error) -> None:
        """Takes the reason for which no engine is built from the last model."""
        self._failures.append((f"{_NO_ENGINE} {self._way}", error))

    def _by_each_exporter(self, ways: Iterator[tuple[str, OnnxModel]]) -> Iterator[tuple[str, OnnxModel]]:
        """Yields the models of each exporter, and at the end the first that onnx refuses: the parser decides.

        Args:
            ways: Those of the exporter on TorchScript.
        """
        refused: list[tuple[str, OnnxModel]] = []
        by_exporter = {"TorchScript": self._taken(ways, ""), "dynamo": self._taken(self._dynamo(), _DYNAMO)}
        for exporter in EXPORTERS:
            if self._is_no_matter_of_exporters():
                break
            for way, written in by_exporter[exporter]:
                model = _unwrapped(replace(written, exporter=exporter), self._module)
                fault = _fault(model)
                if not fault:
                    yield way, model
                    continue
                self._failures.append((f"onnx refuses what torch's {exporter} exporter wrote", InputError(fault)))
                refused.append((way, model))
        yield from refused[:1]

    def _is_no_matter_of_exporters(self) -> bool:
        """True if the builder has failed on a model that its parser read, or for one reason on several models."""
        built = [one for one in self._failures if one[0].startswith(_NO_ENGINE)]
        return any(isinstance(error, ExecutionError) for _, error in built) or (
            len(built) == len(self._failures) > 1 and _are_one(built)
        )

    def _taken(self, models: Iterator[tuple[str, OnnxModel]], step: str) -> Iterator[tuple[str, OnnxModel]]:
        """Yields models until there are no more; takes an error in place of one as the reason against a step."""
        while True:
            found = None
            with self._noted(step):
                found = next(models, None)
            if found is None:
                return
            yield found

    def _dynamo(self) -> Iterator[tuple[str, OnnxModel]]:
        if isinstance(self._module, torch.jit.ScriptModule):
            return
        with for_inference(self._module), torch.no_grad(), TRACER:
            job, most = self._job, onnx_torchscript.WEIGHTS_IN_ONE_FILE
            model = export_by_dynamo(self._module, self._program, job.inputs, job.output_names, job.opset, most)
        yield "program", model

    def _script(self) -> Iterator[tuple[str, OnnxModel]]:
        yield "script", run_exporter(_scripted(self._module, self._job), self._job)[0]

    def _trace(self) -> Iterator[tuple[str, OnnxModel]]:
        trace, apart = _compared_trace(self._module, self._job)
        model, _ = _followed(self._module, trace, self._job)
        if trace is not None:
            tell_faults(trace, apart, self._job.name)
        yield "trace", model

    def _of_script(self) -> Iterator[tuple[str, OnnxModel]]:
        yield "script", run_exporter(self._module, self._job)[0]

    def _of_program(self) -> Iterator[tuple[str, OnnxModel]]:
        trace, apart = _compared_trace(self._module, self._job)
        if apart:
            raise InputError(f"{self._job.name} cannot become an engine; its trace cannot be accepted: {apart}")
        yield "trace", _followed(self._module, trace, self._job)[0]

    def _every_way(self) -> Iterator[tuple[str, OnnxModel]]:
        trace, apart = _compared_trace(self._module, self._job)
        model: OnnxModel | None = None
        losses: list[str] = []
        if apart:
            self._failures.append(("its trace cannot be accepted", InputError(apart)))
        else:
            with self._noted("its trace cannot be exported"):
                model, losses = _followed(self._module, trace, self._job)
        if model is not None and not losses:
            yield "trace", model
            model = None
        # A decision was followed once and forgotten: one about values, or one about shapes, which may do no harm.
        script = None
        try:
            script = self._checked_script()
        except StateError:
            # The trace may have lost the write with the branch that it is in.
            if apart or trace is None or trace.reads_values:
                raise
        if script is not None:
            yield "script", script
        if model is not None:
            if trace is not None:
                tell_losses(trace, self._job.name, [first_lines(error) for _, error in self._failures])
            yield "trace", model
        if _are_one(self._failures):
            return
        exported = None
        with self._noted("exporting it with torch.export failed"):
            exported = self._exported()
        if exported is not None:
            yield "export", exported

    @contextlib.contextmanager
    def _noted(self, step: str) -> Iterator[None]:
        """Takes an error of a way as the reason against it."""
        try:
            yield
        except StateError:
            raise
        except InputError as error:
            self._failures.append((step, error))

    def _checked_script(self) -> OnnxModel | None:
        script = apart = None
        with self._noted("scripting it failed"):
            script = _scripted(self._module, self._job)
            apart = script_difference(script, self._module, self._job.inputs)
        if apart:
            self._failures.append(("its script cannot be accepted", InputError(apart)))
        elif script is not None:
            with self._noted("its script cannot be exported"):
                return run_exporter(script, self._job)[0]
        return None

    def _exported(self) -> OnnxModel:
        try:
            module = exported_module(self._module, self._job.inputs, device_of_module(self._module))
            trace, apart = exported_trace(module, self._module, self._job.inputs, device_of_module(self._module))
        except Error:
            raise
        except Exception as error:  # torch.export and the tracer raise all kinds
            raise InputError(first_lines(error)) from error
        if apart:
            raise InputError(f"its trace cannot be accepted: {apart}")
        return _followed(module, trace, self._job)[0]


def _are_one(failures: Sequence[tuple[str, Error]]) -> bool:
    """True if all ways failed for one reason: an argument is wrong, or no operator can take the place of one."""
    reasons = {first_lines(error) for _, error in failures}
    return len(reasons) == 1 and not any("cannot be accepted" in step for step, _ in failures)


def _reasons(failures: Sequence[tuple[str, Error]]) -> list[str]:
    """A clause for each reason, with the steps that it is against."""
    steps: dict[str, list[str]] = {}
    for step, error in failures:
        steps.setdefault(first_lines(error), []).append(step)
    return [": ".join(filter(None, [" and ".join(against), reason])) for reason, against in steps.items()]


def _fault(model: OnnxModel) -> str:
    """The words of onnx's checker and of its strict inference of shapes, if they refuse a model."""
    onnx = onnx_package("torch exports modules to ONNX")
    try:
        onnx.checker.check_model(model.path or model.model, full_check=True)
    except Exception as error:  # the checker's, the inference's, protobuf's own
        return first_lines(error, 2)
    return ""


def _unwrapped(model: OnnxModel, module: torch.nn.Module) -> OnnxModel:
    """The model with nodes that are named after the user's submodules, if there is a module around the user's."""
    if not isinstance(module, FlatModule):
        return model
    proto = onnx_package("torch exports modules to ONNX").load_model_from_string(model.model)
    for node in nodes_of(proto.graph):
        node.name = node.name.removeprefix("/model")
    content = bytes(proto.SerializeToString(deterministic=True))
    if model.path:
        Path(model.path).write_bytes(content)
    return replace(model, model=content)


def _followed(module: torch.nn.Module, trace: Traced | None, job: ExportJob) -> tuple[OnnxModel, list[str]]:
    """The model that the exporter makes of a run of the module, and the places where it lost a decision.

    The module was called before, or not, as for the trace that it was compared by.
    """
    with for_inference(module), torch.no_grad():
        if trace is None or not trace.first_call:
            module(*job.examples)
        return run_exporter(_with_positional_forward(module), job)


def _compared_trace(module: torch.nn.Module, job: ExportJob) -> tuple[Traced | None, str]:
    """A trace by torch's tracer, which the exporter uses too, and its ``difference`` to the module.

    Nothing is compared if the module fails on what is made up, since the builder does not run it, nor if the tracer
    fails, which it does on some modules that the exporter follows.
    """
    try:
        return compared_trace(module, job.inputs, device_of_module(module))
    except InputError:
        raise
    except Exception:
        return None, ""


def _scripted(module: torch.nn.Module, job: ExportJob) -> torch.jit.ScriptModule:
    try:
        script = scripted(module)
    except Exception as error:  # whatever the compiler raises is the reason
        raise InputError(f"{job.name} cannot be scripted: {first_lines(error)}") from error
    _C.refuse_state(script._c, len(job.inputs))  # the exporter leaves writes out
    return script


def _with_positional_forward(module: torch.nn.Module) -> torch.nn.Module:
    """The same module under a forward that takes tensors only.

    The exporter passes the defaults of arguments that are left out as if they were given, and turns them into tensors.
    """
    clone = copy.copy(module)
    forward = module.forward
    clone.__dict__["forward"] = lambda *tensors: forward(*tensors)
    clone.__dict__["train"] = lambda mode=True: clone  # it is in eval mode
    return clone


def _outputs(module: torch.nn.Module, examples: tuple[torch.Tensor, ...], name: str) -> tuple[int, str]:
    """The number of outputs, and whether they come as a "tensor", a "tuple" or a "list"."""
    shapes = ", ".join(str(list(example.shape)) for example in examples)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with refused_writes(module) as run:
                result = run(*examples)
    except InputError:
        raise
    except Exception as error:  # the module's own
        raise InputError(
            f"{name} fails on inputs of the shapes {shapes}: {type(error).__name__}: {first_lines(error)}"
        ) from error
    outputs = result if isinstance(result, (tuple, list)) else (result,)
    if not outputs:
        raise InputError(f"{name} returns nothing; an engine has at least one output")
    for index, output in enumerate(outputs):
        if not isinstance(output, torch.Tensor):
            where = f"output {index}" if isinstance(result, (tuple, list)) else "what it returns"
            raise InputError(
                f"{name}: {where} is a {type(output).__name__}; an engine returns a tensor, or a tuple or list of "
                f"tensors"
            )
    kinds = {tuple: "tuple", list: "list"}
    return len(outputs), next((kind for of, kind in kinds.items() if isinstance(result, of)), "tensor")


def _refuse_what_is_dropped(module: torch.nn.Module, examples: tuple[torch.Tensor, ...], name: str) -> None:
    """Raises InputError for parts that the exporter drops without an error: state, and a ScriptModule's own hooks."""
    refuse_state(module, examples, name)
    if not isinstance(module, torch.jit.ScriptModule):
        return
    _C.refuse_state(module._c, len(examples))
    if module._c._get_forward_hooks() or module._c._get_forward_pre_hooks():
        raise InputError(
            f"{name} has forward hooks, which torch leaves out of what it exports from a ScriptModule: give the "
            f"nn.Module, or call {name} in the forward of another module and script that"
        )
