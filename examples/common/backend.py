"""The backend that builds and runs the engines of the examples."""

from typing import Literal, TypeAlias

import torch_nacelle as nacelle

Backend: TypeAlias = Literal["reference", "tensorrt", "tensorrt_rtx"]


def device_of(backend: Backend) -> str:
    """The device on which engines of a backend run."""
    return "cpu" if backend == "reference" else "cuda"


def build_options(backend: Backend) -> nacelle.BuildOptions:
    """Exact float32, built soon; of TensorRT's kernels its own, so that most models need neither cuBLAS nor cuDNN."""
    return {} if backend == "reference" else {"tf32": False, "tactic_sources": [], "avg_timing_iterations": 1}
