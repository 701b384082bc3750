"""The batch: judge all records once, then write window after window. What is written stays, wherever it ends."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot.archive.lost import lost_of
from crossfoot.clock import Clock
from crossfoot.definition.compile import stamps_of
from crossfoot.definition.dump import dump
from crossfoot.definition.model import HOUR_US, BigQuerySource, Definition
from crossfoot.engines.batch import BatchEngine, Recount, Variation
from crossfoot.engines.batch.sql import field_column, floor
from crossfoot.errors import CallError
from crossfoot.services.batch import records
from crossfoot.services.batch.notes import Notes, Print, held
from crossfoot.services.batch.results import Results, files_of
from crossfoot.services.batch.windows import Window, hour_of, known_hours, windows
from crossfoot.services.watch import Done, Watch
from crossfoot.settings import Settings, environment
from crossfoot.sources.files import Inputs, Place
from crossfoot.sources.partition import State
from crossfoot.stores.settled import Span

if TYPE_CHECKING:
    import duckdb

_COUNTED = "crossfoot_batch_counted"
_SPILL = "_spill"


@dataclass(frozen=True, slots=True)
class Job:
    """What is recounted into which folder: `inputs`, looked for in `place`, or the archive of `store`.

    `since_us` and `until_us` choose hours of event time. `drop_late_us`: an hour is computed so long after its end.
    """

    definition: Definition
    out: Path
    store: Path | None
    inputs: tuple[str, ...]
    place: Place
    drop_late_us: int | None = None
    since_us: int | None = None
    until_us: int | None = None
    table: BigQuerySource | None = None
    """Counted in place of files and an archive."""


@dataclass(slots=True)
class Report:
    """What a batch did. Windows are hours and the longer windows."""

    accounts: dict[str, int] = field(default_factory=dict)
    """The records by account."""
    as_before: bool = False
    """Whether the inputs were as before, and were not read."""
    written: int = 0
    unchanged: int = 0
    cells: int = 0
    kept: int = 0
    """Windows that were written of more events than there are now, since the archive has lost some."""
    waiting: int = 0
    """Hours whose time has not come."""
    lost: str | None = None
    """What an archive lacks first; None: nothing."""
    stopped: bool = False
    seconds: float = 0.0


def run(job: Job, settings: Settings, watch: Watch[Done]) -> Report:
    """Write what is missing, and what has other events than before."""
    if job.drop_late_us is not None and stamps_of(job.definition.event.received) == "none":
        hint = "say in the definition when records were received, or leave --drop-late out"
        raise CallError("--drop-late goes by when records arrived, which the definition does not say", hint)
    connection = records.connect()
    inputs = None if job.store or job.table else records.inputs_of(job.inputs, job.place)
    began = watch.clock.elapsed_s()
    with connection, held(job.out):
        text = dump(job.definition)
        notes = Notes(job.out, text, _digest(text, str(job.drop_late_us)))
        try:
            report = _Batch(job, settings, watch, connection, notes).run(_seen(job, inputs, watch.clock), inputs)
        finally:
            notes.close()
            shutil.rmtree(job.out / _SPILL, ignore_errors=True)
    report.seconds = watch.clock.elapsed_s() - began
    return report


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _seen(job: Job, inputs: Inputs | None, clock: Clock) -> str:
    """What the inputs look like from outside, with the hours that were asked for."""
    if job.table:
        # Nobody tells for certain whether a table has changed, so it is always read.
        return _digest(job.table.name, str(clock.now_us()))
    if job.store:
        paths = [Path(part.path) for part in records.archived(job.store)]
        looks = [f"{path} {State.of(path.stat())}" for path in paths]
    else:
        assert inputs is not None
        looks = [f"{partition.path} {partition.state or partition.identity}" for partition in inputs.partitions]
    return _digest(str(job.since_us), str(job.until_us), *looks)


class _Batch:
    """One pass."""

    def __init__(
        self, job: Job, settings: Settings, watch: Watch[Done], connection: duckdb.DuckDBPyConnection, notes: Notes
    ) -> None:
        self._job, self._settings, self._watch = job, settings, watch
        self._connection, self._notes = connection, notes
        self._report = Report()
        self._ended = 0
        """Hours before this time have been over for long enough."""
        self._whole_since: int | None = None
        """Of an archive that is not whole: the reading clock behind which it lacks nothing."""

    def run(self, seen: str, inputs: Inputs | None) -> Report:
        """Nothing is read where nothing can have changed."""
        report = self._report
        if self._notes.inputs == seen and files_of(self._job.out) == sum(map(len, self._notes.tables.values())):
            report.unchanged, report.as_before = len(self._notes.done), True
            return report
        with records.told():
            recount = self._recount(inputs)
            report.accounts = recount.accounts()
            hours = self._hours(recount)
            self._write(windows(self._job.definition, hours, filter(self._is_chosen, hours)), recount)
        if not report.stopped and (span := self._settled(hours)) is not None:
            self._notes.settle(span)
        if not report.stopped and not report.waiting:
            self._notes.all_done(seen)
        return report

    def _recount(self, inputs: Inputs | None) -> Recount:
        spill = str(self._job.out / _SPILL).replace("'", "''")
        self._connection.execute(f"SET temp_directory = '{spill}'")
        engine = BatchEngine(self._job.definition, self._connection)
        if self._job.table is not None:
            relation = records.read_table(self._connection, self._job.table, environment())
        elif self._job.store is not None:
            relation = records.archive_sql(self._job.store)
            lost = lost_of(self._job.store)
            self._report.lost = lost.first
            if lost.inside and not lost.behind:
                self._whole_since = records.whole_since(self._connection, relation)
        else:
            assert inputs is not None
            relation = records.read_files(self._connection, self._job.definition, inputs, self._settings)
        engine.add_raw(relation)
        late = None if self._job.drop_late_us is None else timedelta(microseconds=self._job.drop_late_us)
        return engine.run(Variation(drop_late=late))

    def _hours(self, recount: Recount) -> dict[int, Print]:
        """What counts, by the hour, with the hours that were written before; those whose time has come."""
        columns = ", ".join(["event_us", *[field_column(each.name) for each in self._job.definition.event.fields]])
        query = f"SELECT {columns} FROM {recount.counted} ORDER BY event_us"
        self._connection.execute(f"CREATE TEMP TABLE {_COUNTED} AS {query}")
        recount.close()
        hour = floor("event_us", HOUR_US)
        prints = f"SELECT {hour}, count(*), sum(hash(c)) FROM {_COUNTED} AS c GROUP BY 1 ORDER BY 1"
        found = {
            start: Print(events, int(digest)) for start, events, digest in self._connection.execute(prints).fetchall()
        }
        if self._job.drop_late_us is not None:
            self._ended = ends = hour_of(self._watch.clock.now_us() - self._job.drop_late_us)
            self._report.waiting = sum(start >= ends for start in found)
            self._connection.execute(f"DELETE FROM {_COUNTED} WHERE event_us >= {ends}")
            found = {start: each for start, each in found.items() if start < ends}
        return dict.fromkeys(known_hours(self._notes.done), Print()) | found

    def _settled(self, hours: dict[int, Print]) -> Span | None:
        """The event times whose windows are settled: up to the hours that wait; without a delay up to the last hour.

        The last hour may go on. What an archive has lost came before it was whole, by the clock, and happened before it
        came: both but for what may lie in the future.
        """
        event, accept = self._job.definition.event, self._job.definition.accept
        if not hours or (self._report.lost and not (event.received and self._whole_since)):
            return None
        until = max(hours) if self._job.drop_late_us is None else self._ended
        whole_since = (self._whole_since or 0) + 2 * accept.future_us
        since = [] if self._report.lost is None else [hour_of(whole_since + HOUR_US)]
        if self._job.since_us is not None:
            since.append(hour_of(self._job.since_us))
        if self._job.until_us is not None:
            until = min(hour_of(self._job.until_us + HOUR_US - 1), until)
        return None if since and max(since) >= until else (max(since, default=None), until)

    def _is_chosen(self, start: int) -> bool:
        since, until = self._job.since_us, self._job.until_us
        return (since is None or start >= hour_of(since)) and (until is None or start < until)

    def _write(self, found: list[Window], recount: Recount) -> None:
        results = Results(self._connection, recount.rendered, _COUNTED, self._job.out)
        for number, window in enumerate(found):
            self._watch.state(Done(number, len(found), window.name))
            if self._watch.stop():
                self._report.stopped = True
                return
            self._one(window, results)
        self._watch.state(Done(len(found), len(found), ""))

    def _one(self, window: Window, results: Results) -> None:
        report, before = self._report, self._notes.done.get(window.name)
        if before == window.print and results.there(window) == self._notes.tables[window.name]:
            report.unchanged += 1
        elif before is not None and before.events > window.print.events and report.lost:
            report.kept += 1
        else:
            report.cells += results.write(window)
            self._notes.add(window.name, window.print, results.there(window))
            report.written += 1
