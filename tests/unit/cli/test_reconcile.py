"""crossfoot reconcile."""

import json
from pathlib import Path

import pytest

from crossfoot.cli.app import main
from tests.reconciling import DEFINITION, Other, Shop, open_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A store of events, and a definition that compares it."""
    found = open_shop(tmp_path_factory.mktemp("shop"), 1_000)
    nightly = (
        "reconcile: {nightly: {against: {parquet: theirs.parquet}, metric: sales, grain: 1h, by: [country, kind]}}\n"
    )
    (found.folder / "shop.yaml").write_text(DEFINITION + nightly)
    return found


def call(shop: Shop, *arguments: str) -> int:
    """The command's exit code."""
    return main(["reconcile", str(shop.folder / "shop.yaml"), *arguments])


def test_an_exact_result_exits_with_0(shop: Shop, capsys: pytest.CaptureFixture[str]):
    """The definition's only comparison needs no name; its path is relative to the definition."""
    shop.write(Other())
    assert call(shop) == 0
    assert "100.000 % of" in capsys.readouterr().out


def test_under_the_bar_it_exits_with_1(shop: Shop, capsys: pytest.CaptureFixture[str]):
    """And names the cause."""
    shop.write(Other(dedup=False))
    assert call(shop) == 1
    assert "not deduplicated" in capsys.readouterr().out
    assert call(shop, "--require-exact", "10%") == 0


def test_json_holds_everything(shop: Shop, capsys: pytest.CaptureFixture[str]):
    """Causes with their cells and examples with events."""
    path = shop.write(Other(dedup=False), (), "whole")
    call(shop, "--against", str(path), "--grain", "1h", "--format", "json")
    found = json.loads(capsys.readouterr().out)
    assert found["causes"][0]["names"] == ["not deduplicated"]
    assert found["causes"][0]["examples"][0]["events"][0]["why"].startswith("they count it, we do not")
    assert found["unexplained"] == 0


def test_the_report_is_one_file(shop: Shop, tmp_path: Path):
    """It names nothing outside of it, and shows the history after two results."""
    shop.write(Other(dedup=False))
    for _ in range(2):
        call(shop, "--report", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    assert "not deduplicated" in page
    assert "<polyline" in page
    assert not any(word in page for word in ("http://", "https://", "src=", "<script", "$"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "weekly"], "there is no comparison weekly"),
        (["--metric", "sale"], "there is no metric sale"),
        (["--grain", "2h"], "sales is not kept in the grain 2h"),
        (["--by", "price"], "sales is not kept by [price]"),
        (["--columns", "events"], "this maps no column: events"),
        (["--require-exact", "half"], "this is no percentage: half"),
    ],
)
def test_a_wrong_call_is_told(shop: Shop, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str):
    """In one line."""
    shop.write(Other())
    assert call(shop, *arguments) == 2
    assert f"error: {message}" in capsys.readouterr().err
