"""Compares what is compiled from a made-up module with the module itself, call by call."""

from __future__ import annotations

import importlib.util
import linecache
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import torch

import torch_nacelle as nacelle
from tests.py.fuzz.modules import Case

VARIANTS = ("script", "trace", "scripted", "auto", "hybrid", "hybrid trace")
"""How a module becomes a program.

``scripted`` compiles the ScriptModule that torch makes of the module and is compared with that.
"""

_TOLERANCES = {torch.float16: 1e-2, torch.bfloat16: 1e-1, torch.float32: 1e-5, torch.float64: 1e-9}
_TRACING = ("trace", "hybrid trace")

# The calls in turn: the program in memory alone, then two programs loaded from one file.
_IN_MEMORY = ("a ones", "a opt", "a opt", "a max", "a opt", "a min", "a opt")
_LOADED = ("a opt", "b opt", "a opt", "b max", "a opt", "a max", "b opt", "b min", "a min", "b opt", "a opt")


class Subject(Protocol):
    """Compiles, saves and loads: Nacelle, or something that is wrong on purpose."""

    def compile(self, module: torch.nn.Module, inputs: Any, method: str) -> Any:
        """A program that computes what the module computes."""

    def save(self, program: Any, path: Path) -> None:
        """Writes a program."""

    def load(self, path: Path) -> Any:
        """A program from a file."""


class Nacelle:
    """The product."""

    def compile(self, module: torch.nn.Module, inputs: Any, method: str) -> Any:
        """``nacelle.compile`` for the reference engine."""
        return nacelle.compile(module, inputs, method=method, backend="reference", progress=False)  # type: ignore[arg-type]

    def save(self, program: Any, path: Path) -> None:
        """Writes a program."""
        program.save(str(path))

    def load(self, path: Path) -> Any:
        """A program from a file."""
        return torch.jit.load(str(path))


@dataclass(frozen=True)
class Finding:
    """A fault.

    Attributes:
        variant: The way in which the module was compiled.
        kind: The kind of fault, in a few words.
        detail: The value that was found and the value that was wanted.
    """

    variant: str
    kind: str
    detail: str

    @property
    def identity(self) -> tuple[str, str]:
        """The part that stays the same while a case is made smaller."""
        return self.variant, self.kind


@dataclass
class Verdict:
    """The outcome of one case.

    Attributes:
        findings: The faults.
        outcomes: For each variant ``"equal"``, ``"refused"``, ``"warned"``, ``"failed"``, or why there was none.
        refusals: The first line of each refusal.
    """

    findings: list[Finding] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)


class _FaultError(Exception):
    """A fault in one variant."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


class _NoReferenceError(Exception):
    """The module itself cannot be run or made: there is nothing to compare with."""


@contextmanager
def imported(text: str) -> Iterator[ModuleType]:
    """The module's text as a Python module, from a file: TorchScript reads the source."""
    with tempfile.TemporaryDirectory(prefix="nacelle_fuzz_") as folder:
        path = Path(folder) / "made_up.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location("made_up", path)
        assert spec is not None and spec.loader is not None
        result = importlib.util.module_from_spec(spec)
        sys.modules["made_up"] = result
        try:
            spec.loader.exec_module(result)
            yield result
        finally:
            del sys.modules["made_up"]
            linecache.checkcache()


def judge(
    case: Case,
    subject: Subject | None = None,
    variants: Sequence[str] = VARIANTS,
    begins: Callable[[str], None] = lambda variant: None,
) -> Verdict:
    """Compiles the case's module in each way and compares each program with it.

    Args:
        case: The case.
        subject: The compiler under test; left out, Nacelle.
        variants: The ways to compile it, from ``VARIANTS``.
        begins: Is told each variant before it begins.
    """
    verdict = Verdict()
    with imported(case.text) as source:
        patch: Callable[[], None] | None = getattr(source, "patch", None)
        for variant in VARIANTS:
            if variant == "auto" and patch is not None:
                patch()
            if variant not in variants:
                # A class is patched between two compiles: the one before has to take place.
                if variant == "script" and patch is not None:
                    _run(source, subject or Nacelle(), variant, Verdict())
                continue
            begins(variant)
            _run(source, subject or Nacelle(), variant, verdict)
    return verdict


def _run(source: ModuleType, subject: Subject, variant: str, verdict: Verdict) -> None:
    try:
        verdict.outcomes[variant] = _Variant(source, subject, variant, verdict).outcome()
    except _FaultError as fault:
        verdict.outcomes[variant] = "failed"
        verdict.findings.append(Finding(variant, fault.kind, fault.detail))
    except _NoReferenceError as reason:
        verdict.outcomes[variant] = str(reason)


class _Variant:
    """One way to compile a module."""

    def __init__(self, source: ModuleType, subject: Subject, variant: str, verdict: Verdict) -> None:
        self._source = source
        self._subject = subject
        self._variant = variant
        self._verdict = verdict
        self._calls = _calls(source.INPUTS)
        self._warned = False

    def outcome(self) -> str:
        """Compiles and compares.

        Raises:
            _FaultError: The first fault.
        """
        hybrid = self._variant.startswith("hybrid")
        inputs: Any = getattr(self._source, "HYBRID", None) if hybrid else self._source.INPUTS
        if inputs is None:
            return "no submodule"
        self._make_reference()
        module = self._make()
        before = _snapshot(module)
        program = self._compile(module, inputs)
        self._check_source(before, module, "compile")
        if program is None:
            return "refused"
        with tempfile.TemporaryDirectory(prefix="nacelle_fuzz_") as folder:
            path = Path(folder) / "program.ts"
            self._guarded("save", lambda: self._subject.save(program, path))
            self._sequence(_IN_MEMORY, {"a": program})
            self._check_source(before, module, "calling the program")
            programs = {name: self._guarded("load", lambda: self._subject.load(path)) for name in "ab"}
            self._sequence(_LOADED, programs)
        return "warned" if self._warned else "equal"

    def _check_source(self, before: dict[str, Any], module: torch.nn.Module, step: str) -> None:
        """Notes a change of the source; what the program computes is looked at all the same."""
        change = _change(before, _snapshot(module))
        known = any(one.variant == self._variant for one in self._verdict.findings)
        if change and not known:
            self._verdict.findings.append(Finding(self._variant, f"{step} changes the source", change))

    def _make(self) -> torch.nn.Module:
        module: torch.nn.Module = self._source.make()
        if self._variant != "scripted":
            return module
        with _silence():
            return torch.jit.script(module)

    def _make_reference(self) -> torch.nn.Module:
        try:
            module = self._make()
            for part in module.modules():
                part.training = False
            return module
        except Exception as error:
            raise _NoReferenceError(f"no module: {_first_line(error)}") from error

    def _compile(self, module: torch.nn.Module, inputs: Any) -> Any:
        method = self._variant if self._variant in ("script", "trace") else "auto"
        method = "trace" if self._variant == "hybrid trace" else method
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                program = self._subject.compile(module, inputs, method)
        except nacelle.Error as error:
            self._verdict.refusals[self._variant] = _first_line(error)
            return None
        except Exception as error:
            raise _FaultError(f"compile raises {type(error).__name__}", _first_line(error)) from error
        ours = any(one.category.__module__.startswith("torch_nacelle") for one in caught)
        torchs = any(one.category.__name__ == "TracerWarning" for one in caught)
        self._warned = ours or (torchs and self._variant in _TRACING)
        return program

    def _guarded(self, step: str, run: Callable[[], Any]) -> Any:
        try:
            return run()
        except Exception as error:
            raise _FaultError(f"{step} raises {type(error).__name__}", _first_line(error)) from error

    def _sequence(self, order: Sequence[str], programs: Mapping[str, Any]) -> None:
        """Calls programs in turn, each beside a module of its own."""
        references = {name: self._make_reference() for name in programs}
        before: dict[tuple[str, str], tuple[Any, Any]] = {}
        done: list[str] = []
        for step in order:
            name, what = step.split()
            if name not in references:
                continue
            for label, tensors in self._calls[what]:
                done.append(f"{name} {label}")
                try:
                    wanted = _call(references[name], tensors)
                except Exception:  # the module takes no such inputs
                    del references[name]
                    self._survive(programs[name], tensors)
                    break
                place = f"call {', '.join(done)}"
                found = self._guarded_call(programs[name], tensors, place)
                self._compare(found, wanted, place, label, before.get((name, label)))
                before[name, label] = (_copied(found), _copied(wanted))
                if not self._variant.startswith("hybrid"):
                    _scribble(found)

    def _survive(self, program: Any, tensors: Sequence[torch.Tensor]) -> None:
        """Calls that the module itself fails on: anything but a crash is right."""
        try:
            _call(program, tensors)
        except Exception:
            return

    def _guarded_call(self, program: Any, tensors: Sequence[torch.Tensor], place: str) -> Any:
        try:
            return _call(program, tensors)
        except Exception as error:
            if self._warned:
                raise _NoReferenceError("warned") from error
            raise _FaultError(f"call raises {type(error).__name__}", f"{place}: {_first_line(error)}") from error

    def _compare(self, found: Any, wanted: Any, place: str, label: str, before: tuple[Any, Any] | None) -> None:
        try:
            _compare(found, wanted, "result")
        except _FaultError as fault:
            # A traced part of a hybrid is called with what the rest makes of the ones, not with those of its trace.
            as_traced = label == "ones" and not self._variant.startswith("hybrid")
            if self._warned and not as_traced and not _state_shows(found, wanted, before):
                return
            kind = "state" if before is not None and _state_shows(found, wanted, before) else fault.kind
            raise _FaultError(kind, f"{place}: {fault.detail}") from None


def _state_shows(found: Any, wanted: Any, before: tuple[Any, Any] | None) -> bool:
    """True if the program's answer to the same inputs changed and the module's did not, or the other way round."""
    if before is None:
        return False
    return _differs(found, before[0]) != _differs(wanted, before[1])


def _differs(found: Any, wanted: Any) -> bool:
    try:
        _compare(found, wanted, "")
    except _FaultError:
        return True
    return False


def _calls(inputs: Sequence[nacelle.Input]) -> dict[str, list[tuple[str, list[torch.Tensor]]]]:
    """The inputs of calls: of each extent one for each profile."""
    count = max(one.range_count for one in inputs)
    calls: dict[str, list[tuple[str, list[torch.Tensor]]]] = {"ones": [("ones", [one.example() for one in inputs])]}
    for seed, extent in enumerate(("opt", "max", "min")):
        calls[extent] = []
        for profile in range(max(count, 1)):
            generator = torch.Generator().manual_seed(10 * seed + profile)
            shapes = [getattr(one.ranges[profile], extent) if one.ranges else one.shape for one in inputs]
            tensors = [_values(one.dtype, shape, generator) for one, shape in zip(inputs, shapes, strict=True)]
            calls[extent].append((f"{extent}{profile or ''}", tensors))
    return calls


def _values(dtype: torch.dtype, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    if dtype.is_floating_point:
        return torch.randn(tuple(shape), generator=generator).to(dtype)
    low, high = {torch.bool: (0, 2), torch.uint8: (0, 9)}.get(dtype, (-4, 5))
    return torch.randint(low, high, tuple(shape), generator=generator).to(dtype)


def _call(program: Any, tensors: Sequence[torch.Tensor]) -> Any:
    with torch.no_grad(), _silence():
        return program(*(tensor.clone() for tensor in tensors))


@contextmanager
def _silence() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, (list, tuple)):
        items = [_copied(one) for one in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return value


def _scribble(value: Any) -> None:
    """Writes to a result, as a caller may: the next call must not show it."""
    if isinstance(value, torch.Tensor):
        value.fill_(1)
    elif isinstance(value, (list, tuple)):
        for one in value:
            _scribble(one)


def _compare(found: Any, wanted: Any, what: str) -> None:
    """Raises _FaultError if a result is another."""
    if isinstance(wanted, torch.Tensor):
        if not isinstance(found, torch.Tensor):
            raise _FaultError("structure", f"{what} is {_kind(found)}; wanted a tensor")
        _compare_tensors(found, wanted, what)
    elif isinstance(wanted, (list, tuple)):
        base = list if isinstance(wanted, list) else tuple
        if not isinstance(found, base) or len(found) != len(wanted):
            raise _FaultError("structure", f"{what} is {_kind(found)}; wanted {_kind(wanted)}")
        for index, (one, other) in enumerate(zip(found, wanted, strict=True)):
            _compare(one, other, f"{what}[{index}]")
    elif isinstance(wanted, dict):
        if not isinstance(found, dict) or list(found) != list(wanted):
            raise _FaultError("structure", f"{what} is {_kind(found)}; wanted {_kind(wanted)}")
        for key in wanted:
            _compare(found[key], wanted[key], f"{what}[{key!r}]")
    elif found != wanted or type(found) is not type(wanted):
        raise _FaultError("structure", f"{what} is {found!r}; wanted {wanted!r}")


def _kind(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return "a tensor"
    if isinstance(value, (list, tuple, dict)):
        base = next(one for one in (list, tuple, dict) if isinstance(value, one))
        return f"a {base.__name__} of {len(value)}"
    return f"a {type(value).__name__}"


def _compare_tensors(found: torch.Tensor, wanted: torch.Tensor, what: str) -> None:
    if found.dtype != wanted.dtype:
        raise _FaultError("dtype", f"{what} is {found.dtype}; wanted {wanted.dtype}")
    if found.shape != wanted.shape:
        raise _FaultError("shape", f"{what} has the shape {list(found.shape)}; wanted {list(wanted.shape)}")
    tolerance = _TOLERANCES.get(wanted.dtype, 0.0)
    if (
        torch.allclose(found, wanted, rtol=tolerance, atol=tolerance, equal_nan=True)
        if tolerance
        else torch.equal(found, wanted)
    ):
        return
    raise _FaultError("values", f"{what} is {found.flatten()[:8].tolist()}; wanted {wanted.flatten()[:8].tolist()}")


def _snapshot(module: torch.nn.Module) -> dict[str, Any]:
    """All that a compile must leave as it was."""
    state: dict[str, Any] = {}
    for path, part in module.named_modules(remove_duplicate=False):
        state[f"{path or 'the module'}: training"] = part.training
        for name, value in [*part._parameters.items(), *part._buffers.items()]:
            state[f"{path}.{name}"] = (
                None if value is None else (value.detach().clone(), value.requires_grad, value.grad)
            )
        if isinstance(part, torch.jit.ScriptModule):
            continue
        state[f"{path}: class"] = type(part)
        state[f"{path}: forward of the class"] = type(part).forward
        for name, value in part.__dict__.items():
            if name in (
                "training",
                "_parameters",
                "_buffers",
                "__overloads__",
            ):  # the last is a note of torch.jit.script
                continue
            copied = dict(value) if isinstance(value, dict) else value
            state[f"{path}: attribute {name}"] = _copied(copied)
    return state


def _change(before: dict[str, Any], after: dict[str, Any]) -> str:
    """The first difference between two snapshots; empty if there is none."""
    for name in {**before, **after}:
        if name not in before or name not in after:
            return f"{name} is {'new' if name in after else 'gone'}"
        if not _same(before[name], after[name]):
            return f"{name} is {after[name]!r}; was {before[name]!r}"[:300]
    return ""


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(torch.nan_to_num(one), torch.nan_to_num(other))
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    return bool(one is other or one == other)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, torch.jit.Error) and lines:
        return f"{lines[0]} … {lines[-1]}"[:400]
    return (lines or [type(error).__name__])[0][:400]
