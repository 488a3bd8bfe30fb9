"""Building with the reference engine: the model as TorchScript, and the cache."""

import functools
import itertools
from collections.abc import Mapping, Sequence

import torch

from torch_nacelle import _C
from torch_nacelle._build_info import VERSION
from torch_nacelle._caches import DEFAULT_SIZE, EngineCache, cache_folder, key_of
from torch_nacelle._exported_program import positional_module
from torch_nacelle._input import Input, dtype_name
from torch_nacelle._onnx import first_lines
from torch_nacelle._onnx_model import OnnxSource
from torch_nacelle._sources import Source, cuda_device
from torch_nacelle._state import refuse_state
from torch_nacelle.errors import InputError

# Of a profile's values; each is a run of the model.
_MOST_TRIES = 81


def build_reference(
    source: Source,
    inputs: Sequence[Input],
    name: str,
    output_names: Sequence[str],
    data_dependent: Sequence[str],
    method: str,
    options: Mapping[str, object],
) -> bytes:
    """The plan: from the engine cache, or built."""
    device = cuda_device(source)
    if device is not None:
        raise InputError(
            f"the reference engine runs on the CPU, and the model is on {device}: move it with .to('cpu'), or build "
            f"with backend='tensorrt'"
        )
    tuples = [
        (
            str(one.name),
            dtype_name(one.dtype),
            list(one.shape),
            [(list(p.min), list(p.opt), list(p.max)) for p in one.profiles] if one.dynamic else [],
        )
        for one in inputs
    ]

    values = _values_to_try(inputs)

    def make() -> bytes:
        return _C.build_reference(script()._c, name, tuples, list(output_names), set(data_dependent), values)

    script = functools.cache(functools.partial(_as_torchscript, source, inputs, method))
    folder = cache_folder(options.get("engine_cache", False), "engines")  # type: ignore[arg-type]
    if folder is None:
        return make()
    cache = EngineCache(folder, options.get("engine_cache_size", DEFAULT_SIZE))  # type: ignore[arg-type]
    # What an ONNX model is translated to has new names each time: the model itself is in the key.
    content = source.as_model().content() if isinstance(source, OnnxSource) else [script().save_to_buffer()]
    key = key_of("reference", VERSION, name, tuples, list(output_names), sorted(data_dependent), values, *content)
    return cache.get_or_build(key, make)[0]


def _values_to_try(inputs: Sequence[Input]) -> list[dict[str, list[int]]]:
    """Values of those inputs whose values decide about shapes: the usual ones, then others within their ranges.

    Not all of them go together (a tensor has few shapes to be reshaped to), so least, usual and largest are mixed.
    """
    ranged = [one for one in inputs if one.values]
    if not ranged:
        return []
    tried: dict[tuple[int, ...], None] = {}
    for profile in range(max(len(one.values) for one in ranged)):
        ranges = [one.values[min(profile, len(one.values) - 1)] for one in ranged]
        choices = [
            dict.fromkeys((opt, low, high))
            for one in ranges
            for low, opt, high in zip(one.min, one.opt, one.max, strict=True)
        ]
        tried.update(dict.fromkeys(itertools.islice(itertools.product(*choices), _MOST_TRIES)))
    sizes = [len(one.values[0].min) for one in ranged]
    return [_split(values, ranged, sizes) for values in tried]


def _split(values: Sequence[int], inputs: Sequence[Input], sizes: Sequence[int]) -> dict[str, list[int]]:
    rest = iter(values)
    return {str(one.name): list(itertools.islice(rest, size)) for one, size in zip(inputs, sizes, strict=True)}


def _as_torchscript(source: Source, inputs: Sequence[Input], method: str) -> torch.jit.ScriptModule:
    if isinstance(source, OnnxSource):
        from torch_nacelle._onnx_to_torchscript import to_torchscript as translate

        return translate(source.loaded())
    if isinstance(source, torch.export.ExportedProgram):
        return to_torchscript(positional_module(source), inputs, "trace")
    return to_torchscript(source, inputs, method)


def to_torchscript(module: torch.nn.Module, inputs: Sequence[Input], method: str) -> torch.jit.ScriptModule:
    """`module` as TorchScript; a ScriptModule as it is."""
    if isinstance(module, torch.jit.ScriptModule):
        return module
    reasons = []
    if method != "trace":
        try:
            return torch.jit.script(module)
        except Exception as error:  # whatever the compiler raises is a reason
            reasons.append(f"scripting it failed: {first_lines(error)}")
    if method != "script":
        try:
            return _trace(module, inputs)
        except InputError:
            raise
        except Exception as error:
            reasons.append(f"tracing it failed: {first_lines(error)}")
    raise InputError(f"{type(module).__name__} cannot be turned into TorchScript; " + "; ".join(reasons))


def _trace(module: torch.nn.Module, inputs: Sequence[Input]) -> torch.jit.ScriptModule:
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            examples = tuple(one.example() for one in inputs)
            refuse_state(module, examples, type(module).__name__)
            traced: torch.jit.ScriptModule = torch.jit.trace(module, examples, check_trace=False)
            return traced
    finally:
        module.train(was_training)
