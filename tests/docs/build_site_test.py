"""Errors that end the build of the site, and links that lead out of docs/."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.site import build_site

# The rules of the site, and a navigation of two pages.
RULES = re.search(r"^validation:\n(?:  .*\n)+", Path("docs/mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
assert RULES is not None
CONFIG = f"site_name: Two pages\nuse_directory_urls: false\nnav:\n  - index.md\n  - other.md\n{RULES.group()}"


def build(folder: Path, index: str, **more: str) -> Path:
    (folder / "docs").mkdir()
    for name, text in {"index": index, "other": "# Other\n\n## Here\n", **more}.items():
        (folder / "docs" / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / "mkdocs.yml").write_text(CONFIG, encoding="utf-8")
    return build_site.run_mkdocs(folder)


def test_links_that_lead_somewhere(tmp_path: Path) -> None:
    site = build(tmp_path, "[a page](other.md), [a heading](other.md#here)")
    assert 'href="other.html#here"' in (site / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("[a page](missing.md)", "missing.md"),
        ("[a heading](other.md#there)", "there"),
        ("[a path](/etc/passwd)", "/etc/passwd"),
    ],
)
def test_a_link_that_leads_nowhere(tmp_path: Path, index: str, words: str) -> None:
    with pytest.raises(SystemExit, match=f"(?s)the site was not built.*{words}"):
        build(tmp_path, index)


def test_a_page_that_is_not_in_the_navigation(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"(?s)not included in the .nav. configuration.*forgotten\.md"):
        build(tmp_path, "# Index", forgotten="# Forgotten")


def test_links_follow_the_page() -> None:
    text = "[the tables](../../third_party/README.md), [records](../reference/records.md#fields), [here](#here)"
    page = "docs/contributing/design.md"
    wanted = "the tables (`third_party/README.md`), [records](../reference/records.md#fields), [here](#here)"
    assert build_site.relink(text, page, page) == wanted


def test_code_stays_as_it_is() -> None:
    text = "`runs[0](batch)`\n\n    runs[0](batch)\n\n```python\nruns[0](batch)\n```\n"
    assert build_site.relink(text, "docs/a.md", "docs/a.md") == text


def test_the_first_page_is_the_readme() -> None:
    text = (
        "see [building](docs/contributing/building.md#a), [SECURITY.md](SECURITY.md) and [torch](https://pytorch.org)"
    )
    wanted = "see [building](contributing/building.md#a), SECURITY.md and [torch](https://pytorch.org)"
    assert build_site.relink(text, "README.md", "docs/index.md") == wanted


def test_generated_files_keep_their_place() -> None:
    assert build_site.below("bazel-out/k8/bin/py/torch_nacelle/_runtime/build_info.py", "torch_nacelle") == (
        "torch_nacelle/_runtime/build_info.py"
    )
    with pytest.raises(ValueError, match=r"elsewhere/a\.py is not below torch_nacelle"):
        build_site.below("elsewhere/a.py", "torch_nacelle")
