"""The section reconcile."""

from decimal import Decimal

import pytest

from crossfoot.definition.load import load_text
from crossfoot.definition.messages import EXAMPLE
from crossfoot.definition.model import DAY_US, Against, Comparison, WindowColumn
from crossfoot.errors import DefinitionError

WHOLE = """
reconcile:
  nightly:
    against: {duckdb: old.duckdb, table: hourly}
    metric: visits
    grain: 1h
    by: [kind, country]
    columns: {window: {name: hour, unit: s, zone: Europe/Paris}, events: n}
    measures: events
    require_exact: 99.5%
    schedule: 1d
"""


def test_a_comparison_is_read():
    """With everything that can be said."""
    [found] = load_text(EXAMPLE + WHOLE).reconcile
    assert found == Comparison(
        "nightly",
        Against("duckdb", "old.duckdb", "hourly"),
        "visits",
        "1h",
        ("kind", "country"),
        WindowColumn("hour", "s", "Europe/Paris"),
        (("events", "n"),),
        ("events",),
        Decimal("99.5"),
        DAY_US,
    )


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_windows_have_the_units_of_event_times(unit: str):
    [found] = load_text(EXAMPLE + WHOLE.replace("unit: s", f"unit: {unit}")).reconcile
    assert found.window.unit == unit


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("metric: visits", "metric: visit", "CF1601: there is no metric visit to compare"),
        ("grain: 1h", "grain: 2h", "CF1601: there is no grain 2h to compare"),
        ("[kind, country]", "[kind]", "CF1601: there is no dimension set [kind] to compare"),
        ("measures: events", "measures: event", "CF1601: there is no measure event to compare"),
        ("events: n", "event: n", "CF1601: there is no column event to compare"),
        ("unit: s", "unit: h", "CF1601: there is no unit h to compare"),
        ("99.5%", "99.5", "CF1602: this is no percentage: 99.5"),
        (", table: hourly", "", "CF1604: what is compared of duckdb is not clear: neither table nor query"),
        (
            "table: hourly",
            "table: a, query: SELECT 1",
            "CF1604: what is compared of duckdb is not clear: table and query",
        ),
        ("duckdb: old.duckdb, table", "csv: old.csv, table", "CF1604: what is compared of csv is not clear: table"),
        ("duckdb: old.duckdb, table", "store: old, query", "CF1604"),
        ("duckdb: old.duckdb", "bigquery: p, query: SELECT 1", "CF1604"),
        ("duckdb: old.duckdb, table: hourly", "csv: ''", "CF1306: reconcile.nightly.against.csv is empty"),
        ("duckdb: old.duckdb", "bigquery: ''", "CF1306: reconcile.nightly.against.bigquery is empty"),
        ("table: hourly", "query: ''", "CF1306: reconcile.nightly.against.query is empty"),
        ("schedule: 1d", "schedule: 0s", "CF1603: this is too short for a schedule: 0s"),
        ("schedule: 1d", "schedule: 59s", "CF1603"),
        ("duckdb: old.duckdb, ", "", "CF1005"),
        ("Europe/Paris", "Europe/Pariss", "CF1103"),
    ],
)
def test_what_is_wrong_is_named(right: str, wrong: str, message: str):
    """By its message, with what there is."""
    with pytest.raises(DefinitionError) as caught:
        load_text(EXAMPLE + WHOLE.replace(right, wrong, 1))
    assert message in str(caught.value)
