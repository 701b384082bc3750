"""A store whose cells are in a Bigtable table, written by one shard or by many: the same questions, the same answers.

Each query sees, of each shard, the newest version of which everything is there: values of a version that is being
written are passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from crossfoot.errors import CallError, ServiceError, StoreError
from crossfoot.native import read_stream
from crossfoot.stores.bigtable_rows import (
    ABOUT,
    GONE,
    LAYOUT,
    ROW_OF_LEDGER,
    About,
    BigtableRows,
    Cell,
    Row,
    about_of,
    column_of,
)
from crossfoot.stores.bigtable_table import GoogleTable, RowTable, TableName
from crossfoot.stores.leaving import REFUSED, data_of, ranges_of, side_schema
from crossfoot.stores.partials import EVENTS, GROUP, PARTIAL, WINDOW, scan_partials, scan_prefix
from crossfoot.stores.protocol import Scan

if TYPE_CHECKING:
    import pyarrow as pa

# So many changed cells are in memory at once.
_CHANGED_CELLS = 65_536
# So many of those that are written again and again are read at once, and so often.
_LATE_CELLS, _ATTEMPTS = 1_000, 20


class BigtableStore:
    """The table at the epoch that was the newest when it was opened, or at the last `refresh`."""

    path = None

    def __init__(self, table: RowTable) -> None:
        self._table = table
        self._take(self._read())

    def _take(self, about: About) -> None:
        assert about.head is not None
        self.about, self.meta = about, _meta(about)
        self._rows = BigtableRows(self.meta["plan"])
        self._whole = {column_of(shard): version for shard, (version, _) in about.states.items()}
        self._kept: int | None = about.head["versions"]

    @classmethod
    def open(cls, place: str) -> BigtableStore:
        """From `bigtable:PROJECT/INSTANCE/TABLE`."""
        return cls(GoogleTable(TableName.of(place)))

    def _read(self) -> About:
        about = about_of(self._table.row(ABOUT))
        if about.head is None or about.plan is None or not about.states:
            hint = f"write one: crossfoot export --to {self._table.name}"
            raise StoreError(f"no store was written to {self._table.name} yet", hint)
        if about.head["layout"] != LAYOUT:
            what = f"{self._table.name} has rows of a form that this build does not know: {about.head['layout']}"
            raise StoreError(what, "read it with the version that wrote it, or a newer one")
        return about

    def refresh(self) -> None:
        """Go on to the newest epoch. Costs the reading of one row."""
        about = self._read()
        if about != self.about:
            self._take(about)

    def scan(self, scan: Scan) -> pa.Table:
        """`window`, the dimensions, the measures, `__events`; ordered by dimensions, then window."""
        table = (scan.metric, scan.set, scan.grain)
        self._all_there(self._rows.path(*table))
        plan = self.meta["plan"]
        ranges = self._rows.ranges(table, scan_prefix(plan, scan), scan.since_us, scan.until_us)
        return scan_partials(plan, scan, self._values(self._table.read(ranges)), self.meta["watermark_us"])

    @property
    def versions(self) -> dict[int, int]:
        """By shard: the version of which everything is there, and is seen."""
        return {shard: version for shard, (version, _) in self.about.states.items()}

    def changed(self, metric: int, by: int, grain: int, since: Mapping[int, int]) -> Iterator[pa.Table]:
        """The cells of a stored table that have changed since the shards' versions, in parts, with values as `scan` has
        them; windows that retention no longer keeps may be among them.

        Where the value at our versions is gone, since a cell was written often meanwhile, it is that of newer ones.
        """
        plan, late = self.meta["plan"], list[bytes]()
        scan = Scan(metric, by, grain, tuple(range(len(plan["metrics"][metric]["sets"][by]))))
        ranges = self._rows.ranges((metric, by, grain), scan_prefix(plan, scan), None, None)
        had = {column_of(shard): version for shard, version in since.items()}
        least = min((since.get(shard, 0) for shard in self.versions), default=0)
        rows = filter(lambda row: self._has_changed(row, had), self._table.read(ranges, least))
        while part := list(islice(rows, _CHANGED_CELLS)):
            late += [row.key for row in part if self._is_past(row)]
            yield scan_partials(plan, scan, self._values(row for row in part if not self._is_past(row)))
        for first in range(0, len(late), _LATE_CELLS):
            yield from self._newer(scan, late[first : first + _LATE_CELLS])

    def _newer(self, scan: Scan, keys: Sequence[bytes]) -> Iterator[pa.Table]:
        """The cells of these keys at the newest versions: so few are read before they are written often again."""
        for _ in range(_ATTEMPTS):
            newest = BigtableStore(self._table)
            rows = list(self._table.read([(key, key + b"\0") for key in keys]))
            keys = [row.key for row in rows if newest._is_past(row)]
            yield scan_partials(
                self.meta["plan"], scan, newest._values(row for row in rows if not newest._is_past(row))
            )
            if not keys:
                return
        raise self._gone()

    def _has_changed(self, row: Row, had: Mapping[str, int]) -> bool:
        """Whether a shard has written it since, in a version that is whole."""
        cells = ((cell.version, cell.column) for cell in row.cells)
        return any(had.get(name, 0) < at <= self._whole.get(name, 0) for at, name in cells) or self._is_past(row)

    @property
    def missing(self) -> int:
        """Cells that the table could never take."""
        return sum(sum(state.get("refused", {}).values()) for _, state in self.about.states.values())

    def _all_there(self, path: str) -> None:
        """An answer without the cells that could not be written would be wrong."""
        if refused := self._sum("refused", path):
            what = f"{refused:,} cells of {path} could not be written to {self._table.name}"
            raise StoreError(what, "ask by other dimensions, or the store itself; the sink's note names the cells")

    def _values(self, rows: Iterable[Row]) -> pa.Table:
        import pyarrow as pa

        from crossfoot.stores.bigtable_rows import split_key

        windows: list[int | None] = []
        groups: list[bytes] = []
        values: list[bytes] = []
        for row in rows:
            _, group, window = split_key(row.key)
            for value in self._committed(row):
                windows.append(window)
                groups.append(group)
                values.append(value)
        columns = {WINDOW: pa.array(windows, pa.int64()), GROUP: pa.array(groups, pa.binary())}
        return pa.table({**columns, PARTIAL: pa.array(values, pa.binary())})

    def _committed(self, row: Row) -> Iterable[bytes]:
        """The value of each shard at its newest version of which everything is there."""
        if self._is_past(row):
            raise self._gone()
        found: dict[str, Cell] = {}
        for cell in row.cells:
            # Of a shard of which nothing is whole yet there is nothing to be seen.
            if cell.version <= self._whole.get(cell.column, 0) and (
                cell.column not in found or found[cell.column].version < cell.version
            ):
                found[cell.column] = cell
        return (cell.value for cell in found.values() if cell.value != GONE)

    def _is_past(self, row: Row) -> bool:
        """Whether what a shard had at its version may be gone: as many newer ones are there as are kept."""
        if not self._kept or len(row.cells) < self._kept:
            return False
        whole = [cell.column for cell in row.cells if cell.version <= self._whole.get(cell.column, 0)]
        beyond = Counter(cell.column for cell in row.cells if cell.version > self._whole.get(cell.column, cell.version))
        return any(number >= self._kept and column not in whole for column, number in beyond.items())

    def _gone(self) -> ServiceError:
        what = f"{self._table.name} is being written, and what was there before is gone"
        return ServiceError(what, "ask again; where that does not help, keep more versions of a cell")

    def expired(self, metric: int, by: int, grain: int) -> int:
        """Events in windows of a stored table that retention no longer keeps."""
        passed: list[list[int]] = [state["passed"] for _, state in self.about.states.values() if "passed" in state]
        if not passed:
            return self._sum("expired", self._rows.path(metric, by, grain))
        seen = self.scan(Scan(metric, by, grain))[EVENTS].to_pylist()
        return sum(counted[metric] for counted in passed) - int(sum(seen))

    def _sum(self, what: str, path: str) -> int:
        return sum(state.get(what, {}).get(path, 0) for _, state in self.about.states.values())

    def ledger(self) -> pa.Table:
        """partition, minute (null: they are added up), account, reason, part, records, digest (hex)."""
        import pyarrow as pa

        sums: dict[tuple[str, ...], tuple[int, int]] = {}
        for _, state in self.about.states.values():
            for *key, records, digest in state["ledger"]:
                before = sums.get(tuple(key), (0, 0))
                sums[tuple(key)] = before[0] + records, (before[1] + int(digest, 16)) % (1 << 128)
        rows = [(*key, records, f"{digest:032x}") for key, (records, digest) in sorted(sums.items())]
        columns = dict(zip(ROW_OF_LEDGER, zip(*rows, strict=True) if rows else [()] * 6, strict=True))
        minutes = pa.nulls(len(rows), pa.timestamp("us", "UTC"))
        types = {"records": pa.uint64()}
        arrays = {name: pa.array(values, types.get(name, pa.string())) for name, values in columns.items()}
        return pa.table({"partition": arrays.pop("partition"), "minute": minutes, **arrays})

    def side_log(self, limit: int) -> pa.Table:
        """The records that shards could not count, with times, reason and bytes (`raw`), at most `limit`.

        CallError for a table that a store was written to: the records are where they were counted.
        """
        import pyarrow as pa

        if not any("passed" in state for _, state in self.about.states.values()):
            raise CallError(f"{self._table.name} holds no side log", "ask the store that counts: --store DIR")
        found: list[pa.Table] = []
        rows = self._table.read(list(ranges_of(REFUSED, {}, self.versions)))
        while sum(map(len, found)) < limit and (row := next(rows, None)) is not None:
            found.append(read_stream(data_of(row)))
        order = [("partition", "ascending"), ("record", "ascending"), ("element", "ascending")]
        whole = pa.concat_tables(found) if found else side_schema().empty_table()
        return whole.slice(0, limit).sort_by(order)

    def close(self) -> None:
        """Let go of the table."""
        self._table.close()


def _meta(about: About) -> dict[str, Any]:
    """Epoch, plan, clocks and partitions of the whole: what the slowest shard says."""
    assert about.head is not None
    states = [state for _, state in about.states.values()]
    is_whole = len(states) == about.head["shards"]

    def least(name: str) -> int | None:
        found = [state[name] for state in states]
        return min(found) if is_whole and None not in found else None

    # Nothing more comes to shards that are final: what one has seen holds for those that have not seen the last event.
    is_final = is_whole and all(state["final"] for state in states)
    seen = [state["watermark_us"] for state in states if state["watermark_us"] is not None]
    return {
        "epoch": min(version for version, _ in about.states.values()) if is_whole else 0,
        "plan": about.plan,
        "clock_us": least("clock_us"),
        "watermark_us": max(seen, default=None) if is_final else least("watermark_us"),
        "forgotten_us": max(
            (state["forgotten_us"] for state in states if state["forgotten_us"] is not None), default=None
        ),
        "final": is_final,
        "committed_us": min(state["committed_us"] for state in states),
        "partitions": list(_partitions(states)),
    }


def _partitions(states: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each partition once; what shards have counted of it is added up."""
    found: dict[str, dict[str, Any]] = {}
    for state in states:
        for one in state["partitions"]:
            if (before := found.get(one["name"])) is None:
                found[one["name"]] = dict(one)
            else:
                before |= {name: before[name] + one[name] for name in ("records", "gaps", "exploded")}
    yield from found.values()
