"""Modules as TorchScript, scripted or traced, so that the result computes what Python computes.

torch's compiler reads a module's class, but Python calls what the instance holds. It reads the source of a function,
but Python calls what decorators made of it. If the two differ, what Python calls is compiled, or the module is refused.
"""

import contextlib
import inspect
import threading
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.jit import _recursive, _state
from torch.jit import frontend as _frontend
from torch.jit._fuser import optimized_execution
from torch.utils._python_dispatch import TorchDispatchMode

from torch_nacelle._build import traced_sizes
from torch_nacelle._build.flattening import FlatModule
from torch_nacelle._models.model_state import for_inference
from torch_nacelle._models.state import StateError, refuse_state, refused_changes
from torch_nacelle._programs.scripted_results import ScriptedResults, defined
from torch_nacelle._runtime.dispatch_modes import without_compiler
from torch_nacelle._runtime.input import Input
from torch_nacelle._runtime.messages import first_lines, warn_of_tracing
from torch_nacelle._runtime.torch_state import without_deprecations
from torch_nacelle.errors import InputError

_TORCH = str(Path(torch.__file__).parent)  # its own modules ask about shapes, where tracing loses nothing

_CPU = torch.device("cpu")

_KEEP_DECISIONS = "method='script' keeps every way, and method='auto' takes a trace only if it computes the same"

_SEEDS = (0, 100)  # of the inputs on which a trace is compared

_INTEGERS = (torch.int32, torch.int64)

_SOME_INTEGERS = range(-8, 9)  # for modules that take more than indices and truths

frontend: Any = _frontend
compiler: Any = _recursive

_scripting = threading.RLock()  # the compiler keeps its state in globals

TRACER = threading.RLock()
"""Held while torch traces or exports a module: its tracer and its exporters keep names of submodules in globals."""

# Decorators that change no number that forward computes.
_GRAD_MODES = (torch.no_grad, torch.enable_grad, torch.inference_mode, torch.set_grad_enabled)


def scripted(module: torch.nn.Module) -> torch.jit.ScriptModule:
    """Compiles a module in eval mode with ``torch.jit.script``; a ScriptModule is returned as it is.

    Raises:
        InputError: The compiler would leave out what Python runs: a wrapper around a function, a forward of another
            object, a ``__call__`` of the class's own.
        Exception: Whatever the compiler raises.
    """
    if isinstance(module, torch.jit.ScriptModule):
        return module
    if isinstance(module, FlatModule):
        return _scripted_flat(module)
    for path, part in module.named_modules():
        _check_part(part, path)
    with _scripting, for_inference(module), without_deprecations(), _as_python_calls(), _own_types():
        script: torch.jit.ScriptModule = _recursive.create_script_module(
            torch.jit._script.call_prepare_scriptable_func(module), _methods
        )
    return script


def _scripted_flat(module: FlatModule) -> torch.jit.ScriptModule:
    """The script of a model, under a forward that takes and returns tensors in a row."""
    holder = torch.nn.Module()
    holder.model = scripted(module.model)
    holder.training = False
    return defined(holder, module.source(), ScriptedResults(lambda value: None).resolve)


class _Types(_recursive.ConcreteTypeStore):
    """The types of one call of the compiler, which compiles each once.

    torch keeps the types of all calls, by class: a class that was changed since keeps its methods of then, and the
    methods of the first instance are those of all.
    """

    def get_or_create_concrete_type(self, nn_module: torch.nn.Module) -> Any:
        if not _own_methods(nn_module):
            return super().get_or_create_concrete_type(nn_module)  # type: ignore[no-untyped-call]
        builder: Any = _recursive.infer_concrete_type_builder(nn_module)
        builder.set_poisoned()  # it equals no other, and no type does that has it inside
        return builder.build()


class _TypesOfThread:
    """A store of types that is another for one thread: others may compile at the same time."""

    def __init__(self, thread: int, types: Any, others: Any) -> None:
        self._thread = thread
        self._types = types
        self._others = others

    def __getattr__(self, name: str) -> Any:
        return getattr(self._types if threading.get_ident() == self._thread else self._others, name)


@contextlib.contextmanager
def _own_types() -> Iterator[None]:
    """Makes the compiler share types within this call alone."""
    before = compiler.concrete_type_store
    types: Any = _Types()
    compiler.concrete_type_store = _TypesOfThread(threading.get_ident(), types, before)
    try:
        yield
    finally:
        compiler.concrete_type_store = before


def _methods(module: torch.nn.Module) -> list[Any]:
    """The methods to compile: the compiler's choice, and those that the instance has in place of its class's."""
    stubs: list[Any] = _recursive.infer_methods_to_compile(module)
    known = {stub.def_.name().name for stub in stubs}
    return stubs + [
        _recursive.make_stub_from_method(module, name) for name in _own_methods(module) if name not in known
    ]


def _own_methods(module: torch.nn.Module) -> list[str]:
    """Names of bound methods that the instance holds under the name of an attribute of its class."""
    return [
        name
        for name, value in module.__dict__.items()
        if inspect.ismethod(value) and (name == "forward" or callable(getattr(type(module), name, None)))
    ]


def _check_part(part: torch.nn.Module, path: str) -> None:
    """Raises InputError if the compiler would read another function than Python calls."""
    if isinstance(part, torch.jit.ScriptModule):
        return
    what = f"submodule {path!r} ({type(part).__name__})" if path else type(part).__name__
    calls = (type(part).__call__, type(part)._call_impl)
    if calls != (torch.nn.Module.__call__, torch.nn.Module._call_impl) and not isinstance(part, torch.fx.GraphModule):
        raise InputError(f"{what} has a __call__ of its own, which TorchScript leaves out: put it into forward")
    for name in ("forward", *_own_methods(part)):
        method = getattr(part, name)
        if inspect.ismethod(method) and method.__self__ is part:
            continue
        owner = (
            f"a method of another object, a {type(method.__self__).__name__}"
            if inspect.ismethod(method)
            else (f"a {type(method).__name__}")
        )
        raise InputError(
            f"{what} has as {name} {owner}, which TorchScript would call with another self: wanted a method of "
            f"its own, as types.MethodType(function, module) makes it"
        )


@contextlib.contextmanager
def _as_python_calls() -> Iterator[None]:
    """Makes the compiler refuse a function if Python calls something else than its source, and forget known functions.

    A function that the compiler compiled before may call others that have been replaced since.
    """
    cache = _state._jit_caching_layer
    for function in list(cache):
        if not _is_torchs(function):
            cache.pop(function, None)
    thread = threading.get_ident()
    parse = frontend.parse_def

    def checked(function: Any) -> Any:
        if threading.get_ident() == thread:
            _check_source(function)
        return parse(function)

    frontend.parse_def = checked
    try:
        yield
    finally:
        frontend.parse_def = parse


def _is_torchs(function: object) -> bool:
    return (getattr(function, "__module__", None) or "").split(".")[0] == "torch"


def _check_source(function: Any) -> None:
    """Raises InputError for a function that a decorator has wrapped: its source is that of the function inside."""
    while hasattr(function, "__wrapped__"):
        if not (_is_torchs(function) or _changes_grad_mode(function)):
            raise InputError(
                f"{getattr(function, '__qualname__', function)} is wrapped by a decorator, which TorchScript leaves "
                f"out: do its work inside the function, or trace it"
            )
        function = function.__wrapped__


def _changes_grad_mode(function: Any) -> bool:
    """True if all that the decorator does is to enter one of torch's modes for gradients."""
    function = getattr(function, "__func__", function)
    if not isinstance(function, types.FunctionType) or not function.__code__.co_filename.startswith(_TORCH):
        return False
    context = inspect.getclosurevars(function).nonlocals.get("ctx_factory")
    return isinstance(getattr(context, "__self__", None), _GRAD_MODES)


@dataclass(frozen=True)
class Traced:
    """A module as one run of it went.

    Attributes:
        script: The trace.
        losses: Places in the source where tracing lost a decision, as ``file.py:12``.
        reads_values: True if some of these decisions are about values, not about shapes alone.
        first_call: True if the module was called by the tracer for the first time.
    """

    script: torch.jit.ScriptModule
    losses: tuple[str, ...]
    reads_values: bool
    first_call: bool = False


def traced(
    module: torch.nn.Module, inputs: Sequence[Input], device: torch.device = _CPU, *, first_call: bool = False
) -> Traced:
    """Follows one run of a module in eval mode, on made-up inputs of the opt shapes of the first shape ranges.

    Args:
        module: The module.
        inputs: Its inputs.
        device: Its device.
        first_call: True if the tracer follows the module's first call: values that it keeps for later calls, such as
            anchors for the size of an image, are computed in the trace. Else they exist before, and are constants.

    Raises:
        InputError: forward keeps state, or changes an input in place.
        Exception: Whatever the module or the tracer raises.
    """
    examples = tuple(one.example().to(device) for one in inputs)
    with TRACER, torch.no_grad(), tracer_warnings() as caught:
        with for_inference(module):
            refuse_state(module, examples, type(module).__name__)
            if not first_call:
                return _traced(module, examples, caught, first_call)
        with for_inference(module):
            return _traced(module, examples, caught, first_call)


def _traced(
    module: torch.nn.Module,
    examples: tuple[torch.Tensor, ...],
    caught: Sequence[warnings.WarningMessage],
    first_call: bool,
) -> Traced:
    script: torch.jit.ScriptModule = torch.jit.trace(module, examples, check_trace=False, strict=False)
    losses = losses_in(caught)
    return Traced(script, losses, bool(losses) and _reads_values(module, examples), first_call)


def compared_trace(
    module: torch.nn.Module, inputs: Sequence[Input], device: torch.device = _CPU, *, must_run: bool = False
) -> tuple[Traced, str]:
    """A trace, and its ``difference`` to the module: empty if there is a trace that computes what the module computes.

    Args:
        module: The module.
        inputs: Its inputs.
        device: Its device.
        must_run: True if the module must run on made-up inputs; else nothing is compared if it fails on them.

    Raises:
        InputError: The module keeps state, or fails on inputs on which it must run.
        Exception: Whatever the module or the tracer raises.
    """
    trace = traced(module, inputs, device)
    try:
        apart = difference(trace.script, module, inputs, trace.losses)
    except StateError:
        raise
    except InputError:
        if must_run:
            raise
        return trace, ""
    if not apart:
        return trace, ""
    try:
        first = traced(module, inputs, device, first_call=True)
        if not difference(first.script, module, inputs, first.losses):
            return first, ""
    except Exception:  # the other trace is the one to tell of
        pass
    return trace, f"{apart}{_advice(trace, module, inputs, device)}"


def _advice(trace: Traced, module: torch.nn.Module, inputs: Sequence[Input], device: torch.device) -> str:
    """A clause about the places where a trace kept a size of its run, found by a trace of another size."""
    for extent in ("max", "min"):
        resized = [_at(one, extent) for one in inputs]
        if [one.shape for one in resized] == [_at(one, "opt").shape for one in inputs]:
            continue
        try:
            said = traced_sizes.advice(trace.script, traced(module, resized, device).script)
        except Exception:  # the difference is told without it
            continue
        if said:
            return f"; {said}"
    return ""


def _at(one: Input, extent: str) -> Input:
    """An input with a fixed shape, that of an end of its first range."""
    return one if not one.dynamic else Input(getattr(one.ranges[0], extent), one.dtype, name=one.name)


def refuse_state_of(module: torch.nn.Module, inputs: Sequence[Input]) -> None:
    """Raises InputError if a run of a module, on the inputs of a trace, keeps state or changes an input in place.

    The graph of a script does not show all of it: torch's compiler drops operators whose schemas do not say that they
    write, such as ``torch._foreach_add_``. A module that fails on these inputs is not judged.
    """
    try:
        examples = tuple(one.example() for one in inputs)
        with for_inference(module), torch.no_grad(), tracer_warnings():
            refuse_state(module, examples, type(module).__name__)
    except InputError:
        raise
    except Exception:  # the module's own, or no memory for the inputs; what comes next says it better
        return


def difference(
    script: torch.jit.ScriptModule,
    module: torch.nn.Module,
    inputs: Sequence[Input],
    losses: Sequence[str] = (),
    *,
    keeps_branches: bool = False,
) -> str:
    """A sentence if a script or trace fails, or computes something else than the module, at a shape of its ranges.

    The shapes are min, opt and max, and some between if decisions were lost, which may be about any size. The tracer
    tells some of what it loses, such as a branch, and not that a loop over ``range(x.shape[0])`` is run as often as in
    the run that it followed. Integers are 0 and 1, and others if the module takes them.

    Args:
        script: The module as TorchScript.
        module: The module.
        inputs: Its inputs.
        losses: Places where tracing lost a decision.
        keeps_branches: True if few values tell enough.

    Raises:
        StateError: The module changes a tensor that it owns at such a shape.
        InputError: The module itself fails there.
    """
    from torch_nacelle._check.check import (  # they need the exporter, which needs this module
        BETWEEN,
        check_over,
        precision_of,
    )

    precision = precision_of("reference", {}, inputs)
    between = BETWEEN if losses else 0
    try:
        with refused_changes(module), optimized_execution(False):  # to optimize would cost more than the runs
            for seed in _SEEDS[:1] if keeps_branches else _SEEDS:
                check_over(
                    range(2),
                    script,
                    module,
                    inputs,
                    precision=precision,
                    seed=seed,
                    between=between,
                    same_random_numbers=True,
                )
            # A wrong index ends the process's use of a GPU.
            if (
                not keeps_branches
                and any(one.dtype in _INTEGERS for one in inputs)
                and not any(one.is_cuda for one in module.state_dict().values())
            ):
                check_over(_SOME_INTEGERS, script, module, inputs, precision=precision, same_random_numbers=True)
    except InputError:
        raise
    except Exception as error:  # the trace raises what its operators raise
        at = f" (tracing lost decisions at {', '.join(losses)})" if losses else ""
        return f"{traced_sizes.reason(error) or first_lines(error)}{at}"
    return ""


def script_difference(script: torch.jit.ScriptModule, module: torch.nn.Module, inputs: Sequence[Input]) -> str:
    """The ``difference`` of a script to its module; empty if the module fails on made-up inputs, or has no forward."""
    if not hasattr(script, "forward"):
        return ""
    try:
        return difference(script, module, inputs, keeps_branches=True)
    except StateError:
        raise
    except InputError:
        return ""


def tell_losses(trace: Traced, name: str, reasons: Sequence[str]) -> None:
    """Warns of a trace that was taken since `reasons` spoke against scripting, and that values may lead astray."""
    if trace.losses and trace.reads_values:
        others = f". Scripting would keep both ways: {'; '.join(reasons)}" if reasons else ""
        warn_of_tracing(
            f"{name} is traced, and the trace goes one way only through what the values of its inputs decide at "
            f"{', '.join(trace.losses)}; it was compared to the module on made-up inputs alone{others}"
        )


def tell_faults(trace: Traced, apart: str, name: str) -> None:
    """Warns of a trace that the caller asked for if it lost decisions, or differs from the module by `apart`."""
    if apart:
        warn_of_tracing(f"{name} is traced, and the trace is no copy of it: {apart}. {_KEEP_DECISIONS}")
    elif trace.losses:
        warn_of_tracing(
            f"{name} is traced, and the trace goes one way only through what the shapes or values of its inputs decide "
            f"at {', '.join(trace.losses)}. {_KEEP_DECISIONS}"
        )


@contextlib.contextmanager
def tracer_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Collects the warnings of torch's tracer, and hides all others meanwhile."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        yield caught


def losses_in(caught: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    """The places outside of torch, as ``file.py:12``, where the tracer followed one way of several."""
    return tuple(
        dict.fromkeys(
            f"{Path(one.filename).name}:{one.lineno}"
            for one in caught
            if "might cause the trace to be incorrect" in str(one.message) and not one.filename.startswith(_TORCH)
        )
    )


@without_compiler
class _ValueReads(TorchDispatchMode):
    """Sees whether a run makes Python numbers of elements of tensors. Sizes are Python numbers in any run."""

    found = False

    def __torch_dispatch__(
        self, func: Callable[..., object], types: object, args: Any = (), kwargs: Any = None
    ) -> object:
        if func is torch.ops.aten._local_scalar_dense.default:
            self.found = True
        return func(*args, **(kwargs or {}))


def _reads_values(module: torch.nn.Module, examples: Sequence[torch.Tensor]) -> bool:
    reads = _ValueReads()  # type: ignore[no-untyped-call]
    try:
        with reads:
            module(*examples)
    except Exception:  # not every operator runs under such a mode; then nothing speaks against it
        return True
    return reads.found


def returns(script: torch.jit.ScriptModule) -> str | None:
    """The form in which forward returns its tensors: "tensor", "tuple" or "list"; None if only a run tells."""
    functions: list[Any] = [script._c._get_method("forward"), *script._c._get_forward_hooks()]
    kinds = [function.schema.returns[0].type.kind() for function in functions]
    kind = next(kind for kind in reversed(kinds) if kind != "NoneType")  # a hook without a result changes nothing
    return {"TensorType": "tensor", "TupleType": "tuple", "ListType": "list"}.get(kind)
