"""Checks that a program computes the same as its model."""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import torch

from torch_nacelle import _C
from torch_nacelle._check.cases import TRUTHS, Case, cases_of
from torch_nacelle._check.compare import compare
from torch_nacelle._models.descriptions import Parameters, describe, parameters_of
from torch_nacelle._models.exported_program import positional_module
from torch_nacelle._models.model_state import device_of_module, for_inference
from torch_nacelle._models.onnx_source import OnnxSource, is_onnx_source
from torch_nacelle._programs.arguments import arguments
from torch_nacelle._programs.running import device_of
from torch_nacelle._programs.signatures import only_engine, signature
from torch_nacelle._programs.structures import CONSTANTS, Call, Path, flat, key_of, name_of, path_text, refuse_leaf
from torch_nacelle._runtime.holders import AnyProgram, is_package, joined, require_program
from torch_nacelle._runtime.input import Input, as_list, dtype_name
from torch_nacelle._runtime.messages import first_lines
from torch_nacelle._runtime.settings import configure
from torch_nacelle._runtime.torch_state import torch_defaults
from torch_nacelle.errors import CheckError, InputError
from torch_nacelle.reports import CheckReport, Comparison, OutputCheck

Precision: TypeAlias = Literal["fp32", "tf32", "fp16", "bf16", "int8"]
Tensors: TypeAlias = Sequence[torch.Tensor]
CheckInputs: TypeAlias = Sequence[Input | torch.Tensor] | Sequence[Tensors] | Mapping[str, Any] | Input | torch.Tensor
_Output: TypeAlias = tuple[Path, torch.Tensor]

BETWEEN = 16
"""The number of shapes between min and max that find what a few alone do not show."""

THRESHOLDS: dict[str, float] = {"fp32": 1e-3, "tf32": 1e-2, "fp16": 1e-2, "bf16": 5e-2, "int8": 1e-1}
"""The relative error that is allowed, by the precision that an engine computes in."""

_GIVE_INPUTS = "; give inputs that it takes"


def check(
    program: AnyProgram,
    original: object,
    inputs: CheckInputs | None = None,
    *,
    threshold: float | None = None,
    precision: Precision = "fp32",
    seed: int = 0,
) -> CheckReport:
    """Runs a program and its original on the same inputs, and compares their outputs.

    The relative error of an output is max |a - b| / max |b| over its elements, where b is the original's: the largest
    difference, measured by the largest value. For integers and truths it is the share of elements that differ. Shapes,
    dtypes, and the places of NaNs and infinities must be the same. TensorRT before 10 has no int64: int32 is as good.

    Args:
        program: A program that ``load`` returned, an ``EngineModule``, or an ``nn.Module`` that holds a program or
            engines.
        original: The ``nn.Module``, ``ScriptModule`` or ``ExportedProgram`` that it was made from, or the ONNX model's
            path or bytes, which onnxruntime runs if it is installed. Another program of any kind, with engines or
            without, will do too.
        inputs: ``Input`` for each: values are made up, for the min, opt and max of every shape range (normal numbers,
            bytes, and 0 and 1 for other integers; if values decide about shapes, the stated ones, of which the least
            and the largest are left out, with a note, if the original fails on them). Or tensors for one call, or a
            list of lists of tensors for several. A tensor or an ``Input`` alone is one input. A dict gives the
            arguments by name, with structures around the tensors as in ``build_engine``. Left out: what the program and
            its engines tell; see ``arguments``.
        threshold: The relative error that is allowed; left out, by precision: 1e-3 for fp32, 1e-2 for tf32 and fp16,
            5e-2 for bf16, 1e-1 for int8.
        precision: The precision that the engines compute in.
        seed: The seed of the values that are made up.

    Returns:
        The report, which prints as a table.

    Raises:
        CheckError: An output is off by more than the threshold; the message names the worst case, and ``report`` of the
            error has all of them.
        InputError: The inputs cannot be made up, or the original fails on them.
    """
    return check_over(TRUTHS, program, original, inputs, threshold=threshold, precision=precision, seed=seed)


def check_call(
    call: Call | None, program: AnyProgram, original: object, inputs: CheckInputs, *, precision: Precision
) -> CheckReport:
    """``check``, with the tensors of a row in the places that they have in a call of the original, and more shapes."""
    return check_over(TRUTHS, program, original, inputs, precision=precision, call=call, between=BETWEEN)


def check_over(
    integers: range,
    program: AnyProgram,
    original: object,
    inputs: CheckInputs | None = None,
    *,
    call: Call | None = None,
    threshold: float | None = None,
    precision: Precision = "fp32",
    seed: int = 0,
    between: int = 0,
    same_random_numbers: bool = False,
) -> CheckReport:
    """``check``, with other and more values that are made up.

    Args:
        integers: The values of integers other than bytes. The original need not take all of them: calls on which it
            fails are left out, unless these are 0 and 1 alone.
        program: See ``check``.
        original: The same.
        inputs: The same.
        call: The call of the original that the inputs are for, if they are the tensors of a row.
        threshold: The same.
        precision: The same.
        seed: The same.
        between: The number of shapes between min and max of each range that are compared too. The original need not
            take them.
        same_random_numbers: True if both sides draw the same random numbers.
    """
    if precision not in THRESHOLDS:
        raise InputError(f"there is no precision {precision!r}; there are: {', '.join(THRESHOLDS)}")
    _check_numbers(threshold, seed)
    given, call = _in_a_row(inputs, original, call)
    under_check = _Program(program, call)
    cases = cases_of(under_check.inputs() if given is None else given, seed, integers, between)
    rows: list[OutputCheck] = []
    notes: dict[str, None] = {}
    drawing = (lambda: _random_numbers(seed)) if same_random_numbers else contextlib.nullcontext
    with _original(original, call) as run_original, under_check.every_profile(cases) as run_program:
        for case in cases:
            try:
                with drawing():
                    wanted = _run(run_original, case, "the original")
            except InputError as error:
                if not case.may_not_fit:
                    raise
                notes[f"left out: {error.reason.removesuffix(_GIVE_INPUTS)}"] = None
                continue
            with drawing():
                found = run_program(case)
            rows += _compared(case, found, wanted, under_check, notes)
    allowed = THRESHOLDS[precision] if threshold is None else threshold
    report = CheckReport(tuple(rows), precision, allowed, tuple(notes))
    if not report.passed:
        raise CheckError(_failure(report), report)
    return report


def _in_a_row(inputs: Any, original: object, call: Call | None) -> tuple[list[Any] | None, Call | None]:
    """The inputs in the order of an engine's, and the call that they are for; None if they are a row themselves."""
    if inputs is None:
        return None, call
    by_name = isinstance(inputs, Mapping)
    listed = [] if by_name else as_list(inputs)
    if not by_name and not any(one is None or isinstance(one, Mapping) for one in listed):
        return listed, call
    known = isinstance(original, torch.nn.Module) and not isinstance(original, torch.fx.GraphModule)
    parameters = parameters_of(original) if known else Parameters(takes_any=True)  # type: ignore[arg-type]
    _, described = describe(inputs, parameters)
    return described.tensors(listed, inputs if by_name else {}, (Input, torch.Tensor)), described


@contextlib.contextmanager
def _random_numbers(seed: int) -> Iterator[None]:
    """Gives what runs inside the random numbers of a seed, and afterwards those that would have come."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def first_difference(
    function: Callable[..., object], original: object, inputs: Sequence[Input], *, precision: Precision, seed: int
) -> str:
    """A sentence about the first output in which a function differs from the original; empty if none does.

    The function takes tensors on the CPU. Inputs are those that ``check`` makes up, and so is the allowed error.

    Raises:
        InputError: One of the two fails on the inputs.
    """
    with _original(original, None) as run_original:
        for case in cases_of(inputs, seed, TRUTHS):
            try:
                wanted = _run(run_original, case, "the original")
            except InputError:
                if not case.may_not_fit:
                    raise
                continue
            found = _run(function, case, "what was made of it")
            if len(found) != len(wanted):
                return f"{case.name}: {len(found)} outputs; wanted {len(wanted)}"
            for index, ((_, one), (_, other)) in enumerate(zip(found, wanted, strict=True)):
                comparison = compare(one, other.cpu())
                if not comparison.within(THRESHOLDS[precision]):
                    return f"{case.name}, output {index}: {comparison.summary}"
    return ""


def _check_numbers(threshold: object, seed: object) -> None:
    if threshold is not None and not (isinstance(threshold, (int, float)) and threshold >= 0):
        raise InputError(f"threshold is {threshold!r}; wanted a number, 0 or more")
    if not (isinstance(seed, int) and -(2**63) <= seed < 2**63):
        raise InputError(f"seed is {seed!r}; wanted a whole number of 64 bits")


def precision_of(backend: str, options: Mapping[str, object], inputs: Sequence[Input]) -> Precision:
    """The precision of an engine that was built with these options."""
    if options.get("int8"):
        return "int8"
    dtypes = {one.dtype for one in inputs}
    if options.get("bf16") or torch.bfloat16 in dtypes:
        return "bf16"
    if options.get("fp16") or torch.float16 in dtypes:
        return "fp16"
    return "fp32" if backend == "reference" or options.get("tf32") is False else "tf32"


class _Program:
    """The program, and what is known if it is one engine only."""

    def __init__(self, program: AnyProgram, call: Call | None = None) -> None:
        self._program: Any = program
        self._call = call
        if not isinstance(program, torch.fx.GraphModule) and not is_package(program):
            require_program(program)
        self._signature = signature(program)
        self._engine: Any = only_engine(program)
        self._device = device_of(program)
        self._arguments = [one for one in arguments(program) if one.name not in self._signature.constants]

    def inputs(self) -> list[Input]:
        """The program's inputs."""
        found = []
        for argument in self._arguments:
            if argument.input is not None:
                found.append(argument.input)
            elif argument.required:
                raise InputError(
                    f"the dtype and shape of argument {argument.name} are not known: {argument.why_unknown}"
                    + _GIVE_INPUTS
                )
        return found

    def output_names(self, wanted: Sequence[_Output]) -> list[str]:
        """Names for outputs: by the keys in a structure, of a row those of the engine."""
        outputs = [] if self._engine is None else self._engine.outputs()
        if any(len(path) > 1 or isinstance(key_of(step), str) for path, _ in wanted for step in path):
            return [name_of(path, "output") for path, _ in wanted]
        return [str(outputs[i][0]) if i < len(outputs) else f"output {i}" for i in range(len(wanted))]

    @contextlib.contextmanager
    def every_profile(self, cases: Sequence[Case]) -> "Iterator[Callable[[Case], list[_Output]]]":
        """A function that calls the program, each case with its optimization profile if the engine has several."""
        several = self._engine is not None and self._engine.optimization_profile_count() > 1
        current: list[int | None] = [None]

        def run(case: Case) -> list[_Output]:
            wanted = case.optimization_profile
            if several and wanted is not None and wanted != current[0]:
                configure(self._program, optimization_profile=wanted)
                current[0] = wanted
            return _flat(self.call(*case.tensors), "the program")

        try:
            yield run
        finally:
            if current[0] is not None:
                configure(self._program, optimization_profile=None)

    def call(self, *given: torch.Tensor) -> object:
        """Calls the program with these tensors, moved to its device and of the dtypes that it takes."""
        tensors = [tensor.to(self._device) for tensor in given]
        for place, argument in enumerate(self._arguments[: len(tensors)]):
            kind = argument.input.dtype if argument.input is not None else tensors[place].dtype
            if {tensors[place].dtype, kind} == {torch.int32, torch.int64}:  # int32 if TensorRT has no int64
                tensors[place] = tensors[place].to(kind)
        names = [argument.name for argument in self._arguments[: len(tensors)]]
        with torch.no_grad():
            if self._signature.structure is None:
                if self._engine is None and self._call is not None:  # forward is the model's own
                    args, kwargs = self._call.build(tensors)
                    return self._program(*args, **kwargs)
                return self._program(*tensors)
            return self._signature.caller(names)(*tensors)


@contextlib.contextmanager
def _original(original: object, call: Call | None) -> Iterator[Callable[..., object]]:
    """The original as a function of tensors in a row, in eval mode and in full precision."""
    if is_onnx_source(original):
        yield onnx_function(OnnxSource(original))  # type: ignore[arg-type]
        return
    if isinstance(original, torch.export.ExportedProgram):
        original, call = positional_module(original, check_guards=True), None
    if is_package(original) or isinstance(original, torch.fx.GraphModule):  # these have no other mode
        with torch.no_grad(), _full_precision():
            yield _Program(original, call).call
        return
    if not isinstance(original, torch.nn.Module):
        raise InputError(
            "the original must be an nn.Module, a ScriptModule, an exported program, an AOTInductor package, or an "
            f"ONNX model's path or bytes, found {type(original).__name__}"
        )
    module = original
    with for_inference(module), torch.no_grad(), _full_precision():
        yield _module_function(module, call)


def _module_function(module: torch.nn.Module, call: Call | None) -> Callable[..., object]:
    if _C.find_engines(joined(module)):
        return _Program(module, call).call
    device = device_of_module(module)

    def run(*tensors: torch.Tensor) -> object:
        moved = [tensor.to(device) for tensor in tensors]
        args, kwargs = (moved, {}) if call is None else call.build(moved)
        return module(*args, **kwargs)

    return run


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """Switches off TF32, which torch uses in convolutions by default."""
    # torch has an older and a newer switch for each. The older one sets both, so they agree while the original runs;
    # it can be read only if they agree.
    older: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    cudnn: Any = torch.backends.cudnn
    newer: tuple[Any, ...] = (cudnn.conv, cudnn.rnn, torch.backends.cuda.matmul)
    allowed = [_allows_tf32(one) for one in older]
    precisions = [one.fp32_precision for one in newer]
    try:
        for one in older:
            one.allow_tf32 = False
        yield
    finally:
        for one, value in zip(older, allowed, strict=True):
            if value is not None:
                one.allow_tf32 = value
        for one, precision in zip(newer, precisions, strict=True):
            if one.fp32_precision != precision:
                one.fp32_precision = precision


def _allows_tf32(switch: Any) -> bool | None:
    try:
        return bool(switch.allow_tf32)
    except RuntimeError:  # the newer switch was used
        return None


def onnx_function(source: OnnxSource) -> Callable[..., object]:
    """A function that computes an ONNX model, by onnxruntime if it is installed."""
    try:
        import onnxruntime
    except ImportError:
        with torch_defaults():
            script = source.as_torchscript()
        return lambda *tensors: script(*(tensor.cpu() for tensor in tensors))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it would say is in its exception
    try:
        session = onnxruntime.InferenceSession(source.path or source.model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # classes of its own
        raise InputError(f"onnxruntime does not take {source.what}: {first_lines(error)}") from error
    names = [one.name for one in source.inputs]

    def run(*tensors: torch.Tensor) -> list[torch.Tensor]:
        feed = {name: tensor.cpu().numpy() for name, tensor in zip(names, tensors, strict=True)}
        return [torch.from_numpy(value) for value in session.run(None, feed)]

    return run


def _run(function: Callable[..., object], case: Case, what: str) -> list[_Output]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _flat(function(*case.tensors), what)
    except InputError:
        raise
    except Exception as error:  # its own
        shapes = ", ".join(f"{dtype_name(one.dtype)} {list(one.shape)}" for one in case.tensors)
        raise InputError(
            f"{what} fails on {case.name} ({shapes}): {type(error).__name__}: {first_lines(error)}{_GIVE_INPUTS}"
        ) from error


def _flat(result: object, what: str) -> list[_Output]:
    """The tensors in a result, and its constants as tensors; None is left out."""
    outputs = []
    for path, leaf in flat(result):
        if isinstance(leaf, CONSTANTS):
            if leaf is None:
                continue
            leaf = torch.tensor(list(leaf.encode()) if isinstance(leaf, str) else leaf, device="cpu")
        if not isinstance(leaf, torch.Tensor):
            raise refuse_leaf(leaf, what if not path else f"{what} at {path_text(path)}")
        outputs.append((path, leaf))
    return outputs


def _compared(
    case: Case, found: list[_Output], wanted: list[_Output], program: _Program, notes: dict[str, None]
) -> list[OutputCheck]:
    shapes = tuple(tuple(tensor.shape) for tensor in case.tensors)
    if len(found) != len(wanted):
        problem = Comparison.failed(f"{len(found)} outputs; wanted {len(wanted)}")
        return [OutputCheck(case.name, shapes, "all", problem)]
    rows = []
    names = program.output_names(wanted)
    for name, (_, one), (_, other) in zip(names, found, wanted, strict=True):
        if {one.dtype, other.dtype} == {torch.int32, torch.int64}:
            notes[f"{name} is {dtype_name(one.dtype)} and was {dtype_name(other.dtype)}: compared by value"] = None
        rows.append(OutputCheck(case.name, shapes, name, compare(one, other)))
    return rows


def _failure(report: CheckReport) -> str:
    worst = report.worst
    failed = sum(not one.comparison.within(report.threshold) for one in report.outputs)
    shapes = ", ".join(str(list(shape)) for shape in worst.input_shapes)
    return (
        f"the program computes something else than the original in {failed} of {len(report.outputs)} outputs; worst: "
        f"{worst.case}, inputs of the shapes {shapes}, {worst.output}: {worst.comparison.summary}; allowed is a "
        f"relative error of {report.threshold:g} ({report.precision})"
    )
