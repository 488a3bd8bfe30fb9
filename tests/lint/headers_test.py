"""Every header compiles alone."""

from __future__ import annotations

from tests.lint import headers, sources


def test_headers_compile_alone() -> None:
    wrong = headers.not_alone(sources.ROOT, sources.with_suffix(".h"))
    assert not wrong, "\n".join(wrong)
