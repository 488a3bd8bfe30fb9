"""The stand-ins of the engine and its operator while torch traces: a fake class and a fake kernel.

torch gives the fake kernel tensors that have shapes and no elements, and shapes whose sizes may be symbols. It answers
with tensors of the shapes that the engine would return.
"""

from collections.abc import Callable, Sequence
from typing import NoReturn

import torch
from torch._library import simple_registry
from torch._library.fake_class_registry import FakeScriptObject, register_fake_class
from torch.utils._python_dispatch import _disable_current_modes

from torch_nacelle import _C
from torch_nacelle._export.output_shapes import EngineTensors, output_shapes
from torch_nacelle._export.shape_laws import Unknown
from torch_nacelle.errors import InputError


class FakeEngine:
    """A stand-in for an engine while torch traces.

    Its one attribute is what the engine's ``__obj_flatten__`` gives. It has every method of the class, since torch logs
    a warning for each that is missing, and none of them can be called.
    """

    def __init__(self, identity: str) -> None:
        self.identity = identity

    @classmethod
    def __obj_unflatten__(cls, flattened: tuple[tuple[str, str], ...]) -> "FakeEngine":
        """Makes one of what the engine's ``__obj_flatten__`` gave."""
        return cls(**dict(flattened))

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        """Any method of the class."""
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(*_args: object, **_keywords: object) -> NoReturn:
            raise InputError(
                f"engine.{name}() is called while torch traces the model (torch.compile, torch.export); call it "
                "before, and give the model its result"
            )

        return refuse


def fake_execute_engine(
    input_tensors: Sequence[torch.Tensor], engine: torch.ScriptObject | FakeScriptObject
) -> list[torch.Tensor]:
    """The fake kernel: new tensors of the dtypes and shapes that the engine would return.

    Raises:
        InputError: No optimization profile allows the inputs, or the engine writes to one of them.
        Error: The engine cannot be set up here; nothing is known of its outputs then.
    """
    real: torch.ScriptObject = engine.real_obj if isinstance(engine, FakeScriptObject) else engine
    # The reference engine finds shapes with torch, which would take part in what is traced.
    with _disable_current_modes():
        tensors = EngineTensors.of(real)
        written = _C.written_inputs(real)
        device = _C.engine_device(real)
    if written:
        raise InputError(
            f'engine "{tensors.name}" writes its outputs to the memory of inputs ({", ".join(written)}), and '
            "torch.compile and torch.export must not be given an operator that changes its inputs; call the engine in "
            "eager mode or in TorchScript"
        )
    shapes = output_shapes(real, tensors, [list(tensor.shape) for tensor in input_tensors])
    on_meta = any(tensor.is_meta and not isinstance(tensor, torch._subclasses.FakeTensor) for tensor in input_tensors)
    return [
        torch.empty(
            [_new_size(size) if isinstance(size, Unknown) else size for size in shape],
            dtype=output.dtype,
            device="meta" if on_meta else device,
        )
        for output, shape in zip(tensors.outputs, shapes, strict=True)
    ]


def _new_size(size: Unknown) -> torch.SymInt:
    return torch.library.get_ctx().new_dynamic_size(min=size.min, max=size.max)


def register() -> None:
    """Gives both to torch, and tells it that the operator does nothing but compute its outputs.

    torch assumes of an operator that takes an object of a C++ class that it changes this object: it would keep all such
    calls in order by a tensor that each one makes for the next. An engine that writes to its inputs is refused above.
    """
    register_fake_class("tensorrt::Engine", FakeEngine)  # type: ignore[arg-type]
    for name in ("tensorrt::execute_engine", "trt::execute_engine"):
        torch.library.register_fake(name, fake_execute_engine)
        effect = getattr(simple_registry.singleton.find(name), "effect", None)
        if effect is not None:  # torch 2.13; older releases may keep it elsewhere
            effect.register(None)
