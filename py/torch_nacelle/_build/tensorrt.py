"""Building with TensorRT: the model as ONNX, the caches, and the builder."""

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace

import torch

from torch_nacelle import _C
from torch_nacelle._build.caches import DEFAULT_SIZE, EngineCache, TimingCache, cache_folder, key_of
from torch_nacelle._build.flattening import model_of
from torch_nacelle._build.onnx import Exports
from torch_nacelle._build.onnx_einsum import with_small_letters
from torch_nacelle._build.onnx_folding import CannotFoldError, folded, has_branches
from torch_nacelle._build.onnx_weights import without_copied_weights
from torch_nacelle._build.option_types import BuildOptions
from torch_nacelle._build.options import options_for_tensorrt
from torch_nacelle._build.progress import Callback, Display, run_cancellable
from torch_nacelle._build.refused_parts import refused_parts
from torch_nacelle._models.onnx_model import OnnxModel
from torch_nacelle._models.onnx_source import OnnxSource, with_node_names
from torch_nacelle._models.sources import ModelSource
from torch_nacelle._runtime.build_info import VERSION
from torch_nacelle._runtime.input import Input, dtype_name, optimization_profiles
from torch_nacelle._runtime.torch_state import torch_defaults
from torch_nacelle.errors import Error, ExecutionError, InputError

_logger = logging.getLogger("torch_nacelle")

# The first releases in which tensors can be int64, and in which the ONNX parser knows LayerNormalization (opset 17).
_HAS_INT64 = (10,)
_HAS_LAYER_NORMALIZATION = (8, 6)

# Words of the parser's refusal (core/tensorrt/builder/onnx_parser.cc), and of no other InputError of a build.
_REFUSED = " cannot read the ONNX model of "


def build_from_some_model(
    source: ModelSource,
    inputs: Sequence[Input],
    builder: "_C.BuilderInfo",
    output_names: Sequence[str] | None,
    method: str,
    name: str,
    options: BuildOptions,
    shown: Display,
    device: torch.device | None,
) -> tuple[OnnxModel, bytes]:
    """The plan, and the ONNX model that it is built from: the first of those that the source leads to.

    Raises:
        InputError: There is no model, or the parser reads none; the message has the reasons of all.
        ExecutionError: The builder fails on each.
    """
    if isinstance(source, OnnxSource):
        model = source.as_model()
        return model, build_tensorrt(model, inputs, builder, name, options, shown, device)
    optimization_profiles(inputs)  # if they do not agree, no way is tried
    with torch_defaults():
        exports = Exports(source, inputs, opset=opset_for(builder), output_names=output_names, method=method)
    parts = ""
    while True:
        try:
            with torch_defaults():
                model = exports.next()
        except InputError as error:
            if not parts:
                raise
            raise InputError(f"{error.reason.rstrip('. ')}{parts}") from error
        try:
            return model, build_tensorrt(model, inputs, builder, name, options, shown, device)
        except (InputError, ExecutionError) as error:
            if not parts and isinstance(source, torch.nn.Module):
                parts = refused_parts(error.reason, model.model, model_of(source))
            exports.failed(error)


def opset_for(builder: "_C.BuilderInfo") -> int:
    """The opset to export for this builder."""
    older = builder.kind == "full" and _release(builder) < _HAS_LAYER_NORMALIZATION
    return min(builder.onnx_opset, 16) if older else builder.onnx_opset


def _release(builder: "_C.BuilderInfo") -> tuple[int, ...]:
    return tuple(int(number) for number in builder.release.split(".") if number.isdigit())


def build_tensorrt(
    exported: OnnxModel,
    inputs: Sequence[Input],
    builder: "_C.BuilderInfo",
    name: str,
    options: BuildOptions,
    shown: Display,
    device: torch.device | None,
) -> bytes:
    """The plan: from the engine cache, or built."""
    exported = replace(exported, model=with_small_letters(without_copied_weights(exported.model)))
    profiles = optimization_profiles(inputs, exported.open_inputs)
    _tell_about_int64(inputs, builder)
    fold = options.get("fold_constants")
    job = _EngineJob(exported, inputs, profiles, builder, name, options_for_tensorrt(options), fold, device)

    def make() -> bytes:
        return job.run(_timing_cache(options, builder, device), shown)

    folder = cache_folder(options.get("engine_cache", False), "engines")
    if folder is None:
        return make()
    cache = EngineCache(folder, options.get("engine_cache_size", DEFAULT_SIZE))
    plan, found = cache.get_or_build(job.key(), make)
    if found:
        _logger.info("engine %r was built before and is in the cache %s", name, folder)
        shown.line(f"engine {name!r} was built before")
    return plan


class _EngineJob:
    """One engine to build."""

    def __init__(
        self,
        exported: OnnxModel,
        inputs: Sequence[Input],
        profiles: list[dict[str, tuple[list[int], list[int], list[int]]]],
        builder: "_C.BuilderInfo",
        name: str,
        options: dict[str, object],
        fold: bool | None,
        device: torch.device | None,
    ) -> None:
        self._exported = exported
        self._inputs = inputs
        self._profiles = profiles
        self._builder = builder
        self._name = name
        self._options = options
        self._fold = fold
        self._device = device

    def key(self) -> str:
        """The key of the engine in the cache: equal for builds that give the same engine."""
        return key_of(
            VERSION,
            self._builder.kind,
            self._builder.release,
            device_text(self._device),
            self._name,
            [(str(one.name), dtype_name(one.dtype), list(one.shape)) for one in self._inputs],
            self._profiles,
            self._options,
            self._fold,
            *self._exported.content(),
        )

    def run(self, timing: TimingCache | None, shown: Display) -> bytes:
        """Builds from the model as it is, or folded; left open, folded if that fails for how the model is written."""
        if self._fold:
            try:
                model = folded(self._exported, self._inputs)
            except CannotFoldError as error:
                raise InputError(f"fold_constants: the model {error}; leave the option out") from None
            return self._build(replace(self._exported, model=model, path=""), timing, shown)
        try:
            return self._build(self._exported, timing, shown)
        except (InputError, ExecutionError) as error:
            if self._fold is False or not self._may_be_how_it_is_written(error):
                raise
            return self._build_folded(error, timing, shown)

    def _build_folded(self, first: Error, timing: TimingCache | None, shown: Display) -> bytes:
        """Builds from the folded model, after a build of the model as it is failed; an error has both reasons."""
        try:
            model = folded(self._exported, self._inputs)
            if isinstance(first, ExecutionError) and has_branches(model):
                raise CannotFoldError("chooses between branches by more than constants and fixed shapes")
        except CannotFoldError as error:
            raise type(first)(
                f"{_clause(first)}; its constant parts could not be computed first: the model {error}"
            ) from None
        shown.line(f"{self._builder.description} does not take the model as it is: constant parts are computed first")
        try:
            plan = self._build(replace(self._exported, model=model, path=""), timing, shown)
        except Error as error:
            again = "the same" if error.reason == first.reason else error.reason
            raise type(first)(f"{_clause(first)}; with its constant parts computed first: {again}") from None
        _logger.info(
            "engine %r is built from the model with its constant parts computed by onnxruntime; as it is: %s",
            self._name,
            first.reason,
        )
        return plan

    def _may_be_how_it_is_written(self, error: Error) -> bool:
        """True if another writing of the same model may be built: not if a build failed that has no branches."""
        if isinstance(error, InputError):
            return _REFUSED in error.reason
        return has_branches(self._exported.model)

    def _about_values(self, error: InputError) -> str:
        """A hint if an optimization profile is refused that has values for an input that takes a shape."""
        if not error.reason.startswith("optimization profile "):
            return ""
        named = [str(one.name) for one in self._inputs if one.values and f'"{one.name}"' in error.reason]
        return f" {named[0]!r} was given values: they are for inputs whose values decide about shapes." if named else ""

    def _build(self, model: OnnxModel, timing: TimingCache | None, shown: Display) -> bytes:
        times = timing.read() if timing else None

        def work(callback: Callback) -> tuple[bytes, bytes | None]:
            try:
                with torch.cuda.device(self._device) if self._device else contextlib.nullcontext():
                    return _C.build_tensorrt(
                        self._builder.path,
                        self._builder.parser,
                        model.model,
                        model.path,
                        self._name,
                        self._profiles,
                        self._options,
                        times,
                        callback,
                    )
            except InputError as error:
                raise InputError(with_node_names(error.reason, model.model) + self._about_values(error)) from None

        shown.start(f"building engine {self._name!r}")
        try:
            plan, times_after = run_cancellable(work, shown, self._builder.description)
        finally:
            shown.stop()
        if timing and times_after is not None:
            timing.write(times_after)
        return plan


def _clause(error: Error) -> str:
    """The reason without a full stop, which TensorRT's own words may end with."""
    return error.reason.rstrip(". ")


def _timing_cache(options: BuildOptions, builder: "_C.BuilderInfo", device: torch.device | None) -> TimingCache | None:
    folder = cache_folder(options.get("timing_cache", False), "timing")
    return None if folder is None else TimingCache(folder, device_text(device), builder.description)


def device_text(device: torch.device | None) -> str:
    """The GPU that is built for, by name and compute capability."""
    if not torch.cuda.is_available():
        return "no device"
    properties = torch.cuda.get_device_properties(device if device is not None else torch.cuda.current_device())
    return f"{properties.name} {properties.major}.{properties.minor}"


def _tell_about_int64(inputs: Sequence[Input], builder: "_C.BuilderInfo") -> None:
    wide = [str(one.name) for one in inputs if one.dtype == torch.int64]
    if wide and builder.kind == "full" and _release(builder) < _HAS_INT64:
        _logger.warning(
            "%s has no int64 tensors: the engine takes int32 for %s; call it with .int(), or set convert_inputs with "
            "nacelle.configure",
            builder.description,
            ", ".join(wide),
        )
