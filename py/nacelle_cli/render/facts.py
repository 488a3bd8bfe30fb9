"""Facts as JSON. Names and meanings stay: scripts read them. docs/reference/cli.md lists them."""

from __future__ import annotations

from pathlib import Path

from nacelle_cli.loading import Loaded
from nacelle_cli.reading.containers.container import Container, Tensor
from nacelle_cli.reading.plans import Plan, TensorSpec
from nacelle_cli.reading.programs import Program
from nacelle_cli.reading.records import Engine
from nacelle_cli.reading.sources import Signature
from nacelle_cli.reading.texts import shown
from nacelle_cli.reading.walks import Module, Tensors

Facts = dict[str, object]


def of_program(program: Program, loaded: dict[str, Loaded]) -> Facts:
    """A program's facts."""
    return {
        "file": str(program.path),
        "kind": "program",
        "size": program.size,
        "forward": _signature(program.forward) if program.forward else None,
        "methods": [_signature(method) for method in program.methods],
        "engines": [of_engine(engine, loaded.get(engine.path)) for engine in program.engines],
        "tensors": _sums(program.tensors),
        "operators": dict(sorted(program.operators.items())),
        "modules": _module(program.modules),
        "extra_files": program.extra_files,
        "problems": program.problems,
    }


def of_container(container: Container, loaded: dict[str, Loaded]) -> Facts:
    """The facts of another file that holds engines."""
    return {
        "file": str(container.path),
        "kind": container.kind,
        "size": container.size,
        "inputs": _arguments(container.inputs),
        "outputs": _arguments(container.outputs),
        "engines": [
            of_engine(engine, loaded.get(engine.path)) | {"details": dict(engine.details)}
            for engine in container.engines
        ],
        "tensors": _sums(container.tensors),
        "operators": dict(sorted(container.operators.items())),
        "extra_files": container.extra_sizes,
        "details": container.details,
        "problems": container.problems,
    }


def _sums(tensors: dict[str, Tensors]) -> Facts:
    return {
        sort: {
            "count": sums.count,
            "elements": sums.elements,
            "bytes": sums.size,
            "dtypes": dict(sums.dtypes),
            "devices": dict(sums.devices),
        }
        for sort, sums in tensors.items()
    }


def of_plan_file(path: Path, plan: Plan, loaded: Loaded | None) -> Facts:
    """The facts of a plan in a file of its own."""
    facts: Facts = {"file": str(path), "kind": "plan", "plan": of_plan(plan)}
    return facts | ({"loaded": _loaded(loaded)} if loaded else {})


def of_engine(engine: Engine, loaded: Loaded | None) -> Facts:
    """An engine's facts; those of its record are null if the record is damaged."""
    record = engine.record
    facts: Facts = {
        "path": engine.path,
        "problem": engine.problem,
        "abi_version": record.version if record else None,
        "name": record.name if record else None,
        "device": record.device if record else None,
        "device_description": record.device_description if record else None,
        "input_names": list(engine.input_names) if record or engine.input_names else None,
        "output_names": list(engine.output_names) if record or engine.output_names else None,
        "flags": record.flags if record else dict(engine.flags) or None,
        "metadata_bytes": len(record.metadata) if record else None,
        "plan": of_plan(engine.plan) if engine.plan else None,
    }
    return facts | ({"loaded": _loaded(loaded)} if loaded else {})


def of_plan(plan: Plan) -> Facts:
    """A plan's facts; inputs and outputs are null if only its library knows them."""
    return {
        "size": plan.size,
        "sha256": plan.sha256,
        "kind": plan.kind,
        "release": plan.release,
        "problem": plan.problem,
        "optimization_profile_count": plan.profile_count,
        "inputs": _tensors(plan.inputs),
        "outputs": _tensors(plan.outputs),
    }


def _loaded(loaded: Loaded) -> Facts:
    return {
        "ready": loaded.ready,
        "reason": loaded.reason,
        "runs_on": loaded.runs_on,
        "optimization_profile_count": loaded.optimization_profile_count,
        "inputs": _tensors(loaded.inputs),
        "outputs": _tensors(loaded.outputs),
        "layers": [{"name": layer.name, "kind": layer.kind} for layer in loaded.layers],
    }


def _arguments(tensors: list[Tensor] | None) -> list[Facts] | None:
    if tensors is None:
        return None
    return [
        {"name": tensor.name, "dtype": tensor.dtype, "shape": None if tensor.shape is None else list(tensor.shape)}
        for tensor in tensors
    ]


def _tensors(tensors: tuple[TensorSpec, ...] | None) -> list[Facts] | None:
    if tensors is None:
        return None
    return [
        {
            "name": shown(tensor.name),
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "profiles": [
                {"min": list(low), "opt": list(best), "max": list(high)} for low, best, high in tensor.profiles
            ],
        }
        for tensor in tensors
    ]


def _signature(signature: Signature) -> Facts:
    return {
        "name": signature.name,
        "arguments": [{"name": a.name, "type": a.type, "default": a.default or None} for a in signature.arguments],
        "returns": signature.returns,
        "text": str(signature),
    }


def _module(module: Module) -> Facts:
    """The tree, made without recursion: programs may be deep."""
    top: Facts = {}
    todo: list[tuple[Module, Facts]] = [(module, top)]
    while todo:
        source, made = todo.pop()
        children: list[Facts] = [{} for _ in source.children]
        made |= {"name": source.name, "type": source.type, "engines": source.engines, "children": children}
        todo += zip(source.children, children, strict=True)
    return top
