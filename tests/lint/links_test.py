"""Everything that a page names is there: other pages, their headings, files, folders, and packages of the build."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from tests.lint import sources

FOLDERS = "bench|core|docs|examples|py|reference|runtime|tests|third_party|toolchains"
# Pages that the build of the site makes or moves.
MADE = {"index.md", "reference/cpp_api.md", "reference/python_api.md"}


@cache
def prose(path: Path) -> str:
    """Returns a Markdown file without its code."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^    .*$|`[^`\n]*`", "", text, flags=re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """Returns the anchors of a file's headings, which are made of their text."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def is_there(path: str) -> bool:
    """Returns True if a path of the source tree exists; it may have `*`."""
    return any(sources.ROOT.glob(path.rstrip("/")))


def test_links() -> None:
    wrong = []
    for name in sources.with_suffix(".md"):
        file = sources.ROOT / name
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(file)):
            if re.match(r"\w+:", target):
                continue
            path, _, anchor = target.partition("#")
            led = (file.parent / path).resolve() if path else file
            if str(led).removeprefix(f"{sources.ROOT}/docs/") in MADE:
                continue
            if not led.exists():
                wrong.append(f"{name}: {target} leads to no file")
            elif anchor and anchor not in anchors(led):
                wrong.append(f"{name}: {target} leads to no heading")
    assert not wrong, "\n".join(wrong)


def test_every_page_is_in_the_navigation_once() -> None:
    docs = sources.ROOT / "docs"
    navigation = re.findall(r"^ +- .*: ([\w/-]+\.md)$", (docs / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(navigation) == sorted(MADE | {str(page.relative_to(docs)) for page in docs.rglob("*.md")})


def test_paths_that_pages_name() -> None:
    wrong = []
    named = 0
    for name in sources.with_suffix(".md"):
        text = (sources.ROOT / name).read_text(encoding="utf-8")
        for path in re.findall(rf"`((?:{FOLDERS})/[\w./*-]*)`", text):
            named += 1
            if not is_there(path):
                wrong.append(f"{name}: there is no {path}")
        for package in re.findall(r"`//([\w/]+)(?::[\w*.]+|/\.\.\.)?`", text):
            named += 1
            if not (sources.ROOT / package).is_dir():
                wrong.append(f"{name}: there is no package //{package}")
    assert not wrong, "\n".join(wrong)
    assert named > 100


def test_pages_that_sources_name() -> None:
    wrong = []
    for name in sources.with_suffix(".cc", ".h", ".py", ".pyi", ".bzl", ".toml", "BUILD", ".bazelrc", ".md"):
        if name.startswith(("docs/site/", "tests/docs/")):  # pages that are made up
            continue
        for page in re.findall(r"\bdocs/[\w/.-]+\.md\b", (sources.ROOT / name).read_text(encoding="utf-8")):
            if not is_there(page):
                wrong.append(f"{name}: there is no {page}")
    assert not wrong, "\n".join(wrong)
