r"""Records, plans as far as they tell of themselves, the CUDA driver and TensorRT's libraries, without torch.

A private part of the wheel: ``torch_nacelle`` and its command line are made of it. Texts of files are bytes on their
way in. On their way out they are str, with bytes that are not UTF-8 as ``\xNN``.

    record = nacelle_core.Record.parse([b"3", b"net", b"0%0%0%0%cpu", plan])
    print(record.name, record.device_description)
    print(nacelle_core.PlanHeader.parse(plan[: nacelle_core.PLAN_START], len(plan)).description)
"""

from nacelle_core._core import (
    CPU_DEVICE,
    DEFAULT_ABI_VERSION,
    ENGINE_FIELD,
    PLAN_START,
    Driver,
    Gpu,
    Library,
    PlanHeader,
    Record,
    cuda_driver,
    decode_base64,
    describe_reference_plan,
    encode_base64,
    has_plan_magic,
    holds_base64,
    printable,
    quote,
    record_version,
)
from nacelle_core.errors import Error, InputError, PlanError, RecordError
from nacelle_core.libraries import package_folders, tensorrt_libraries

__all__ = [
    "CPU_DEVICE",
    "DEFAULT_ABI_VERSION",
    "ENGINE_FIELD",
    "PLAN_START",
    "Driver",
    "Error",
    "Gpu",
    "InputError",
    "Library",
    "PlanError",
    "PlanHeader",
    "Record",
    "RecordError",
    "cuda_driver",
    "decode_base64",
    "describe_reference_plan",
    "encode_base64",
    "has_plan_magic",
    "holds_base64",
    "package_folders",
    "printable",
    "quote",
    "record_version",
    "tensorrt_libraries",
]
