"""Tables of a BigQuery dataset, divided by day.

Events are written by the Storage Write API, at offsets of a stream that is committed as a whole: a part is there once.
Absolute values are load jobs, whose ids are those of their parts: BigQuery runs each once.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossfoot.beside import Hold
from crossfoot.bigquery import JOB_S, STORAGE_HOST, TIMEOUT_S, WRITERS, asking, checked, client
from crossfoot.clock import Clock
from crossfoot.errors import DataError, ServiceError
from crossfoot.warehouse.changed import Made, check
from crossfoot.warehouse.store import Note, lacking, latest_view, quoted
from crossfoot.warehouse.tables import DAY, Column, Table

if TYPE_CHECKING:
    import pyarrow as pa

_ATTEMPTS_MAX = 50
_TYPES = {
    "text": "STRING",
    "integer": "INT64",
    "float": "FLOAT64",
    "boolean": "BOOL",
    "time": "TIMESTAMP",
    "day": "DATE",
}
_ALIASES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "DECIMAL": "NUMERIC", "BIGDECIMAL": "BIGNUMERIC"}


@dataclass(frozen=True, slots=True)
class Place:
    """A dataset."""

    project: str
    dataset: str
    location: str | None = None

    def path(self, name: str) -> str:
        """The whole name of a table."""
        return f"{self.project}.{self.dataset}.{name}"


class BigQueryWarehouse:
    """Tables as those of a dataset, which is there. Each call reaches for the service."""

    def __init__(self, place: Place, tables: Sequence[Table], environment: Mapping[str, str], clock: Clock) -> None:
        self._place, self._tables, self._clock = place, tuple(tables), clock
        self._environment = environment
        self._client: Any = None
        self._streams: Any = None
        self._viewed: set[str] = set()

    # Tables.

    def reach(self) -> None:
        with self._asking("the dataset"):
            self._dataset()

    def ensure(self, table: Table, owner: str) -> str:
        with self._asking(f"the table {table.name}"):
            found = self._found(table)
            if found is None:
                return self._make(table, owner)
            made = Made.of(found.description, table)
            check(table, made, [_column(field, table) for field in found.schema], owner)
            if more := lacking(table, made.columns):
                self._add(table, Made(made.owner, made.making, (*made.columns, *more)), more)
            elif table.name not in self._viewed:
                self._make_view(table)
            return made.making

    def _add(self, table: Table, made: Made, more: Sequence[Column]) -> None:
        """Columns more; a column that is there already, since this was cut off before, is left alone."""
        added = ", ".join(f"ADD COLUMN IF NOT EXISTS {_sql_column(column)}" for column in more)
        self._run(f"ALTER TABLE `{self._place.path(table.name)}` {added}")
        found = self._found(table)
        there = {field.name for field in found.schema}
        found.schema = [*found.schema, *(_field(column) for column in more if column.name not in there)]
        found.description = made.text()
        self._open().update_table(found, ["schema", "description"], timeout=TIMEOUT_S, retry=None)
        self._make_view(table)

    def _run(self, sql: str) -> None:
        self._open().query_and_wait(sql, wait_timeout=JOB_S, api_timeout=TIMEOUT_S, retry=None, job_retry=None)

    def _found(self, table: Table) -> Any:
        from google.api_core.exceptions import NotFound

        try:
            return self._open().get_table(self._place.path(table.name), timeout=TIMEOUT_S, retry=None)
        except NotFound:
            self._dataset()
            return None

    def _dataset(self) -> Any:
        """DataError where there is none."""
        from google.api_core.exceptions import NotFound

        where = f"{self._place.project}.{self._place.dataset}"
        try:
            return self._open().get_dataset(where, timeout=TIMEOUT_S, retry=None)
        except NotFound as error:
            hint = f"make it: bq mk --dataset {where.replace('.', ':')}"
            raise DataError(f"there is no such BigQuery dataset: {where}", hint) from error

    def look(self) -> int:
        """How many of the tables are there. Errors are those of a feed, before one; nothing is made or written."""
        with self._asking("the tables"):
            place = self._dataset().location or ""
            if self._place.location and place.casefold() != self._place.location.casefold():
                what = f"the dataset {self._place.dataset} is in {place}, and not in {self._place.location}"
                raise DataError(what, f"name its location in the definition: location: {place}")
            checked(self._open(), f"CREATE TABLE `{self._place.path('crossfoot_doctor')}` ({DAY} DATE)")
            return sum(self._is_there(table) for table in self._tables)

    def _is_there(self, table: Table) -> bool:
        """Whether it is, as it was made, and takes rows."""
        found = self._found(table)
        if found is None:
            return False
        made = Made.of(found.description, table)
        check(table, made, [_column(field, table) for field in found.schema], made.owner)
        checked(self._open(), f"INSERT INTO `{self._place.path(table.name)}` ({DAY}) VALUES (NULL)")
        return True

    def _make(self, table: Table, owner: str) -> str:
        from google.cloud import bigquery

        made = Made(owner, f"{self._clock.now_us()}", table.columns)
        new = bigquery.Table(self._place.path(table.name), [_field(column) for column in table.columns])
        new.description = made.text()
        new.time_partitioning = bigquery.TimePartitioning(field=DAY)
        self._open().create_table(new, timeout=TIMEOUT_S, retry=None)
        self._make_view(table)
        return made.making

    def _make_view(self, table: Table) -> None:
        """Also of a table that is there: who made it may have been cut off before its view."""
        if table.key:
            name, query = latest_view(table, quoted(self._place.path(table.name)).replace(".", '"."'))
            self._run(f"CREATE OR REPLACE VIEW `{self._place.path(name)}` AS {_translated(query)}")
        self._viewed.add(table.name)

    # Parts.

    def put(self, table: Table, part: str, rows: pa.Table, note: Note) -> None:
        with self._asking(f"the table {table.name}"):
            if table.key:
                self._put_values(table, part, rows)
            else:
                self._put_events(table, part, rows, note)

    def _put_events(self, table: Table, part: str, rows: pa.Table, note: Note) -> None:
        """Rows of a stream are seen when it is committed; which one that is is noted before."""
        from crossfoot.warehouse.streams import Streams

        if self._streams is None:
            self._streams = Streams(self._environment.get(STORAGE_HOST, ""))
        place = f"projects/{self._place.project}/datasets/{self._place.dataset}/tables/{table.name}"
        stream = note.of(part)
        if stream is None:
            stream = self._streams.write(place, rows)
            note.write(part, stream)
        self._streams.commit(place, stream)

    def _put_values(self, table: Table, part: str, rows: pa.Table) -> None:
        """A job that has failed leaves its id behind, so the next attempt has another one."""
        for attempt in range(_ATTEMPTS_MAX):
            if self._load(table, f"crossfoot_{self._place.dataset}_{table.name}_{part}_{attempt}", rows):
                return
        raise ServiceError(f"BigQuery has refused a part of {table.name} {_ATTEMPTS_MAX} times", "look at its jobs")

    def _load(self, table: Table, job_id: str, rows: pa.Table) -> bool:
        """Whether the job of this id has done it, now or before."""
        from google.api_core.exceptions import Conflict

        job = self._known(job_id)
        if job is not None:
            return _has_done(job)
        try:
            job = self._open().load_table_from_file(
                io.BytesIO(_file(rows)),
                self._place.path(table.name),
                job_id=job_id,
                location=self._place.location,
                job_config=_config(table),
                timeout=JOB_S,
            )
        except Conflict:
            return _has_done(self._known(job_id))
        job.result(timeout=JOB_S)
        return True

    def _known(self, job_id: str) -> Any:
        from google.api_core.exceptions import NotFound

        try:
            return self._open().get_job(job_id, location=self._place.location, timeout=TIMEOUT_S, retry=None)
        except NotFound:
            return None

    # Questions.

    def query(self, sql: str, hold: Hold | None = None) -> pa.Table:
        del hold  # the work is done elsewhere
        with self._asking("the question"):
            rows = self._open().query_and_wait(
                self.dialect(sql), wait_timeout=JOB_S, api_timeout=TIMEOUT_S, retry=None, job_retry=None
            )
            return rows.to_arrow(create_bqstorage_client=False)

    def dialect(self, sql: str) -> str:
        """A question in BigQuery's SQL, with the whole names of tables and views."""
        names = {table.name for table in self._tables}
        names |= {latest_view(table, "t")[0] for table in self._tables if table.key}
        return _translated(sql, dict.fromkeys(names, self._place))

    # The service.

    def _open(self) -> Any:
        if self._client is None:
            self._client = client(self._place.project, self._environment, self._place.location)
        return self._client

    def _asking(self, what: str) -> AbstractContextManager[None]:
        return asking(what, f"{self._place.project}.{self._place.dataset}", WRITERS)

    def close(self) -> None:
        for each in (self._client, self._streams):
            if each is not None:
                each.close()
        self._client = self._streams = None


def _has_done(job: Any) -> bool:
    """Wait for a job that was begun before; whether it has not failed."""
    from google.api_core.exceptions import GoogleAPICallError

    try:
        job.result(timeout=JOB_S)
    except GoogleAPICallError:
        if job.state != "DONE":
            raise
        return False
    return True


def _config(table: Table) -> Any:
    from google.cloud import bigquery

    return bigquery.LoadJobConfig(
        source_format="PARQUET",
        schema=[_field(column) for column in table.columns],
        create_disposition="CREATE_NEVER",
        write_disposition="WRITE_APPEND",
        decimal_target_types=["NUMERIC", "BIGNUMERIC"],
    )


def _field(column: Column) -> Any:
    from google.cloud import bigquery

    return bigquery.SchemaField(column.name, _sql_type(column))


def _sql_column(column: Column) -> str:
    return f"`{column.name}` {_sql_type(column)}"


def _sql_type(column: Column) -> str:
    """A NUMERIC has 29 digits before its point, 9 behind it: sums of ten thousand million of the largest integers."""
    if column.type.startswith("decimal"):
        return "NUMERIC" if column.scale <= 9 else "BIGNUMERIC"
    return _TYPES[column.type]


def _column(field: Any, table: Table) -> Column:
    """A field of a table as it is; of a type of another kind by BigQuery's name."""
    kind = _ALIASES.get(field.field_type, field.field_type)
    if kind in ("BIGNUMERIC", "NUMERIC"):
        return Column(field.name, f"decimal({_scale(field, table)})")
    ours = {theirs: name for name, theirs in _TYPES.items()}
    return Column(field.name, ours.get(kind, kind))


def _scale(field: Any, table: Table) -> int:
    """A column is made without one: then it has room for any, and is taken to be right."""
    wanted = next((column.scale for column in table.columns if column.name == field.name and "(" in column.type), 0)
    return wanted if field.scale is None else int(field.scale)


def _translated(sql: str, places: Mapping[str, Place] | None = None) -> str:
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(sql, read="duckdb").transform(_microseconds)
    for table in tree.find_all(exp.Table):
        place = (places or {}).get(table.name)
        if place is not None and not table.db:
            alias = table.alias_or_name
            table.set("db", exp.to_identifier(place.dataset, quoted=True))
            table.set("catalog", exp.to_identifier(place.project, quoted=True))
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
    return str(tree.sql(dialect="bigquery"))


def _microseconds(node: Any) -> Any:
    """`epoch_us`, which sqlglot does not know."""
    from sqlglot import exp

    if isinstance(node, exp.Anonymous) and node.name.lower() == "epoch_us":
        return exp.UnixMicros(this=node.expressions[0])
    return node


def _file(rows: pa.Table) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    out = pa.BufferOutputStream()
    parquet.write_table(rows, out, compression="zstd")
    return bytes(out.getvalue())
