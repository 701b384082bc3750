"""The HTML report of a reconciliation, in a browser that has no network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from crossfoot.cli import main
from tests.needs import needs

TEXT = """
crossfoot: 1
namespace: visits
source: {files: visits.jsonl, format: json}
event:
  time: {field: at, unit: iso}
  received: none
  id: seq
  fields: {page: {path: page, type: text}}
metrics:
  visits: {by: [[page]], measures: {visits: count}, grains: [1h]}
"""
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or needs("a browser", "sudo apt install chromium")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their side lacks one visit to a page whose name would be a script."""
    folder = tmp_path_factory.mktemp("a report")
    pages = ["home", "home", "<script>document.title='x'</script>"]
    visits = [{"seq": n, "at": "2025-03-01T10:00:00Z", "page": page} for n, page in enumerate(pages)]
    (folder / "visits.yaml").write_text(TEXT)
    (folder / "visits.jsonl").write_text("".join(json.dumps(each) + "\n" for each in visits))
    assert main(["run", str(folder / "visits.yaml"), "--format", "json"]) == 0
    (folder / "theirs.csv").write_text("window,page,visits\n2025-03-01T10:00:00Z,home,2\n")
    asked = ["--against", str(folder / "theirs.csv"), "--metric", "visits", "--grain", "1h", "--by", "page"]
    records = ["--input", str(folder / "visits.jsonl")]
    page = folder / "report.html"
    assert main(["reconcile", str(folder / "visits.yaml"), *asked, *records, "--report", str(page)]) == 1
    return page


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    opened = browser.new_page(color_scheme="light", offline=True)
    opened.asked = []  # type: ignore[attr-defined]
    opened.on("request", lambda request: opened.asked.append(request.url))  # type: ignore[attr-defined]
    opened.goto(report.as_uri())
    yield opened
    opened.close()


def test_it_needs_nothing_but_itself(page, report):
    """One file, no script, and what data says is text."""
    assert page.asked == [report.as_uri()]
    assert page.locator(".figure").inner_text() == "50.000 %"
    assert page.title() == "call: visits 1h"
    assert page.get_by_text("<script>document.title='x'</script>").count() > 0
    assert page.locator("script").count() == 0


def test_light_and_dark(page):
    """The colours follow what the reader has chosen; text stands out from its ground in both."""
    seen = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        script = "() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]; }"
        ink, paper = (_luminance(colour) for colour in page.evaluate(script))
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 7
        seen.append(ink < paper)
    assert seen == [True, False]


def test_all_of_it_is_reached_by_keyboard(page):
    """Tab goes to the cause and to each cell; Enter jumps there and opens the events."""
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "A"
    page.keyboard.press("Enter")
    assert page.url.endswith("#cause-0")
    assert page.locator("#cause-0").is_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.parentElement.open")
    assert page.evaluate("document.activeElement.parentElement.innerText").count("visits.jsonl") == 1


def test_it_fits_a_narrow_window(page):
    """Nothing is pushed out sideways."""
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def _luminance(colour: str) -> float:
    """Of `rgb(1, 2, 3)`, from 0 to 1."""
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
