"""crossfoot reconcile."""

import json
from pathlib import Path

import duckdb
import pytest

from crossfoot.cli.app import main
from crossfoot.reconcile.history import history
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
        (["--memory", "much"], "this is no size of memory: much"),
        (["--until", "2020-01-01"], "no cell lies in the windows that begin before 2020-01-01T00:00:00Z"),
        (["--require-exact", "half"], "this is no percentage: half"),
        (["--columns", "foo=page"], "what is mapped is no column of ours: foo=page"),
        (["--zone", "Nowhere"], "there is no time zone Nowhere"),
        (["--yes"], "--yes says what is done with a repair"),
        (["--repair", "--format", "csv"], "a repair is not shown as csv"),
        (["--table", "hourly"], "a table or a query of nothing is named"),
        (["--against", "a.csv", "--table", "t"], "what is compared of a.csv is not clear: table"),
        (["--against", "a.parquet", "--query", "SELECT 1"], "what is compared of a.parquet is not clear: query"),
        (["--against", "a.duckdb"], "what is compared of a.duckdb is not clear: neither table nor query"),
        (["--against", "a.duckdb", "--query", ""], "what is compared of a.duckdb is not clear: an empty text"),
        (
            ["--against", "bigquery:p", "--table", "t", "--query", "SELECT 1"],
            "what is compared of bigquery:p is not clear: table and query",
        ),
        (["--against", ""], "what is compared is not clear: an empty name"),
        (["--report", "nowhere/report.html"], "no report can be written to nowhere/report.html"),
    ],
)
def test_a_wrong_call_is_told(shop: Shop, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str):
    """In one line."""
    shop.write(Other())
    assert call(shop, *arguments) == 2
    assert f"error: {message}" in capsys.readouterr().err


def test_a_folder_that_is_no_place_for_a_report_is_told_before_comparing(shop: Shop, tmp_path: Path):
    """Nothing is compared, so nothing is kept."""
    shop.write(Other())
    before = history(shop.store, "nightly")
    assert call(shop, "--report", str(tmp_path / "none" / "report.html")) == 2
    assert call(shop, "--report", str(tmp_path)) == 2
    assert history(shop.store, "nightly") == before


def test_a_folder_of_csv_files_is_one_table(shop: Shop, tmp_path: Path):
    """As it is in a definition."""
    duckdb.execute(f"COPY (FROM '{shop.write(Other())}') TO '{tmp_path / 'part.csv'}' (FORMAT csv, HEADER)")
    assert call(shop, "--against", str(tmp_path), "--grain", "1h", "--by", "country,kind") == 0


def test_a_file_that_does_not_say_what_it_is_is_refused(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """It is no store."""
    (tmp_path / "q.txt").touch()
    assert call(shop, "--against", str(tmp_path / "q.txt")) == 2
    assert f"error: what is compared is not clear: {tmp_path}/q.txt" in capsys.readouterr().err


def test_a_dimension_that_is_mapped_by_the_definition_may_be_left_out_by_the_call(shop: Shop):
    """Only what the call maps is looked at."""
    path = shop.write(Other(), (), "whole")
    text = (shop.folder / "shop.yaml").read_text().replace("metric:", "columns: {kind: k}, metric:")
    (shop.folder / "mapped.yaml").write_text(text)
    mapped = str(shop.folder / "mapped.yaml")
    assert main(["reconcile", mapped, "--name", "nightly", "--by", "", "--against", str(path)]) == 0
