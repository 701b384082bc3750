"""A BigQuery table of raw events, counted to its end: one partition after the other, by the position of each record.

Records that are added behind the last position are counted by the next run. What is added before it is never seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from crossfoot.bigquery import TIMEOUT_S, Reader, table_name
from crossfoot.definition.model import BigQuerySource
from crossfoot.definition.text import quote_text
from crossfoot.errors import DataError
from crossfoot.sources.live import Ending, Feed, Known, LiveSource, Moved, Named, Room

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMN = "name it: source: {bigquery: {table: …, %s: COLUMN}}"
_NOT_BLANK = r"[^ \t\n\r\x0b\x0c]"


class Records(NamedTuple):
    """Records, one behind the other, and their columns as an engine takes them."""

    data: bytes
    columns: tuple[bytes, bytes, bytes, bytes]


class Table:
    """What a definition says of a table, and how it is asked."""

    def __init__(self, source: BigQuerySource, environment: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> None:
        self.source, self.name = source, source.name
        self._table = table_name(source.table)
        self.shown = f"bigquery {self._table.quoted.strip('`')}"
        self._reader = Reader(self._table.project, environment, timeout_s=timeout_s)
        named = quote_text(source.table)
        said = f"IFNULL(CAST(`{source.partition}` AS STRING), '')" if source.partition else named
        self._rows = (
            f"SELECT {said} AS part, `{source.position}` AS place, `{source.record}` AS record"
            f" FROM {self._table.quoted} WHERE `{source.record}` IS NOT NULL"
        )

    def check(self) -> None:
        """DataError for a column that is not there."""
        there = self._reader.columns(f"SELECT * FROM {self._table.quoted}", self.shown)
        for part in ("record", "position", "partition"):
            column = getattr(self.source, part)
            if column is not None and column not in there:
                raise DataError(f"{self.shown} has no column {column}", f"it has {', '.join(there)}; {_COLUMN % part}")

    def partitions(self) -> list[dict[str, Any]]:
        """Name, records, first and last position of each, in the order of their names; DataError without an order."""
        sql = (
            "SELECT part, COUNT(*) AS records, COUNT(place) AS placed, COUNT(DISTINCT place) AS places,"
            f" MIN(place) AS first, MAX(place) AS last FROM ({self._rows}) GROUP BY part ORDER BY part"
        )
        found = [row for table in self._reader.rows(sql, self.shown) for row in table.to_pylist()]
        hint = f"name a column of whole numbers from 0 on, each once in a partition; {_COLUMN % 'position'}"
        for each in found:
            if each["placed"] < each["records"]:
                many = each["records"] - each["placed"]
                raise DataError(f"{self.shown}: {many:,} records have no {self.source.position}", hint)
            if each["places"] < each["records"]:
                many = each["records"] - each["places"]
                raise DataError(f"{self.shown}: {many:,} records share their {self.source.position}", hint)
            if not isinstance(each["first"], int) or each["first"] < 0:
                raise DataError(f"{self.shown}: {self.source.position} is no position: {each['first']}", hint)
        return found

    def partition(self, part: str) -> str:
        """The name of a partition as stores have it."""
        return self.name if self.source.partition is None else f"{self.name}:{part}"

    def records(self, part: str, since: int, last: int) -> Iterator[Records]:
        """The records of a partition from one position to another, in order."""
        named = quote_text(part).replace("\\", "\\\\").replace("''", "\\'")[1:-1]
        where = f"part = '{named}' AND place BETWEEN {since} AND {last}"
        sql = f"SELECT place, record FROM ({self._rows}) WHERE {where} ORDER BY place"
        for rows in self._reader.rows(sql, self.shown):
            yield from self._records(rows)

    def _records(self, rows: pa.Table) -> Iterator[Records]:
        import pyarrow as pa
        import pyarrow.compute as pc

        bytes_of_records = self._as_bytes(rows["record"])
        named = pa.table({"place": rows["place"].cast(pa.uint64()), "record": bytes_of_records})
        kept = named.filter(pc.match_substring_regex(bytes_of_records, _NOT_BLANK))
        if kept.num_rows:
            records = kept["record"].combine_chunks()
            ends = pc.cumulative_sum(pc.binary_length(records).cast(pa.uint32()))
            yield Records(_content(records, ends), (_fixed(ends), _fixed(kept["place"].combine_chunks()), b"", b""))

    def _as_bytes(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        import pyarrow as pa

        kind = column.type
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
            column = column.cast(kind)
        if not (pa.types.is_string(kind) or pa.types.is_binary(kind)):
            hint = f"the column holds text, bytes or JSON; {_COLUMN % 'record'}"
            raise DataError(f"{self.shown}: {self.source.record} is neither text nor bytes", hint)
        return column.cast(pa.binary())

    def open(self, room: Room) -> LiveSource:
        """Nothing is asked before the store is known."""
        del room
        return TableInput(self)

    def close(self) -> None:
        """Let go of the connection."""
        self._reader.close()


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    text: str
    since: int
    last: int


class TableInput(Ending):
    """The table while it is read. A partition is finished at its end."""

    def __init__(self, table: Table) -> None:
        self.name = table.name
        self._table = table
        self._parts: list[_Part] = []
        self._steps: Iterator[tuple[_Part, Records | None]] = iter(())

    def open(self, known: Known) -> list[Named]:
        """The partitions that have records which the store has not."""
        self._table.check()
        for each in self._table.partitions():
            name = self._table.partition(each["part"])
            following = (known.get(name) or {}).get("next_offset") or 0
            if following > each["last"] + 1:
                what = f"{name} was cut: position {following - 1} was counted, its last one is {each['last']}"
                raise DataError(what, "put the records back, or count into a new store (--store DIR)")
            if following <= each["last"]:
                self._parts.append(_Part(name, each["part"], following, each["last"]))
        self._steps = self._read()
        return [(part.name, part.name) for part in self._parts]

    def _read(self) -> Iterator[tuple[_Part, Records | None]]:
        for part in self._parts:
            for records in self._table.records(part.text, part.since, part.last):
                yield part, records
            yield part, None

    def begin(self, names: Iterable[str]) -> dict[str, int]:
        """Where each of them is read from."""
        wanted = set(names)
        return {part.name: part.since for part in self._parts if part.name in wanted}

    def feed(self, into: Feed, bytes_max: int, wait_s: float, now_us: int) -> Moved:
        """Hand over the next records."""
        del wait_s
        taken = 0
        while taken < bytes_max and not self._is_done:
            part, records = next(self._steps, (None, None))
            if part is None:
                self._is_done = True
            elif records is None:
                into.finish(part.name)
            else:
                into.feed_block(part.name, *records, now_us)
                taken += len(records.data)
        return Moved(taken)

    def close(self) -> None:
        """Stop reading."""
        self._steps = iter(())
        self._table.close()


def _content(records: pa.Array, ends: pa.Array) -> bytes:
    """What the records hold, one behind the other."""
    _, offsets, content = records.buffers()
    first = int.from_bytes(offsets[records.offset * 4 : records.offset * 4 + 4], "little")
    found: bytes = content.slice(first, ends[-1].as_py()).to_pybytes()
    return found


def _fixed(numbers: pa.Array) -> bytes:
    """As they are in memory."""
    width = numbers.type.bit_width // 8
    found: bytes = numbers.buffers()[1].slice(numbers.offset * width, len(numbers) * width).to_pybytes()
    return found


__all__ = ["Records", "Table", "TableInput"]
