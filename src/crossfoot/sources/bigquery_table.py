"""A BigQuery table of raw events, counted to its end: one partition after the other, by the position of each record.

Records that are added behind the last position are counted by the next run. What is added before it is never seen.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossfoot.bigquery import Reader, table_name
from crossfoot.definition.model import BigQuerySource
from crossfoot.definition.text import quote_text
from crossfoot.errors import DataError
from crossfoot.sources.live import Ending, Feed, Known, LiveSource, Moved, Named, Room

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMN = "name it: source: {bigquery: {table: …, %s: COLUMN}}"


class Table:
    """What a definition says of a table, and how it is asked."""

    def __init__(self, source: BigQuerySource, environment: Mapping[str, str]) -> None:
        self.source, self.name = source, source.name
        self._table = table_name(source.table)
        self.shown = f"bigquery {self._table.quoted.strip('`')}"
        self._reader = Reader(self._table.project, environment)
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

    def records(self, part: str, since: int) -> Iterator[pa.Table]:
        """`place` and `record` of a partition from a position on, in order."""
        named = quote_text(part).replace("\\", "\\\\").replace("''", "\\'")[1:-1]
        where = f"part = '{named}' AND place >= {since}"
        return self._reader.rows(f"SELECT place, record FROM ({self._rows}) WHERE {where} ORDER BY place", self.shown)

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


class TableInput(Ending):
    """The table while it is read. A partition is finished at its end."""

    def __init__(self, table: Table) -> None:
        self.name = table.name
        self._table = table
        self._parts: list[_Part] = []
        self._steps: Iterator[tuple[_Part, pa.Table | None]] = iter(())

    def open(self, known: Known) -> list[Named]:
        """The partitions that have records which the store has not."""
        self._table.check()
        for each in self._table.partitions():
            name = self.name if self._table.source.partition is None else f"{self.name}:{each['part']}"
            following = (known.get(name) or {}).get("next_offset") or 0
            if following > each["last"] + 1:
                what = f"{name} was cut: position {following - 1} was counted, its last one is {each['last']}"
                raise DataError(what, "put the records back, or count into a new store (--store DIR)")
            if following <= each["last"]:
                self._parts.append(_Part(name, each["part"], following))
        self._steps = self._read()
        return [(part.name, part.name) for part in self._parts]

    def _read(self) -> Iterator[tuple[_Part, pa.Table | None]]:
        for part in self._parts:
            for rows in self._table.records(part.text, part.since):
                yield part, rows
            yield part, None

    def begin(self, names: Iterable[str]) -> dict[str, int]:
        """Where each of them is read from."""
        wanted = set(names)
        return {part.name: part.since for part in self._parts if part.name in wanted}

    def feed(self, into: Feed, bytes_max: int, wait_s: float, now_us: int) -> Moved:
        """Hand over the next rows."""
        del wait_s
        taken = 0
        while taken < bytes_max and not self._is_done:
            part, rows = next(self._steps, (None, None))
            if part is None:
                self._is_done = True
            elif rows is None:
                into.finish(part.name)
            else:
                taken += self._hand_over(into, part, rows, now_us)
        return Moved(taken)

    def _hand_over(self, into: Feed, part: _Part, rows: pa.Table, now_us: int) -> int:
        places, records = rows["place"].to_pylist(), [_bytes(each) for each in rows["record"].to_pylist()]
        if any(record is None for record in records):
            hint = f"the column holds text, bytes or JSON; {_COLUMN % 'record'}"
            raise DataError(f"{self._table.shown}: {self._table.source.record} is neither text nor bytes", hint)
        kept = [(place, record) for place, record in zip(places, records, strict=True) if record and record.strip()]
        if not kept:
            return 0
        ends, total = array("I"), 0
        for _, record in kept:
            total += len(record)
            ends.append(total)
        positions = array("Q", [place for place, _ in kept])
        data = b"".join([record for _, record in kept])
        into.feed_block(part.name, data, (ends.tobytes(), positions.tobytes(), b"", b""), now_us)
        return total

    def close(self) -> None:
        """Stop reading."""
        self._steps = iter(())
        self._table.close()


def _bytes(value: Any) -> bytes | None:
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else None


__all__ = ["Table", "TableInput"]
