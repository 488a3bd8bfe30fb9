"""The documentation's site: it is whole, it has everything that is public, and it loads nothing from elsewhere."""

from __future__ import annotations

import posixpath
import re
import tarfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

import torch_nacelle as nacelle

HEADERS = sorted([*Path("runtime").glob("*.h"), *Path("core").rglob("*.h")])
assert HEADERS


def read_site() -> dict[str, bytes]:
    with tarfile.open("docs/site.tar") as archive:
        files = ((entry.name, archive.extractfile(entry)) for entry in archive)
        return {name: file.read() for name, file in files if file is not None}


SITE = read_site()
PAGES = {name: data.decode() for name, data in SITE.items() if name.endswith(".html")}


class Links(HTMLParser):
    """The identifiers of a page, where its links lead, and the files that it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.ids.add(values.get("id", ""))
        if tag == "a":
            self.links.append(values.get("href", ""))
        elif "src" in values or (tag == "link" and values.get("rel") != "canonical"):
            self.loads.append(values.get("src") or values.get("href", ""))


LINKS = {name: Links(text) for name, text in PAGES.items()}


def test_every_page_of_the_folder_is_on_the_site() -> None:
    pages = {str(path.relative_to("docs").with_suffix("")) for path in Path("docs").rglob("*.md")}
    assert {"getting_started", "guide/versions"} <= pages
    assert {f"{page}.html" for page in pages} <= PAGES.keys()
    assert {"index.html", "reference/python_api.html", "reference/cpp_api.html"} <= PAGES.keys()


def test_every_page_is_in_the_navigation() -> None:
    assert PAGES.keys() - {"404.html"} <= {link.partition("#")[0] for link in LINKS["index.html"].links}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_loads_files_of_the_site_alone(name: str) -> None:
    assert LINKS[name].loads
    for load in LINKS[name].loads:
        assert posixpath.normpath(posixpath.join(posixpath.dirname(name), load.lstrip("/"))) in SITE, load


def test_styles_load_nothing_from_elsewhere() -> None:
    styles = [data.decode() for name, data in SITE.items() if name.endswith(".css")]
    assert styles
    for style in styles:
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", style)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_links_of_a_page_lead_somewhere(name: str) -> None:
    for link in LINKS[name].links:
        if re.match(r"\w+:", link) or name == "404.html":
            continue
        path, _, anchor = link.partition("#")
        led = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
        led = "index.html" if led == "." else led
        assert led in PAGES, f"{link} leads to no page"
        assert not anchor or anchor in LINKS[led].ids or anchor == "__tabbed", f"{link} leads to no heading"


@pytest.mark.parametrize("name", nacelle.__all__)
def test_every_public_name_is_in_the_reference(name: str) -> None:
    assert f"torch_nacelle.{name}" in LINKS["reference/python_api.html"].ids


def test_every_class_of_errors_has_its_anchor() -> None:
    classes = [
        value for value in vars(nacelle).values() if isinstance(value, type) and issubclass(value, nacelle.Error)
    ]
    assert len(classes) >= 7
    for value in classes:
        place = str(value.__new__(value, "what")).splitlines()[-1].removeprefix("See docs/troubleshooting.md#")
        assert place in LINKS["troubleshooting.html"].ids


@pytest.mark.parametrize("header", HEADERS, ids=str)
def test_every_public_header_is_in_the_reference(header: Path) -> None:
    page = re.sub(r"<[^>]*>", "", PAGES["reference/cpp_api.html"])
    assert re.sub(r"[^\w\s-]", "", str(header)) in LINKS["reference/cpp_api.html"].ids
    text = re.sub(r"^#define.*$", "", header.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for name in re.findall(r"NACELLE_API (?:[^;{]*?[ &*])?(\w+)(?:\(| \{| final)", text):
        assert name in page


def test_the_reference_tells_what_headers_tell() -> None:
    page = re.sub(r"<[^>]*>", "", PAGES["reference/cpp_api.html"])
    assert "a module whose forward takes the plan's inputs and returns its output" in page  # a comment
    assert "torch::jit::Module EmbedEngine(std::string plan, const EmbedOptions&amp; options);" in page  # a declaration
    assert "Loaded loaded();" in page  # without its body
    assert "failure_" not in page  # a private member
