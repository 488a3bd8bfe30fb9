"""Compiles a model into a program with engines in it."""

import copy
import inspect
import itertools
import os
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, overload

import torch
from typing_extensions import Unpack

from torch_nacelle._build.builders import Backend, Choice
from torch_nacelle._build.engine import Built, Method, build, choose
from torch_nacelle._build.hybrid import Rest, own_parameters, refuse_python, returns_its_input
from torch_nacelle._build.option_types import BuildOptions
from torch_nacelle._build.progress import display
from torch_nacelle._build.torchscript import scripted
from torch_nacelle._check.check import CheckInputs, check_call, precision_of
from torch_nacelle._export.engine_module import structured
from torch_nacelle._models.descriptions import describe, parameters_of
from torch_nacelle._models.model_state import for_inference
from torch_nacelle._models.sources import InputDescriptions, Model
from torch_nacelle._models.state import tensors_in
from torch_nacelle._programs.embed import argument_names, embed_returning
from torch_nacelle._programs.signatures import forward_schema
from torch_nacelle._runtime import checks
from torch_nacelle._runtime.messages import first_lines
from torch_nacelle.errors import InputError

Container: TypeAlias = Literal["torchscript", "module"]

CONTAINERS: tuple[str, ...] = ("torchscript", "module")


@overload
def compile(
    model: Model,
    inputs: InputDescriptions | Mapping[str, InputDescriptions] | None = None,
    *,
    container: Literal["torchscript"] = "torchscript",
    backend: Backend = "auto",
    name: str | None = None,
    output_names: Sequence[str] | None = None,
    data_dependent: Sequence[str] = (),
    device: str | torch.device | None = None,
    abi_version: int | None = None,
    platform: str | None = None,
    method: Method = "auto",
    check: bool | CheckInputs = False,
    progress: bool | None = None,
    **options: Unpack[BuildOptions],
) -> torch.jit.ScriptModule: ...


@overload
def compile(
    model: Model,
    inputs: InputDescriptions | Mapping[str, InputDescriptions] | None = None,
    *,
    container: Literal["module"],
    backend: Backend = "auto",
    name: str | None = None,
    output_names: Sequence[str] | None = None,
    data_dependent: Sequence[str] = (),
    device: str | torch.device | None = None,
    abi_version: int | None = None,
    platform: str | None = None,
    method: Method = "auto",
    check: bool | CheckInputs = False,
    progress: bool | None = None,
    **options: Unpack[BuildOptions],
) -> torch.nn.Module: ...


def compile(
    model: Model,
    inputs: InputDescriptions | Mapping[str, InputDescriptions] | None = None,
    *,
    container: Container = "torchscript",
    backend: Backend = "auto",
    name: str | None = None,
    output_names: Sequence[str] | None = None,
    data_dependent: Sequence[str] = (),
    device: str | torch.device | None = None,
    abi_version: int | None = None,
    platform: str | None = None,
    method: Method = "auto",
    check: bool | CheckInputs = False,
    progress: bool | None = None,
    **options: Unpack[BuildOptions],
) -> torch.nn.Module:
    """A program that computes what `model` computes, with engines inside.

    With a list of inputs, or a dict by the names of forward's parameters, all of `model` becomes one engine:
    ``nacelle.compile(bert, {"input_ids": ..., "attention_mask": ...})``. With a dict by the paths of submodules, these
    become engines and the rest is scripted around them:
    ``nacelle.compile(detector, {"backbone": [...], "head.box": [...]})``. The rest stays on its device, and nothing is
    copied between: engines on a GPU need the model on that GPU.

    Args:
        model: The model, as ``build_engine`` takes it; left as it is. A hybrid program is made from an ``nn.Module``,
            and everything in it is in eval mode.
        inputs: The inputs of its forward (see ``build_engine``), or of each submodule's forward, by the submodule's
            path. If all keys are paths and names of parameters alike, they are paths.
        container: ``"torchscript"``: a TorchScript program, one file for Python and C++. ``"module"``: an
            ``EngineModule``, or the model with ``EngineModule`` in place of the submodules, for eager mode,
            ``torch.compile`` and ``torch.export``; it shares the model's parameters, which do not require grad in it.
        backend: The library that builds and runs the engines; see ``build_engine``.
        name: The engine's name; left out, the model's class or the ONNX file's name. In a hybrid program engines are
            named after their paths: ``head.box`` is ``head_box``, ``0`` is ``engine_0``, ``layer-1`` ``layer_1``.
        output_names: See ``build_engine``; not for hybrid programs.
        data_dependent: The same.
        device: The device that the engines are for; see ``embed``. Left out: the CPU for the reference engine, else
            the model's GPU or the current one.
        abi_version: The version of the records; see ``embed``. Left out: 3, or the oldest that keeps what the engines
            need: 4 if names alone do not tell the order of inputs and outputs, 5 for hardware compatibility, 6 for a
            platform.
        platform: The platform that the engines are for; see ``embed``.
        method: The way to turn a module into a graph; see ``build_engine``.
        check: True if the program is compared to the model before it is returned; see ``check``. In a hybrid program
            each engine is compared to its submodule. Inputs for the whole program, given here, compare the whole.
        progress: True if a terminal shows progress; None: if standard error is a terminal.
        options: See ``BuildOptions``.

    Returns:
        The program: ``.save(path)`` it, call it, or read it with ``nacelle.read``. It returns what the model returns: a
        tensor, or a structure of some with the model's constants. A module takes what the model's forward takes, by
        position or by name. A TorchScript program takes the tensors alone, by name if `inputs` are, and returns the
        nearest that TorchScript has: ``Dict``, ``NamedTuple``, tuples and lists.

    Warns:
        TracingWarning: ``build_engine`` warns.

    Raises:
        InputError: A path that leads to no submodule, or a model that cannot be turned into what the backend reads.
        CheckError: The program computes something else; the message names the worst case.
        Error: ``build_engine`` or ``embed`` raised it.
    """
    if abi_version is not None:
        abi_version = checks.whole_number(abi_version, "abi_version")
    if container not in CONTAINERS:
        raise InputError(f"there is no container {container!r}; there are: {', '.join(CONTAINERS)}")
    job = _ProgramJob(backend, device, abi_version, platform, method, progress, options)
    if not isinstance(inputs, Mapping) or not _names_submodules(model, inputs):
        name = name or _default_name(model)
        program, built = job.engine(model, inputs, name, output_names, data_dependent)
        made = program if container == "torchscript" else structured(program, built.returns, built.call)
        if check is not False:
            job.check(made, model, built, built.inputs if check is True else check)
        return made
    if name is not None or output_names or data_dependent:
        raise InputError(
            "name, output_names and data_dependent are for a program of one engine; in a hybrid program engines are "
            "named after their paths"
        )
    return _compile_hybrid(model, inputs, job, check, container)


@dataclass(frozen=True)
class _ProgramJob:
    """The settings of every engine of a program."""

    backend: str
    device: str | torch.device | None
    abi_version: int | None
    platform: str | None
    method: str
    progress: bool | None
    options: BuildOptions

    def engine(
        self,
        model: Model,
        inputs: InputDescriptions | None,
        name: str,
        output_names: Sequence[str] | None = None,
        data_dependent: Sequence[str] = (),
        choice: Choice | None = None,
    ) -> tuple[torch.jit.ScriptModule, Built]:
        """A program of one engine, and what was built."""
        built = build(
            model,
            inputs,
            backend=self.backend,
            name=name,
            output_names=output_names,
            data_dependent=data_dependent,
            method=self.method,
            progress=self.progress,
            options=self.options,
            choice=choice,
        )
        hardware_compatible = self.options.get("hardware_compatibility") == "ampere_plus"
        program = embed_returning(
            built.returns,
            built.plan,
            name=name,
            input_names=[str(one.name) for one in built.inputs],
            output_names=built.output_names,
            device=self._device(built),
            abi_version=self.abi_version,
            hardware_compatible=hardware_compatible,
            platform=self.platform,
            arguments=argument_names([str(one.name) for one in built.inputs])
            if built.call is not None and built.call.by_name
            else None,
        )
        return program, built

    def _device(self, built: Built) -> str | torch.device | None:
        if self.device is not None or built.choice.builder is None:
            return self.device
        return built.device

    def check(self, program: torch.nn.Module, model: object, built: Built, inputs: CheckInputs) -> None:
        """Raises CheckError if the program computes something else than the model."""
        precision = precision_of(built.choice.backend, self.options, built.inputs)
        check_call(built.call, program, model, inputs, precision=precision)


def _names_submodules(model: object, inputs: Mapping[str, Any]) -> bool:
    """True if the keys of `inputs` are paths of submodules, and not names of forward's parameters."""
    if not isinstance(model, torch.nn.Module):
        return any(isinstance(one, (list, tuple)) for one in inputs.values())
    paths = {path for path, _ in model.named_modules(remove_duplicate=False) if path}
    return paths.issuperset(inputs) or not all(map(parameters_of(model).take, inputs))


_OF_MODULES = ("_parameters", "_modules")


def _default_name(model: object) -> str:
    """A name for an engine that was given none: an identifier."""
    if isinstance(model, torch.nn.Module):
        return identifier(type(model).__name__)
    if isinstance(model, (str, os.PathLike)):
        return identifier(os.path.splitext(os.path.basename(os.fspath(model)))[0])
    return "engine"


def identifier(text: str) -> str:
    """A name of TorchScript: letters and digits of ASCII and "_" stay, and any other character becomes "_".

    A name that would begin with a digit begins with "engine_", and one of "_" alone is "engine".
    """
    word = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in text)
    if not word.strip("_"):
        return "engine"
    return f"engine_{word}" if word[:1].isdigit() else word


def _compile_hybrid(
    module: object,
    inputs: Mapping[str, InputDescriptions],
    job: _ProgramJob,
    check: bool | CheckInputs,
    container: Container,
) -> torch.nn.Module:
    if not isinstance(module, torch.nn.Module):
        raise InputError(
            f"a hybrid program is made from an nn.Module, found {type(module).__name__}: give inputs as a list"
        )
    parts = _parts(module, inputs)
    choice = choose(job.backend, job.options, display(job.progress))
    _check_devices(module, list(parts.values()), choice)
    engines: dict[str, torch.jit.ScriptModule] = {}
    builts: dict[str, Built] = {}
    for path, name in _engine_names(list(parts)).items():
        engines[path], builts[path] = job.engine(parts[path], inputs[path], name, choice=choice)
    returning = [path for path, part in parts.items() if returns_its_input(part, inputs[path])]
    if container == "module":
        if returning:
            _refuse_writes(module, parts, engines, returning)
        made = _with_modules(
            module,
            {id(parts[path]): structured(engines[path], builts[path].returns, builts[path].call) for path in parts},
        )
        _check_hybrid(made, module, parts, engines, builts, job, check)
        return made
    try:
        program = _scripted_around(module, parts, engines)
        _check_names(program)
    except Exception as error:
        takes = ", ".join(f"{path}({', '.join(_names_of_arguments(engine))})" for path, engine in engines.items())
        raise InputError(
            f"{type(module).__name__} cannot be scripted around its engines, whose forward takes tensors under these "
            f"names: {takes}; torch says: {first_lines(error, 8)}"
        ) from error
    refuse_python(program)
    rest = Rest(program, engines)
    rest.refuse_writes_around(returning)
    if rest.writes_to_parameters():
        own_parameters(program)
    _check_hybrid(program, module, parts, engines, builts, job, check)
    return program


def _scripted_around(
    module: torch.nn.Module, parts: Mapping[str, torch.nn.Module], engines: Mapping[str, torch.jit.ScriptModule]
) -> torch.jit.ScriptModule:
    """The module as TorchScript, with engines in place of its parts."""
    with for_inference(module):
        return scripted(with_replaced(module, {id(parts[path]): engine for path, engine in engines.items()}))


def _refuse_writes(
    module: torch.nn.Module,
    parts: Mapping[str, torch.nn.Module],
    engines: Mapping[str, torch.jit.ScriptModule],
    returning: Sequence[str],
) -> None:
    """Raises InputError if forward may change the input or the output of a submodule that returns its input.

    Its TorchScript tells; Python code that is none tells nothing.
    """
    try:
        program = _scripted_around(module, parts, engines)
    except Exception as error:
        names = ", ".join(repr(path) for path in returning)
        raise InputError(
            f"submodule {names} returns its input or a view of it, an engine's outputs are new tensors, and it cannot "
            f"be told if forward of {type(module).__name__} changes one of the two in place, which changes both in the "
            f"model: return a clone from {names}; TorchScript, which would tell, says: {first_lines(error, 8)}"
        ) from error
    Rest(program, engines).refuse_writes_around(returning)


def _check_hybrid(
    program: torch.nn.Module,
    module: torch.nn.Module,
    parts: Mapping[str, torch.nn.Module],
    engines: Mapping[str, torch.jit.ScriptModule],
    builts: Mapping[str, Built],
    job: _ProgramJob,
    check: bool | CheckInputs,
) -> None:
    """Compares each engine with its submodule for True, or the whole for inputs of it."""
    if check is True:
        for path, built in builts.items():
            job.check(engines[path], parts[path], built, built.inputs)
    elif check is not False:
        job.check(program, module, replace(next(iter(builts.values())), call=None), check)


def _with_modules(module: torch.nn.Module, engines: Mapping[int, torch.nn.Module]) -> torch.nn.Module:
    """The tree of modules anew, with engines in it, and with parameters that share memory and do not require grad."""
    made = with_replaced(module, engines)
    shared: dict[int, torch.nn.Parameter] = {}
    for part in made.modules():
        part.__dict__["_parameters"] = {
            name: None
            if parameter is None
            else shared.setdefault(id(parameter), torch.nn.Parameter(parameter.detach(), requires_grad=False))
            for name, parameter in part._parameters.items()
        }
    return made


def _names_of_arguments(program: torch.jit.ScriptModule) -> list[str]:
    return [argument.name for argument in forward_schema(program).arguments[1:]]


def _check_names(program: torch.jit.ScriptModule) -> None:
    """Raises InputError for a name that torch writes into files that it then cannot read."""
    named = [*program.named_modules(), *program.named_parameters(), *program.named_buffers()]
    for name, _ in named:
        if not name.isascii():
            raise InputError(f"the name {name!r} has letters outside of ASCII, which torch cannot read from a file")


def _parts(module: torch.nn.Module, inputs: Mapping[str, InputDescriptions]) -> dict[str, torch.nn.Module]:
    """The submodules that become engines, each under the first path of `inputs` that leads to it."""
    if isinstance(module, torch.jit.ScriptModule):
        raise InputError("submodules of a ScriptModule have fixed types and cannot be replaced: give the nn.Module")
    if not inputs:
        raise InputError("inputs names no submodule: give a list of inputs to make an engine of the whole module")
    known = {path: part for path, part in module.named_modules(remove_duplicate=False) if path}
    parts: dict[str, torch.nn.Module] = {}
    for path in inputs:
        if path not in known:
            arguments = ", ".join(parameters_of(module).keywords) or "none"
            raise InputError(
                f"{type(module).__name__} has no submodule {path!r}; it has: {', '.join(known) or 'none'}; its forward "
                f"has these arguments: {arguments}"
            )
        same = next((other for other, part in parts.items() if part is known[path]), None)
        if same is None:
            parts[path] = known[path]
        elif not _are_equal(known[path], inputs[path], inputs[same]):
            raise InputError(
                f"{path!r} and {same!r} are one submodule, which becomes one engine, and their inputs differ: give the "
                f"inputs once, under either path"
            )
    for outer, part in parts.items():
        inside = {id(one) for one in part.modules()} - {id(part)}
        for path, other in parts.items():
            if id(other) in inside:
                raise InputError(f"{path!r} is inside {outer!r}: only one of them can become an engine")
    return parts


def _are_equal(part: torch.nn.Module, inputs: InputDescriptions, others: InputDescriptions) -> bool:
    """True if two descriptions of a submodule's inputs say the same."""
    (described, call), (other, other_call) = (describe(one, parameters_of(part)) for one in (inputs, others))
    return described == other and call.structure == other_call.structure


def _engine_names(paths: Sequence[str]) -> dict[str, str]:
    """A name for the engine of each path, by the rule of ``identifier``.

    Of paths whose names would be the same, the second in the order of `paths` gets "_2", the third "_3".
    """
    names: dict[str, str] = {}
    for path in paths:
        name = identifier(path)
        candidates = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
        names[path] = next(one for one in candidates if one not in names.values())
    return names


def _check_devices(module: torch.nn.Module, parts: Sequence[torch.nn.Module], choice: Choice) -> None:
    """Raises InputError if tensors of the rest are not on the engines' device: no call could join them."""
    wanted = "cpu" if choice.builder is None else "cuda"
    inside = {id(one) for part in parts for one in part.modules()}
    for path, part in module.named_modules():
        if id(part) in inside:
            continue
        for name, tensor in [*part.named_parameters(path, recurse=False), *part.named_buffers(path, recurse=False)]:
            if tensor.dim() > 0 and tensor.device.type != wanted:
                raise InputError(
                    f"engines of {choice.description} run on {wanted}, and {name!r}, which stays "
                    f"TorchScript, is on {tensor.device}: move the module with .to({wanted!r}) first"
                )


def with_replaced(module: torch.nn.Module, engines: Mapping[int, torch.nn.Module]) -> torch.nn.Module:
    """The tree of modules anew, in eval mode, with engines in place of modules by their id.

    It shares parameters with the original, which may be large. Buffers, and tensors in plain attributes, are its own,
    since TorchScript may change them; those that are one tensor, or share memory, stay so.
    """
    copies: dict[int, torch.nn.Module] = {}
    memo: dict[int, object] = {}

    def copied(value: Any) -> Any:
        with torch.no_grad():
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                return memo.setdefault(id(value), value.detach().clone())
            return copy.deepcopy(value, memo)

    def rebuild(original: torch.nn.Module) -> torch.nn.Module:
        replaced = engines.get(id(original)) or copies.get(id(original))
        if replaced is not None:
            return replaced
        result = copies[id(original)] = copy.copy(original)
        for name, value in original.__dict__.items():
            if inspect.ismethod(value) and value.__self__ is original:
                result.__dict__[name] = types.MethodType(value.__func__, result)
            elif name == "_buffers" or (name not in _OF_MODULES and any(tensors_in(value, name))):
                result.__dict__[name] = copied(value)
        names = list(original._modules)
        if type(original) is torch.nn.Sequential:  # nobody asks for its children by name
            names = list(_engine_names(names).values()) if any(not name.isascii() for name in names) else names
        result.__dict__["_modules"] = {
            name: None if child is None else rebuild(child)
            for name, child in zip(names, original._modules.values(), strict=True)
        }
        result.training = False
        return result

    return rebuild(module)
