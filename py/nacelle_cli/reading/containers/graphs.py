"""The graph of an exported program as text, read from the JSON in the file; nothing is loaded or run.

::

    graph(x: float32 [s77, 3]):
      relu = aten.relu.default(self=x)  # float32 [s77, 3]
      getitem = tensorrt.execute_engine.default(input_tensors=[relu], engine=net.engine)  # float32 [s77, 10]
      return (getitem)

Weights and engines have the names that the program gives them; other names are the graph's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from nacelle_cli.reading.archives import Archive
from nacelle_cli.reading.containers.container import short
from nacelle_cli.reading.containers.json_texts import entries, items, number, text, within
from nacelle_cli.reading.containers.package_objects import MODEL, PackageObjects
from nacelle_cli.reading.containers.packages import DTYPES, tensor_of
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.programs import without_recursion
from nacelle_cli.reading.texts import printable

# Characters of one name or text in the graph: a name may be used many times.
_LONGEST = 120
# The kinds of inputs that have a name in the program, and the field with it.
_NAMED = {
    "parameter": "parameter_name",
    "buffer": "buffer_name",
    "tensor_constant": "tensor_constant_name",
    "custom_obj": "custom_obj_name",
}


def read(path: Path) -> str:
    """The graphs of an exported program's models.

    Raises:
        ReadingError: The file has none, or it is damaged.
    """
    with ExitStack() as stack:
        archive = stack.enter_context(Archive(path))
        names = [name for name in archive.names if MODEL.fullmatch(name)]
        if not names:
            raise ReadingError(
                f"{path} is an {archive.package_kind()}, which has machine code and no graph; inspect the exported "
                "program that it was compiled from"
            )
        objects = PackageObjects(archive, stack)
        with without_recursion(path):
            lines: list[str] = []
            for name in names:
                heading = f"{printable(name[7:-5])}: " if len(names) > 1 else ""
                lines += _graph(within(objects.json(name), "graph_module"), heading)
        return "\n".join(lines)


def _graph(module: Any, heading: str) -> Iterator[str]:
    graph, signature = within(module, "graph"), within(module, "signature")
    known = _program_names(signature)
    taken = [within(spec, "user_input", "arg") for spec in items(within(signature, "input_specs"))]
    values = within(graph, "tensor_values")
    inputs = [tensor_of(argument, values) for argument in taken if argument]
    yield f"{heading}graph({', '.join(f'{_name(one.name)}: {one.dtype}{_shape(one.shape)}' for one in inputs)}):"
    yield from _body(graph, known, "  ")


def _program_names(signature: Any) -> dict[str, str]:
    """The names in the program of the graph's inputs that the caller does not give."""
    known = {}
    for spec in items(within(signature, "input_specs")):
        for kind, content in entries(spec):
            name = text(within(content, "arg", "name"))
            if kind in _NAMED and name:
                known[name] = text(within(content, _NAMED[kind])) or name
    return known


def _body(graph: Any, known: Mapping[str, str], indent: str) -> Iterator[str]:
    values = within(graph, "tensor_values")
    for node in items(within(graph, "nodes")):
        named = [
            (f"{_name(text(within(each, 'name')))}=" if text(within(each, "name")) else "")
            + _value(within(each, "arg"), known)
            for each in items(within(node, "inputs"))
        ]
        results = [name for output in items(within(node, "outputs")) for name in _results(output)]
        shapes = [each for name in results if (each := _tensor_text(within(values, name)))]
        target = _name(text(within(node, "target")).removeprefix("torch.ops."))
        yield (
            f"{indent}{', '.join(map(_name, results)) + ' = ' if results else ''}{target}({', '.join(named)})"
            + (f"  # {', '.join(shapes)}" if shapes else "")
        )
        for each in items(within(node, "inputs")):
            inner = within(each, "arg", "as_graph")
            if inner is not None:
                yield f"{indent}  {_name(text(within(inner, 'name')))}:"
                yield from _body(within(inner, "graph"), {}, indent + "    ")
    yield f"{indent}return ({', '.join(_value(output, known) for output in items(within(graph, 'outputs')))})"


def _results(output: Any) -> Iterator[str]:
    """The names that a node gives its outputs."""
    for kind, value in entries(output):
        for each in items(value) if kind in ("as_tensors", "as_optional_tensors") else [value]:
            names = (text(within(each, *keys)) for keys in (("name",), ("as_name",), ("as_tensor", "name")))
            yield from filter(None, names)


def _value(argument: Any, known: Mapping[str, str]) -> str:
    """An argument as text: a name of the graph or the program, or a value."""
    if isinstance(argument, list):
        return f"[{', '.join(_value(each, known) for each in argument)}]"
    if isinstance(argument, str):
        return _name(argument)
    if not isinstance(argument, dict):
        return "None" if argument is None else short(str(argument), _LONGEST)
    (kind, value), *_ = entries(argument) or [("", None)]
    name = text(within(argument, "name"))
    if name:
        return _name(known.get(name, name))
    if kind == "as_none":
        return "None"
    if kind in ("as_string", "as_strings"):
        return printable(short(repr(value), _LONGEST))
    if kind == "as_scalar_type":
        return DTYPES.get(number(value) or 0, "unknown")
    if kind == "as_device":
        return _name(text(within(value, "type")))
    if kind in ("as_memory_format", "as_layout"):
        return f"{kind.removeprefix('as_')} {short(str(value), 20)}"
    return _value(value, known)


def _tensor_text(known: Any) -> str:
    if known is None:
        return ""
    found = tensor_of({"as_tensor": {"name": ""}}, {"": known})
    return f"{found.dtype}{_shape(found.shape)}"


def _shape(shape: tuple[int | str, ...] | None) -> str:
    return "" if shape is None else f" [{', '.join(printable(str(extent)) for extent in shape)}]"


def _name(name: str) -> str:
    return printable(short(name, _LONGEST))
