"""Answers where dimension values are bounded."""

import json

import pytest

from crossfoot import Store
from crossfoot.cli.app import main
from crossfoot.errors import CallError
from crossfoot.query.present import as_text, facts_json, series
from tests.counting import BOUNDED, click, count_records

OTHER = "(other)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Page `a` of FR comes first and is kept; three clicks are in `(other)`, in two hours."""
    records = [
        click(1),
        click(2, page=None),
        click(3, page="(other)", ms=7),
        click(4, "2015-09-12T11:00:00Z", page="c"),
        click(5, "2015-09-12T11:00:00Z"),
    ]
    return count_records(tmp_path_factory.mktemp("bounded"), records, BOUNDED)


@pytest.fixture
def store(folder):
    return Store.open(folder)


def short(result):
    return [(row["page"], row[OTHER], row["clicks"]) for row in result.rows()]


def test_the_row_is_told_by_its_column(store):
    """Its dimensions are null, it stands last, and the facts say of how many values it is not."""
    result = store.query("clicks", by=["page"])
    assert short(result) == [("a", False, 2), (None, True, 3)]
    assert list(result.rows()[0])[:4] == ["window", "page", OTHER, "clicks"]
    assert facts_json(result.facts)["values_max"] == 1
    assert "(other): what came after the first 1 combinations" in as_text(result)


def test_types_of_dimensions_stay(store):
    """Arrow has a text and a boolean."""
    schema = store.query("clicks", by=["page"]).to_arrow().schema
    assert [str(schema.field(name).type) for name in ("page", OTHER)] == ["string", "bool"]


def test_a_condition_leaves_the_row(store):
    """What is asked for may be in it."""
    assert short(store.query("clicks", by=["page"], where="page = 'a'")) == [("a", False, 2), (None, True, 3)]
    assert short(store.query("clicks", by=["page"], where="page = 'c'")) == [(None, True, 3)]


def test_the_whole_is_exact(store):
    """It has no dimensions and no such column."""
    (row,) = store.query("clicks").rows()
    assert (row["clicks"], OTHER in row) == (5, False)


@pytest.mark.parametrize(
    "question", [{"by": ["country"]}, {"where": "page = 'a'"}, {"by": ["page"], "where": "country = 'FR'"}]
)
def test_what_would_be_too_small_is_refused(store, question):
    """Some of the dimensions, or the whole under a condition."""
    with pytest.raises(CallError, match="counted together in"):
        store.query("clicks", **question)


def test_where_no_row_of_others_is_in_the_range_nothing_is_refused(tmp_path):
    """The first value only: every answer is exact."""
    store = Store.open(count_records(tmp_path, [click(1), click(2)], BOUNDED))
    assert [row["clicks"] for row in store.query("clicks", by=["country"]).rows()] == [2]
    assert store.query("clicks", by=["page"]).facts.values_max is None


def test_rows_in_another_order_keep_it_apart(store):
    """Ordered by a measure; equal values by the dimensions, with the row last."""
    assert short(store.query("clicks", by=["page"], order=["-clicks"])) == [(None, True, 3), ("a", False, 2)]


def test_a_series_of_its_own(store):
    """A sparkline is not that of null."""
    found = series(store.query("clicks", by=["page"], grain="1h"))
    assert found == {("a",): [1.0, 1.0], (OTHER,): [2.0, 1.0]}


def test_top_ranks_values_only(folder, capsys):
    """The row stands at the end, whatever the limit."""
    assert main(["top", "clicks", "--by", "page", "--limit", "1", "--store", str(folder), "--format", "ndjson"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows == [{"page": "a", OTHER: False, "clicks": 2}, {"page": None, OTHER: True, "clicks": 3}]
