"""Makes a slot table from the headers of a TensorRT release.

    make_slot_table.py --headers /opt/TensorRT-10.17/include --cuda-headers /usr/local/cuda/include -o 10.17.0.8.json

Needs the Python package libclang, and a C++ compiler for its standard headers. Without --cuda-headers the few names of
CUDA that TensorRT's headers use are declared here. README.md, beside this file, says what is in a table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clang.cindex import Cursor, CursorKind, Diagnostic, Index, TranslationUnit, Type, TypeKind


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


# The declarations to extract, by the last part of the name; a release may lack some. Versioned interfaces live in
# namespaces like v_1_0, which stay in the name.
CLASSES = words(
    """IBuilder IBuilderConfig ICudaEngine IDebugListener IEngineInspector IErrorRecorder IExecutionContext
    IGpuAllocator IGpuAsyncAllocator IHostMemory ILogger INetworkDefinition INoCopy IOptimizationProfile
    IOutputAllocator IParser IParserError IProfiler IProgressMonitor IRuntime IStreamReader IStreamReaderV2
    IVersionedInterface VBuilder VBuilderConfig VCudaEngine VEngineInspector VExecutionContext VHostMemory
    VNetworkDefinition VOptimizationProfile VRoot VRuntime VRuntimeConfig VSerializationConfig VTensor
    VTimingCache"""
)
ENUMS = words(
    """APILanguage BuilderFlag DataType DeviceType EngineCapability EngineStat ErrorCode
    ExecutionContextAllocationStrategy HardwareCompatibilityLevel LayerInformationFormat MemoryPoolType
    NetworkDefinitionCreationFlag OptProfileSelector PreviewFeature ProfilingVerbosity SerializationFlag Severity
    TacticSource TensorFormat TensorIOMode TensorLocation"""
)
STRUCTS = words("Dims32 Dims64 InterfaceInfo Weights")
NAMESPACES = ("nvinfer1::", "nvonnxparser::")

MAIN_HEADER = "NvInfer.h"
OTHER_HEADERS = ("NvOnnxParser.h",)
VERSION_HEADER = "NvInferVersion.h"
RELEASE_MACROS = ("NV_TENSORRT_MAJOR", "NV_TENSORRT_MINOR", "NV_TENSORRT_PATCH", "NV_TENSORRT_BUILD")
RELEASE_ENUM = "SlotTableRelease"

CUDA_STAND_IN = """#pragma once
typedef struct CUstream_st* cudaStream_t;
typedef struct CUevent_st* cudaEvent_t;
"""

Json = dict[str, Any]


class HeaderError(Exception):
    """The headers cannot be read, or declare something that this tool does not lay out."""


@dataclass(frozen=True)
class Function:
    """A virtual function, with the key that a function which overrides it shares."""

    key: tuple[str, tuple[str, ...], bool]
    entry: Json

    @property
    def slots(self) -> int:
        """Number of its slots: a destructor has two, the complete and the deleting one."""
        return 2 if self.entry["name"] == "~" else 1


# --- Reading the headers ----------------------------------------------------------------------------------------------


def system_includes(compiler: str) -> list[str]:
    """The folders in which `compiler` looks for standard headers."""
    command = [compiler, "-E", "-x", "c++", "-v", "/dev/null"]
    try:
        text = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    except (OSError, subprocess.CalledProcessError) as error:
        raise HeaderError(
            f"cannot ask {compiler} for its header folders ({error}); name another one with --cxx"
        ) from error
    lines = text.splitlines()
    begin = lines.index("#include <...> search starts here:") + 1
    return [line.strip() for line in lines[begin : lines.index("End of search list.")]]


def source_text(headers: Path) -> str:
    """A source file that includes the headers and makes the release's macros readable."""
    includes = [VERSION_HEADER, MAIN_HEADER, *(h for h in OTHER_HEADERS if (headers / h).is_file())]
    lines = [f"#include <{header}>" for header in includes if (headers / header).is_file()]
    values = ", ".join(f"k{macro} = {macro}" for macro in RELEASE_MACROS)
    lines += [f"#if defined({RELEASE_MACROS[0]})", f"enum {RELEASE_ENUM} {{ {values} }};", "#endif"]
    return "\n".join(lines) + "\n"


def parse(headers: Path, cuda_headers: Path | None, compiler: str) -> TranslationUnit:
    """The headers as clang sees them; an error in them is an error here."""
    if not (headers / MAIN_HEADER).is_file():
        raise HeaderError(f"{headers} has no {MAIN_HEADER}: give the SDK's folder of headers")
    files = [("slot_table_main.cc", source_text(headers))]
    arguments = ["-x", "c++", "-std=c++17", "-nostdinc", "-nostdinc++", "-Wno-everything", f"-I{headers}"]
    if cuda_headers is not None:
        arguments.append(f"-isystem{cuda_headers}")
    else:
        arguments.append("-isystem/slot_table_cuda")
        files.append(("/slot_table_cuda/cuda_runtime_api.h", CUDA_STAND_IN))
    arguments += [f"-isystem{folder}" for folder in system_includes(compiler)]
    unit = Index.create().parse("slot_table_main.cc", args=arguments, unsaved_files=files)
    errors = [str(d) for d in unit.diagnostics if d.severity >= Diagnostic.Error]
    if errors:
        raise HeaderError("the headers cannot be read:\n" + "\n".join(errors[:10]))
    return unit


def walk(cursor: Cursor) -> Iterator[Cursor]:
    """The declarations below `cursor`, in namespaces and classes."""
    for child in cursor.get_children():
        yield child
        if child.kind in (CursorKind.NAMESPACE, CursorKind.CLASS_DECL, CursorKind.STRUCT_DECL):
            yield from walk(child)


def qualified(cursor: Cursor) -> str:
    """The whole name of a declaration, inline namespaces included: nvinfer1::v_1_0::ILogger."""
    parts: list[str] = []
    at: Cursor | None = cursor
    while at is not None and at.kind != CursorKind.TRANSLATION_UNIT:
        parts.append(at.spelling)
        at = at.semantic_parent
    return "::".join(reversed(parts))


def canonical(a_type: Type) -> str:
    """A type's name with typedefs resolved."""
    return str(a_type.get_canonical().spelling)


# --- Virtual tables ---------------------------------------------------------------------------------------------------


def describe(cursor: Cursor) -> Function:
    """One virtual function."""
    if cursor.kind == CursorKind.DESTRUCTOR:
        return Function(("~", (), False), {"name": "~"})
    params = [canonical(a) for a in cursor.type.argument_types()]
    is_const = bool(cursor.is_const_method())
    entry = {"name": cursor.spelling, "ret": canonical(cursor.result_type), "params": params, "const": is_const}
    # The canonical type of a function drops const from value parameters, which callers do not see.
    bare = tuple(str(a.spelling) for a in cursor.type.get_canonical().argument_types())
    return Function((cursor.spelling, bare, is_const), entry)


def is_dynamic(cursor: Cursor) -> bool:
    """True if objects of a class have a pointer to a virtual table."""
    return bool(virtual_functions(cursor))


def bases_of(cursor: Cursor) -> list[Cursor]:
    """The definitions of a class's direct bases."""
    bases = []
    for child in cursor.get_children():
        if child.kind != CursorKind.CXX_BASE_SPECIFIER:
            continue
        if "virtual" in [token.spelling for token in child.get_tokens()]:
            raise HeaderError(f"{qualified(cursor)} has a virtual base, which this tool does not lay out")
        bases.append(child.type.get_canonical().get_declaration().get_definition())
    return bases


def virtual_functions(cursor: Cursor) -> list[Function]:
    """A class's virtual functions in the order of its table (Itanium C++ ABI).

    The first base with a virtual table shares its table with the class; a function that overrides one of that base's
    takes its place, others follow in the order of their declarations. Tables of further bases stand apart.
    """
    functions: list[Function] = []
    for base in bases_of(cursor):
        functions = virtual_functions(base)
        if functions:
            break
    for child in cursor.get_children():
        if child.kind not in (CursorKind.CXX_METHOD, CursorKind.DESTRUCTOR) or not child.is_virtual_method():
            continue
        function = describe(child)
        places = [i for i, known in enumerate(functions) if known.key == function.key]
        if places:
            functions[places[0]] = function
        else:
            functions.append(function)
    return functions


def slots(functions: Iterable[Function]) -> list[Json]:
    """The functions with their slots."""
    table: list[Json] = []
    for function in functions:
        if function.slots == 1:
            table.append({"slot": len(table), **function.entry})
            continue
        for dtor in ("complete", "deleting"):
            table.append({"slot": len(table), "name": "~", "dtor": dtor})
    return table


# --- The table --------------------------------------------------------------------------------------------------------


def enum_entry(cursor: Cursor) -> Json:
    """An enum's underlying type and values."""
    values = {c.spelling: c.enum_value for c in cursor.get_children() if c.kind == CursorKind.ENUM_CONSTANT_DECL}
    return {"type": cursor.enum_type.spelling, "values": values}


def struct_entry(cursor: Cursor) -> Json:
    """A struct's size and members, in bytes."""
    fields = [
        {"name": f.spelling, "type": canonical(f.type), "offset": cursor.type.get_offset(f.spelling) // 8}
        for f in cursor.type.get_fields()
    ]
    return {"size": cursor.type.get_size(), "fields": fields}


def read_release(unit: TranslationUnit) -> str | None:
    """The release that the headers say they are, or None."""
    for cursor in unit.cursor.get_children():
        if cursor.kind == CursorKind.ENUM_DECL and cursor.spelling == RELEASE_ENUM:
            return ".".join(str(c.enum_value) for c in cursor.get_children())
    return None


def make_table(unit: TranslationUnit, release: str) -> Json:
    """The table of the declarations to extract."""
    classes: Json = {}
    enums: Json = {}
    structs: Json = {}
    for cursor in walk(unit.cursor):
        name = qualified(cursor)
        if not cursor.is_definition() or not name.startswith(NAMESPACES):
            continue
        if cursor.kind == CursorKind.ENUM_DECL and cursor.spelling in ENUMS:
            enums[name] = enum_entry(cursor)
        elif cursor.kind in (CursorKind.CLASS_DECL, CursorKind.STRUCT_DECL) and cursor.type.kind != TypeKind.INVALID:
            if cursor.spelling in STRUCTS:
                structs[name] = struct_entry(cursor)
            elif cursor.spelling in CLASSES and is_dynamic(cursor):
                classes[name] = slots(virtual_functions(cursor))
    if not classes:
        raise HeaderError("the headers declare none of the classes that a table is about")
    return {
        "release": release,
        "classes": dict(sorted(classes.items())),
        "enums": dict(sorted(enums.items())),
        "structs": dict(sorted(structs.items())),
    }


def lines_of(mapping: Json) -> str:
    """One line for each item."""
    return ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in mapping.items())


def format_table(table: Json) -> str:
    """The table's text: one line for each function, enum and struct, so that two releases can be compared."""
    classes = ",\n".join(
        f"  {json.dumps(name)}: [\n" + ",\n".join("   " + json.dumps(entry) for entry in entries) + "\n  ]"
        for name, entries in table["classes"].items()
    )
    head = f'{{"release": {json.dumps(table["release"])},\n "classes": {{\n{classes}\n }},\n'
    return (
        f'{head} "enums": {{\n{lines_of(table["enums"])}\n }},\n "structs": {{\n{lines_of(table["structs"])}\n }}}}\n'
    )


def run(args: argparse.Namespace) -> None:
    """Reads the headers and writes the table."""
    unit = parse(args.headers, args.cuda_headers, args.cxx)
    release = args.release
    if release == "auto":
        release = read_release(unit)
        if release is None:
            raise HeaderError(f"{VERSION_HEADER} does not define {RELEASE_MACROS[0]}: name the release with --release")
    args.output.write_text(format_table(make_table(unit, release)), encoding="utf-8")
    print(f"wrote the table of {release} to {args.output}")


def main(argv: Sequence[str]) -> int:
    """Runs the tool; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--headers", type=Path, required=True, help="the SDK's folder of headers")
    parser.add_argument("--cuda-headers", type=Path, help="CUDA's folder of headers")
    parser.add_argument("--release", default="auto", help="major.minor.patch.build; auto: as NvInferVersion.h says")
    parser.add_argument("--cxx", default="g++", help="the compiler whose standard headers are used")
    parser.add_argument("-o", "--output", type=Path, required=True)
    try:
        run(parser.parse_args(argv))
    except HeaderError as error:
        print(f"make_slot_table: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
