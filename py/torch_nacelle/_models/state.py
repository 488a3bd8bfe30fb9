"""Refuses models with parts that an engine would drop: state that is kept from call to call, and hooks."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from torch_nacelle import _C
from torch_nacelle._models.model_state import version_of
from torch_nacelle._runtime.dispatch_modes import without_compiler
from torch_nacelle.errors import InputError

# The statistics that these operators write to in training, which their schemas do not say.
_STATISTICS = ("running_mean", "running_var")
_WRITES_STATISTICS = {
    "aten::native_batch_norm": "training",
    "aten::cudnn_batch_norm": "training",
    "aten::miopen_batch_norm": "training",
}

_DEEPEST = 4  # lists in lists

_NOT_ATTRIBUTES = ("_parameters", "_buffers", "_modules")


class StateError(InputError):
    """A module whose forward changes its own state; no other method of building helps."""

    @classmethod
    def _reference(cls) -> str:
        return _C.reference(InputError.__name__)


def refuse_state(module: torch.nn.Module, examples: tuple[torch.Tensor, ...], name: str) -> None:
    """Raises InputError if a call of a module changes its tensors, its inputs, or the result of the next call.

    The module runs twice. An attribute that a run fills once, like a table of sines, does no harm. A write to a tensor
    of the module is refused before it is done, but for writes that go past torch's operators.

    Args:
        module: The module, in the mode and on the device of the examples.
        examples: Its inputs.
        name: Its name, for the message.
    """
    tensors = [*module.named_parameters(), *module.named_buffers()]
    owned = [(path, tensor) for path, tensor in tensors if not torch.nn.parameter.is_lazy(tensor)]
    versions = [version_of(tensor) for _, tensor in owned]
    values = _buffer_values(module)
    read = [version_of(example) for example in examples]
    with refused_writes(module) as run:
        first = _run(run, examples)
    assigned, numbers = _buffer_values(module), _plain_values(module)
    second = _run(module, examples)
    for path, buffer in _buffer_values(module).items():
        if path in assigned and not _equal([buffer], [assigned[path]]):
            raise StateError(_C.state_message(f'the attribute "{path}"'))
    for path, value in _plain_values(module).items():
        if path in numbers and value != numbers[path]:
            raise StateError(_C.state_message(f'the attribute "{path}"'))
    for (path, tensor), version in zip(owned, versions, strict=True):
        # The statistics of a batch normalization change without being counted.
        if version_of(tensor) != version or (path in values and not _equal([tensor], [values[path]])):
            raise StateError(_C.state_message(f'the attribute "{path}"'))
    for index, (example, version) in enumerate(zip(examples, read, strict=True)):
        if version_of(example) != version:
            raise InputError(
                f"forward of {name} changes its input {index} in place; an engine only reads its inputs: let forward "
                f"clone it first, and return the new value if the caller needs it"
            )
    if not _equal(first, second):
        raise StateError(_C.state_message(f"something that {name} keeps: it computes something else the second time"))


@contextlib.contextmanager
def refused_changes(module: torch.nn.Module) -> Iterator[None]:
    """Raises StateError afterwards if a tensor that the module owns was written to, as far as torch counts writes.

    For calls of a module beside its trace: the trace has the same tensors, so its results do not show a write.
    """
    tensors = [(path, one) for path, one in _paths_and_tensors(module) if not torch.nn.parameter.is_lazy(one)]
    versions = [version_of(tensor) for _, tensor in tensors]
    yield
    for (path, tensor), version in zip(tensors, versions, strict=True):
        if version_of(tensor) != version:
            raise StateError(_C.state_message(f'the attribute "{path}"'))


@contextlib.contextmanager
def refused_writes(module: torch.nn.Module) -> Iterator[Callable[..., Any]]:
    """A function that calls a module, and raises InputError instead of a write to a tensor that the module owns.

    A module that has an operator which does not run under a mode of torch's dispatcher is called without one.
    """
    writes = _Writes(_paths_and_tensors(module))

    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            with writes:
                result = module(*args, **kwargs)
        except Exception:
            writes.raise_if_found()
            return module(*args, **kwargs)
        writes.raise_if_found()  # forward may have caught the error
        return result

    yield run


@without_compiler
class _Writes(TorchDispatchMode):
    """Refuses operators that write to memory of some tensors."""

    def __init__(self, owned: list[tuple[str, torch.Tensor]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._tensors = owned  # kept while the mode is: torch gives the memory of a tensor that is freed to another
        self._owned: dict[int, str] = {}
        for path, tensor in owned:
            if memory := memory_of(tensor):
                self._owned.setdefault(memory, path)
        self._found: str | None = None

    def raise_if_found(self) -> None:
        if self._found is not None:
            raise StateError(_C.state_message(f'the attribute "{self._found}"'))

    def __torch_dispatch__(self, func: Any, types: object, args: Any = (), kwargs: Any = None) -> object:
        given = dict(kwargs or {})
        for tensor in _written(func._schema, args, given):
            if self._found is None:
                self._found = self._owned.get(memory_of(tensor))
        self.raise_if_found()
        return func(*args, **given)


def _written(schema: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[torch.Tensor]:
    """The tensors that a call of an operator writes to."""
    given = dict(zip((argument.name for argument in schema.arguments), args, strict=False)) | kwargs
    unsaid = given.get(_WRITES_STATISTICS.get(schema.name, ""), False)
    for argument in schema.arguments:
        said = argument.alias_info is not None and argument.alias_info.is_write
        if said or (unsaid and argument.name in _STATISTICS):
            yield from (tensor for _, tensor in tensors_in(given.get(argument.name), ""))


def _paths_and_tensors(module: torch.nn.Module) -> list[tuple[str, torch.Tensor]]:
    """A module's tensors: its parameters, buffers, and those in plain attributes."""
    owned = [*module.named_parameters(), *module.named_buffers()]
    for path, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            continue
        for name, value in part.__dict__.items():
            if name not in _NOT_ATTRIBUTES:
                owned += tensors_in(value, f"{path}.{name}" if path else name)
    return owned


def tensors_in(value: Any, path: str, outer: tuple[int, ...] = ()) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors in nested lists, tuples and dicts, each with its path."""
    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, (list, tuple, dict)) and id(value) not in outer:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in list(items):
            yield from tensors_in(inner, f"{path}[{key!r}]", (*outer, id(value)))


def memory_of(tensor: torch.Tensor) -> int:
    """A number that tensors with the same memory share; 0 for those without memory of their own."""
    if torch.nn.parameter.is_lazy(tensor):
        return 0
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):  # sparse, or wrapped
        return 0


def refuse_global_hooks() -> None:
    """Raises InputError if torch runs hooks for every module: an engine runs none."""
    hooks = torch.nn.modules.module
    names = [
        getattr(hook, "__name__", type(hook).__name__)
        for found in (hooks._global_forward_pre_hooks, hooks._global_forward_hooks)
        for hook in found.values()
    ]
    if names:
        raise InputError(
            f"hooks for all modules are registered ({', '.join(names)}), and an engine would not run them: remove "
            f"them while you compile, or give method='trace', which follows them"
        )


def _buffer_values(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {
        path: buffer.clone()
        for path, buffer in module.named_buffers()
        if not buffer.is_meta and not torch.nn.parameter.is_lazy(buffer)
    }


def _plain_values(module: torch.nn.Module) -> dict[str, str]:
    """The attributes that are numbers, texts, or lists, tuples and dicts of some, as texts to compare."""
    return {
        f"{path}.{name}" if path else name: repr(value)
        for path, part in module.named_modules()
        if not isinstance(part, torch.jit.ScriptModule)
        for name, value in part.__dict__.items()
        if name not in _NOT_ATTRIBUTES and _is_plain(value)
    }


def _is_plain(value: Any, depth: int = 0) -> bool:
    if isinstance(value, (list, tuple)):
        return depth < _DEEPEST and all(_is_plain(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return depth < _DEEPEST and all(_is_plain(item, depth + 1) for pair in value.items() for item in pair)
    return value is None or isinstance(value, (bool, int, float, str))


def _run(module: Callable[..., Any], examples: tuple[torch.Tensor, ...]) -> list[Any]:
    """The outputs, with the same random numbers each time."""
    devices = sorted({example.get_device() for example in examples if example.is_cuda})
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(0)
        result = module(*examples)
    outputs = result if isinstance(result, (list, tuple)) else [result]
    return [output.clone() if isinstance(output, torch.Tensor) else output for output in outputs]


def _equal(first: list[Any], second: list[Any]) -> bool:
    """Returns True if the tensors are equal, but for what the order of additions on a GPU changes."""
    try:
        for one, other in zip(first, second, strict=True):
            if isinstance(one, torch.Tensor):
                torch.testing.assert_close(one, other, equal_nan=True)
    except (AssertionError, ValueError):
        return False
    return True
