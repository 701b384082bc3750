"""What stands on the other side, in any form that it may have, and what is refused in one line."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from crossfoot.definition.load import load_file, load_text
from crossfoot.definition.model import Against, Comparison, WindowColumn
from crossfoot.errors import CallError, CrossfootError, DataError, ServiceError, StoreError
from crossfoot.query.client import Store
from crossfoot.query.escape import write_csv
from crossfoot.query.times import read_time
from crossfoot.reconcile.report import as_html, lines
from crossfoot.reconcile.run import Reconciliation, Work, reconcile
from crossfoot.reconcile.sides import Range
from tests.reconciling import DEFINITION, Event, Other, Shop, open_shop

BY = ("country", "kind")


def against(shop: Shop, other: Against, **more: object) -> Reconciliation:
    """The store against something else."""
    comparison = replace(Comparison("side", other, "sales", "1h", BY), **more)
    return reconcile(load_file(shop.folder / "shop.yaml"), shop.store, comparison, Work(causes=False, threads=2))


def blanks(made: list[Event]) -> list[Event]:
    """The same hours with an empty country and with none."""
    names: dict[str, str | None] = {"JP": "", "US": None}
    return [replace(event, country=names.get(event.country, event.country)) for event in made]


def written(shop: Shop, path: Path, select: str, options: str = "FORMAT parquet") -> Path:
    """The right table, as a query changes it."""
    right = shop.write(Other())
    duckdb.execute(f"SET TimeZone = 'UTC'; COPY (SELECT {select} FROM '{right}' t) TO '{path}' ({options})")
    return path


FORMS = {
    "as it is": ("*", WindowColumn()),
    "other names": ('"window" AS "{hour}", country, kind, events, spent', WindowColumn("{hour}")),
    "epoch seconds": ('epoch("window")::BIGINT AS "window", * EXCLUDE ("window")', WindowColumn(unit="s")),
    "epoch ms": ('epoch_ms("window") AS "window", * EXCLUDE ("window")', WindowColumn(unit="ms")),
    "epoch ns": ('epoch_ns("window") AS "window", * EXCLUDE ("window")', WindowColumn(unit="ns")),
    "float seconds": ('epoch("window")::DOUBLE AS "window", * EXCLUDE ("window")', WindowColumn(unit="s")),
    "epoch us": ('epoch_us("window") AS "window", * EXCLUDE ("window")', WindowColumn()),
    "text with an offset": (
        """strftime("window" + INTERVAL 1 HOUR, '%Y-%m-%dT%H:%M:%S') || '+01:00' AS "window", * EXCLUDE ("window")""",
        WindowColumn(zone="Asia/Tokyo"),
    ),
    "local times": (
        """("window" AT TIME ZONE 'Europe/Paris')::TIMESTAMP AS "window", * EXCLUDE ("window")""",
        WindowColumn(zone="Europe/Paris"),
    ),
    "decimals and floats": ("* REPLACE (events::DOUBLE AS events, spent::DECIMAL(20, 4) AS spent)", WindowColumn()),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_parquet_file_in_any_form_is_equal(small: Shop, tmp_path: Path, form: str):
    """Units, zones, names and types are brought to ours."""
    select, window = FORMS[form]
    path = written(small, tmp_path / "theirs.parquet", select)
    found = against(small, Against("parquet", str(path)), window=window)
    assert (found.compared.exact_keys, found.compared.groups_differing) == (100.0, 0)


WINDOWS = {
    "text": ('"window"', None),
    "whole seconds": ('epoch("window")::BIGINT', "s"),
    "float seconds": ('epoch("window")::DOUBLE', "s"),
    "ns": ('epoch_ns("window")', "ns"),
}


@pytest.mark.parametrize("form", WINDOWS)
def test_a_csv_file_is_equal(small: Shop, tmp_path: Path, form: str):
    """Where all is text."""
    window, unit = WINDOWS[form]
    select = f'{window} AS "window", * EXCLUDE ("window")'
    path = written(small, tmp_path / "theirs.csv", select, "FORMAT csv, HEADER")
    assert against(small, Against("csv", str(path)), window=WindowColumn(unit=unit)).holds


def test_our_own_csv_tells_an_empty_text_from_null(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What `crossfoot query --format csv` has printed can be compared again."""
    shop = open_shop(tmp_path, 200, edit=blanks)
    found = Store.open(shop.store).query("sales", by=BY, grain="1h")
    with (tmp_path / "ours.csv").open("w") as out:
        write_csv(found.to_arrow().column_names, (tuple(row.values()) for row in found.rows()), out)
    compared = against(shop, Against("csv", str(tmp_path / "ours.csv"))).compared
    assert (compared.equal, compared.missing_there) == (compared.cells, 0)


def test_a_duckdb_query_and_a_table_are_equal(small: Shop, tmp_path: Path):
    """The other database is opened for reading only."""
    right, path = small.write(Other()), tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as other:
        other.execute(f"CREATE TABLE hourly AS SELECT * FROM '{right}'")
        other.execute('CREATE SCHEMA old; CREATE TABLE old."by-hour" AS FROM hourly')
    assert against(small, Against("duckdb", str(path), "hourly")).holds
    assert against(small, Against("duckdb", str(path), "old.by-hour")).holds
    assert against(small, Against("duckdb", str(path), query="SELECT * FROM hourly WHERE events > 0")).holds


def test_another_store_is_equal(small: Shop):
    """Itself."""
    assert against(small, Against("store", str(small.store))).compared.exact_volume == 100.0


def test_each_state_is_counted(small: Shop, tmp_path: Path):
    """One cell is missing on either side, one has another value."""
    select = """* EXCLUDE (n) REPLACE (CASE WHEN n = 1 THEN events + 1 ELSE events END AS events,
        CASE WHEN n = 2 THEN 'XX' ELSE country END AS country)
        FROM (SELECT *, row_number() OVER (ORDER BY "window", country, kind) AS n"""
    path = tmp_path / "theirs.parquet"
    right = small.write(Other())
    duckdb.execute(f"COPY (SELECT {select} FROM '{right}')) TO '{path}' (FORMAT parquet)")
    compared = against(small, Against("parquet", str(path))).compared
    assert (compared.differs, compared.missing_here, compared.missing_there) == (1, 1, 1)
    assert [(each.name, each.cells) for each in compared.measures] == [("events", 3), ("spent", 2)]
    assert compared.equal == compared.cells - 3


BAD = {
    "a column that is not there": ("* EXCLUDE (spent)", WindowColumn(), "has no column spent", "it has window"),
    "a text for a number": ("* REPLACE ('many' AS events)", WindowColumn(), "of events in", "convert it in a query"),
    "a fraction for a number": ("* REPLACE (events + 0.5 AS events)", WindowColumn(), "are not integer: ", "convert"),
    "no window": ("""* REPLACE ('noon' AS "window")""", WindowColumn(), "are not the start of a window: noon", "unit"),
    "a number without its unit": ("""* REPLACE (epoch("window")::BIGINT::TEXT AS "window")""", WindowColumn(),
                                  "are not the start of a window", "unit"),
    "another unit": ("""* REPLACE (epoch_ms("window") AS "window")""", WindowColumn(unit="s"), "if window is in s",
                     "it looks like ms"),
    "ns that are not said": ("""* REPLACE (epoch_ns("window") AS "window")""", WindowColumn(), "if window is in us",
                             "it looks like ns"),
    "ns for s": ("""* REPLACE (epoch_ns("window") AS "window")""", WindowColumn(unit="s"),
                 "are not the start of a window: 1", "are they in s?"),
    "null windows": ("""* REPLACE (if(kind = 'buy', NULL, "window") AS "window")""", WindowColumn(),
                     "are not the start of a window: null", "map another column"),
    "a struct": ("* REPLACE ({'is': country} AS country)", WindowColumn(), "of country in", "convert it in a query"),
    "a list for a number": ("* REPLACE ([events] AS events)", WindowColumn(), "are not integer: [", "convert"),
    "no rows": ("* FROM (SELECT * LIMIT 0)", WindowColumn(), "has no rows", "the right table"),
    "a key twice": ("unnest([1, 2]) AS n, *", WindowColumn(), "stand more than once in", "aggregate it by window"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_compared_is_told(small: Shop, tmp_path: Path, what: str):
    """One line, and the next step."""
    select, window, message, hint = BAD[what]
    if what == "no rows":
        path = written(small, tmp_path / "theirs.parquet", "*")
        duckdb.execute(f"COPY (SELECT * FROM '{path}' LIMIT 0) TO '{tmp_path}/none.parquet' (FORMAT parquet)")
        path = tmp_path / "none.parquet"
    else:
        path = written(small, tmp_path / "theirs.parquet", select)
    with pytest.raises(DataError) as caught:
        against(small, Against("parquet", str(path)), window=window)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


PLACES: dict[str, tuple[Against, type[CrossfootError]]] = {
    "no file": (Against("parquet", "nothing.parquet"), DataError),
    "no database": (Against("duckdb", "nothing.duckdb", "t"), DataError),
    "a damaged database": (Against("duckdb", "damaged", "t"), DataError),
    "a damaged file": (Against("parquet", "damaged"), DataError),
    "a file with a bad page": (Against("parquet", "page.parquet"), DataError),
    "a folder with a truncated file": (Against("parquet", "truncated"), DataError),
    "a folder of two forms": (Against("parquet", "forms"), DataError),
    "no table of BigQuery": (Against("bigquery", "hourly"), CallError),
}


@pytest.mark.parametrize("what", PLACES)
def test_what_cannot_be_reached_is_told(small: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str):
    """By its place, with the next step."""
    monkeypatch.chdir(tmp_path)
    bad_files(small, tmp_path)
    place, kind = PLACES[what]
    with pytest.raises(kind) as caught:
        against(small, place)
    assert caught.value.hint
    assert place.place in caught.value.message


def bad_files(shop: Shop, folder: Path) -> None:
    """What is no table, or is not whole."""
    (folder / "damaged").write_bytes(b"no database, nor anything else" * 1000)
    data = shop.write(Other()).read_bytes()
    (folder / "page.parquet").write_bytes(data[:4] + bytes(800) + data[804:])
    for name in ("truncated", "forms"):
        (folder / name).mkdir()
        (folder / name / "1.parquet").write_bytes(data)
    (folder / "truncated" / "2.parquet").write_bytes(data[:-20])
    written(shop, folder / "forms" / "2.parquet", "* EXCLUDE (spent)")


def test_a_database_that_is_written_is_told(small: Shop, tmp_path: Path):
    """It can be asked again when who writes it is done."""
    program = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    path = str(tmp_path / "other.duckdb")
    with subprocess.Popen([sys.executable, "-c", program, path], stdin=-1, stdout=-1) as writer:
        assert writer.stdout.readline()
        with pytest.raises(ServiceError, match=r"other.duckdb cannot be opened") as refused:
            against(small, Against("duckdb", path, "t"))
        writer.communicate(b"\n")
    assert "close who writes it" in refused.value.hint


def test_a_query_that_gives_no_table_is_told(small: Shop, tmp_path: Path):
    with duckdb.connect(str(tmp_path / "other.duckdb")) as other:
        other.execute("CREATE TABLE a (b INTEGER)")
    with pytest.raises(DataError, match=r"the query of .*other\.duckdb gives no table"):
        against(small, Against("duckdb", str(tmp_path / "other.duckdb"), query=""))


@pytest.mark.parametrize("place", [".", "none.csv"])
def test_an_empty_csv_is_told(small: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str):
    """It has no header, so its columns say nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none.csv").touch()
    with pytest.raises(DataError, match=f"{place} is empty"):
        against(small, Against("csv", place))


@pytest.mark.parametrize("select", ["*", """* REPLACE ("window"::TIMESTAMP AS "window")"""])
def test_a_zone_that_is_none_is_told(small: Shop, tmp_path: Path, select: str):
    """Whether it is needed or not."""
    path = written(small, tmp_path / "theirs.parquet", select)
    with pytest.raises(CallError, match="there is no time zone Nowhere"):
        against(small, Against("parquet", str(path)), window=WindowColumn(zone="Nowhere"))


def test_a_table_that_is_not_there_is_told(small: Shop, tmp_path: Path):
    """The database's own words."""
    with duckdb.connect(str(tmp_path / "other.duckdb")) as other:
        other.execute("CREATE TABLE a (b INTEGER)")
    with pytest.raises(DataError, match="hourly"):
        against(small, Against("duckdb", str(tmp_path / "other.duckdb"), "hourly"))


def test_a_store_that_is_still_filling_is_compared_where_it_is_complete(tmp_path: Path):
    """The window of the watermark is left out."""
    from crossfoot.definition.model import Grain
    from crossfoot.reconcile.run import _complete
    from crossfoot.reconcile.sides import EVERYTHING, Range

    hour = 3_600_000_000
    assert _complete(EVERYTHING, 5 * hour + 1, Grain("1h", "h")) == Range(None, 5 * hour)
    assert _complete(Range(None, 9 * hour), 5 * hour + 1, Grain("1h", "h")) == Range(None, 9 * hour)
    assert _complete(EVERYTHING, 5 * hour + 1, Grain("all", "all")) == EVERYTHING


@pytest.fixture(scope="module")
def retaining(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The small shop; hours are kept for fifty hours."""
    text = DEFINITION.replace("grains: [1h, 1d]", "grains: [1h, 1d]\n    retain: {1h: 50h}")
    return open_shop(tmp_path_factory.mktemp("retaining"), 1_000, definition=text)


def test_windows_that_our_store_has_given_up_are_not_missing_here(retaining: Shop, small: Shop):
    """The other side has them all."""
    found = against(retaining, Against("parquet", str(retaining.write(Other()))))
    assert found.compared.cells == found.compared.equal < len(small_cells(small))
    assert found.kept_since is not None
    said = f"windows that begin before {found.kept_since} are not kept any more, and were left out"
    assert said in lines(found)[1]
    assert said in as_html(found, "now")


def test_windows_that_the_other_store_has_given_up_are_not_missing_there(retaining: Shop, small: Shop):
    found = against(small, Against("store", str(retaining.store)))
    assert found.compared.cells == found.compared.equal < len(small_cells(small))
    assert found.kept_since is not None


def test_a_range_that_is_not_kept_any_more_is_refused(retaining: Shop):
    """It is no range in which everything is missing."""
    definition = load_file(retaining.folder / "shop.yaml")
    side = Against("parquet", str(retaining.write(Other())))
    with pytest.raises(CallError, match=r"windows of 1h before .* are not kept any more"):
        reconcile(definition, retaining.store, Comparison("side", side, "sales", "1h", BY), Work(Range(0)))


@pytest.mark.parametrize(
    ("said", "otherwise", "part"),
    [
        ("kind <> 'test'", "kind <> 'buy'", "metrics.sales"),
        ("sum(price)}", "sum(price), dearest: max(price)}", "metrics.sales"),
        ("id: id", "id: [id, kind]", "event.id"),
    ],
)
def test_a_definition_that_the_store_was_not_made_with_is_named(small: Shop, said: str, otherwise: str, part: str):
    """It is no fault of the store."""
    definition = load_text(DEFINITION.replace(said, otherwise))
    comparison = Comparison("side", Against("parquet", str(small.write(Other()))), "sales", "1h", BY)
    with pytest.raises(StoreError, match=rf"was made with another definition: {part}$"):
        reconcile(definition, small.store, comparison)


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The same events, where six combinations of values have rows of their own."""
    folder = tmp_path_factory.mktemp("bounded")
    return open_shop(folder, 1_000, definition=DEFINITION.replace("    where:", "    values_max: 6\n    where:"))


@pytest.mark.parametrize("form", ["store", "parquet", "csv", "warehouse"])
def test_a_row_of_further_values_is_refused(small: Shop, bounded: Shop, tmp_path: Path, form: str):
    """Nobody can tell what it stands for: not in a store, nor in a table that was made of one."""
    other = Against("store", str(bounded.store))
    if form != "store":
        table, path = Store.open(bounded.store).query("sales", by=BY, grain="1h").to_arrow(), tmp_path / "t"
        name = "is_other" if form == "warehouse" else "(other)"
        duckdb.register("bounded", table)
        options = "FORMAT csv" if form == "csv" else "FORMAT parquet"
        duckdb.execute(f"""COPY (SELECT * RENAME ("(other)" AS "{name}") FROM bounded) TO '{path}' ({options})""")
        other = Against("csv" if form == "csv" else "parquet", str(path))
    with pytest.raises(CallError, match=r"(/bounded|/t).* has a row \(other\)") as refused:
        against(small, other)
    assert "compare by no dimension" in (refused.value.hint or "")
    if form == "store":
        assert against(small, other, by=()).holds


def test_a_row_of_further_values_of_ours_is_refused(small: Shop, bounded: Shop):
    """In the windows that are compared: without one every row is exact."""
    with pytest.raises(CallError, match=r"bounded.* has a row \(other\)"):
        against(bounded, Against("store", str(small.store)))
    cells = Store.open(bounded.store).query("sales", by=BY, grain="1h").rows()
    first = min(cell["window"] for cell in cells if cell["(other)"])
    until_us = read_time(first)
    assert until_us is not None
    comparison = Comparison("side", Against("store", str(small.store)), "sales", "1h", BY)
    work = Work(Range(None, until_us), causes=False, threads=2)
    assert reconcile(load_file(bounded.folder / "shop.yaml"), bounded.store, comparison, work).holds


def test_what_does_not_concern_the_metric_may_differ(small: Shop):
    """Another metric that the store does not have yet."""
    more = "  other: {by: [[]], measures: {events: count}, grains: [1h]}\narchive"
    comparison = Comparison("side", Against("parquet", str(small.write(Other()))), "sales", "1h", BY)
    assert reconcile(load_text(DEFINITION.replace("archive", more)), small.store, comparison).holds


def small_cells(shop: Shop) -> dict[tuple[object, ...], list[int]]:
    """All that were ever counted."""
    return Other().cells(shop.events, BY)
