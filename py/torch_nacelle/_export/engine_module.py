"""An engine as an ``nn.Module``."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

import nacelle_core
from torch_nacelle import _C
from torch_nacelle._programs.embed import embed_returning
from torch_nacelle._programs.structures import Call, Structure, row_call
from torch_nacelle._runtime.holders import is_engine, joined
from torch_nacelle.errors import Error, InputError


class EngineModule(torch.nn.Module):
    """An engine as an ``nn.Module``: for eager mode, ``torch.compile`` and ``torch.export``.

        module = nacelle.EngineModule(Path("model.plan").read_bytes())
        module(images)
        torch.compile(module)(images)
        torch.export.save(torch.export.export(module, (images,)), "model.pt2")

    It has no parameters, and its ``state_dict`` is empty: the weights are in the plan. ``.to(device)`` and ``.cuda()``
    move the engine; a dtype changes nothing, since a plan's are fixed. ``copy.deepcopy`` shares the plan. ``pickle``
    and ``torch.save`` keep the engine's record. An engine has no gradient: call it under ``torch.no_grad()``.

    Attributes:
        engine: The engine, as ``torch.ops.tensorrt.execute_engine`` takes it.
        returns: See the constructor.
    """

    engine: torch.ScriptObject
    # The structures around the engine's tensors that `compile` found; see `structured`.
    _results: Structure | None = None
    _call: Call | None = None
    # True since forward's arguments are the engine's inputs; see _programs/signatures.py.
    takes_engine_inputs: ClassVar[bool] = True

    def __init__(
        self,
        source: bytes | str | os.PathLike[str] | torch.ScriptObject | torch.jit.ScriptModule,
        *,
        name: str = "engine",
        input_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        device: str | torch.device | None = None,
        abi_version: int | None = nacelle_core.DEFAULT_ABI_VERSION,
        returns: str | None = None,
    ) -> None:
        """Makes a module of a plan or an engine.

        Args:
            source: A plan, as bytes or as the path of its file; an engine; or a program of one engine, as ``compile``
                and ``embed`` make it. The engine is shared, not copied.
            name: The engine's name. This and the next four are for plans; see ``embed``.
            input_names: The order of the inputs.
            output_names: The order of the outputs.
            device: The device that the plan was built for.
            abi_version: The version of the record.
            returns: The type of the result: ``"tensor"``, ``"tuple"`` or ``"list"``. Left out: a tensor if the
                engine has one output, else a tuple.

        Raises:
            InputError: `source` is something else, or the engine has several outputs and `returns` is ``"tensor"``.
            Error: As ``embed`` raises it.
        """
        super().__init__()
        if returns not in (None, "tensor", "tuple", "list"):
            raise InputError(f'returns is {returns!r}; wanted "tensor", "tuple", "list" or None')
        if isinstance(source, (str, os.PathLike)):
            source = Path(source).read_bytes()
        if isinstance(source, bytes):
            source = embed_returning(
                None,
                source,
                name=name,
                input_names=input_names,
                output_names=output_names,
                device=device,
                abi_version=abi_version,
                hardware_compatible=False,
                platform=None,
            )
        self.engine = _only_engine(source)
        self.returns = returns

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Runs the engine.

        Args:
            inputs: Tensors on the engine's device, of its dtypes, in its order. If ``compile`` made the module of an
                ``nn.Module``, the arguments of that one's forward.
            named: The same by name: the engine's names, or those of forward's parameters.

        Returns:
            New tensors; see ``returns`` of the constructor. If ``compile`` made the module, in the structure that the
            model returns, with its constants.

        Raises:
            InputError: An argument is missing, unknown, or has another value than the model was compiled with.
        """
        if named or (self._call is not None and not self._call.takes_row(inputs)):
            inputs = self._tensors(inputs, named)
        outputs = None if torch.compiler.is_compiling() else _C.execute(inputs, self.engine)
        if outputs is None:  # torch's own way, which takes all kinds of tensors and can be traced
            outputs = torch.ops.tensorrt.execute_engine(list(inputs), self.engine)
        return result_of(outputs, self.returns, self._results)

    def _tensors(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[torch.Tensor, ...]:
        """The engine's inputs in the arguments of a call."""
        call = self._call
        if call is None:
            engine: Any = self.engine
            names = tuple(name for name, *_ in engine.inputs())
            call = row_call(len(names), names)
        return tuple(call.tensors(args, named))

    def extra_repr(self) -> str:
        """The engine's name, device, inputs and outputs, for ``repr``."""
        engine: Any = self.engine
        try:
            tensors = [
                f"{what} {name}: {dtype} {shape}"
                for what, infos in (("input", engine.inputs()), ("output", engine.outputs()))
                for name, dtype, shape, _ in infos
            ]
            return "\n".join([f"{engine.name()} on {_C.engine_device(engine)}", *tensors])
        except Error as error:
            return f"{engine.name()}\n{error.reason}"

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> "EngineModule":
        """Moves the engine if `fn` moves tensors: what ``.to``, ``.cuda`` and ``.cpu`` call."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        here = torch.device(_C.engine_device(self.engine))
        there = fn(torch.empty(0, dtype=torch.uint8, device=here)).device  # a conversion leaves integers as they are
        if there != here:
            _C.move_engines(joined(self), str(there))
        return self


def structured(program: torch.jit.ScriptModule, returns: str | Structure | None, call: Call | None) -> EngineModule:
    """The module of a program of one engine, which is called and returns as the model was.

    Args:
        program: The program.
        returns: See ``embed_returning``.
        call: The arguments of the model; None if it has no forward.
    """
    if not isinstance(returns, Structure):
        made = EngineModule(program, returns=returns)
    else:
        made = EngineModule(program)
        made._results = returns
    made._call = call
    return made


def result_of(outputs: list[torch.Tensor], returns: str | None, results: Structure | None) -> Any:
    """The result of a call around the engine's outputs."""
    if results is not None:
        return results.build(outputs)
    if returns == "list":
        return outputs
    if returns == "tensor" or (returns is None and len(outputs) == 1):
        if len(outputs) != 1:
            raise InputError(f'the engine has {len(outputs)} outputs; wanted one, since returns is "tensor"')
        return outputs[0]
    return tuple(outputs)


def structures_of(module: EngineModule) -> tuple[Call | None, Structure | None]:
    """The structures around the engine's inputs and outputs that ``compile`` found; None for those in a row."""
    return module._call, module._results


def _only_engine(source: object) -> torch.ScriptObject:
    """The engine itself, or the one of a program of one engine."""
    if isinstance(source, torch.jit.ScriptModule):
        sites = _C.find_engines(source._c)
        if len(sites) == 1 and "." not in sites[0].path and ":" not in sites[0].path:
            source = getattr(source, sites[0].path)
        else:
            paths = ", ".join(site.path for site in sites) or "none"
            raise InputError(
                f"the program has {len(sites)} engines ({paths}); wanted one, which is an attribute of the program: "
                "nacelle.extract gives the plans of others"
            )
    if isinstance(source, torch.ScriptObject) and is_engine(source):
        return source
    raise InputError(
        f"found {type(source).__name__}; wanted a plan (bytes, or the path of a file), an engine "
        "(torch.classes.tensorrt.Engine), or a program of one engine"
    )
