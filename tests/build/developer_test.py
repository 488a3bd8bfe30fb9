"""Tools for developers: the formatter, and the commands that editors read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from toolchains.developer import compile_commands, format, source_tree

WRONG = {"a.cc": "int  f( ){return 1;}\n", "b.py": "import os\nx = { 1:2 }\n", "untracked/c.py": "y=[ 1 ]\n"}
RIGHT = {"a.cc": "int f() { return 1; }\n", "b.py": "x = {1: 2}\n", "untracked/c.py": "y = [1]\n"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / ".clang-format").write_text("BasedOnStyle: Google\n")
    (tmp_path / ".gitignore").write_text("made/\n")
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 120\n")
    for name, text in {**WRONG, "made/d.py": "z=[ 1 ]\n"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def test_the_formatter_mends_what_it_can(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert format.format_tree(tree) == 0
    assert {name: (tree / name).read_text() for name in RIGHT} == RIGHT
    assert (tree / "made/d.py").read_text() == "z=[ 1 ]\n", "git ignores it"
    assert capsys.readouterr().out == "formatted 1 C++ files and 2 Python files\n"


def test_the_formatter_says_if_something_is_left(tree: Path) -> None:
    (tree / "b.py").write_text("print(undefined_name)\n")
    assert format.format_tree(tree) == 1


def test_a_tree_without_git_is_walked(tree: Path) -> None:
    for path in sorted((tree / ".git").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    (tree / ".git").rmdir()
    assert source_tree.files(tree, [".cc"]) == ["a.cc"]


def test_without_bazel_there_is_no_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUILD_WORKSPACE_DIRECTORY", raising=False)
    with pytest.raises(SystemExit, match="use bazel run"):
        source_tree.workspace()


def test_commands_are_those_that_compile() -> None:
    actions = {
        "actions": [
            {"arguments": ["gcc", "-isystem", "external/torch", "-c", "core/text.cc", "-o", "text.o"]},
            {"arguments": ["gcc", "-c", "core/error.cc"]},
            {"arguments": ["gcc", "-shared", "text.o"]},
        ]
    }
    text = ["gcc", "-isystem", "/base/external/torch", "-c", "core/text.cc", "-o", "text.o"]
    assert compile_commands.commands(actions, Path("/root"), Path("/base")) == [
        {"directory": "/root", "file": "core/error.cc", "arguments": ["gcc", "-c", "core/error.cc"]},
        {"directory": "/root", "file": "core/text.cc", "arguments": text},
    ]
