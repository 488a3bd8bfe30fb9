"""Options of a build.

Made from core/tensorrt/builder/option_table.h by //core/tensorrt/builder:update_build_options.
"""

from collections.abc import Sequence
from os import PathLike
from typing import Literal

from typing_extensions import TypedDict


class BuildOptions(TypedDict, total=False):
    """Options of ``build_engine``; an option that is left out is as TensorRT has it.

    Attributes:
        fp16: Layers may compute in float16. Needs TensorRT 8.5 to 10.
        bf16: Layers may compute in bfloat16. Needs TensorRT 10.
        int8: Layers may compute in int8, with scales from QuantizeLinear and DequantizeLinear in the model. Needs
            TensorRT 8.5 to 10.
        fp32_layers: Names of layers that compute in float32 all the same, with * for any characters and ? for one.
            Needs TensorRT 8.5 to 10.
        tf32: Layers in float32 may compute in TF32; TensorRT's default is True.
        strongly_typed: Layers compute in the dtypes that the model says; always so from TensorRT 11 on and in
            TensorRT-RTX. Needs TensorRT 10.0 and later.
        workspace: Bytes of scratch memory that a layer may use, at most.
        tactic_sources: Sources that kernels may come from, or an empty list for none: cublas (TensorRT 8.5 to 10),
            cublas_lt (TensorRT 8.5 to 10), cudnn (TensorRT 8.5 to 10), edge_mask_convolutions, jit_convolutions.
        optimization_level: 0 builds fastest, 5 looks longest for the fastest engine; TensorRT's default is 3. Needs
            TensorRT 8.6 and later.
        avg_timing_iterations: Measurements of each kernel, whose mean counts; 1 builds fastest; the default of
            TensorRT 8.5 is 8.
        hardware_compatibility: GPUs that can run the engine beside those like the one that it is built on: none,
            ampere_plus (TensorRT 8.6 and later), same_compute_capability (TensorRT 10.9 and later).
        version_compatible: Later releases of the same major release can run the engine. Needs TensorRT 8.6 and later.
        exclude_lean_runtime: A version-compatible plan leaves out the runtime that it would bring. Needs TensorRT 8.6
            and later.
        refittable: Weights can be replaced without a new build.
        weight_stripped: The plan leaves out weights, which must be refitted. Needs TensorRT 10.0 and later.
        max_aux_streams: Streams that the engine may use beside the caller's, at most. Needs TensorRT 8.6 and later.
        profiling_verbosity: Detail of the engine's own account of its layers: none, layer_names_only, detailed.
        fold_constants: Constant parts of the model are computed first, by onnxruntime; by default only if the model
            cannot be built as it is.
        library: The builder: a TensorRT library's file, or a folder with one; the default is the first that is found.
        timing_cache: Measured times are kept on disk for later builds, in the user's cache or in the folder given.
        engine_cache: Engines are kept on disk and not built again, in the user's cache or in the folder given.
        engine_cache_size: Bytes that the engine cache may hold; least recently used engines go first; the default is 4
            GiB.
    """

    fp16: bool
    bf16: bool
    int8: bool
    fp32_layers: Sequence[str]
    tf32: bool
    strongly_typed: bool
    workspace: int
    tactic_sources: Sequence[Literal["cublas", "cublas_lt", "cudnn", "edge_mask_convolutions", "jit_convolutions"]]
    optimization_level: int
    avg_timing_iterations: int
    hardware_compatibility: Literal["none", "ampere_plus", "same_compute_capability"]
    version_compatible: bool
    exclude_lean_runtime: bool
    refittable: bool
    weight_stripped: bool
    max_aux_streams: int
    profiling_verbosity: Literal["none", "layer_names_only", "detailed"]
    fold_constants: bool
    library: str | PathLike[str]
    timing_cache: bool | str | PathLike[str]
    engine_cache: bool | str | PathLike[str]
    engine_cache_size: int


# The options that TensorRT reads, and those that the reference engine has too.
FOR_TENSORRT = (
    "fp16",
    "bf16",
    "int8",
    "fp32_layers",
    "tf32",
    "strongly_typed",
    "workspace",
    "tactic_sources",
    "optimization_level",
    "avg_timing_iterations",
    "hardware_compatibility",
    "version_compatible",
    "exclude_lean_runtime",
    "refittable",
    "weight_stripped",
    "max_aux_streams",
    "profiling_verbosity",
)
FOR_CACHES = (
    "timing_cache",
    "engine_cache",
    "engine_cache_size",
)
