"""Comments, docstrings and their entries begin with a noun or a verb; a condition is "if"."""

from __future__ import annotations

from tests.lint import first_words, sources

# The folders that keep the rule.
FOLDERS = (
    "bench/",
    "core/",
    "examples/",
    "py/",
    "reference/",
    "runtime/",
    "tests/bench/",
    "tests/build/",
    "tests/cmake/",
    "tests/conformance/",
    "tests/core/",
    "tests/docs/",
    "tests/downstream/",
    "tests/examples/",
    "tests/fake_gpu/",
    "tests/gpu/",
    "tests/lint/",
    "tests/py/",
    "tests/reference/",
    "tests/runtime/",
    "tests/upstream/",
    "third_party/",
    "toolchains/",
)


def test_comments_and_docstrings_begin_with_a_noun_or_a_verb() -> None:
    wrong = [
        f"{name}:{violation}"
        for name in sources.with_suffix(".cc", ".h", ".py", ".bzl", "BUILD")
        if name.startswith(FOLDERS)
        for violation in first_words.violations(sources.ROOT / name)
    ]
    assert not wrong, "\n".join(wrong)


def test_entries_of_docstrings_begin_with_a_noun() -> None:
    wrong = [
        f"{name}:{violation}"
        for name in sources.with_suffix(".py")
        for violation in first_words.entries(sources.ROOT / name)
    ]
    assert not wrong, "\n".join(wrong)


def test_a_condition_is_if() -> None:
    wrong = [
        f"{name}:{violation}"
        for name in sources.with_suffix(".cc", ".h", ".py", ".pyi", ".bzl", ".md", "BUILD")
        for violation in first_words.conditions(sources.ROOT / name)
    ]
    assert not wrong, "\n".join(wrong)
