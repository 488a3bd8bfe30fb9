"""The facts that a record holds about an engine of a program."""

from dataclasses import dataclass
from typing import Protocol

from nacelle_core import Record


class _Plan(Protocol):
    """A plan that is read when it is asked for."""

    @property
    def plan(self) -> bytes: ...

    @property
    def plan_release(self) -> str: ...


@dataclass(frozen=True)
class EngineInfo:
    r"""An engine in a program, as its record tells. Bytes that are not UTF-8 are shown as ``\xNN`` in its texts.

    Attributes:
        path: Its path in the program, as after ``self.``: ``backbone.backbone_trt_engine``, ``engines[0]``. In a file,
            a module with a ``__setstate__`` of its own holds the state that this method gets: ``backbone[1]``.
        abi_version: The version of its record, 3 to 10.
        name: Its name.
        device: The device it was built for, as records write it: ``0%9%0%0%NVIDIA H100 80GB HBM3``.
        device_description: The same for a person.
        plan_size: Bytes of its plan.
        input_names: Names of its inputs in the order of a call; empty if the record keeps none (version 3).
        output_names: The same of its outputs.
        flags: The record's other fields by name, neutral if its version lacks them: hardware_compatible,
            requires_output_allocator, dynamic_resource_allocation, requires_native_multi_device (bool),
            target_platform (str), aliased_io (list of (output, input, kind)).
        metadata: The text that the compiler of the program left. Torch-TensorRT puts a pickle there, in base64: do
            not unpickle what you do not trust.
    """

    path: str
    abi_version: int
    name: str
    device: str
    device_description: str
    plan_size: int
    input_names: list[str]
    output_names: list[str]
    flags: dict[str, object]
    metadata: str
    _plan: _Plan

    @property
    def plan(self) -> bytes:
        """The plan: a copy with each use. That of a file is read then."""
        return self._plan.plan

    @property
    def plan_release(self) -> str:
        """The release that built the plan and runs it: ``"TensorRT 8.6.1.6"``.

        Raises:
            PlanError: The plan is of no known kind.
        """
        return self._plan.plan_release


def engine_info(path: str, record: Record, plan: _Plan, plan_size: int) -> EngineInfo:
    """The facts of an engine; of its plan the record has the beginning alone."""
    return EngineInfo(
        path=path,
        abi_version=record.version,
        name=record.name,
        device=record.device,
        device_description=record.device_description,
        plan_size=plan_size,
        input_names=record.input_names,
        output_names=record.output_names,
        flags=record.flags,
        metadata=record.metadata.decode("utf-8", "backslashreplace"),
        _plan=plan,
    )
