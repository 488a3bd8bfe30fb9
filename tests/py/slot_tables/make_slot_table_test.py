"""The slots that make_slot_table.py finds are those that g++ lays out."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

TOOL = Path("third_party/tensorrt/slots/make_slot_table.py")
TABLES = Path("third_party/tensorrt/slots")
HEADERS = Path("tests/data/slot_table_headers")

Table = dict[str, Any]

CUDA_STAND_IN = "#pragma once\ntypedef struct CUstream_st* cudaStream_t;\ntypedef struct CUevent_st* cudaEvent_t;\n"


def run_tool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The tool, run as a user runs it."""
    command = [sys.executable, str(TOOL), *(str(a) for a in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """The table of the test's headers."""
    output = tmp_path_factory.mktemp("table") / "out.json"
    result = run_tool("--headers", HEADERS, "-o", output)
    assert result.returncode == 0, result.stderr
    loaded: Table = json.loads(output.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def cuda_headers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the header of CUDA that the test's headers include."""
    folder = tmp_path_factory.mktemp("cuda")
    (folder / "cuda_runtime_api.h").write_text(CUDA_STAND_IN, encoding="utf-8")
    return folder


def compile_cpp(folder: Path, cuda_headers: Path, text: str, arguments: Sequence[str]) -> None:
    """Compiles `text` in `folder` against the test's headers."""
    (folder / "check.cc").write_text(text, encoding="utf-8")
    command = [
        "g++",
        "-std=c++17",
        "-Wno-overloaded-virtual",
        f"-I{HEADERS.resolve()}",
        f"-I{cuda_headers}",
        *arguments,
    ]
    result = subprocess.run([*command, "check.cc"], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def names(entries: list[Table]) -> list[str]:
    """The names of a class's functions in slot order."""
    return [str(entry["name"]) for entry in entries]


def test_release_comes_from_the_headers(table: Table) -> None:
    assert table["release"] == "42.3.1.7"


def test_classes_are_those_looked_for(table: Table) -> None:
    assert list(table["classes"]) == [
        "nvinfer1::IBuilder",
        "nvinfer1::INoCopy",
        "nvinfer1::IRuntime",
        "nvinfer1::IVersionedInterface",
        "nvinfer1::apiv::VExecutionContext",
        "nvinfer1::apiv::VHostMemory",
        "nvinfer1::apiv::VRoot",
        "nvinfer1::stable::IErrorRecorder",
        "nvinfer1::v_1_0::ILogger",
        "nvinfer1::v_1_0::IProfiler",
    ]


def test_bases_come_first_and_overrides_keep_their_slots(table: Table) -> None:
    classes = table["classes"]
    assert names(classes["nvinfer1::v_1_0::ILogger"]) == ["isFirst", "getInterfaceInfo", "~", "~", "log", "log"]
    assert names(classes["nvinfer1::stable::IErrorRecorder"]) == [
        "isFirst",
        "getInterfaceInfo",
        "~",
        "~",
        "reportError",
    ]
    assert names(classes["nvinfer1::IBuilder"]) == ["~", "~", "late", "allocate", "own"]
    assert [e.get("dtor") for e in classes["nvinfer1::IBuilder"]] == ["complete", "deleting", None, None, None]


def test_enums_and_structs(table: Table) -> None:
    assert table["enums"] == {
        "nvinfer1::DataType": {"type": "int32_t", "values": {"kFLOAT": 0, "kHALF": 1, "kINT64": 8}},
        "nvinfer1::ErrorCode": {"type": "int32_t", "values": {"kSUCCESS": 0, "kOTHER": 5, "kNEXT": 6}},
        "nvinfer1::v_1_0::ILogger::Severity": {"type": "int32_t", "values": {"kINTERNAL_ERROR": 0, "kERROR": 1}},
    }
    assert table["structs"]["nvinfer1::Dims64"] == {
        "size": 72,
        "fields": [
            {"name": "nbDims", "type": "int", "offset": 0},
            {"name": "d", "type": "long[8]", "offset": 8},
        ],
    }


def member_check(qualified: str, entry: Table) -> str:
    """C++ that prints the slot in a pointer to the member function, which also has to have the type in the table."""
    const = " const" if entry["const"] else ""
    pointer = f"{entry['ret']} ({qualified}::*)({', '.join(entry['params'])}){const}"
    return f'  print("{qualified} {entry["slot"]}", static_cast<{pointer}>(&{qualified}::{entry["name"]}));\n'


def test_slots_are_those_of_pointers_to_members(table: Table, cuda_headers: Path, tmp_path: Path) -> None:
    checks = [
        member_check(name, entry)
        for name, entries in table["classes"].items()
        for entry in entries
        if entry["name"] != "~"
    ]
    # A pointer to a virtual function holds the offset of its slot, with a mark: 1 added to it (x86-64), or bit 0 of the
    # second word (AArch64).
    text = (
        "#include <NvInfer.h>\n#include <cstdio>\n#include <cstring>\n"
        "template <typename M> void print(const char* what, M member) {\n"
        "  long words[2];\n  static_assert(sizeof words == sizeof member);\n"
        "  std::memcpy(words, &member, sizeof words);\n"
        '  std::printf("%s %ld\\n", what, words[0] / 8);\n}\n'
        "int main() {\n" + "".join(checks) + "}\n"
    )
    compile_cpp(tmp_path, cuda_headers, text, ["-o", "check"])
    printed = subprocess.run([tmp_path / "check"], check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(printed) == len(checks) > 20
    for line in printed:
        name, listed, found = line.split()
        assert listed == found, name


def dumped_tables(text: str) -> dict[str, list[str]]:
    """The functions of each class's own table in g++'s dump of class layouts, by the class's name."""
    tables = {}
    for block in text.split("\n\n"):
        head = re.match(r"Vtable for (\S+)\n", block)
        if head is not None:
            tables[head[1]] = re.findall(
                r"^\d+ +(?!.*_ZTI)\(int \(\*\)\(\.\.\.\)\)(\S*[A-Za-z_]\S*)$", block, re.MULTILINE
            )
    return tables


# g++ lists no destructors for abstract classes, so classes that are not are derived from those of the headers.
CONCRETE = """#include <NvInfer.h>
class Built : public nvinfer1::IBuilder {
 public:
  int32_t own() const noexcept override { return 1; }
};
class Log : public nvinfer1::ILogger {
 public:
  void log(Severity, char const*) noexcept override {}
};
Built* built() { return new Built; }
Log* log() { return new Log; }
"""


@pytest.mark.parametrize(("concrete", "listed"), [("Built", "nvinfer1::IBuilder"), ("Log", "nvinfer1::v_1_0::ILogger")])
def test_destructors_are_where_the_compiler_puts_them(
    table: Table, cuda_headers: Path, tmp_path: Path, concrete: str, listed: str
) -> None:
    compile_cpp(tmp_path, cuda_headers, CONCRETE, ["-fdump-lang-class", "-c", "-o", "check.o"])
    dump = next(tmp_path.glob("*.class")).read_text(encoding="utf-8")
    dumped = [name.rsplit("::", 1)[-1] for name in dumped_tables(dump)[concrete]]
    assert [re.sub(r"~\w+", "~", name) for name in dumped] == names(table["classes"][listed])


def test_text_is_in_the_form_of_the_tables() -> None:
    make_slot_table = runpy.run_path(str(TOOL))
    paths = sorted(TABLES.glob("*.json"))
    assert len(paths) >= 27
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert make_slot_table["format_table"](json.loads(text)) == text, path.name


def test_release_can_be_named(tmp_path: Path) -> None:
    output = tmp_path / "t.json"
    assert run_tool("--headers", HEADERS, "--release", "1.2.3.4", "-o", output).returncode == 0
    assert json.loads(output.read_text(encoding="utf-8"))["release"] == "1.2.3.4"


def test_missing_version_is_asked_for(tmp_path: Path) -> None:
    shutil.copy(HEADERS / "NvInfer.h", tmp_path)
    (tmp_path / "NvInferVersion.h").write_text("#pragma once\n", encoding="utf-8")
    result = run_tool("--headers", tmp_path, "-o", tmp_path / "t.json")
    assert result.returncode == 1
    assert "--release" in result.stderr


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "has no NvInfer.h"),
        ("#include <no_such_header.h>\n", "no_such_header.h"),
        ("namespace nvinfer1 { class Other {}; }\n", "none of the classes"),
        (
            "namespace nvinfer1 { class A { virtual void f(); }; class ILogger : virtual A { virtual void g(); }; }\n",
            "virtual base",
        ),
    ],
)
def test_headers_that_cannot_be_used(tmp_path: Path, header: str | None, message: str) -> None:
    if header is not None:
        (tmp_path / "NvInfer.h").write_text(header, encoding="utf-8")
    output = tmp_path / "t.json"
    result = run_tool("--headers", tmp_path, "--release", "1.2.3.4", "-o", output)
    assert result.returncode == 1
    assert message in result.stderr
    assert not output.exists()
