"""From a model to a program with engines in it."""

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from typing_extensions import Unpack

from torch_nacelle._build import Built, Method, build, choose
from torch_nacelle._build_options import BuildOptions
from torch_nacelle._builders import Backend, Choice
from torch_nacelle._check import check as run_check
from torch_nacelle._check import precision_of
from torch_nacelle._embed import embed
from torch_nacelle._progress import display
from torch_nacelle._sources import Inputs, Model
from torch_nacelle.errors import InputError


def compile(
    model: Model,
    inputs: Inputs | Mapping[str, Inputs] | None = None,
    *,
    backend: Backend = "auto",
    name: str | None = None,
    output_names: Sequence[str] | None = None,
    data_dependent: Sequence[str] = (),
    device: str | torch.device | None = None,
    abi_version: int | None = None,
    platform: str | None = None,
    method: Method = "auto",
    check: bool | Inputs = False,
    progress: bool | None = None,
    **options: Unpack[BuildOptions],
) -> torch.jit.ScriptModule:
    """A TorchScript program that computes what `model` computes, with engines inside.

    With a list of inputs all of `model` becomes one engine. With a dict, the submodules that it names become engines
    and the rest is scripted around them: ``nacelle.compile(detector, {"backbone": [...], "head.box": [...]})``. The
    rest stays on its device, and nothing is copied between: engines on a GPU need the model on that GPU.

    Args:
        model: The model, as ``build_engine`` takes it; left as it is. A hybrid program is made from an ``nn.Module``,
            and everything in it is in eval mode.
        inputs: What its forward takes (see ``build_engine``), or for each submodule, by its path, what that takes.
        backend: Who builds and runs the engines; see ``build_engine``.
        name: The engine's name; left out, the model's class or the ONNX file's name. In a hybrid program engines are
            named after their paths.
        output_names: See ``build_engine``; not for hybrid programs.
        data_dependent: The same.
        device: What the engines are for; see ``embed``. Left out: the CPU for the reference engine, else the model's
            GPU or the current one.
        abi_version: The version of the records; see ``embed``. Left out: 3, or the oldest that keeps what the engines
            need: 4 where names alone do not tell the order of inputs and outputs, 5 for hardware compatibility, 6 for a
            platform.
        platform: The platform that the engines are for; see ``embed``.
        method: How what becomes an engine is turned into a graph; see ``build_engine``.
        check: Whether the program is compared to the model before it is returned; see ``check``. In a hybrid program
            True compares each engine to its submodule. Inputs for the whole program compare the whole.
        progress: Whether a terminal shows progress; None: where standard error is one.
        options: See ``BuildOptions``.

    Returns:
        The program: ``.save(path)`` it, call it, or read it with ``nacelle.read``.

    Raises:
        InputError: A path that leads to no submodule, or a model that cannot be turned into what the backend reads.
        CheckError: The program computes something else; the message names the worst case.
        Error: What ``build_engine`` and ``embed`` raise.
    """
    job = _Job(backend, device, abi_version, platform, method, progress, dict(options))
    if not isinstance(inputs, Mapping):
        name = name or _default_name(model)
        program, built = job.engine(model, inputs, name, output_names, data_dependent)
        if check is not False:
            job.check(program, model, built, built.inputs if check is True else check)
        return program
    if name is not None or output_names or data_dependent:
        raise InputError(
            "name, output_names and data_dependent are for a program of one engine; in a hybrid program engines are "
            "named after their paths"
        )
    return _compile_hybrid(model, inputs, job, check)


@dataclass(frozen=True)
class _Job:
    """What holds for every engine of a program."""

    backend: str
    device: str | torch.device | None
    abi_version: int | None
    platform: str | None
    method: str
    progress: bool | None
    options: dict[str, object]

    def engine(
        self,
        model: Model,
        inputs: Inputs | None,
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
        program = embed(
            built.plan,
            name=name,
            input_names=[str(one.name) for one in built.inputs],
            output_names=built.output_names,
            device=self._device(built),
            abi_version=self.abi_version,
            hardware_compatible=hardware_compatible,
            platform=self.platform,
        )
        return program, built

    def _device(self, built: Built) -> str | torch.device | None:
        if self.device is not None or built.choice.builder is None:
            return self.device
        return built.device

    def check(self, program: torch.jit.ScriptModule, model: object, built: Built, inputs: Inputs) -> None:
        """Raises CheckError where the program computes something else than the model."""
        run_check(program, model, inputs, precision=precision_of(built.choice.backend, self.options, built.inputs))


def _default_name(model: object) -> str:
    """A name for an engine that was given none: an identifier."""
    if isinstance(model, torch.nn.Module):
        return type(model).__name__
    if isinstance(model, (str, os.PathLike)):
        stem = os.path.splitext(os.path.basename(os.fspath(model)))[0]
        word = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in stem)
        return word if word[:1].isalpha() else f"engine_{word}"
    return "engine"


def _compile_hybrid(
    module: object, inputs: Mapping[str, Inputs], job: _Job, check: bool | Inputs
) -> torch.jit.ScriptModule:
    if not isinstance(module, torch.nn.Module):
        raise InputError(
            f"a hybrid program is made from an nn.Module, found {type(module).__name__}: give inputs as a list"
        )
    _check_paths(module, list(inputs))
    choice = choose(job.backend, job.options, display(job.progress))
    _check_devices(module, list(inputs), choice)
    engines: dict[str, torch.jit.ScriptModule] = {}
    builts: dict[str, Built] = {}
    for path, of_path in inputs.items():
        part = module.get_submodule(path)
        engines[path], builts[path] = job.engine(part, of_path, path.replace(".", "_"), choice=choice)
    try:
        program: torch.jit.ScriptModule = torch.jit.script(_with_replaced(module, engines))
    except Exception as error:
        raise InputError(
            f"{type(module).__name__} cannot be scripted around its engines {', '.join(engines)}: {error}"
        ) from error
    if check is True:
        for path, built in builts.items():
            job.check(engines[path], module.get_submodule(path), built, built.inputs)
    elif check is not False:
        job.check(program, module, next(iter(builts.values())), check)
    return program


def _check_paths(module: torch.nn.Module, paths: Sequence[str]) -> None:
    if isinstance(module, torch.jit.ScriptModule):
        raise InputError("submodules of a ScriptModule have fixed types and cannot be replaced: give the nn.Module")
    if not paths:
        raise InputError("inputs names no submodule: give a list of inputs to make an engine of the whole module")
    known = [path for path, _ in module.named_modules() if path]
    for path in paths:
        if path not in known:
            raise InputError(f"{type(module).__name__} has no submodule {path!r}; it has: {', '.join(known) or 'none'}")
        outer = [other for other in paths if path.startswith(other + ".")]
        if outer:
            raise InputError(f"{path!r} is inside {outer[0]!r}: only one of them can become an engine")


def _check_devices(module: torch.nn.Module, paths: Sequence[str], choice: Choice) -> None:
    """Raises InputError where tensors of the rest are not where the engines will run: no call could join them."""
    wanted = "cpu" if choice.builder is None else "cuda"
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        inside = any(name.startswith(engine + ".") for engine in paths)
        if not inside and tensor.dim() > 0 and tensor.device.type != wanted:
            raise InputError(
                f"engines of {choice.description} run on {wanted}, and {name!r}, which stays "
                f"TorchScript, is on {tensor.device}: move the module with .to({wanted!r}) first"
            )


def _with_replaced(module: torch.nn.Module, engines: Mapping[str, torch.nn.Module]) -> torch.nn.Module:
    """The tree of modules anew, in eval mode, sharing all tensors, with `engines` in their places."""
    by_original = {id(module.get_submodule(path)): engine for path, engine in engines.items()}
    copies: dict[int, torch.nn.Module] = {}

    def rebuild(original: torch.nn.Module) -> torch.nn.Module:
        replaced = by_original.get(id(original)) or copies.get(id(original))
        if replaced is not None:
            return replaced
        result = copies[id(original)] = copy.copy(original)
        result.__dict__["_modules"] = {
            name: None if child is None else rebuild(child) for name, child in original._modules.items()
        }
        result.training = False
        return result

    return rebuild(module)
