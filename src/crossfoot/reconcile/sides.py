"""Both sides as relations of the form in one DuckDB connection; what cannot be compared is refused in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from crossfoot import settings
from crossfoot.bigquery import Reader, table_name
from crossfoot.definition.findings import nearest
from crossfoot.definition.model import OTHER, Against, Comparison
from crossfoot.definition.text import quote_text
from crossfoot.engines.batch.sql import name
from crossfoot.errors import CallError, DataError, ServiceError
from crossfoot.generations import in_force
from crossfoot.query.client import Store
from crossfoot.query.times import read_zone, show_time
from crossfoot.reconcile.columns import UNITS, Read, is_number, read_value, read_window
from crossfoot.reconcile.form import WINDOW, Column, Form
from crossfoot.reconcile.remote import SAME, Asked, rows_that_differ
from crossfoot.reconcile.working import line, readable
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.warehouse.tables import IS_OTHER

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

OURS = "ours"
_OTHERS = (OTHER, IS_OTHER)
"""In tables made of a store: whether a row is that of further dimension values."""
Columns: TypeAlias = Mapping[Column, str]
"""A column of the form, and the other side's name of it."""
_EVENTS_AT_ONCE = 5_000_000
"""A store is read in slices of windows that hold about so many events, so at most so many cells."""


@dataclass(frozen=True, slots=True)
class Range:
    """Windows that start in [since_us, until_us); None: without bound."""

    since_us: int | None = None
    until_us: int | None = None

    def condition(self) -> str:
        """The same in SQL."""
        said = [] if self.since_us is None else [f'"window" >= {self.since_us}']
        said += [] if self.until_us is None else [f'"window" < {self.until_us}']
        return " AND ".join(said) or "TRUE"


EVERYTHING = Range()


@dataclass(frozen=True, slots=True)
class Side:
    """A relation of the form, and how people call it."""

    relation: str
    shown: str
    epoch: int = 0
    kept_since_us: int | None = None
    """Earlier windows were there, and are not kept any more."""


def open_store(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    opened: EmbeddedStore,
    form: Form,
    within: Range,
    columns: Columns | None = None,
) -> tuple[Side, Form]:
    """The cells of a store at the epoch at which it was opened; the form says which distinct counts are estimates.

    `columns`: of a store that somebody else counts, whose names and types may be others; DataError for what is not so.
    CallError where a row `(other)` would be compared.
    """
    store = Store(opened, follows=False)
    by = form.by if columns is None else tuple(columns[key] for key in form.keys[1:])
    estimates: set[str] = set()
    create, kept_since = True, None
    for slice_ in _slices(opened, store, (form, by), within):
        found = store.query(
            form.metric.name,
            by=by,
            grain=form.grain.text,
            since=slice_.since_us,
            until=slice_.until_us,
            live=True,
        )
        if found.facts.values_max is not None:
            raise _unknown_values(str(opened.path))
        estimates |= set(found.facts.errors)
        _add(connection, (relation, str(opened.path)), found.to_arrow(), form, columns, create=create)
        create, kept_since = False, kept_since or found.facts.kept_since_us
    return Side(relation, str(opened.path), store.epoch, kept_since), form.exact_but(frozenset(estimates))


def _unknown_values(shown: str) -> CallError:
    hint = "compare by no dimension: those rows have everything"
    return CallError(f"{shown} has a row (other): which values it stands for nobody else can tell", hint)


def leave_out(connection: duckdb.DuckDBPyConnection, side: Side, before_us: int) -> None:
    """Take windows out that the other side has given up: what it does not keep it does not lack."""
    connection.execute(f'DELETE FROM {side.relation} WHERE "window" < {before_us}')


def _slices(inner: EmbeddedStore, store: Store, what: tuple[Form, tuple[str, ...]], within: Range) -> list[Range]:
    form, by = what
    if form.grain.unit == "all":
        return [Range()]
    metric = next((each for each in store.metrics if each.name == form.metric.name), None)
    grains = [] if metric is None else [grain.text for grain in metric.grains]
    if metric is None or by not in metric.sets or form.grain.text not in grains:
        return [within]
    edges, events = [within.since_us], 0
    for start, many in inner.windows(metric.index, metric.sets.index(by), grains.index(form.grain.text)):
        events += many
        if (
            events > _EVENTS_AT_ONCE
            and start > (within.since_us or start - 1)
            and start < (within.until_us or start + 1)
        ):
            edges, events = [*edges, start], many
    return [Range(since, until) for since, until in zip(edges, [*edges[1:], within.until_us], strict=True)]


def _add(
    connection: duckdb.DuckDBPyConnection,
    side: tuple[str, str],
    table: pa.Table,
    form: Form,
    columns: Columns | None,
    *,
    create: bool,
) -> None:
    relation, shown = side
    called = columns or {column: column.name for column in form.columns}
    as_json = _json_dimensions(table)
    table, whole = _whole_decimals(table, {called[column]: column.type.scale for column in form.columns})
    connection.register("crossfoot_slice", table)
    types = {row[0]: str(row[1]) for row in connection.execute("DESCRIBE crossfoot_slice").fetchall()}
    _are_there(called, types, shown)
    reads = {
        column: Read(name(each)) if each in whole else read_value(name(each), types[each], column, each in as_json)
        for column, each in called.items()
        if column.name != WINDOW
    }
    if columns is not None:
        _same_kinds(columns, types | dict.fromkeys(as_json, "JSON"), shown)
        _check(connection, "crossfoot_slice", shown, columns, reads, is_all=False)
    values = [f'epoch_us("window") AS {name(WINDOW)}', *_values(reads)]
    query = f"SELECT {', '.join(values)} FROM crossfoot_slice"
    connection.execute(f"CREATE TEMP TABLE {relation} AS {query}" if create else f"INSERT INTO {relation} {query}")
    connection.unregister("crossfoot_slice")


def _values(reads: Mapping[Column, Read]) -> list[str]:
    return [f"CAST({each.value} AS {column.sql_type}) AS {column.quoted}" for column, each in reads.items()]


def _same_kinds(columns: Columns, types: Mapping[str, str], shown: str) -> None:
    """A store knows what is a text: a number that looks like one is another value."""
    for column, theirs in columns.items():
        if column.kind == "key" and column.type.name == "text" and types[theirs] != "VARCHAR":
            what = f"{theirs} of {shown} is {types[theirs].lower()}, and {column.name} of ours is text"
            raise DataError(what, "compare by another dimension, or declare both with one type")


def _whole_decimals(table: pa.Table, scales: Mapping[str, int]) -> tuple[pa.Table, frozenset[str]]:
    """Decimals of the form's scale as the whole numbers of their digits; which columns these are."""
    import pyarrow as pa

    whole = set()
    for at, field in enumerate(table.schema):
        if pa.types.is_decimal128(field.type) and field.type.scale == scales.get(field.name):
            plain = pa.decimal128(38, 0)
            chunks = [chunk.cast(pa.decimal128(38, field.type.scale)).view(plain) for chunk in table.column(at).chunks]
            table = table.set_column(at, field.name, pa.chunked_array(chunks, plain))
            whole.add(field.name)
    return table, frozenset(whole)


def _json_dimensions(table: pa.Table) -> frozenset[str]:
    return frozenset(field.name for field in table.schema if (field.metadata or {}).get(b"crossfoot") == b"json")


def open_theirs(
    connection: duckdb.DuckDBPyConnection, relation: str, comparison: Comparison, form: Form, within: Range
) -> Side:
    """The other side; DataError for what cannot be compared, ServiceError for what cannot be reached."""
    against = comparison.against
    read_zone(comparison.window.zone)
    if against.kind == "store":
        columns = {column: WINDOW if column.name == WINDOW else _theirs(column, comparison) for column in form.columns}
        side, _ = open_store(connection, relation, EmbeddedStore(_store(against)), form, within, columns)
        return side
    columns = {
        column: _theirs(column, comparison)
        for column in form.columns
        if column.name != WINDOW or form.grain.unit != "all"
    }
    if against.kind == "bigquery":
        return Side(relation, _bigquery(connection, relation, (comparison, columns), form, within))
    read, shown = _READERS[against.kind](connection, against)
    with readable(shown):
        _bring(connection, relation, (read, shown, columns), comparison, form, within)
    return Side(relation, shown)


def _there(against: Against) -> Path:
    path = Path(against.place)
    if not path.exists():
        raise DataError(f"there is no {against.kind} at {path}", "name a folder or a file that exists")
    return path


def _store(against: Against) -> Path:
    path = _there(against)
    if path.is_dir() and (in_force(path) / "MANIFEST").exists():
        return path
    file = next(path.glob("**/*.csv"), None)
    hint = f"name its files: '{path}/*.csv'" if file else "name the folder of a store, or *.parquet, *.csv, *.duckdb"
    raise DataError(f"{path} is no store", hint)


def _files(_: duckdb.DuckDBPyConnection, against: Against) -> tuple[str, str]:
    """Parquet files, or CSV with a header; every column of a CSV is text first, so that nothing is guessed.

    What stands between quotes is a text in a CSV, even an empty one; nothing at all is null.
    """
    place = against.place
    path = Path(place)
    if path.is_dir():
        place = f"{place}/**/*.{against.kind}"
    elif not has_magic(place):
        _there(against)
    text = quote_text(place)
    reads = {
        "parquet": f"read_parquet({text})",
        "csv": f"read_csv({text}, header = true, all_varchar = true, allow_quoted_nulls = false)",
    }
    return reads[against.kind], against.place


def _duckdb(connection: duckdb.DuckDBPyConnection, against: Against) -> tuple[str, str]:
    """A table or a query of another database file, which is opened for reading only."""
    import duckdb

    path = _there(against)
    query = f"SELECT * FROM {_quoted(against.table or '')}" if against.query is None else against.query
    try:
        other = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        what = f"{path} cannot be opened: {line(error)}"
        if "set lock" in what:
            raise ServiceError(what, "close who writes it, or copy it") from error
        raise DataError(what, "see that it is a DuckDB file, and whole") from error
    with readable(str(path), "name a table or a query that it can answer"), other:
        other.execute("SET TimeZone = 'UTC'")
        if (found := other.sql(query)) is None:
            raise DataError(f"the query of {path} gives no table", "write it as in SELECT …")
        connection.register("crossfoot_other", found.to_arrow_reader())
        connection.execute("CREATE OR REPLACE TEMP TABLE crossfoot_theirs AS SELECT * FROM crossfoot_other")
        connection.unregister("crossfoot_other")
    return "crossfoot_theirs", f"{path} {against.table or 'query'}"


def _quoted(table: str) -> str:
    """A table's name, whose parts may stand in quotes already."""
    return table if '"' in table else ".".join(map(name, table.split(".")))


def _bigquery(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    what: tuple[Comparison, Columns],
    form: Form,
    within: Range,
) -> str:
    """The columns that are compared, of a table or a query; how people call it. Equal groups of cells stay there."""
    comparison, columns = what
    project, sql, shown = question(comparison.against)
    reader = Reader(project, settings.environment())
    try:
        types = reader.columns(sql, shown)
        _are_there(columns, types, shown)
        asked = Asked(sql, shown, types, columns)
        ours = OURS, within.condition()
        where = rows_that_differ(connection, reader, asked, (form, comparison.window), ours)
        read = dict.fromkeys([*columns.values(), *(each for each in _OTHERS if each in types)])
        wanted = ", ".join(f"`{name}`" for name in read) or "*"
        _keep(connection, reader.rows(f"SELECT {wanted} FROM ({sql}) WHERE {where or 'TRUE'}", shown))
    finally:
        reader.close()
    same = None if where is None else SAME
    with readable(shown, "convert it in a query"):
        _bring(connection, relation, ("crossfoot_theirs", shown, columns), comparison, form, within, same)
    return shown


def question(against: Against) -> tuple[str, str, str]:
    """The project, what is asked, and how people call it."""
    if against.query is not None:
        place = against.place.strip()
        return place, against.query.strip().rstrip(";"), f"bigquery {place} query".replace("  ", " ")
    table = table_name(f"{against.place}.{against.table}" if against.table else against.place)
    return table.project, f"SELECT * FROM {table.quoted}", f"bigquery {table.quoted.strip('`')}"


def _keep(connection: duckdb.DuckDBPyConnection, tables: Iterable[pa.Table]) -> None:
    """Rows in a table, some after the other."""
    connection.execute("DROP TABLE IF EXISTS crossfoot_theirs")
    command = "CREATE TEMP TABLE crossfoot_theirs AS"
    for table in tables:
        connection.register("crossfoot_other", table)
        connection.execute(f"{command} SELECT * FROM crossfoot_other")
        connection.unregister("crossfoot_other")
        command = "INSERT INTO crossfoot_theirs"


_READERS: Mapping[str, Callable[[Any, Against], tuple[str, str]]] = {
    "parquet": _files,
    "csv": _files,
    "duckdb": _duckdb,
}


def _bring(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    theirs: tuple[str, str, Columns],
    comparison: Comparison,
    form: Form,
    within: Range,
    same: str | None = None,
) -> None:
    """`same`: a table of further cells, in the form already."""
    read, shown, columns = theirs
    types = {row[0]: str(row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()}
    if list(types) == ["column0"] and comparison.against.kind == "csv" and "column0" not in columns.values():
        raise DataError(f"{shown} is empty", "check that it was written")
    _are_there(columns, types, shown)
    reads = {column: _read(column, columns, types, (comparison, form)) for column in form.columns}
    _check(connection, read, shown, columns, reads, is_all=same is None, unit=comparison.window.unit)
    if relation != OURS:
        _check_unit(connection, read, shown, reads[form.keys[0]], columns.get(form.keys[0], ""), comparison)
    rows = f"SELECT * FROM (SELECT {', '.join(_values(reads))} FROM {read}"
    chosen = f") WHERE {within.condition()}"
    for each in [each for each in _OTHERS if each in types and each not in columns.values()]:
        others = f" WHERE lower(CAST({name(each)} AS VARCHAR)) = 'true'"
        if connection.execute(rows + others + chosen + " LIMIT 1").fetchone():
            raise _unknown_values(shown)
    cells = rows + chosen
    cells += f" UNION ALL BY NAME SELECT * FROM {same}" if same else ""
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {relation} AS {cells}")
    if not read.startswith("read_parquet"):
        kept = f"{relation}_kept"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {kept} AS SELECT * FROM {relation}")
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {relation} AS SELECT * FROM {kept}")


def _theirs(column: Column, comparison: Comparison) -> str:
    if column.name == WINDOW:
        return comparison.window.name
    return dict(comparison.columns).get(column.name, column.name)


def _are_there(columns: Mapping[Column, str], types: Mapping[str, str], shown: str) -> None:
    for column, theirs in columns.items():
        if theirs in types:
            continue
        near = nearest(theirs, types)
        meant = near or next(iter(types), "")
        inner = f"{{name: {meant}}}" if column.name == WINDOW else meant
        hint = f"it has {', '.join(types)}; map it, as in columns: {{{column.name}: {inner}}}"
        raise DataError(f"{shown} has no column {theirs}", hint)


def _read(
    column: Column,
    columns: Mapping[Column, str],
    types: Mapping[str, str],
    what: tuple[Comparison, Form],
) -> Read:
    comparison, form = what
    if column not in columns:
        return Read("NULL")
    theirs, kind = name(columns[column]), types[columns[column]]
    if comparison.against.kind == "csv" and column.sql_type != "VARCHAR":
        theirs = f"nullif({theirs}, '')"
    if column.name == WINDOW:
        return read_window(theirs, kind, comparison.window, form.grain)
    return read_value(theirs, kind, column, as_json=False)


def _check(
    connection: duckdb.DuckDBPyConnection,
    read: str,
    shown: str,
    columns: Mapping[Column, str],
    reads: Mapping[Column, Read],
    *,
    is_all: bool,
    unit: str | None = None,
) -> None:
    """Rows there are, unless these are not all, and every value can be read."""
    doubtful = [column for column, each in reads.items() if each.wrong is not None]
    firsts = [f"first(CAST({name(columns[c])} AS VARCHAR)) FILTER ({reads[c].wrong})" for c in doubtful]
    counts = [f"count(*) FILTER ({reads[c].wrong})" for c in doubtful]
    row = connection.execute(f"SELECT {', '.join(['count(*)', *counts, *firsts])} FROM {read}").fetchone() or (0,)
    if row[0] == 0 and is_all:
        raise DataError(f"{shown} has no rows", "check that it is the right table, and that it was written")
    for at, column in enumerate(doubtful):
        if not row[1 + at]:
            continue
        value = row[1 + len(doubtful) + at]
        wanted = "the start of a window" if column.name == WINDOW else _said(column)
        many = f"{row[1 + at]:,} of {row[0]:,} values of {columns[column]} in {shown} are not {wanted}"
        hint = "map another column, or convert it in a query"
        if column.name == WINDOW and value:
            hint = f"are they in {unit}? name the unit" if unit else "give its unit or zone"
            hint += ": columns: {window: {name: …, unit: s, zone: …}}"
        raise DataError(f"{many}: {value or 'null'}", hint)


def _said(column: Column) -> str:
    if column.type.name == "decimal" and column.sql_type == "HUGEINT":
        return f"decimal({column.type.scale})"
    return "integer" if column.sql_type in ("BIGINT", "HUGEINT") else column.type.name


def _check_unit(
    connection: duckdb.DuckDBPyConnection, read: str, shown: str, window: Read, theirs: str, comparison: Comparison
) -> None:
    """Windows in another unit than was said lie in another age: ours tell which unit it is."""
    if not theirs:
        return
    row = connection.execute(f"SELECT min({window.value}), max({window.value}) FROM {read}").fetchone()
    ours = connection.execute(f'SELECT min("window"), max("window") FROM {OURS}').fetchone()
    if row is None or ours is None or None in (*row, *ours) or (row[0] <= ours[1] and row[1] >= ours[0]):
        return
    said = comparison.window.unit or "us"
    per, of = UNITS[said]
    for unit, (many, parts) in UNITS.items():
        low, high = (value * of // per * many // parts for value in row)
        if unit != said and low <= ours[1] and high >= ours[0]:
            what = f"the windows of {shown} are in {show_time(row[0])} if {theirs} is in {said}"
            hint = f"it looks like {unit}: columns: {{window: {{name: {theirs}, unit: {unit}}}}}"
            raise DataError(what, hint)


__all__ = ["Range", "Side", "is_number", "open_store", "open_theirs"]
