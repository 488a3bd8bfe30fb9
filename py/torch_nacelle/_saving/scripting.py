"""Modules with engines as TorchScript."""

import torch

from nacelle_core import Record
from torch_nacelle import _C
from torch_nacelle._build.compile import identifier, with_replaced
from torch_nacelle._build.torchscript import scripted
from torch_nacelle._export.engine_module import EngineModule, structures_of
from torch_nacelle._models.exported_program import with_example_inputs
from torch_nacelle._models.model_state import for_inference
from torch_nacelle._programs.embed import argument_names, embed_returning
from torch_nacelle._runtime.holders import joined
from torch_nacelle._runtime.messages import first_lines
from torch_nacelle._saving import graph_scripts
from torch_nacelle.errors import InputError


def script(program: object) -> torch.jit.ScriptModule:
    """A program as TorchScript; a ScriptModule is returned as it is.

    Raises:
        InputError: It cannot be TorchScript.
    """
    if isinstance(program, torch.jit.ScriptModule):
        return program
    if isinstance(program, torch.export.ExportedProgram):
        return graph_scripts.script(with_example_inputs(program).module())
    if isinstance(program, torch.fx.GraphModule):
        return graph_scripts.script(program)
    assert isinstance(program, torch.nn.Module)
    if isinstance(program, EngineModule):
        return _of_engine(program)
    engines = {id(part): _of_engine(part) for part in program.modules() if isinstance(part, EngineModule)}
    try:
        with for_inference(program):
            return scripted(with_replaced(program, engines))
    except Exception as error:
        raise InputError(
            f"{type(program).__name__} cannot be scripted around its engines; torch says: {first_lines(error, 8)}"
        ) from error


def _of_engine(module: EngineModule) -> torch.jit.ScriptModule:
    """The program of an engine, which holds this very engine."""
    (site,) = _C.find_engines(joined(module))
    record = Record.parse(site.fields)
    name = identifier(record.name)
    call, results = structures_of(module)
    names = module.engine.input_names()  # type: ignore[attr-defined]
    made = embed_returning(
        module.returns if results is None else results,
        site.plan,
        name=name,
        input_names=names,
        output_names=module.engine.output_names(),  # type: ignore[attr-defined]
        device=record.device,
        abi_version=record.version,
        hardware_compatible=False,
        platform=None,
        arguments=argument_names(names) if call is not None and call.by_name else None,
    )
    made._c.setattr(f"{name}_trt_engine", module.engine)
    return made
