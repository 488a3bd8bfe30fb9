"""Building with the reference engine: the model as TorchScript, and the cache."""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from torch_nacelle import _C
from torch_nacelle._build.caches import DEFAULT_SIZE, EngineCache, cache_folder, key_of
from torch_nacelle._build.exporting import exported_module, exported_trace
from torch_nacelle._build.flattening import FlatModule
from torch_nacelle._build.option_types import BuildOptions
from torch_nacelle._build.torchscript import (
    compared_trace,
    refuse_state_of,
    returns,
    script_difference,
    scripted,
    tell_faults,
    tell_losses,
)
from torch_nacelle._models.exported_program import positional_module
from torch_nacelle._models.onnx_source import OnnxSource
from torch_nacelle._models.sources import ModelSource, cuda_device
from torch_nacelle._models.state import StateError
from torch_nacelle._runtime.build_info import VERSION
from torch_nacelle._runtime.input import Input, dtype_name
from torch_nacelle._runtime.messages import first_lines
from torch_nacelle.errors import Error, InputError

# Runs of the model, each with other values, for an optimization profile.
_MAX_TRIES = 81

_STEPS = {
    "script": "scripting it failed",
    "trace": "tracing it failed",
    "export": "exporting it with torch.export failed",
}

_NO_ENGINE = "no engine can be built from its"

_NO_MEMORY = "can't allocate memory"  # in the RuntimeError of torch's allocator for the CPU


def build_reference(
    source: ModelSource,
    inputs: Sequence[Input],
    name: str,
    output_names: Sequence[str],
    data_dependent: Sequence[str],
    method: str,
    options: BuildOptions,
) -> tuple[bytes, str | None]:
    """The plan, from the engine cache or built, and how the model returns its outputs; see ``embed_returning``.

    A model that cannot be built in one way is built in the next; an error that remains has the reasons of all.
    """
    device = cuda_device(source)
    if device is not None:
        raise InputError(
            f"the reference engine runs on the CPU, and the model is on {device}: move it with .to('cpu'), or build "
            f"with backend='tensorrt'"
        )
    job = _ReferenceJob(inputs, name, tuple(output_names), frozenset(data_dependent), options)
    if isinstance(source, OnnxSource):
        return job.plan(source.as_torchscript(), source.as_model().content()), None
    if isinstance(source, torch.export.ExportedProgram):
        return job.in_some_way(positional_module(source), ["trace"], type(source).__name__, compare=True)
    if isinstance(source, FlatModule) and source.of_program:
        return job.in_some_way(source, ["trace"], type(source).__name__, compare=True)
    if isinstance(source, torch.jit.ScriptModule):
        return job.plan(source), returns(source)
    ways = ["script", "trace", "export"] if method == "auto" else [method]
    return job.in_some_way(source, ways, type(source).__name__, compare=method == "auto")


@dataclass(frozen=True)
class _ReferenceJob:
    """A build, apart from the model."""

    inputs: Sequence[Input]
    name: str
    output_names: tuple[str, ...]
    data_dependent: frozenset[str]
    options: BuildOptions

    def in_some_way(
        self, module: torch.nn.Module, ways: Sequence[str], what: str, *, compare: bool
    ) -> tuple[bytes, str | None]:
        """The plan, by the first of `ways` that leads to one; with `compare`, to one that computes the same.

        A script shows state that a trace loses with the branch that it is in. The trace is taken all the same if no
        values decide about branches: then a run shows the state, or nothing but shapes and what forward does once does.
        """
        failures: list[tuple[str, Exception]] = []
        state: StateError | None = None
        if "script" in ways:
            refuse_state_of(module, self.inputs)
        for way in ways:
            if way == "export" and (state is not None or _are_one(failures)):
                break  # no way helps
            step = _STEPS[way]
            try:
                if way == "script":
                    script = scripted(module)
                    step = "its script cannot be accepted"
                    if compare and (apart := script_difference(script, module, self.inputs)):
                        raise InputError(apart)
                    step = f"{_NO_ENGINE} script"
                    return self.plan(script), returns(script)
                if way == "export":
                    trace, apart = exported_trace(exported_module(module, self.inputs), module, self.inputs)
                else:
                    trace, apart = compared_trace(module, self.inputs, must_run=compare)
                if state is not None and trace.reads_values:
                    raise state
                if compare and apart:
                    step = f"its {way} cannot be accepted"
                    raise InputError(apart)
                step = f"{_NO_ENGINE} {way}"
                plan = self.plan(trace.script)
            except MemoryError:
                raise  # there is none for the other way either
            except StateError as error:
                if way == "trace":
                    raise
                state = error
                failures.append((step, error))
                continue
            except Exception as error:  # the compiler, the tracer and the model raise all kinds
                if _NO_MEMORY in str(error):
                    raise MemoryError from error
                failures.append((step, error))
                continue
            if compare:
                tell_losses(trace, what, _reasons(failures))
            else:
                tell_faults(trace, apart, what)
            return plan, returns(trace.script)
        if _are_one(failures):
            raise failures[0][1]
        raise InputError(f"{what} cannot become an engine; {'; '.join(_reasons(failures))}") from failures[-1][1]

    def plan(self, script: torch.jit.ScriptModule, content: Sequence[bytes] | None = None) -> bytes:
        """The plan of a TorchScript module: from the engine cache, or built.

        Args:
            script: The module.
            content: The bytes that identify the model in the cache; left out, its archive, which is the same for the
                same module.
        """
        tuples = [
            (
                str(one.name),
                dtype_name(one.dtype),
                list(one.shape),
                [(list(p.min), list(p.opt), list(p.max)) for p in one.ranges] if one.dynamic else [],
            )
            for one in self.inputs
        ]
        values = _values_to_try(self.inputs)
        archive = functools.cache(lambda: _C.reference_archive(script._c, len(tuples)))

        def make() -> bytes:
            return _C.build_reference(
                archive(), self.name, tuples, list(self.output_names), set(self.data_dependent), values
            )

        folder = cache_folder(self.options.get("engine_cache", False), "engines")
        if folder is None:
            return make()
        cache = EngineCache(folder, self.options.get("engine_cache_size", DEFAULT_SIZE))
        key = key_of(
            "reference",
            VERSION,
            self.name,
            tuples,
            list(self.output_names),
            sorted(self.data_dependent),
            values,
            *([archive()] if content is None else content),
        )
        return cache.get_or_build(key, make)[0]


def _are_one(failures: Sequence[tuple[str, Exception]]) -> bool:
    """True if all ways failed at their engine for one reason: an argument is wrong, whichever way is taken."""
    first = failures[0][1]
    return isinstance(first, Error) and all(
        step.startswith(_NO_ENGINE) and first_lines(error) == first_lines(first) for step, error in failures
    )


def _reasons(failures: Sequence[tuple[str, Exception]]) -> list[str]:
    return [f"{step}: {first_lines(error)}" for step, error in failures]


def _values_to_try(inputs: Sequence[Input]) -> list[dict[str, list[int]]]:
    """Values of those inputs whose values decide about shapes: the usual ones, then others within their ranges.

    Not all of them go together (a tensor has few shapes to be reshaped to), so least, usual and largest are mixed.
    """
    ranged = [one for one in inputs if one.values]
    if not ranged:
        return []
    tried: dict[tuple[int, ...], None] = {}
    for profile in range(max(len(one.values) for one in ranged)):
        ranges = [one.values[min(profile, len(one.values) - 1)] for one in ranged]
        choices = [
            dict.fromkeys((opt, low, high))
            for one in ranges
            for low, opt, high in zip(one.min, one.opt, one.max, strict=True)
        ]
        tried.update(dict.fromkeys(itertools.islice(itertools.product(*choices), _MAX_TRIES)))
    sizes = [len(one.values[0].min) for one in ranged]
    return [_split(values, ranged, sizes) for values in tried]


def _split(values: Sequence[int], inputs: Sequence[Input], sizes: Sequence[int]) -> dict[str, list[int]]:
    rest = iter(values)
    return {str(one.name): list(itertools.islice(rest, size)) for one, size in zip(inputs, sizes, strict=True)}
