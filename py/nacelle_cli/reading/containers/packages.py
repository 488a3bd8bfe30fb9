"""Archives of torch.export.save (.pt2, upstream's .ep) and of AOTInductor, with the engines among their constants.

A package of AOTInductor holds machine code beside them, which is not looked into.
"""

from __future__ import annotations

import math
import re
from contextlib import ExitStack
from typing import Any

from nacelle_cli.reading.archives import Archive
from nacelle_cli.reading.containers.container import Container, Tensor, short
from nacelle_cli.reading.containers.json_texts import entries, items, number, text, within
from nacelle_cli.reading.containers.package_objects import MODEL, PackageObjects
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.records import Records
from nacelle_cli.reading.walks import HeldTensor, Tensors

_EXTRA = "extra/"
_TENSORS = re.compile(r"data/(weights|constants)/(.+)_(?:weights|constants)_config\.json")
_SORTS = {"weights": "buffers", "constants": "constants"}
_METADATA = re.compile(r"data/aotinductor/.+\.wrapper_metadata\.json")
_CODE = (".so", ".o", ".cubin", ".hsaco", ".spv", ".ptx")
# As torch's schema numbers them.
DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64", 9: "complex32",
    10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16", 29: "float8_e4m3fn",
    30: "float8_e5m2", 31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz", 33: "float8_e8m0fnu", 34: "uint32", 35: "uint64",
}  # fmt: skip
_SYMBOL = re.compile(r"Symbol\('(\w+)'[^()]*\)")


def read(archive: Archive, stack: ExitStack) -> Container:
    """Reads a package.

    Args:
        archive: The package, whose ``package_kind`` is not empty.
        stack: The holder of the archives within the file: their plans can be read until it closes.

    Raises:
        ReadingError: It is damaged, or could be read in two ways.
    """
    return _Reader(archive, stack).read()


class _Reader:
    def __init__(self, archive: Archive, stack: ExitStack) -> None:
        self.archive = archive
        self.objects = PackageObjects(archive, stack)
        self.found = Container(archive.path, archive.file_size, archive.package_kind())

    def read(self) -> Container:
        records = Records(self.archive)
        for engine in self.objects.engines():
            self.found.add(records.read(engine.path, engine.fields, engine.archive), self.archive.limits)
        for note in self.objects.notes:
            self.found.note(note)
        models = [name for name in self.archive.names if MODEL.fullmatch(name)]
        for name in models:
            self._describe(name)
        if len(models) > 1:
            self.found.details["models"] = ", ".join(name[7:-5] for name in models)
            self.found.inputs = self.found.outputs = None
        self._add_tensors()
        self.found.extra_sizes = {
            name.removeprefix(_EXTRA): self.archive.size(name) for name in self.archive.names if name.startswith(_EXTRA)
        }
        self._add_code()
        return self.found

    def _add_tensors(self) -> None:
        """The tensors that an exported program holds, by their names in it."""
        configs = {name: match for name in self.archive.names if (match := _TENSORS.fullmatch(name))}
        several = len({match[2] for match in configs.values()}) > 1
        seen: set[str] = set()
        for config, match in configs.items():
            for name, told in entries(within(self.objects.json(config), "config")):
                member = f"data/{match[1]}/{text(within(told, 'path_name'))}"
                tensor = tensor_of({"as_tensor": {"name": ""}}, {"": within(told, "tensor_meta")})
                if member not in self.archive or within(told, "tensor_meta") is None:
                    continue
                sort = "parameters" if within(told, "is_param") is True else _SORTS[match[1]]
                shape = tuple(extent if isinstance(extent, int) else -1 for extent in tensor.shape or ())
                self.found.held[f"{match[2]}.{name}" if several else name] = HeldTensor(
                    sort, tensor.dtype, shape, member
                )
                total = self.found.tensors.setdefault(sort, Tensors())
                total.count += 1
                total.elements += math.prod(map(abs, shape))
                total.dtypes[tensor.dtype] += 1
                total.devices[short(text(within(told, "tensor_meta", "device", "type")), 20) or "unknown"] += 1
                total.size += 0 if member in seen else self.archive.size(member)
                seen.add(member)

    def _describe(self, name: str) -> None:
        """Inputs, outputs and operators of a program's graph, as its JSON has them."""
        try:
            program = self.objects.json(name)
        except ReadingError as error:
            self.found.note(str(error).removeprefix(f"{self.archive.path}: "))
            return
        graph = within(program, "graph_module", "graph")
        values = within(graph, "tensor_values")
        signature = within(program, "graph_module", "signature")
        inputs = [within(spec, "user_input", "arg") for spec in items(within(signature, "input_specs"))]
        outputs = [within(spec, "user_output", "arg") for spec in items(within(signature, "output_specs"))]
        self.found.inputs = [tensor_of(argument, values) for argument in inputs if argument]
        self.found.outputs = [tensor_of(argument, values) for argument in outputs if argument]
        for node in items(within(graph, "nodes")):
            self.found.operators[short(text(within(node, "target")).removeprefix("torch.ops."), 100)] += 1
        sizes = [_range(name, given) for name, given in entries(within(program, "range_constraints"))]
        self.found.details |= {"sizes": ", ".join(sizes)} if sizes else {}
        release = text(within(program, "torch_version"))
        self.found.details |= {"saved by": f"torch {short(release, 40)}"} if release else {}

    def _add_code(self) -> None:
        code = [name for name in self.archive.names if name.startswith("data/aotinductor/") and name.endswith(_CODE)]
        if self.found.kind != "AOTInductor package":
            return
        size = sum(map(self.archive.size, code))
        count = "1 file" if len(code) == 1 else f"{len(code)} files"
        self.found.details["machine code"] = f"{count}, {size:,} bytes; not looked into, and nothing of it is run"
        for name in self.archive.names:
            if _METADATA.fullmatch(name):
                told = [f"{text(value)}" for _, value in entries(self.objects.json(name)) if text(value)]
                self.found.details["compiled for"] = short(", ".join(told))


def tensor_of(argument: Any, values: Any) -> Tensor:
    """An input or output; a constant by its value."""
    (kind, value), *_ = entries(argument) or [("", None)]
    name = text(within(value, "name")) or text(within(value, "as_name")) or text(value)
    if kind != "as_tensor":
        return Tensor(name or short(str(value), 40), kind.removeprefix("as_"), None)
    known = within(values, name)
    dtype = DTYPES.get(number(within(known, "dtype")) or 0, "unknown")
    shape = tuple(map(_extent, items(within(known, "sizes"))))
    return Tensor(name, dtype, shape)


def _extent(value: Any) -> int | str:
    fixed = number(within(value, "as_int"))
    if fixed is not None:
        return fixed
    expression = text(within(value, "as_expr", "expr_str"))
    return short(_SYMBOL.sub(r"\1", expression[:4096]), 60) or "?"


def _range(name: str, given: Any) -> str:
    low, high = number(within(given, "min_val")), number(within(given, "max_val"))
    upper = f" to {high}" if high is not None else " up"
    return f"{short(name, 60)} from {0 if low is None else low}{upper}"
