"""A BigQuery table on the other side of a comparison."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery as google

from crossfoot.bigquery import HOST, Reader
from crossfoot.cli.app import main
from crossfoot.definition.load import load_text
from crossfoot.definition.model import Against, Comparison, WindowColumn
from crossfoot.dev.bigquery import PROJECT, BigQuery
from crossfoot.dev.broker import free_ports
from crossfoot.errors import CallError, DataError, ServiceError
from crossfoot.reconcile.run import Reconciliation, Work, reconcile
from crossfoot.reconcile.sides import Range
from tests.reconciling import DEFINITION, Other, Shop, open_shop

TYPES = {
    "timestamp[us, tz=UTC]": "TIMESTAMP",
    "string": "STRING",
    "int64": "INT64",
    "int32": "INT64",
    "decimal128(20, 4)": "NUMERIC",
}
RIGHT = Other()
Place = Callable[..., str]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A store of a thousand events."""
    return open_shop(tmp_path_factory.mktemp("shop"), 1_000)


@pytest.fixture(scope="module")
def client(bigquery: BigQuery) -> google.Client:
    options = {"api_endpoint": bigquery.address}
    return google.Client(PROJECT, credentials=AnonymousCredentials(), client_options=options)


@pytest.fixture
def theirs(client: google.Client, bigquery: BigQuery, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Puts the right table into BigQuery as a query changes it; its name."""
    monkeypatch.setenv(HOST, bigquery.address)
    dataset = f"d{uuid.uuid4().hex[:8]}"
    client.create_dataset(dataset)

    def put(select: str, other: Other = RIGHT, where: str = "TRUE") -> str:
        right = shop.write(other)
        duckdb.execute("SET TimeZone = 'UTC'")
        table, out = duckdb.sql(f"SELECT {select} FROM '{right}' WHERE {where}").to_arrow_table(), io.BytesIO()
        pq.write_table(table, out)
        out.seek(0)
        schema = [google.SchemaField(field.name, TYPES[str(field.type)]) for field in table.schema]
        client.create_table(google.Table(f"{PROJECT}.{dataset}.hourly", schema))
        config = google.LoadJobConfig(source_format="PARQUET", schema=schema)
        client.load_table_from_file(out, f"{PROJECT}.{dataset}.hourly", job_config=config).result()
        return f"{PROJECT}.{dataset}.hourly"

    return put


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows of cells came, by question."""
    many: list[int] = []
    rows = Reader.rows

    def counting(self: Reader, sql: str, place: str) -> Iterator[pa.Table]:
        for table in rows(self, sql, place):
            many.append(0 if "GROUP BY grp" in sql else len(table))
            yield table

    monkeypatch.setattr(Reader, "rows", counting)
    return many


def against(shop: Shop, other: Against, **more: object) -> Reconciliation:
    comparison = replace(Comparison("side", other, "sales", "1h", ("country", "kind")), **more)
    return reconcile(load_text(DEFINITION), shop.store, comparison, Work(threads=2))


FORMS = {
    "as it is": ("*", {}),
    "other names and columns": (
        '"window" AS hour, country, kind, events AS n, spent, 1 AS other',
        {"window": WindowColumn("hour"), "columns": (("events", "n"),)},
    ),
    "epoch seconds": (
        'epoch("window")::BIGINT AS "window", * EXCLUDE ("window")',
        {"window": WindowColumn(unit="s")},
    ),
    "decimals": ("* REPLACE (spent::DECIMAL(20, 4) AS spent)", {}),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_right_table_is_equal(shop, theirs, form):
    """In the forms that a table may have."""
    select, mapped = FORMS[form]
    assert against(shop, Against("bigquery", theirs(select)), **mapped).compared.exact_keys == 100.0


def test_a_query_is_compared(shop, theirs):
    """Of which the project stands in the place of a table."""
    query = f"SELECT * FROM `{theirs('*, 1 AS one')}` WHERE one = 1;"
    assert against(shop, Against("bigquery", PROJECT, query=query)).compared.exact_keys == 100.0


def test_what_differs_is_found(shop, theirs):
    """A cell with one event more, one that is missing, one that we do not have."""
    first = 'row_number() OVER (ORDER BY "window", country, kind)'
    changed = f"* REPLACE (events + CASE {first} WHEN 1 THEN 1 ELSE 0 END AS events,"
    changed += f" CASE {first} WHEN 2 THEN 'nowhere' ELSE country END AS country)"
    found = against(shop, Against("bigquery", theirs(changed))).compared
    assert (found.cells - found.equal, found.missing_here, found.missing_there) == (3, 1, 1)


@pytest.mark.parametrize("form", FORMS)
def test_cells_that_are_equal_stay_there(shop, theirs, form, brought):
    """Whatever form the table has; of one that differs in a cell the cells of its group come."""
    select, mapped = FORMS[form]
    table = theirs(select)
    assert against(shop, Against("bigquery", table), **mapped).compared.exact_keys == 100.0
    assert sum(brought) == 0
    one = f"SELECT * FROM `{table}` WHERE NOT (country = 'FR' AND kind = 'buy' AND {mapped_count(mapped)} > 2)"
    found = against(shop, Against("bigquery", PROJECT, query=one), **mapped).compared
    assert 0 < found.missing_there == found.cells - found.equal
    assert 0 < sum(brought) < found.cells


def mapped_count(mapped: dict[str, object]) -> str:
    return dict(mapped.get("columns", ())).get("events", "events")


def test_only_windows_that_are_compared_count(shop, theirs, brought):
    """What lies outside may be anything."""
    since = 1_709_596_800_000_000
    table = theirs(f'* REPLACE (CASE WHEN epoch_us("window") < {since} THEN 0 ELSE events END AS events)')
    assert against(shop, Against("bigquery", table)).compared.differs > 0
    brought.clear()
    comparison = Comparison("side", Against("bigquery", table), "sales", "1h", ("country", "kind"))
    found = reconcile(load_text(DEFINITION), shop.store, comparison, Work(Range(since), threads=2)).compared
    assert (found.exact_keys, sum(brought)) == (100.0, 0)


def test_planted_copies_are_named(shop, theirs):
    """By the command, from the definition's own comparison."""
    table = theirs("*", Other(dedup=False))
    definition = shop.folder / "compared.yaml"
    section = f"reconcile:\n  old: {{against: {{bigquery: {table}}}, metric: sales, grain: 1h, by: [country, kind]}}\n"
    definition.write_text(DEFINITION + section)
    report = shop.folder / "report.html"
    assert main(["reconcile", str(definition), "--store", str(shop.store), "--report", str(report)]) == 1
    assert "not deduplicated" in report.read_text()


REFUSED = {
    "no such column": ("* EXCLUDE (events)", "has no column events"),
    "another type": ("* REPLACE ('many' AS events)", "values of events in bigquery .* are not integer: many"),
    "another unit": ('epoch("window")::BIGINT AS "window", * EXCLUDE ("window")', "the windows of bigquery"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_compared_is_refused(shop, theirs, case):
    """In one line that says what is wrong."""
    select, said = REFUSED[case]
    with pytest.raises(DataError, match=said):
        against(shop, Against("bigquery", theirs(select)))


def test_an_empty_table_is_refused(shop, theirs):
    with pytest.raises(DataError, match="has no rows"):
        against(shop, Against("bigquery", theirs("*", where="FALSE")))


def test_a_table_that_is_not_there_is_named(shop, theirs):
    with pytest.raises(DataError, match=r"BigQuery does not take the question of bigquery .*nothing"):
        against(shop, Against("bigquery", theirs("*").replace("hourly", "nothing")))


def test_a_service_that_does_not_answer_is_named(shop, monkeypatch):
    monkeypatch.setenv(HOST, f"127.0.0.1:{free_ports(0)[0]}")
    monkeypatch.setattr("crossfoot.bigquery.TIMEOUT_S", 0.5)
    with pytest.raises(ServiceError, match=r"BigQuery does not answer for the question of bigquery p[.]d[.]t"):
        against(shop, Against("bigquery", "p.d.t"))


def test_what_names_no_table_is_refused(shop):
    with pytest.raises(CallError, match="this names no BigQuery table: hourly"):
        against(shop, Against("bigquery", "hourly"))
