"""The parts depend on each other in one direction, and every include has its dependency."""

from __future__ import annotations

from tests.lint import layers, sources


def test_layers_are_apart() -> None:
    wrong = layers.forbidden_includes(sources.ROOT) + layers.forbidden_deps(sources.ROOT)
    assert not wrong, "\n".join(wrong)


def test_every_include_has_its_dependency() -> None:
    assert any(target.label.startswith("//core/record") for target in layers.targets(sources.ROOT))
    wrong = layers.missing_deps(sources.ROOT)
    assert not wrong, "\n".join(wrong)
