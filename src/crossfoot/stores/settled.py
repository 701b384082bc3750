"""What a batch has settled, as queries read it: cells by window in Parquet files, and which event times are whole.

`OUT/metric=M/by=A,B/grain=G/hour=H/cells.parquet` (`begin=B` for longer windows); the notes beside them say the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

from crossfoot.definition.model import HOUR_US, Definition
from crossfoot.errors import DataError
from crossfoot.files import replace_whole

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "cells.parquet"
NOTES = "_done.ndjson"
NAMED = "settled.json"
"""The file of a store that names the folder of each metric that has one."""

Span: TypeAlias = tuple[int | None, int]
"""Event times [since, until) in microseconds; None: from the first on."""


def place_of(metric: str, dimensions: Sequence[str], grain: str) -> Path:
    """The folder of a stored table; names that a path cannot have are quoted as in a URL."""
    by = ",".join(quote(name, safe="") for name in dimensions) or "-"
    return Path(f"metric={quote(metric, safe='')}", f"by={by}", f"grain={quote(grain, safe='')}")


def joined(spans: Iterable[Span]) -> list[Span]:
    """Ascending, and apart from each other."""
    found: list[Span] = []
    for since, until in sorted(spans, key=lambda span: (span[0] is not None, span[0] or 0)):
        if found and (since is None or since <= found[-1][1]):
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((since, until))
    return found


def name_settled(store: Path, definition: Definition, home: Path) -> None:
    """Let a store name the folders that the definition names, which lies in `home`."""
    named = {each.name: str(home / each.settled) for each in definition.metrics if each.settled is not None}
    file = store / NAMED
    if named:
        replace_whole(file, json.dumps(named).encode())
    else:
        file.unlink(missing_ok=True)


def settled_of(store: Path, metric: str) -> Settled | None:
    """What was settled of a metric; None where its definition names nothing."""
    try:
        named = json.loads((store / NAMED).read_bytes())
    except FileNotFoundError:
        return None
    return Settled(Path(named[metric])) if metric in named else None


class Settled:
    """A folder of results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spans = joined(self._spans())
        """The event times that were settled; empty where there are no results yet."""

    def _spans(self) -> Iterator[Span]:
        try:
            data = (self.folder / NOTES).read_bytes()
        except FileNotFoundError:
            return
        try:
            for line in data[: data.rfind(b"\n") + 1].splitlines():
                if "settled" in (found := json.loads(line)):
                    since_us, until_us = found["settled"]
                    yield since_us, until_us
        except (ValueError, TypeError) as error:
            hint = "delete the folder, then run the batch again"
            raise DataError(f"the notes of the batch are damaged: {self.folder / NOTES}", hint) from error

    def cells(self, table: tuple[str, tuple[str, ...], str], span: Span) -> Iterator[pa.Table]:
        """The cells of a table (metric, dimensions, grain) whose windows begin in a span."""
        import pyarrow.parquet as pq

        for file in sorted((self.folder / place_of(*table)).glob(f"*/{FILE}")):
            if not _may_hold(file.parent.name, span):
                continue
            try:
                yield _within(pq.read_table(file, partitioning=None), span)
            except FileNotFoundError:
                continue  # the window has no cells any more


def _may_hold(folder: str, span: Span) -> bool:
    """Whether windows of a folder, `hour=2025-03-01T10` or `begin=2025-03-01T000000Z`, may begin in a span."""
    _, _, text = folder.partition("=")
    if text == "all":
        return True
    begin = datetime.fromisoformat(text).replace(tzinfo=UTC)
    start_us = (begin - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
    since_us, until_us = span
    return start_us < until_us and (since_us is None or start_us + HOUR_US > since_us)


def _within(cells: pa.Table, span: Span) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    starts, (since, until) = cells.column("window").cast(pa.int64()), span
    kept = pc.less(starts, until)
    if since is not None:
        kept = pc.and_(kept, pc.greater_equal(starts, since))
    return cells.filter(kept)
