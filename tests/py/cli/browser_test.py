"""The report in Chromium: on a screen and on a phone, in light and dark. The pictures are kept as test outputs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from tests.py.cli import samples
from tests.py.cli.browser import Browser
from tests.py.cli.terminal import pipe
from tests.py.networks import TwoHeads, seeded

HOSTILE = "<script>document.title = 'run'</script>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("samples")
    samples.hybrid(made / "hybrid.ts")
    samples.for_gpu(made / "for_gpu.ts")
    samples.whole(made / "whole.ts")
    program = torch.jit.load(str(made / "hybrid.ts"))
    with nacelle.profile(program) as profile:
        program(samples.X)
    # The reference engine has one layer: here are more, as an engine of TensorRT has them.
    profile.layer_calls = [(engine, call, layer, 0.1) for engine, call, layer, _ in profile.layer_calls]
    engine, call, _, _ = profile.layer_calls[0]
    profile.layer_calls += [(engine, call, f"conv_{i} + relu_{i} {HOSTILE}", 0.3 / (i + 1)) for i in range(30)]
    profile.save_trace(made / "trace.json")
    fields = [b"5", HOSTILE.encode(), b"0%0%0%0%" + HOSTILE.encode(), b"bnJlZg==", HOSTILE.encode(), b"y", b"0"]
    samples.replace_record(made / "whole.ts", fields, made / "hostile.ts")
    outcome = pipe("nacelle inspect hybrid.ts for_gpu.ts --html report.html --profile trace.json", made)
    assert (outcome.code, outcome.out, outcome.err) == (0, "wrote report.html\n", "")
    pipe("nacelle inspect hostile.ts --html hostile.html", made)
    images = nacelle.Input(shape=(1, 3, 8, 8), name="image_" * 50)
    nacelle.compile(seeded(TwoHeads), [images], name="net_" * 30).save(str(made / "long.ts"))
    pipe("nacelle inspect long.ts --html long.html", made)
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.mark.parametrize(
    ("width", "scheme"), [(1200, "light"), (1200, "dark"), (390, "light"), (390, "dark"), (320, "light")]
)
def test_report(browser: Browser, folder: Path, width: int, scheme: str) -> None:
    page = folder / "report.html"
    browser.open(page, width, scheme)
    browser.screenshot(Path(os.environ["TEST_UNDECLARED_OUTPUTS_DIR"]) / f"report_{width}_{scheme}.png")
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [page.as_uri()]
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("document.scripts.length") == 0
    cards = "[...document.querySelectorAll('h3')].map(one => one.textContent)"
    assert browser.evaluate(cards) == ["backbone.backbone_trt_engine", "net_trt_engine"]
    assert browser.evaluate("document.querySelectorAll('.strip rect').length") == 31
    background = "getComputedStyle(document.body).backgroundColor"
    shades = [int(part) for part in browser.evaluate(background).strip("rgb()").split(",")]
    assert (sum(shades) / 3 < 128) == (scheme == "dark")


def test_names_are_text_and_nothing_else(browser: Browser, folder: Path) -> None:
    browser.open(folder / "hostile.html", 390, "light")
    browser.screenshot(Path(os.environ["TEST_UNDECLARED_OUTPUTS_DIR"]) / "hostile_390.png")
    assert browser.complaints == []
    assert browser.evaluate("document.title") == "hostile.ts"
    assert browser.evaluate("document.querySelectorAll('script').length") == 0
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    assert HOSTILE in browser.evaluate("document.body.innerText")


def test_long_names_do_not_make_the_page_wide(browser: Browser, folder: Path) -> None:
    browser.open(folder / "long.html", 320, "light")
    browser.screenshot(Path(os.environ["TEST_UNDECLARED_OUTPUTS_DIR"]) / "long_320.png")
    assert "image_" * 50 in browser.evaluate("document.body.textContent")
    assert browser.evaluate("document.documentElement.scrollWidth") <= 320


def test_the_browser_would_tell(browser: Browser, tmp_path: Path) -> None:
    """Checks the tests above: they notice a page that does forbidden things."""
    (tmp_path / "bad.html").write_text(
        "<!doctype html><body style='width: 500px'><script>console.error('seen')</script><img src='other.png'>"
    )
    browser.open(tmp_path / "bad.html", 390, "light")
    assert browser.complaints
    assert any(url.endswith("other.png") for url in browser.requests)
    assert browser.evaluate("document.documentElement.scrollWidth") > 390
