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
