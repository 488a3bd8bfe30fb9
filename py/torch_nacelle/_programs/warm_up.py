"""Makes a program ready before its first request."""

from collections.abc import Iterator

import torch

from torch_nacelle import _C
from torch_nacelle._programs.arguments import At, arguments, example_inputs
from torch_nacelle._programs.running import CallInputs, call, device_of, named_inputs
from torch_nacelle._programs.signatures import signature, tells_values
from torch_nacelle._runtime.holders import AnyProgram, is_package, require_program


def warm_up(program: AnyProgram, inputs: CallInputs | None = None) -> None:
    """Makes a program ready: sets up its engines, calls them and the program, and waits for the device.

        program = nacelle.load("program.pt2")
        nacelle.warm_up(program)  # raises if it cannot run here

    The first calls of a program are slower than others: TensorRT makes an execution context and loads kernels, torch
    optimizes the code around the engines. A server calls this before it says that it is ready; called again it checks
    that the engines still run. Other threads may call the program meanwhile.

    Each engine is called with the smallest and the largest shapes of each of its optimization profiles, with zeros. If
    values of its inputs decide about shapes, it is called once at the optimum, or only set up if the plan does not tell
    the values (TensorRT 8.5). The whole program is called in the same way, if it tells the shapes of its arguments (see
    ``arguments``). Execution contexts are made when calls overlap, so the first calls that do are slower still.

    Args:
        program: A program that ``load`` returned, an ``EngineModule``, or an ``nn.Module`` that holds programs.
        inputs: Tensors for one call of the whole program, by name or in the order of its arguments, which are moved to
            its device; there are no other calls then. Give them if zeros are not what the program takes, or if it does
            not tell the shapes of its arguments and computes something outside of its engines.

    Raises:
        InputError: It is no program, or `inputs` are not what it takes. Or it is an AOTInductor package that does not
            tell its inputs, and this torch does not give its engines (2.11): give `inputs`.
        DeviceError: An engine's GPU is not here, or this process was forked after CUDA was initialized.
        Error: An engine cannot be set up here, or a call failed.
    """
    gives_engines = not is_package(program) or hasattr(program.loader, "get_custom_objs")
    if gives_engines:
        holder = require_program(program)
        if inputs is None:
            _C.warm_up(holder)
    where = device_of(program)
    with torch.inference_mode():
        for given in _calls(program, gives_engines) if inputs is None else [named_inputs(program, inputs)]:
            call(program, {name: tensor.to(where) for name, tensor in given.items()})
    if where.type == "cuda":
        torch.cuda.synchronize(where)


def _values_are_told(program: AnyProgram) -> bool:
    fed = [parameter.fed for parameter in signature(program).parameters if parameter.fed is not None]
    return all(one.engine.why_not_ready() or tells_values(one.engine, one.place) for one in fed)


def _calls(program: AnyProgram, may_be_unknown: bool) -> Iterator[dict[str, torch.Tensor]]:
    """The made-up inputs of each call of the whole program; none if its arguments are not known, and may be."""
    told = [argument for argument in arguments(program) if argument.required]
    if may_be_unknown and (any(argument.input is None for argument in told) or not _values_are_told(program)):
        return
    inputs = [argument.input for argument in told if argument.input is not None]
    places: tuple[At, ...] = ("opt",) if any(one.values for one in inputs) else ("min", "max")
    for profile in range(max([1, *(one.range_count for one in inputs)])):
        for place in places:
            yield example_inputs(program, optimization_profile=profile, at=place, fill="zeros")
