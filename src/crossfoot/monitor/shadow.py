"""The long shadow: a small sketch of each day's ids, kept long after the ids themselves were forgotten.

It is Apache DataSketches' theta sketch: a set, so a day may be shown to it again. Days that are compared give the ids
that came in both, about, and how sure that is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from crossfoot import files
from crossfoot.beside import Hold
from crossfoot.definition.model import DAY_US, Monitor
from crossfoot.errors import StoreError
from crossfoot.monitor.report import Estimate
from crossfoot.monitor.sql import ids
from crossfoot.query.times import read_time, show_time

if TYPE_CHECKING:
    import pyarrow as pa
    from datasketches import theta_sketch

    from crossfoot.monitor.sides import Side

FOLDER = "shadow"
"""In a store's folder."""
_DEVIATIONS = 2  # 95 % of the time
_NAME = re.compile(r"day=(\d{4}-\d\d-\d\d)\.theta")


class Shadow:
    """Sketches of days in a folder; a day is its first microsecond."""

    def __init__(self, folder: Path, monitor: Monitor) -> None:
        self._folder = folder
        self._lg_k = monitor.shadow_ids.bit_length() - 1
        self._keep_us = monitor.shadow_keep_us

    def add(self, day_us: int, uuids: Iterable[str]) -> None:
        """Ids of a day; those that it knows change nothing."""
        from datasketches import theta_union, update_theta_sketch

        seen = update_theta_sketch(lg_k=self._lg_k)
        for uuid in uuids:
            seen.update(uuid)
        union = theta_union(lg_k=self._lg_k)
        union.update(seen)
        if (path := self._path(day_us)).exists():
            union.update(_read(path))
        self._write(path, union.get_result().serialize())

    def again(self, days: Iterable[int], horizon_us: int) -> Estimate | None:
        """Ids of these days that also came on days that were over more than the horizon before; None: no such day."""
        from datasketches import theta_intersection

        there = self._days()
        found = Estimate(0.0, 0.0, 0.0, 0.0)
        has_any = False
        for day_us in days:
            older = [path for at_us, path in there.items() if at_us + DAY_US + horizon_us <= day_us]
            if day_us not in there or not older:
                continue
            has_any, before = True, self._union(older)
            both = theta_intersection()
            both.update(_read(there[day_us]))
            both.update(before)
            found = _plus(found, both.get_result(), before)
        return found if has_any else None

    def forget(self, newest_us: int) -> None:
        """Remove days that were over too long before."""
        for day_us, path in self._days().items():
            if day_us + DAY_US + self._keep_us <= newest_us:
                path.unlink(missing_ok=True)

    def _union(self, paths: Iterable[Path]) -> theta_sketch:
        from datasketches import theta_union

        union = theta_union(lg_k=self._lg_k)
        for path in paths:
            union.update(_read(path))
        return union.get_result()

    def _days(self) -> dict[int, Path]:
        names = ((_NAME.fullmatch(path.name), path) for path in self._folder.glob("*.theta"))
        return {read_time(name[1]) or 0: path for name, path in names if name}

    def _path(self, day_us: int) -> Path:
        return self._folder / f"day={(show_time(day_us) or '')[:10]}.theta"

    def _write(self, path: Path, data: bytes) -> None:
        try:
            files.make_folder(path.parent)
            files.replace_whole(path, data)
        except OSError as error:
            raise StoreError(
                f"cannot write {path}: {error.strerror}", "free some space, or let it be written"
            ) from error


def held(folder: Path) -> IO[str]:
    """One process at a time shows ids to a folder's sketches."""
    try:
        files.make_folder(folder)
        return files.held(folder / "lock")
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror}", "free some space, or let it be written") from error


def _read(path: Path) -> theta_sketch:
    from datasketches import compact_theta_sketch

    try:
        return compact_theta_sketch.deserialize(path.read_bytes())
    except (OSError, RuntimeError, ValueError, IndexError) as error:
        raise StoreError(f"this is no sketch of ids: {path}", "remove it: what it remembered is lost") from error


def _plus(one: Estimate, both: Any, before: Any) -> Estimate:
    """The sum over days; bounds add up, which errs on the wide side."""
    return Estimate(
        one.ids + both.get_estimate(),
        one.low + both.get_lower_bound(_DEVIATIONS),
        one.high + both.get_upper_bound(_DEVIATIONS),
        max(one.remembered, before.get_estimate()),
    )


def shadowed(shadow: Shadow, side: Side, since_us: int, until_us: int, horizon_us: int) -> Estimate | None:
    """Show the shadow the ids of a time, and ask which of them came long before."""
    days = list(_days(since_us, until_us))
    for day_us in days:
        rows = side.query(ids(side.names, day_us, day_us + DAY_US))
        if len(rows):
            shadow.add(day_us, _texts(rows, side.hold))
    found = shadow.again(days, horizon_us)
    shadow.forget(until_us)
    return found


def _texts(rows: pa.Table, hold: Hold) -> Iterator[str]:
    for batch in rows.to_batches(max_chunksize=1 << 16):
        hold.check()
        yield from batch["uuid"].to_pylist()


def _days(since_us: int, until_us: int) -> Iterator[int]:
    yield from range(since_us - since_us % DAY_US, until_us, DAY_US)
