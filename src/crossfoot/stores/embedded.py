"""What the query side reads of an embedded store: one committed epoch, whole, without a lock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossfoot.errors import StoreError
from crossfoot.generations import folder_of, number_in_force
from crossfoot.native import core_errors, open_reader, read_stream
from crossfoot.stores.protocol import Scan

if TYPE_CHECKING:
    import pyarrow as pa

    from crossfoot import _core


# So many changed cells are in memory at once.
_CHANGED_CELLS = 65_536


class EmbeddedStore:
    """A store folder at the epoch that was the newest when it was opened, or at the last `refresh`.

    `since` is the `mark` of an earlier one: `changed` tells what has changed since; (0, 0): everything. A mark is
    one of its `generation`; a given one stays, whichever is in force.
    """

    def __init__(self, path: str | Path, since: tuple[int, int] | None = None, generation: int | None = None) -> None:
        self.path = Path(path)
        self._since, self._only = since, generation
        self.generation, self._reader = self._open()

    def _open(self) -> tuple[int, _core.Reader]:
        """The generation in force. One that was pruned meanwhile is in force no more."""
        number = self._number()
        try:
            return number, open_reader(folder_of(self.path, number), self._since)
        except StoreError:
            if self._number() == number:
                raise
            return self._open()

    def _number(self) -> int:
        return number_in_force(self.path) if self._only is None else self._only

    def refresh(self) -> None:
        """Go on to the newest epoch. Costs what was written since, and nearly nothing if that is nothing.

        Where another generation has come into force, everything counts as changed.
        """
        if self.generation != self._number():
            self._since = self._since and (0, 0)
            self.generation, self._reader = self._open()
            is_new = True
        else:
            with core_errors():
                is_new = self._reader.refresh()
        if is_new:
            self.__dict__.pop("meta", None)

    @cached_property
    def meta(self) -> dict[str, Any]:
        """Epoch, plan, clocks and partitions."""
        with core_errors():
            meta: dict[str, Any] = json.loads(self._reader.meta())
        return meta

    @property
    def mark(self) -> tuple[int, int]:
        """What is given as `since` to learn what has changed after this epoch."""
        epoch, file = self.meta["mark"]
        return epoch, file

    def scan(self, scan: Scan) -> pa.Table:
        """`window`, the dimensions, the measures, `__events`; ordered by dimensions, then window."""
        with core_errors():
            return read_stream(self._reader.scan(scan.request()))

    def changed(self, metric: int, by: int, grain: int) -> Iterator[pa.Table]:
        """The cells of a stored table that have changed since the mark, in parts, with values as `scan` has them.

        Some that have not changed may be among them; windows that retention has removed are not. The store must not be
        refreshed meanwhile.
        """
        return self._in_parts(self._reader.changed, metric, by, grain)

    def changed_partials(self, metric: int, by: int, grain: int) -> Iterator[pa.Table]:
        """The same cells with partial values: `window` in microseconds (null: all time), the dimensions, `__events`,
        `__group` (the dimensions' values as keys have them), `__partial`. See `stores.partials`.
        """
        return self._in_parts(self._reader.changed_partials, metric, by, grain)

    def _in_parts(
        self, ask: Callable[[int, int, int, int, bytes | None], tuple[bytes, bytes] | None], *table: int
    ) -> Iterator[pa.Table]:
        after: bytes | None = None
        metric, by, grain = table
        while True:
            with core_errors():
                found = ask(metric, by, grain, _CHANGED_CELLS, after)
            if found is None:
                return
            cells, after = found
            yield read_stream(cells)

    def taken(self) -> None:
        """The mark is moved to the epoch that is read: everything that has changed was taken."""
        with core_errors():
            self._reader.taken()

    def expired(self, metric: int, by: int, grain: int) -> int:
        """Events in windows of a stored table that retention no longer keeps."""
        with core_errors():
            return self._reader.expired(metric, by, grain)

    def windows(self, metric: int, by: int, grain: int) -> list[tuple[int, int]]:
        """The kept windows of a stored table, in order: start in microseconds, and events."""
        with core_errors():
            return [(start, events) for start, events in json.loads(self._reader.windows(metric, by, grain))]

    def accounts(self) -> list[tuple[str, str, str, str, int]]:
        """The ledger without its minutes: partition, account, reason, part, records."""
        with core_errors():
            rows: list[tuple[str, str, str, str, int]] = [tuple(row) for row in json.loads(self._reader.accounts())]
            return rows

    def ledger(self) -> pa.Table:
        """partition, minute, account, reason, part, records, digest (hex)."""
        with core_errors():
            return read_stream(self._reader.ledger())

    def side_log(self, limit: int) -> pa.Table:
        """The records that could not be counted, with times, reason and bytes (`raw`)."""
        with core_errors():
            return read_stream(self._reader.side_log(limit))

    def verify(self) -> dict[str, Any]:
        """Read everything again: `ok`, `epoch`, and `checks` with name, ok and detail."""
        with core_errors():
            found: dict[str, Any] = json.loads(self._reader.verify())
        return found
