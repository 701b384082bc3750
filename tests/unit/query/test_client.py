"""Answers of a store."""

from datetime import UTC, datetime

import polars as pl
import pyarrow as pa
import pytest

from crossfoot import Store
from crossfoot.errors import CallError, StoreError
from crossfoot.query.present import as_json_object
from tests.counting import CLICKS, STAMPED, click, count_records


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Five clicks on two pages."""
    records = [
        click(1, "2015-09-12T10:00:10Z", paid=0.1, ms=5),
        click(2, "2015-09-12T10:00:50Z", page="b", country=None, paid=0.25, ms=7),
        click(3, "2015-09-12T11:30:00Z", country="DE", paid=None, ms=-3),
        click(4, "2015-09-12T23:10:00Z", page="null"),
        click(5, "2015-09-13T00:00:00Z", page="=1+1"),
    ]
    return Store.open(count_records(tmp_path_factory.mktemp("store"), records))


def test_rows_are_ordered_by_dimensions_then_window(store):
    """Only cells that exist, ordered; null is a value of its own."""
    rows = store.query("clicks", by=["country"], grain="1h").rows()
    assert [(row["country"], row["window"], row["clicks"]) for row in rows] == [
        (None, "2015-09-12T10:00:00Z", 1),
        ("DE", "2015-09-12T11:00:00Z", 1),
        ("FR", "2015-09-12T10:00:00Z", 1),
        ("FR", "2015-09-12T23:00:00Z", 1),
        ("FR", "2015-09-13T00:00:00Z", 1),
    ]


def test_a_row_has_window_dimensions_and_measures_in_this_order(store):
    """Decimals are texts, integers are integers."""
    row = store.query("clicks", by=["page"], grain="1h").rows()[1]
    assert list(row.items()) == [
        ("window", "2015-09-12T10:00:00Z"),
        ("page", "a"),
        ("clicks", 1),
        ("paid", "0.10"),
        ("ms", 5),
        ("slowest", 5),
        ("mean", 5.0),
    ]


def test_windows_that_the_range_cuts_are_named(store):
    """Half a day does not look like all of it; a total of a range is no window."""
    result = store.query("clicks", grain="1d", since="2015-09-12T11:00Z", until="2015-09-12T23:00Z")
    assert [row["clicks"] for row in result.rows()] == [1]
    assert as_json_object(result)["cut"] == ["2015-09-12T00:00:00Z"]
    assert "of 2015-09-12T00:00:00Z only what lies in the range" in str(result)
    for whole in ({"grain": "1h", "since": "2015-09-12T11:00Z"}, {"grain": "all", "since": "2015-09-12T11:00Z"}):
        assert store.query("clicks", **whole).facts.cut_us == ()


def test_a_total_has_no_window(store):
    """The grain `all` is one window without a start."""
    (row,) = store.query("clicks").rows()
    assert (row["window"], row["clicks"], row["paid"], row["mean"]) == (None, 5, "0.55", 3.8)


def test_days_of_a_zone(store):
    """A day in Paris begins at 22:00 UTC in summer."""
    rows = store.query("clicks", grain="1d Europe/Paris").rows()
    assert [(row["window"], row["clicks"]) for row in rows] == [
        ("2015-09-11T22:00:00Z", 3),
        ("2015-09-12T22:00:00Z", 2),
    ]


def test_times_are_shown_in_a_zone(store):
    """With a zone, windows have its offset, and times without one are its local times."""
    result = store.query("clicks", grain="1h", since="2015-09-13T01:00", tz="Europe/Paris")
    assert [row["window"] for row in result.rows()] == ["2015-09-13T01:00:00+02:00", "2015-09-13T02:00:00+02:00"]


@pytest.mark.parametrize(
    ("since", "until", "clicks"),
    [
        ("2015-09-12T10:00:00Z", "2015-09-12T10:01:00Z", 2),
        (datetime(2015, 9, 12, 11, tzinfo=UTC), None, 3),
        (None, 1_442_052_000_000_000, 0),
        ("2015-09-12T12:00:00+02:00", "2015-09-12T13:31:00+02:00", 3),
    ],
)
def test_ranges_are_half_open(store, since, until, clicks):
    """Since is in, until is not."""
    assert sum(row["clicks"] for row in store.query("clicks", since=since, until=until).rows()) == clicks


@pytest.mark.parametrize(
    ("where", "clicks"),
    [
        ("page = 'a'", 2),
        ("country IS NULL", 1),
        ("country <> 'FR'", 1),
        ("page IN ('a', 'b') AND country IS NOT NULL", 2),
        ("page LIKE '=%'", 1),
        ("page = 'x'' OR 1=1 --'", 0),
    ],
)
def test_conditions_are_those_of_sql(store, where, clicks):
    """Three-valued logic; a text is a text, whatever it says."""
    assert sum(row["clicks"] for row in store.query("clicks", where=where).rows()) == clicks


def test_order_and_limit(store):
    """Rows are ordered by any column; equal ones by dimensions."""
    rows = store.query("clicks", by=["page"], order=["-clicks", "-paid"], limit=3).rows()
    assert [row["page"] for row in rows] == ["a", "b", "=1+1"]


def test_an_unknown_column_to_order_by_is_refused(store):
    """The columns that there are are named."""
    with pytest.raises(CallError, match="there is no column click to order by"):
        store.query("clicks", order=["click"])


def test_an_unknown_option_is_a_type_error(store):
    """As with any function."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'gain'"):
        store.query("clicks", gain="1h")


def test_results_are_arrow(store):
    """Columns have their types: microseconds in UTC, texts, 64-bit integers, decimals with their scale."""
    table = store.query("clicks", by=["page"], grain="1h").to_arrow()
    assert table.schema.types[:5] == [
        pa.timestamp("us", "UTC"),
        pa.string(),
        pa.int64(),
        pa.decimal128(38, 2),
        pa.int64(),
    ]


def test_results_are_frames(store):
    """Polars and pandas get the same rows."""
    result = store.query("clicks", by=["page"], grain="1h")
    frame = result.to_polars()
    assert isinstance(frame, pl.DataFrame)
    assert frame["clicks"].to_list() == result.to_pandas()["clicks"].tolist() == [1, 1, 1, 1, 1]


def test_integers_with_a_null_stay_integers_in_pandas(tmp_path):
    """A float has no 2^53 + 1; columns without a null are what they always were."""
    records = [click(1, page="a", ms=9_007_199_254_740_993), click(2, page="b", ms=None)]
    frame = Store.open(count_records(tmp_path, records)).query("clicks", by=["page"]).to_pandas()
    assert [str(frame[name].dtype) for name in ("clicks", "ms", "slowest")] == ["int64", "Int64", "Int64"]
    assert frame["slowest"][0] == 9_007_199_254_740_993
    assert frame["slowest"].isna().tolist() == [False, True]


def test_a_negative_limit_is_refused(store):
    """It is no number of rows; none at all is one."""
    with pytest.raises(CallError, match="limit cannot be negative: -1"):
        store.query("clicks", by=["page"], limit=-1)
    assert len(store.query("clicks", by=["page"], limit=0)) == 0


def test_sums_beyond_64_bits_stay_integers(tmp_path):
    """Sums have 128 bits."""
    store = Store.open(count_records(tmp_path, [click(number, ms=2**62) for number in range(4)]))
    (row,) = store.query("clicks").rows()
    assert row["ms"] == 2**64


def test_a_result_says_how_certain_it_is(tmp_path):
    """Epoch, watermark, how long late events are accepted."""
    path = count_records(tmp_path, [click(1, got="2015-09-12T10:00:05Z")], STAMPED)
    facts = Store.open(path).query("clicks", until="2015-09-12T10:01:00Z").facts
    assert (facts.final, facts.settled) == (True, False)
    assert facts.complete_up_to_us == 1_442_052_000_000_000
    assert facts.may_change_until_us == 1_442_052_060_000_000 + 3_600_000_000


def test_an_answer_settles_when_nothing_more_is_accepted(tmp_path):
    """Once the clock is past the range's end and the lateness, the answer cannot change."""
    records = [
        click(1, got="2015-09-12T10:00:05Z"),
        click(2, "2015-09-12T12:00:00Z", got="2015-09-12T12:00:01Z"),
        click(3, "2015-09-12T12:00:00Z", got="2015-09-12T12:00:02Z"),
    ]
    store = Store.open(count_records(tmp_path, records, STAMPED))
    assert store.query("clicks", until="2015-09-12T11:00:00Z").facts.settled
    assert not store.query("clicks", until="2015-09-12T12:00:00Z").facts.settled


RETAINED = STAMPED.replace("1d Europe/Paris]", "1d Europe/Paris]\n    retain: {1m: 26h}")


@pytest.fixture(scope="module")
def retained(tmp_path_factory):
    """Two clicks, three days apart; minutes are kept for 26 hours."""
    records = [
        click(1, got="2015-09-12T10:00:05Z"),
        click(2, "2015-09-15T10:00:30Z", got="2015-09-15T10:00:40Z"),
    ]
    return Store.open(count_records(tmp_path_factory.mktemp("retained"), records, RETAINED))


def test_windows_that_are_not_kept_are_told_apart_from_windows_without_events(retained):
    """A series says since when its windows are kept."""
    result = retained.query("clicks", grain="1m")
    assert [row["window"] for row in result.rows()] == ["2015-09-15T10:00:00Z"]
    assert result.facts.kept_since_us == 1_442_217_600_000_000


def test_a_total_is_read_where_everything_is_kept(retained):
    """The grain that keeps all windows answers for all time."""
    assert retained.query("clicks").rows()[0]["clicks"] == 2


def test_a_range_that_is_not_kept_is_refused(retained):
    """What only expired windows could answer is refused, with the time since when they are kept."""
    with pytest.raises(CallError, match="windows of 1m before 2015-09-14T08:00:00Z are not kept") as caught:
        retained.query("clicks", since="2015-09-12T10:01Z")
    assert caught.value.hint == "ask for --since 2015-09-14T08:00:00Z"


def test_a_kept_range_is_answered(retained):
    """Within what is kept, minutes answer."""
    assert retained.query("clicks", since="2015-09-15T09:59Z", grain="1m").rows()[0]["clicks"] == 1


def test_sketches_say_their_error(tmp_path):
    """A quantile is an estimate; a distinct count is one beyond its exact size."""
    text = CLICKS.replace(
        "clicks: count, paid", 'clicks: count, p50: "quantile(ms, 0.5)", few: distinct(page), many: distinct(ms), paid'
    )
    text = text.replace("many: distinct(ms)", 'many: "distinct(ms, exact=16)"')
    store = Store.open(count_records(tmp_path, [click(number, ms=number) for number in range(500)], text))
    result = store.query("clicks")
    assert set(result.facts.errors) == {"p50", "many"}
    assert result.rows()[0]["few"] == 1
    assert abs(result.rows()[0]["many"] - 500) < 50


def test_several_kinds_in_one_dimension_stay_apart(tmp_path):
    """A field without a type keeps 1, "1" and true as three values."""
    text = CLICKS.replace("page: {path: page, type: text}", "page: page")
    records = [click(number, page=page) for number, page in enumerate([1, "1", True, None])]
    rows = Store.open(count_records(tmp_path, records, text)).query("clicks", by=["page"]).rows()
    assert sorted((str(type(row["page"])), str(row["page"])) for row in rows) == [
        ("<class 'NoneType'>", "None"),
        ("<class 'bool'>", "True"),
        ("<class 'int'>", "1"),
        ("<class 'str'>", "1"),
    ]


def test_a_folder_without_a_store_is_a_store_error(tmp_path):
    """What is not there is said, with the next step."""
    with pytest.raises(StoreError, match="there is no store in") as caught:
        Store.open(tmp_path)
    assert "crossfoot run" in caught.value.hint


def test_an_open_store_that_does_not_follow_stays_at_its_epoch(tmp_path):
    """Who reads sees one epoch, also while another is written."""
    path = count_records(tmp_path, [click(1)])
    old = Store.open(path, follows=False)
    count_records(tmp_path, [click(1), click(2)])
    assert [opened.query("clicks").rows()[0]["clicks"] for opened in (old, Store.open(path))] == [1, 2]
