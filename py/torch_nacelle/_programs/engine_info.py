"""Engines of programs, as their records tell."""

from dataclasses import dataclass
from typing import Protocol

from torch_nacelle import _C


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
        path: Where the program holds it, as after ``self.``: ``backbone.backbone_trt_engine``, ``engines[0]``. Of a
            file, a module with a ``__setstate__`` of its own holds what that gets: ``backbone[1]``.
        abi_version: The version of its record, 3 to 10.
        name: Its name.
        device: The device it was built for, as records write it: ``0%9%0%0%NVIDIA H100 80GB HBM3``.
        device_description: The same for a person.
        plan_size: Bytes of its plan.
        input_names: Names of its inputs in the order of a call; empty where the record keeps none (version 3).
        output_names: The same of its outputs.
        flags: The record's other fields by name, neutral where its version lacks them: hardware_compatible,
            requires_output_allocator, dynamic_resource_allocation, requires_native_multi_device (bool),
            target_platform (str), aliased_io (list of (output, input, kind)).
        metadata: What the compiler that made the program left, as text. Torch-TensorRT puts a pickle there, in
            base64: do not unpickle what you do not trust.
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


def engine_info(site: _C.EngineSite, plan: _Plan | None = None, plan_size: int | None = None) -> EngineInfo:
    """The facts of an engine; `plan` and its size, if they are given, stand for those of `site`."""
    return EngineInfo(
        path=site.path,
        abi_version=site.abi_version,
        name=site.name,
        device=site.device,
        device_description=site.device_description,
        plan_size=site.plan_size if plan_size is None else plan_size,
        input_names=site.input_names,
        output_names=site.output_names,
        flags={
            "hardware_compatible": site.hardware_compatible,
            "target_platform": site.target_platform,
            "requires_output_allocator": site.requires_output_allocator,
            "dynamic_resource_allocation": site.dynamic_resource_allocation,
            "requires_native_multi_device": site.requires_native_multi_device,
            "aliased_io": site.aliased_io,
        },
        metadata=site.metadata,
        _plan=site if plan is None else plan,
    )
