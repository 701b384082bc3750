"""Small stores for tests: a definition, some records, counted as `crossfoot run` does."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.services.run import Job, run
from crossfoot.services.summary import Summary
from crossfoot.services.watch import Watch
from crossfoot.settings import Settings
from crossfoot.testing.clocks import ManualClock

NOW_US = 1_800_000_000_000_000
CLICKS = """
crossfoot: 1
namespace: clicks
source: {files: clicks.jsonl, format: json}
event:
  time: {field: at, unit: iso}
  received: none
  id: seq
  fields:
    page: {path: page, type: text}
    country: {path: country, type: text}
    paid: {path: paid, type: decimal(2)}
    ms: {path: ms, type: integer}
metrics:
  clicks:
    by: [[page, country], [page], []]
    measures: {clicks: count, paid: sum(paid), ms: sum(ms), slowest: max(ms), mean: mean(ms)}
    grains: [1m, 1h, 1d Europe/Paris]
  totals: {by: [[]], measures: {clicks: count}, grains: [all]}
"""

STAMPED = CLICKS.replace("received: none", "received: {field: got, unit: iso}") + "accept: {lateness: 1h}\n"

# One page has a row of its own, and one pair of page and country.
BOUNDED = CLICKS.replace("  clicks:\n", "  clicks:\n    values_max: 1\n")


def lines(records: Iterable[Mapping[str, Any] | bytes]) -> bytes:
    """Records as JSON lines; bytes as they are."""
    return b"".join(record if isinstance(record, bytes) else json.dumps(record).encode() + b"\n" for record in records)


def click(seq: int, at: str = "2015-09-12T10:00:00Z", **values: Any) -> dict[str, Any]:
    """A click on page `a`."""
    return {"seq": seq, "at": at, "page": "a", "country": "FR", "paid": 0.1, "ms": 5, **values}


@contextmanager
def clicks_engine(store: Path) -> Iterator[EmbeddedEngine]:
    """An engine that counts clicks of partition `a`."""
    made = EmbeddedEngine(store, load_text(CLICKS))
    made.register(["a"])
    yield made
    made.abandon()


def feed(engine: EmbeddedEngine, *records: Mapping[str, Any]) -> None:
    """An epoch of these."""
    engine.feed("a", lines(records), NOW_US)
    engine.commit()


def count(folder: Path, text: str = CLICKS, inputs: Iterable[str] | None = None, **job: Any) -> Summary:
    """Run a definition over files of a folder, into the folder's `store`."""
    watch = job.pop("watch", Watch(clock=ManualClock(NOW_US)))
    settings = job.pop("settings", Settings())
    chosen = None if inputs is None else tuple(inputs)
    made = Job(load_text(text), folder / "store", folder, folder, chosen, **job)
    return run(made, settings, watch)


def count_records(folder: Path, records: Iterable[Mapping[str, Any] | bytes], text: str = CLICKS) -> Path:
    """Write records to `clicks.jsonl`, count them; the store."""
    (folder / "clicks.jsonl").write_bytes(lines(records))
    count(folder, text)
    return folder / "store"


def stop_in_an_archive(folder: Path) -> Summary:
    """Count `a.tar`, of one click and 2,999 others, and stop in its second member."""
    with tarfile.open(folder / "a.tar", "w") as archive:
        for name, numbers in (("one", range(1)), ("two", range(1, 3000))):
            data = lines([click(number) for number in numbers])
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    goes_on = iter([True] * 2)
    stop = Watch(stop=lambda: not next(goes_on, False))
    return count(folder, inputs=["a.tar"], settings=Settings(block_bytes=1 << 10), watch=stop)
