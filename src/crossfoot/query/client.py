"""Questions from Python: open a store, ask, get Arrow.

store = crossfoot.Store.open("store")
store.query("edits", by=["page"], grain="1h", since="2015-09-12T10:00Z").to_polars()
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossfoot.calendar import window_of
from crossfoot.definition.model import OTHER, Grain, Measure
from crossfoot.errors import CallError
from crossfoot.query.model import Query, Stored, StoredMetric, stored_of
from crossfoot.query.planner import Planned, cut_windows, plan, whole
from crossfoot.query.settled import Part, added, parts_of, settled_cells
from crossfoot.query.times import read_time, read_zone, show_time
from crossfoot.stores.open import open_store
from crossfoot.stores.protocol import CellStore, Scan
from crossfoot.stores.settled import Settled, check_settled, settled_of

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

# What Apache DataSketches states for the sizes that the core uses.
_ERRORS = {
    "distinct": "estimate, relative standard error 1.6 %",
    "quantile": "estimate, rank error at most 1.65 % (99 % confidence)",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What an answer says about itself. Times are microseconds since the epoch, UTC.

    `complete_up_to_us` is the watermark: no earlier event is expected. `final`: no event is expected at all.
    `may_change_until_us` is the received time after which the answer cannot change any more; None with `settled` false:
    as long as there is input. `kept_since_us`: earlier windows are not kept. `cut_us`: the windows that the
    range cuts, of which the answer has only what lies in it. `errors` are of sketches, by measure.
    `values_max`: the answer has a row `(other)`, for dimension values after the first so many. `parts`: which event
    times come from where; empty where all are of the store.
    """

    metric: str
    by: tuple[str, ...]
    grain: str
    read: str
    epoch: int
    complete_up_to_us: int | None
    final: bool
    settled: bool
    may_change_until_us: int | None
    kept_since_us: int | None
    errors: dict[str, str]
    values_max: int | None = None
    parts: tuple[Part, ...] = ()
    cut_us: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """An answer: an Arrow table (`window`, dimensions, measures) and its facts.

    Where dimension values are bounded a column `(other)`, after the dimensions, tells the row of further values: its
    dimensions are null.

    `integers` names the measures over integers: where a sum needs more than 64 bits, Arrow has it as a decimal.
    """

    table: pa.Table
    facts: Facts
    integers: frozenset[str] = frozenset()
    zone: str | None = None

    def to_arrow(self) -> pa.Table:
        """The table."""
        return self.table

    def to_polars(self) -> pl.DataFrame:
        """The table for Polars (extra `polars`)."""
        import polars as pl

        frame = pl.from_arrow(self.table)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def to_pandas(self) -> Any:
        """The table for pandas (extra `pandas`); integers with a null among them are `Int64`, not floats."""
        columns = zip(self.table.schema, self.table.columns, strict=True)
        with_nulls = {field.name: "Int64" for field, column in columns if field.type == "int64" and column.null_count}
        return self.table.to_pandas(integer_object_nulls=True).astype(with_nulls)

    def rows(self) -> list[dict[str, Any]]:
        """Rows as JSON has them: windows are ISO texts, decimals are texts."""
        from crossfoot.query.present import json_rows

        return json_rows(self)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __str__(self) -> str:
        from crossfoot.query.present import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from crossfoot.query.present import as_html

        return as_html(self)


class Store:
    """A store that is read; reading never waits for who counts. Each query sees one epoch, whole: the newest one.

    With `follows` false, all queries see the epoch that was the newest at the beginning, or at the last `refresh`.
    """

    def __init__(self, store: CellStore, *, follows: bool = True) -> None:
        self._store, self._follows = store, follows
        self._stored = stored_of(store.meta["plan"])

    @classmethod
    def open(cls, path: str | Path, *, follows: bool = True) -> Store:
        """The store in a folder, or in a table: `bigtable:PROJECT/INSTANCE/TABLE`; `StoreError` if there is none."""
        return cls(open_store(path), follows=follows)

    def refresh(self) -> None:
        """Go on to the newest epoch."""
        before = self._store.meta
        self._store.refresh()
        if self._store.meta is not before and self._store.meta["plan"] != before["plan"]:
            self._stored = stored_of(self._store.meta["plan"])

    @property
    def epoch(self) -> int:
        """The number of the epoch that is read."""
        return int(self._store.meta["epoch"])

    @property
    def metrics(self) -> tuple[StoredMetric, ...]:
        """What is kept: metrics with their dimension sets, measures and grains."""
        return self._stored.metrics

    def query(
        self,
        metric: str,
        *,
        by: Sequence[str] = (),
        grain: str = "all",
        since: str | int | datetime | None = None,
        until: str | int | datetime | None = None,
        where: str | None = None,
        **options: Any,
    ) -> Result:
        """Ask for a metric. Times without an offset are local to `tz`.

        Options: `tz` (a zone for texts in and out), `order` (columns; ``-`` in front: descending), `limit` (rows),
        `live` (only what the store counts, also of event times that the metric's batch has settled).
        Raises `CallError` for what is not stored or cannot be answered exactly.
        """
        unknown = set(options) - {"tz", "order", "limit", "live"}
        if unknown:
            raise TypeError(f"query() got an unexpected keyword argument {sorted(unknown)[0]!r}")
        zone = read_zone(options.get("tz"))
        question = Query(
            metric,
            tuple(by),
            grain,
            read_time(since, zone),
            read_time(until, zone),
            where,
            tuple(options.get("order") or ()),
            options.get("limit"),
            bool(options.get("live")),
        )
        return self.ask(question, zone)

    def ask(self, question: Query, zone: str | None = None) -> Result:
        """Answer a question that is already in its final form."""
        if question.limit is not None and question.limit < 0:
            raise CallError(f"limit cannot be negative: {question.limit}", "leave it out, or say how many rows")
        if self._follows:
            self.refresh()
        planned = plan(question, self._stored, self._store.meta["watermark_us"])
        home = self._store.path
        settled = None if question.live or home is None else settled_of(home, question.metric)
        parts = parts_of(question, planned, settled) if settled else ()
        if home is not None and settled and parts:
            check_settled(home, question.metric, settled)
        answer = self._joined(question, planned, parts, settled) if settled and parts else self._live(question, planned)
        facts = Facts(
            metric=planned.metric.name,
            by=question.by,
            grain=planned.asked.text,
            read=answer.read,
            kept_since_us=answer.kept_since_us,
            cut_us=cut_windows(question, planned.asked),
            errors=_sketch_errors(answer.table, planned.metric.measures),
            values_max=planned.metric.values_max if _has_other(answer.table) else None,
            parts=parts,
            **_certainty(question, self._store.meta, self._stored),
        )
        whole_numbers = frozenset(
            measure.name
            for measure in planned.metric.measures
            if measure.field is not None and self._stored.types[measure.field].name == "integer"
        )
        return Result(_ordered(answer.table, question), facts, whole_numbers, zone)

    def _joined(self, question: Query, planned: Planned, parts: Sequence[Part], settled: Settled) -> _Answer:
        """Each part from where it is settled."""
        none = replace(planned.scans[0], since_us=0, until_us=0)
        tables, read = [self._store.scan(none).drop_columns(["__events"])], list[str]()
        kept_since: int | None = None
        for part in parts:
            narrow = replace(question, since_us=part.since_us, until_us=part.until_us)
            fitting = plan(narrow, self._stored, self._store.meta["watermark_us"])
            if part.batch is not None:
                tables += settled_cells(settled, narrow, fitting)
                read.append(_read(fitting, fitting.scans[0]))
                continue
            answer = self._live(narrow, fitting)
            tables.append(answer.table)
            read.append(answer.read)
            kept_since = answer.kept_since_us if kept_since is None else kept_since
        return _Answer(added(tables, question, planned.metric), ", ".join(dict.fromkeys(read)), kept_since)

    def _live(self, question: Query, planned: Planned) -> _Answer:
        """From the store."""
        scan, table, kept_since = self._first_exact(question, planned, self._store.meta["watermark_us"])
        return _Answer(table.drop_columns(["__events"]), _read(planned, scan), kept_since)

    def _first_exact(
        self, question: Query, planned: Planned, watermark: int | None
    ) -> tuple[Scan, pa.Table, int | None]:
        """The first table whose windows are all kept and whose cells fit the asked windows."""
        lost: tuple[Scan, int] | None = None
        for scan in planned.scans:
            kept_since = self._kept_since(planned.grain_of(scan), scan, question.since_us, watermark)
            if kept_since is not None:
                lost = lost or (scan, kept_since)
                continue
            if (table := self._exact(planned, scan)) is not None:
                return scan, table, None
        if lost is not None and question.since_us is None and planned.asked.unit != "all":
            table = self._exact(planned, lost[0])
            if table is not None:
                return lost[0], table, lost[1]
        if lost is not None:
            since = show_time(lost[1])
            kept = planned.grain_of(lost[0]).text
            raise CallError(f"windows of {kept} before {since} are not kept any more", f"ask for --since {since}")
        grains = ", ".join(planned.grain_of(scan).text for scan in planned.scans)
        raise CallError(
            f"{question.grain} cannot be built exactly from the stored grains {grains}", "ask for one of them"
        )

    def _kept_since(self, grain: Grain, scan: Scan, since_us: int | None, watermark: int | None) -> int | None:
        """The start of the first kept window, if earlier ones are asked for and there were some."""
        if grain.retain_us is None or watermark is None:
            return None
        start_us = window_of(grain, watermark - grain.retain_us).start_us
        is_asked = since_us is None or start_us is None or since_us < start_us
        return start_us if is_asked and self._store.expired(scan.metric, scan.set, scan.grain) else None

    def _exact(self, planned: Planned, scan: Scan) -> pa.Table | None:
        table = self._store.scan(scan)
        if scan.into is None or planned.asked.unit == "all":
            return table
        starts = table.column("window").unique().cast("int64").to_pylist()
        return table if whole(planned.grain_of(scan), planned.asked, starts) else None


@dataclass(frozen=True, slots=True)
class _Answer:
    """Rows, the stored tables that were read, and since when windows are kept, if earlier ones are asked for."""

    table: pa.Table
    read: str
    kept_since_us: int | None


def _read(planned: Planned, scan: Scan) -> str:
    return f"[{', '.join(planned.metric.sets[scan.set])}] {planned.grain_of(scan).text}"


def _certainty(question: Query, meta: dict[str, Any], stored: Stored) -> dict[str, Any]:
    """How far the answer is complete, and how long events of its range are still accepted."""
    end = question.until_us if question.until_us is not None else meta["watermark_us"]
    bounded = stored.stamped and stored.lateness_us is not None and end is not None
    settles = end + (stored.lateness_us or 0) + stored.transport_us if bounded else None
    return {
        "epoch": meta["epoch"],
        "complete_up_to_us": meta["watermark_us"],
        "final": meta["final"],
        "settled": settles is not None and (meta["clock_us"] or 0) > settles,
        "may_change_until_us": settles,
    }


def _sketch_errors(table: pa.Table, measures: tuple[Measure, ...]) -> dict[str, str]:
    """A quantile is an estimate; a distinct count only where it passed its exact size."""
    estimates = {field.name for field in table.schema if (field.metadata or {}).get(b"crossfoot") == b"estimate"}
    return {
        measure.name: _ERRORS[measure.kind]
        for measure in measures
        if measure.kind == "quantile" or measure.name in estimates
    }


def _has_other(table: pa.Table) -> bool:
    return OTHER in table.column_names and True in table.column(OTHER).unique().to_pylist()


def _ordered(table: pa.Table, question: Query) -> pa.Table:
    for name in question.order:
        if name.removeprefix("-") not in table.column_names:
            columns = ", ".join(table.column_names)
            raise CallError(f"there is no column {name.removeprefix('-')} to order by", f"there is {columns}")
    if question.order:
        keys = [(name.removeprefix("-"), "descending" if name[0] == "-" else "ascending") for name in question.order]
        # Equal rows stay in the order of dimensions, then window.
        other = [OTHER] if OTHER in table.column_names else []
        rest = [(name, "ascending") for name in (*other, *question.by, "window")]
        table = table.sort_by(keys + [key for key in rest if key[0] not in dict(keys)])
    return table if question.limit is None else table.slice(0, question.limit)
