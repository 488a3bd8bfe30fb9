"""Writes the folder of a model into a Triton model repository."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch

from nacelle_cli import files, folders
from torch_nacelle._programs.signatures import forward_schema
from torch_nacelle._runtime import checks
from torch_nacelle._runtime.holders import is_package
from torch_nacelle._serving import triton_config
from torch_nacelle._serving.interface import Batches, Interface, load_on
from torch_nacelle._serving.triton_config import Backend
from torch_nacelle.errors import Error, InputError

BackendName: TypeAlias = Literal["python", "pytorch"]

_TORCHSCRIPT = Backend("platform", "pytorch_libtorch", (("DISABLE_OPTIMIZED_EXECUTION", "true"),))
_AOTINDUCTOR = Backend("platform", "torch_aoti")
_VERSION = "1"
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f/\x7f]|^\.")

_MODEL = '''\
"""Serves the program beside it with torch_nacelle. Written by nacelle triton."""

import sys

PROGRAM = {program}


class TritonPythonModel:
    """The model as Triton's Python backend calls it."""

    def initialize(self, args):
        """Loads the program and calls it once for each end of its batches; an error leaves the model unready."""
        try:
            from torch_nacelle.triton import Model
        except ModuleNotFoundError as error:
            raise RuntimeError(
                f"the Python of {{sys.prefix}} has no module {{error.name}}; name an environment that has "
                "torch_nacelle with nacelle triton --environment, or start tritonserver with its bin folder first in "
                "PATH (Triton's Python does not read PYTHONPATH)"
            ) from error
        self.model = Model(args, PROGRAM)

    def execute(self, requests):
        """Answers the requests, all in one call of the program."""
        return self.model.execute(requests)

    def finalize(self):
        """Lets the program go."""
        self.model = None
'''


def write_repository(
    program: str | os.PathLike[str],
    repository: str | os.PathLike[str],
    *,
    name: str | None = None,
    backend: BackendName = "python",
    max_batch_size: int | None = None,
    instances: int = 1,
    queue_delay: int = 100,
    environment: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
    force: bool = False,
) -> Path:
    """Writes a program as a model of a Triton model repository.

        from torch_nacelle.triton import write_repository

        write_repository("detector.ts", "models")       # tritonserver --model-repository=models

    The model's folder holds ``config.pbtxt``, and in its folder ``1`` a copy of the program and, for the Python
    backend, ``model.py``. Its tensors have the names of the engine's, if the program is one engine, else those of the
    program's arguments, and ``output``, or ``output_0`` … and the keys of a dict. For the PyTorch backend they are
    ``INPUT__0`` …, ``OUTPUT__0`` …

    The program is loaded and called with made-up inputs, to learn its outputs, so it must run on this machine. That
    runs its code: give a file that you trust.

    Args:
        program: The program's file, of any kind; for the PyTorch backend TorchScript or an AOTInductor package.
        repository: The folder of models; made if there is none.
        name: The model's name. Left out, the file's without its suffix.
        backend: ``"python"``, which imports torch_nacelle, or ``"pytorch"``, into which its library is preloaded.
        max_batch_size: The largest batch that Triton makes of requests, 1 or more. Left out, the largest that the
            optimization profiles allow for every request. 0: each request is a call of its own, and the shapes in
            the configuration have all dimensions.
        instances: Number of instances, on each GPU if the program runs on GPUs. Each has a process and a copy of the
            engine in memory of its own in the Python backend.
        queue_delay: Microseconds that a request waits for others, so that a preferred batch can be made.
        environment: For the Python backend: the folder of the virtual environment on the server that has torch_nacelle.
            Left out, that of the first ``python3`` in the server's ``PATH``.
        device: The device to run the program on here; see ``load``.
        force: True to replace a model of this name.

    Returns:
        The model's folder. It is written beside the repository and moved into it, so it is whole at any time.

    Raises:
        InputError: The program cannot be served so: it does not tell its inputs, has no dimension for the batch, has
            outputs without one or that are no tensors; or an argument is wrong. The message says what to do.
        FileExistsError: The repository has such a model, and `force` is False, or something that is no model.
        Error: The program cannot run here.
        OSError: The folder cannot be written.
    """
    if not isinstance(program, (str, os.PathLike)):
        raise InputError(
            f"found {type(program).__name__}; wanted the path of a program's file: nacelle.save writes one"
        )
    source = Path(program)
    chosen_name = _checked_name(source.stem if name is None else checks.text(name, "name"))
    _check_numbers(max_batch_size, instances, queue_delay)
    if backend not in ("python", "pytorch"):
        raise InputError(f"there is no backend {backend!r}; wanted python or pytorch")
    if environment is not None and backend != "python":
        raise InputError("an environment is for the Python backend; the PyTorch backend has no Python")
    folder = Path(checks.destination(repository))
    target = folder / chosen_name
    _check_free(folder, target, force)
    loaded, interface = load_on(source, device)
    kind = _python_kind(environment) if backend == "python" else _pytorch_kind(loaded)
    try:
        batches = _batches(interface, max_batch_size)
        outputs = interface.outputs(batches)
    except InputError as error:
        if max_batch_size is None and _is_served_without_batches(interface):
            advice = "Serve it without batches, a call for each request: max_batch_size 0"
            raise InputError(f"{error.reason}. {advice}") from error
        raise
    config = triton_config.text(
        chosen_name,
        kind,
        triton_config.inputs_of(interface, batches, kind),
        triton_config.outputs_of(outputs, kind),
        batches,
        gpu=interface.device.type == "cuda",
        instances=instances,
        queue_delay=queue_delay,
        warm_up=interface.takes_zeros(None if batches is None else 1),
    )
    folder.mkdir(exist_ok=True)
    with folders.replacing(target, replace=force) as temporary:
        version = temporary / _VERSION
        version.mkdir()
        name_there = _file_name(kind, source)
        with files.replacing(version / name_there) as copy:
            shutil.copyfile(source, copy)
        if kind.is_python:
            files.write_text(version / "model.py", _MODEL.format(program=json.dumps(name_there)))
        files.write_text(temporary / "config.pbtxt", config)
    return target


def _checked_name(name: str) -> str:
    if not name or _NOT_IN_NAMES.search(name):
        raise InputError(
            f"{name!r} cannot be a model's name, which is a folder's; wanted one without / and without a dot at its "
            "beginning: give a name"
        )
    return name


def _check_numbers(max_batch_size: int | None, instances: int, queue_delay: int) -> None:
    least = {"instances": (instances, 1), "queue_delay": (queue_delay, 0)}
    if max_batch_size is not None:
        least["max_batch_size"] = (max_batch_size, 0)
    for what, (value, low) in least.items():
        if checks.whole_number(value, what) < low:
            raise InputError(f"{what} is {value}; wanted {low} or more")


def _check_free(folder: Path, target: Path, force: bool) -> None:
    if not folder.is_dir():
        files.check(folder)  # its errors are those of a folder that is not there
        if os.path.lexists(folder):
            raise NotADirectoryError(f"cannot write into {folder}: it is no folder; name one for the models")
    if not os.path.lexists(target):
        return
    if not (target / "config.pbtxt").is_file():
        raise FileExistsError(
            f"cannot write {target}: it exists and is no model's folder (there is no config.pbtxt in it); choose "
            "another name"
        )
    if not force:
        raise FileExistsError(
            f"cannot write {target}: the repository has a model of this name; replace it with force (--force), or "
            "choose another name"
        )


def _python_kind(environment: str | os.PathLike[str] | None) -> Backend:
    parameters = [("FORCE_CPU_ONLY_INPUT_TENSORS", "no")]
    if environment is not None:
        parameters.append(("EXECUTION_ENV_PATH", checks.text(os.fsdecode(environment), "environment")))
    return Backend("backend", "python", tuple(parameters))


def _pytorch_kind(program: Any) -> Backend:
    if isinstance(program, torch.jit.ScriptModule):
        _check_returns(program)
        return _TORCHSCRIPT
    if is_package(program):
        return _AOTINDUCTOR
    raise InputError(
        "found an exported program, and Triton's PyTorch backend loads TorchScript and AOTInductor packages; wanted "
        'one of these (nacelle.save with format="torchscript" or "aotinductor"), or the Python backend'
    )


def _file_name(kind: Backend, source: Path) -> str:
    if kind.is_python:
        return "program" + (source.suffix if re.fullmatch(r"\.\w+", source.suffix, re.ASCII) else "")
    return "model.pt" if kind == _TORCHSCRIPT else "model.pt2"


def _batches(interface: Interface, max_batch_size: int | None) -> Batches | None:
    if max_batch_size == 0:
        return None
    told = interface.batches()
    if max_batch_size is None:
        return told
    if max_batch_size > told.max:
        raise InputError(
            f"max_batch_size is {max_batch_size}, and the optimization profiles allow batches of 1 to {told.max}; "
            f"wanted {told.max} or less, or a program that is built for more"
        )
    return Batches(max_batch_size, tuple(sorted({min(best, max_batch_size) for best in told.best})))


def _is_served_without_batches(interface: Interface) -> bool:
    try:
        interface.outputs(None)
    except (Error, RuntimeError):
        return False
    return True


def _check_returns(program: torch.jit.ScriptModule) -> None:
    """Raises InputError if a TorchScript program's result is not what the PyTorch backend takes."""
    (returned,) = forward_schema(program).returns
    kinds = [returned.type.kind()]
    if kinds == ["TupleType"]:
        kinds = [part.kind() for part in returned.type.elements()]
    elif kinds == ["ListType"]:
        kinds = [returned.type.getElementType().kind()]
    if set(kinds) != {"TensorType"}:
        raise InputError(
            f"the program returns {returned.type}, which Triton's PyTorch backend cannot take; wanted a tensor, or a "
            "tuple or list of tensors, or the Python backend"
        )
