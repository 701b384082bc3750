"""The data of the experiment: a project's real history, and generated engagement with a late tail."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from bench.experiment_old import Table
from crossfoot.generate import Workload, blocks

GIT = """
crossfoot: 1
namespace: git
source: {files: events.jsonl, format: json}
event:
  time: {field: author_time, unit: s}
  received: {field: commit_time, unit: s}
  id: [author_time, author, status, path]
  fields:
    author: {path: author, type: text}
    status: {path: status, type: text}
    path: {path: path, type: text}
accept: {lateness: unbounded}
metrics:
  changes:
    by: [[author], [author, status]]
    measures: {events: count}
    grains: [1h, 1d]
archive: {bytes: 100000000000}
monitor: {span: 30d, late: {after: 1h}}
"""
ENGAGEMENT = """
crossfoot: 1
namespace: engagement
source: {files: events.jsonl, format: json}
event:
  time: {field: ts, unit: ms}
  received: {field: received_ms, unit: ms}
  id: id
  fields:
    kind: {path: kind, type: text}
    item: {path: item, type: integer}
    country: {path: country, type: text}
    client: {path: client, type: text}
    duration: {path: duration, type: integer}
accept: {lateness: 2d}
metrics:
  engagement:
    by: [[item, kind], [country, client]]
    measures: {events: count, time_spent: sum(duration)}
    grains: [1h, 1d]
archive: {bytes: 100000000000}
monitor: {span: 1h, late: {after: 1h}}
"""
WHERE = "CROSSFOOT_TEST_DATA"
RATE, LATE, LEAST_S, MOST_S = 5.0, 0.02, 600, 86_400
"""Of the generated events: a second, the share that is delayed, and the bounds of the delay."""


@dataclass(frozen=True)
class Case:
    """Records in the order of their arrival, and the tables that are compared; `time` is (field, units a second)."""

    name: str
    title: str
    definition: str
    tables: tuple[Table, ...]
    time: tuple[str, int]
    spent: str | None
    events: Path

    def read(self) -> Iterator[dict[str, Any]]:
        """The records again, for the stream half."""
        field, units = self.time
        with self.events.open("rb") as lines:
            for line in lines:
                record = json.loads(line)
                yield record | {"at": record[field] // units}


def git(folder: Path, lines: int | None) -> Case | None:
    """Changes of files in a project's history: event time is the author's, received time the commit's."""
    path = Path(os.environ.get(WHERE, "")) / "git-history" / "pinot-file-events.jsonl.gz"
    if WHERE not in os.environ or not path.exists():
        return None
    target = _target(folder)
    with gzip.open(path, "rb") as source, target.open("wb") as file:
        file.writelines(islice(source, lines))
    sets = ((("author",), "1d"), (("author", "status"), "1h"))
    tables = tuple(Table("changes", by, grain) for by, grain in sets)
    title = "Git history: changes of files, as authors made them and as they were committed"
    return Case("git", title, GIT, tables, ("author_time", 1), None, target)


def engagement(folder: Path, lines: int) -> Case:
    """Generated events with copies; some are delayed, and all are in the order in which they come."""
    random, target = Random(2021), _target(folder)
    workload = Workload(rate=RATE, received=True)
    arriving = []
    for line in (line for block in blocks(lines, workload) for line in block.splitlines()):
        record = json.loads(line)
        if random.random() < LATE:
            record["received_ms"] += int(1000 * min(LEAST_S / (1 - random.random()), MOST_S))
        arriving.append((record["received_ms"], json.dumps(record, separators=(",", ":"))))
    arriving.sort(key=lambda each: each[0])
    with target.open("w") as file:
        file.writelines(f"{text}\n" for _, text in arriving)
    sets = ((("item", "kind"), "1h"), (("country", "client"), "1h"))
    tables = tuple(Table("engagement", by, grain) for by, grain in sets)
    title = "Engagement: generated events"
    return Case("engagement", title, ENGAGEMENT, tables, ("ts", 1000), "duration", target)


def _target(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "events.jsonl"
