"""What a user may set about building an engine with TensorRT."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from typing_extensions import TypedDict

from torch_nacelle.errors import InputError

PathLike: TypeAlias = str | os.PathLike[str]
HardwareCompatibility: TypeAlias = Literal["none", "ampere_plus", "same_compute_capability"]
Verbosity: TypeAlias = Literal["none", "layer_names_only", "detailed"]
TacticSource: TypeAlias = Literal["cublas", "cublas_lt", "cudnn", "edge_mask_convolutions", "jit_convolutions"]


class BuildOptions(TypedDict, total=False):
    """Options of ``build_engine``; what is left out is as TensorRT has it. Releases are those that have the option.

    Attributes:
        fp16: Whether layers may compute in float16. TensorRT to 10: engines of later ones and of TensorRT-RTX have the
            dtypes of the model, so give a model in float16.
        bf16: The same for bfloat16. TensorRT 10.
        int8: The same for int8, with scales from QuantizeLinear and DequantizeLinear in the model. TensorRT to 10.
        fp32_layers: Names of layers that compute in float32 whatever the others do, for those that lose too much in
            float16; ``*`` stands for any characters: ``["/head/*"]``. Layers have the names of the ONNX model's nodes,
            which torch's exporter makes of the paths of submodules. TensorRT to 10.
        tf32: Whether float32 layers may compute in TF32, on GPUs that have it; TensorRT's own default is True.
        strongly_typed: Whether every layer computes in the dtypes that the model says. TensorRT 10 and later; from 11
            on, and in TensorRT-RTX, always.
        workspace: Scratch memory that layers may use, in bytes, at most.
        tactic_sources: Where TensorRT may take its kernels from; an empty list for its own only. cublas, cublas_lt and
            cudnn: TensorRT to 10.
        optimization_level: 0 builds fastest, 5 looks for the fastest engine; TensorRT's own default is 3. 8.6 and
            later.
        avg_timing_iterations: How often each kernel is measured, and the mean taken, to choose the fastest: 1 builds
            fastest; TensorRT's own default is 8 in 8.5.
        hardware_compatibility: ``"ampere_plus"``: the engine runs on every GPU of compute capability 8.0 or newer (8.6
            and later); ``"same_compute_capability"``: on every GPU of this compute capability (10.9 and later).
        version_compatible: Whether newer releases of the same major one can run the engine. 8.6 and later.
        exclude_lean_runtime: Whether a version-compatible plan leaves out the runtime that it would bring. 8.6 and
            later.
        timing_cache: Whether measured times are kept on disk for later builds (False); a folder to keep them in.
        engine_cache: Whether engines are kept on disk, so that the same one is not built again (False); a folder to
            keep them in.
        engine_cache_size: Bytes that the engine cache may hold (4 GiB); least recently used ones go first.
        refittable: Whether weights can be replaced without a new build.
        weight_stripped: Whether the plan leaves out weights, which must be refitted then. TensorRT 10 and later.
        max_aux_streams: Streams beside the caller's that the engine may use, at most. 8.6 and later.
        profiling_verbosity: What the engine tells of its layers.
        fold_constants: Whether onnxruntime computes what is constant in the model before TensorRT sees it; left out:
            where it cannot be built as it is.
        library: The builder: a TensorRT library's file, or a folder with one. Left out: the first that is found.
    """

    fp16: bool
    bf16: bool
    int8: bool
    fp32_layers: Sequence[str]
    tf32: bool
    strongly_typed: bool
    workspace: int
    tactic_sources: Sequence[TacticSource]
    optimization_level: int
    avg_timing_iterations: int
    hardware_compatibility: HardwareCompatibility
    version_compatible: bool
    exclude_lean_runtime: bool
    timing_cache: bool | PathLike
    engine_cache: bool | PathLike
    engine_cache_size: int
    refittable: bool
    weight_stripped: bool
    max_aux_streams: int
    profiling_verbosity: Verbosity
    fold_constants: bool
    library: PathLike


# What the caches need; the reference engine has them too.
_OF_CACHES = ("timing_cache", "engine_cache", "engine_cache_size")
# What the builder itself does not see.
_NOT_FOR_BUILDER = (*_OF_CACHES, "fold_constants", "library")


def check_options(options: Mapping[str, object]) -> None:
    """Raises InputError for an option that does not exist, has a wrong value, or contradicts another."""
    for name, value in options.items():
        if name not in _WRONG:
            raise InputError(f"there is no build option {name!r}; there are: {', '.join(_WRONG)}")
        wanted = _WRONG[name](value)
        if wanted:
            raise InputError(f"build option {name} must be {wanted}, found {value!r}")
    if options.get("strongly_typed"):
        typed = [name for name in ("fp16", "bf16", "int8", "fp32_layers") if options.get(name)]
        if typed:
            raise InputError(
                f"strongly_typed takes dtypes from the model, and {', '.join(typed)} would have others: "
                f"give one of the two"
            )
    if options.get("exclude_lean_runtime") and not options.get("version_compatible"):
        raise InputError("exclude_lean_runtime is about version-compatible plans: give version_compatible=True too")


def check_options_for_reference(options: Mapping[str, object], why: str) -> None:
    """Raises InputError where an option is only TensorRT's; `why` tells how the reference engine came to be taken."""
    wrong = [name for name in options if name not in _OF_CACHES]
    if wrong:
        raise InputError(
            f"{', '.join(wrong)}: the reference engine has no such build option, only {', '.join(_OF_CACHES)} ({why}); "
            f"leave {'it' if len(wrong) == 1 else 'them'} out, or build with backend='tensorrt'"
        )


def options_for_builder(options: Mapping[str, object]) -> dict[str, object]:
    """The options that the builder sees, as it takes them."""
    kept = {name: value for name, value in options.items() if name not in _NOT_FOR_BUILDER}
    for name in ("tactic_sources", "fp32_layers"):
        if name in kept:
            kept[name] = list(kept[name])  # type: ignore[call-overload]
    return kept


# Each tells what a value must be, where it is something else, and "" where it is right.


def _truth(value: object) -> str:
    return "" if isinstance(value, bool) else "True or False"


def _number(least: int, most: int | None = None) -> Callable[[object], str]:
    def check(value: object) -> str:
        if (
            isinstance(value, int)
            and not isinstance(value, bool)
            and least <= value
            and (most is None or value <= most)
        ):
            return ""
        return f"a number of {least} or more" if most is None else f"a number from {least} to {most}"

    return check


def _one_of(*choices: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        return "" if value in choices else "one of " + ", ".join(map(repr, choices))

    return check


def _several_of(*choices: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        if isinstance(value, (list, tuple, set, frozenset)) and all(one in choices for one in value):
            return ""
        return "a list of some of " + ", ".join(map(repr, choices))

    return check


def _names(value: object) -> str:
    if isinstance(value, (list, tuple)) and value and all(isinstance(one, str) and one for one in value):
        return ""
    return "a list of names, one at least"


def _path(value: object) -> str:
    return "" if isinstance(value, (str, os.PathLike)) else "a path"


def _truth_or_path(value: object) -> str:
    return "" if isinstance(value, (bool, str, os.PathLike)) else "True, False or a folder's path"


_WRONG: dict[str, Callable[[object], str]] = {
    "fp16": _truth,
    "bf16": _truth,
    "int8": _truth,
    "fp32_layers": _names,
    "tf32": _truth,
    "strongly_typed": _truth,
    "workspace": _number(1),
    "tactic_sources": _several_of("cublas", "cublas_lt", "cudnn", "edge_mask_convolutions", "jit_convolutions"),
    "optimization_level": _number(0, 5),
    "avg_timing_iterations": _number(1),
    "hardware_compatibility": _one_of("none", "ampere_plus", "same_compute_capability"),
    "version_compatible": _truth,
    "exclude_lean_runtime": _truth,
    "timing_cache": _truth_or_path,
    "engine_cache": _truth_or_path,
    "engine_cache_size": _number(1),
    "refittable": _truth,
    "weight_stripped": _truth,
    "max_aux_streams": _number(0),
    "profiling_verbosity": _one_of("none", "layer_names_only", "detailed"),
    "fold_constants": _truth,
    "library": _path,
}
