"""first_words.py finds the comments and docstrings that begin with a clause."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lint import first_words

CPP = """// What the file holds.
#include <string>

// A thing.
//
// How it works.
struct Thing {
  int a;  // what it is

  // Returns one.
  // What a continued sentence
  int One();
  // Whether it is.
  bool Is();
  // Whatever it is.
  bool Any();
};
"""

PYTHON = '''"""Of modules."""

# A number, and
# What follows it.
NUMBER = 1


class Thing:
    """Until the end."""

    def run(self) -> str:
        """Runs."""
        # How it runs.
        return """What it returns is no docstring."""
'''


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [("a.cc", CPP, [1, 6, 13]), ("a.h", CPP, [1, 6, 13]), ("a.py", PYTHON, [1, 9, 13]), ("BUILD", "# What.\n", [1])],
)
def test_comments_that_begin_with_a_clause(tmp_path: Path, name: str, text: str, lines: list[int]) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert sorted(int(violation.split(":")[0]) for violation in first_words.violations(path)) == lines


def test_a_violation_quotes_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text('"""What it is.\n\nMore."""\n', encoding="utf-8")
    assert first_words.violations(path) == ["1: What it is."]


def test_entries_that_begin_with_a_clause(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        '"""A module.\n\nAttributes:\n    size: Its bytes.\n    kind: What it is.\n        How it goes on.\n"""\n'
        '# size: Whether a comment has it, it is no entry.\nTEXT = """\n    size: What a text has.\n"""\n',
        encoding="utf-8",
    )
    assert first_words.entries(path) == ["5: kind: What it is."]


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("The size; None ", " it is open.", True),
        ("Raises InputError ", " there are none.", True),
        ("", " no file can be made, it stays in memory.", True),
        ("It runs ", " there is no GPU.", False),
        ("", " it was looked for.", False),
        ("the folder ", " the tests are", False),
    ],
)
def test_where_as_a_condition(tmp_path: Path, before: str, after: str, found: bool) -> None:
    path = tmp_path / "a.md"
    path.write_text(f"A page.\n\n{before}{'where' if before else 'Where'}{after}\n", encoding="utf-8")
    assert bool(first_words.conditions(path)) == found
