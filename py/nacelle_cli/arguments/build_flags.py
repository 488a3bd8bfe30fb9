"""Flags for build options.

Made from core/tensorrt/builder/option_table.h by //core/tensorrt/builder:update_build_options.
"""

from typing import NamedTuple


class BuildFlag(NamedTuple):
    """A build option: its name, the type of its values, and the help."""

    name: str
    type: str
    help: str


BUILD_FLAGS = (
    BuildFlag(
        "fp16",
        "switch",
        "Layers may compute in float16. Needs TensorRT 8.5 to 10.",
    ),
    BuildFlag(
        "bf16",
        "switch",
        "Layers may compute in bfloat16. Needs TensorRT 10.",
    ),
    BuildFlag(
        "int8",
        "switch",
        "Layers may compute in int8, with scales from QuantizeLinear and DequantizeLinear in the model. Needs "
        "TensorRT 8.5 to 10.",
    ),
    BuildFlag(
        "fp32_layers",
        "names",
        "Names of layers that compute in float32 all the same, with * for any characters and ? for one. Needs "
        "TensorRT 8.5 to 10.",
    ),
    BuildFlag(
        "tf32",
        "toggle",
        "Layers in float32 may compute in TF32; TensorRT's default is True.",
    ),
    BuildFlag(
        "strongly_typed",
        "switch",
        "Layers compute in the dtypes that the model says; always so from TensorRT 11 on and in TensorRT-RTX. Needs "
        "TensorRT 10.0 and later.",
    ),
    BuildFlag(
        "workspace",
        "bytes",
        "Bytes of scratch memory that a layer may use, at most.",
    ),
    BuildFlag(
        "tactic_sources",
        "choices",
        "Sources that kernels may come from, or an empty list for none: cublas (TensorRT 8.5 to 10), cublas_lt "
        "(TensorRT 8.5 to 10), cudnn (TensorRT 8.5 to 10), edge_mask_convolutions, jit_convolutions.",
    ),
    BuildFlag(
        "optimization_level",
        "number",
        "0 builds fastest, 5 looks longest for the fastest engine; TensorRT's default is 3. Needs TensorRT 8.6 and "
        "later.",
    ),
    BuildFlag(
        "avg_timing_iterations",
        "number",
        "Measurements of each kernel, whose mean counts; 1 builds fastest; the default of TensorRT 8.5 is 8.",
    ),
    BuildFlag(
        "hardware_compatibility",
        "choice",
        "GPUs that can run the engine beside those like the one that it is built on: none, ampere_plus (TensorRT 8.6 "
        "and later), same_compute_capability (TensorRT 10.9 and later).",
    ),
    BuildFlag(
        "version_compatible",
        "switch",
        "Later releases of the same major release can run the engine. Needs TensorRT 8.6 and later.",
    ),
    BuildFlag(
        "exclude_lean_runtime",
        "switch",
        "A version-compatible plan leaves out the runtime that it would bring. Needs TensorRT 8.6 and later.",
    ),
    BuildFlag(
        "refittable",
        "switch",
        "Weights can be replaced without a new build.",
    ),
    BuildFlag(
        "weight_stripped",
        "switch",
        "The plan leaves out weights, which must be refitted. Needs TensorRT 10.0 and later.",
    ),
    BuildFlag(
        "max_aux_streams",
        "number",
        "Streams that the engine may use beside the caller's, at most. Needs TensorRT 8.6 and later.",
    ),
    BuildFlag(
        "profiling_verbosity",
        "choice",
        "Detail of the engine's own account of its layers: none, layer_names_only, detailed.",
    ),
    BuildFlag(
        "fold_constants",
        "toggle",
        "Constant parts of the model are computed first, by onnxruntime; by default only if the model cannot be built "
        "as it is.",
    ),
    BuildFlag(
        "library",
        "path",
        "The builder: a TensorRT library's file, or a folder with one; the default is the first that is found.",
    ),
    BuildFlag(
        "timing_cache",
        "cache_folder",
        "Measured times are kept on disk for later builds, in the user's cache or in the folder given.",
    ),
    BuildFlag(
        "engine_cache",
        "cache_folder",
        "Engines are kept on disk and not built again, in the user's cache or in the folder given.",
    ),
    BuildFlag(
        "engine_cache_size",
        "bytes",
        "Bytes that the engine cache may hold; least recently used engines go first; the default is 4 GiB.",
    ),
)
