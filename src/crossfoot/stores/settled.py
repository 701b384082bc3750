"""What a batch has settled, as queries read it: cells by window in Parquet files, and which event times are whole.

`OUT/metric=M/by=A,B/grain=G/hour=H/cells.parquet` (`begin=B` for longer windows); the notes beside them say the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from crossfoot.definition.changes import compare
from crossfoot.definition.load import load_file, load_text
from crossfoot.definition.model import HOUR_US, Definition
from crossfoot.errors import DataError, DefinitionError
from crossfoot.files import replace_whole
from crossfoot.generations import DEFINITION, in_force

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


def places_of(definition: Definition) -> list[Path]:
    """The folders of all stored tables; the notes know them by their numbers."""
    return [place_of(m.name, by, grain.text) for m in definition.metrics for by in m.sets for grain in m.grains]


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """The notes of a folder: whole lines; the last one may have been cut off by a crash."""
    file = folder / NOTES
    try:
        data = file.read_bytes()
        return [dict(json.loads(line)) for line in data[: data.rfind(b"\n") + 1].splitlines()]
    except FileNotFoundError:
        return []
    except OSError as error:
        hint = "name a folder that `crossfoot batch --out` has written"
        raise DataError(f"the notes of the batch cannot be read: {file}: {error.strerror}", hint) from error
    except (ValueError, TypeError) as error:
        raise _damaged(folder) from error


def _damaged(folder: Path) -> DataError:
    hint = "delete the folder, then run the batch again"
    return DataError(f"the notes of the batch are damaged: {folder / NOTES}", hint)


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


def check_settled(store: Path, metric: str, settled: Settled) -> None:
    """DataError where a metric was settled by another definition than the store is counted with."""
    counted = load_file(in_force(store) / DEFINITION)
    for change in compare(_plain(settled.definition), _plain(counted)):
        is_elsewhere = change.what.startswith("metrics.") and change.what != f"metrics.{metric}"
        is_added = change.outcome == "continued" and change.what.startswith("event.fields.")
        if not (change.outcome == "kept" or is_elsewhere or is_added):
            hint = "run the batch by the store's definition into a new folder, and name that; or ask with --live"
            raise DataError(f"the batch in {settled.folder} was made by another definition: {change.what}", hint)


def _plain(definition: Definition) -> Definition:
    """Without what is nothing to a batch, which keeps all windows and needs no watermark."""
    metrics = [
        replace(metric, grains=tuple([replace(grain, retain_us=None) for grain in metric.grains]))
        for metric in definition.metrics
    ]
    return replace(definition, metrics=tuple(metrics), accept=replace(definition.accept, out_of_order_us=0))


class Settled:
    """A folder of results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        first, *self._lines = lines_of(folder) or [{}]
        self._text = str(first.get("definition"))
        self.spans = joined(self._spans())
        """The event times that were settled; empty where there are no results yet."""

    def _spans(self) -> Iterator[Span]:
        try:
            for line in self._lines:
                if "settled" in line:
                    since_us, until_us = line["settled"]
                    yield since_us, until_us
        except (ValueError, TypeError) as error:
            raise _damaged(self.folder) from error

    @cached_property
    def definition(self) -> Definition:
        """By which the batch has counted."""
        try:
            return load_text(self._text)
        except DefinitionError as error:
            raise _damaged(self.folder) from error

    def cells(self, table: tuple[str, tuple[str, ...], str], span: Span, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The cells of a table (metric, dimensions, grain) whose windows begin in a span."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        for file in self._files(place_of(*table), span):
            try:
                yield _within(pq.read_table(file, partitioning=None).select(columns), span)
            except FileNotFoundError as error:
                raise DataError(f"a file of the batch is missing: {file}", "run the batch again") from error
            except (pa.ArrowException, OSError, KeyError) as error:
                hint = "delete the file, then run the batch again"
                raise DataError(f"a file of the batch is damaged: {file}", hint) from error

    def _files(self, place: Path, span: Span) -> list[Path]:
        """Those of a table that the notes name, of windows that may begin in a span."""
        number = places_of(self.definition).index(place)
        try:
            # A window that was written again is noted again.
            noted = {line["window"]: line["tables"] for line in self._lines if "window" in line}
            folders = [name.rpartition(" ")[2] for name, tables in noted.items() if number in tables]
            return [self.folder / place / each / FILE for each in folders if _may_hold(each, span)]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _damaged(self.folder) from error


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
