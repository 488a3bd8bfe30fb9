"""Nacelle: TensorRT engines inside TorchScript programs.

    import torch_nacelle as nacelle

    program = nacelle.compile(model, [nacelle.Input(min=(1, 3, 224, 224), opt=(8, 3, 224, 224), max=(16, 3, 224, 224))])
    program.save("model.ts")                  # one file with the engine inside
    torch.jit.load("model.ts")(images)        # in any process that has imported torch_nacelle, or linked its library

Importing registers the class ``torch.classes.tensorrt.Engine`` and the operator ``torch.ops.tensorrt.execute_engine``
(with the alias ``trt::execute_engine``). It opens no driver and no TensorRT; that happens when an engine is set up.

Errors are subclasses of ``nacelle.Error``; each says what was found, what was wanted and what to do next.
"""

from torch_nacelle._runtime import load as _load  # noqa: F401 - first: it registers, or says why it cannot

# isort: split
from torch_nacelle._bench.bench import bench
from torch_nacelle._bench.benchmark import Benchmark
from torch_nacelle._bench.conditions import conditions
from torch_nacelle._bench.figures import CallParts, MemoryUse, Throughput, Times
from torch_nacelle._bench.profile import LayerTime, PhaseTime, Profile, profile
from torch_nacelle._build.compile import compile
from torch_nacelle._build.engine import build_engine
from torch_nacelle._build.option_types import BuildOptions
from torch_nacelle._check.check import check
from torch_nacelle._export import registration as _registration  # noqa: F401 - it registers
from torch_nacelle._export.engine_module import EngineModule
from torch_nacelle._programs.arguments import Argument, arguments, example_inputs, example_tensor
from torch_nacelle._programs.edit import RemovedMetadata, Replaced, extract, replace, strip
from torch_nacelle._programs.embed import embed
from torch_nacelle._programs.program import EngineInfo, Program, convert, read
from torch_nacelle._programs.running import call, device_of
from torch_nacelle._programs.warm_up import warm_up
from torch_nacelle._runtime.build_info import TORCH_RELEASE, VERSION
from torch_nacelle._runtime.cmake import cmake_prefix_path
from torch_nacelle._runtime.input import Input, ShapeRange
from torch_nacelle._runtime.libraries import TensorRTLibrary, tensorrt_libraries
from torch_nacelle._runtime.log import LogLevel, set_log_level
from torch_nacelle._runtime.settings import Settings, allow_engine_host_code, configure, keep_plans_in_memory, to
from torch_nacelle._saving.load import load
from torch_nacelle._saving.save import save
from torch_nacelle.errors import (
    CheckError,
    DeviceError,
    Error,
    ExecutionError,
    InputError,
    LibraryError,
    PlanError,
    RecordError,
    TracingWarning,
)
from torch_nacelle.reports import CheckReport, Comparison, OutputCheck

__version__ = VERSION

__all__ = [
    "TORCH_RELEASE",
    "Argument",
    "Benchmark",
    "BuildOptions",
    "CallParts",
    "CheckError",
    "CheckReport",
    "Comparison",
    "DeviceError",
    "EngineInfo",
    "EngineModule",
    "Error",
    "ExecutionError",
    "Input",
    "InputError",
    "LayerTime",
    "LibraryError",
    "LogLevel",
    "MemoryUse",
    "OutputCheck",
    "PhaseTime",
    "PlanError",
    "Profile",
    "Program",
    "RecordError",
    "RemovedMetadata",
    "Replaced",
    "Settings",
    "ShapeRange",
    "TensorRTLibrary",
    "Throughput",
    "Times",
    "TracingWarning",
    "__version__",
    "allow_engine_host_code",
    "arguments",
    "bench",
    "build_engine",
    "call",
    "check",
    "cmake_prefix_path",
    "compile",
    "conditions",
    "configure",
    "convert",
    "device_of",
    "embed",
    "example_inputs",
    "example_tensor",
    "extract",
    "keep_plans_in_memory",
    "load",
    "profile",
    "read",
    "replace",
    "save",
    "set_log_level",
    "strip",
    "tensorrt_libraries",
    "to",
    "warm_up",
]
