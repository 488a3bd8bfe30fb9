"""The parts of py/ import each other in one direction, and nothing private of torch_nacelle."""

from __future__ import annotations

from tests.lint import imports, sources


def test_no_circles() -> None:
    assert len(imports.modules(sources.ROOT)) > 100
    wrong = imports.circles(sources.ROOT)
    assert not wrong, "\n".join(wrong)


def test_parts_are_apart() -> None:
    wrong = imports.forbidden(sources.ROOT)
    assert not wrong, "\n".join(wrong)


def test_private_names_are_used_by_their_package_alone() -> None:
    wrong = imports.private(sources.ROOT)
    assert not wrong, "\n".join(wrong)


def test_every_folder_of_the_package_is_a_room() -> None:
    folders = {path.parent.name for path in (sources.ROOT / "py/torch_nacelle").glob("*/__init__.py")}
    assert folders == set(imports.ROOMS)
