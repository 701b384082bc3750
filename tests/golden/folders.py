"""Reading a golden folder: its definition, its log as steps, and what is expected of it.

``log.jsonl`` holds one step a line::

    {"register": ["a", "b"]}                    the partitions that are known at the start
    {"partition": "a", "record": {…}}           a record, byte for byte as it stands after `"record": `
    {"partition": "a", "raw": "text"}           any text, as it is
    {"partition": "a", "base64": "…"}           any bytes
    {"heartbeat": "a", "t": "2024-05-01T10:00:00Z"}
    {"finish": "a"}
    {"commit": true}
    {"definition": "definition-2.yaml"}         go on under another definition
    {"rejoin": ["b"], "joined": "2024-…Z"}      in a recount: they join with the recorded J (or null)

A record, text or bytes may have ``"now": "2024-…Z"``, the reading clock; without it that is far ahead of all stamps.

With one of these it is a message of a live source, and may have the others too::

    "stamp": "2024-…Z"       the broker's append time, or the stamp of our own log
    "received": "2024-…Z"    the received time that was carried; the stamp is then that of the hop that counts
    "offset": 7              its position; without one it is the next. What is left out is a gap
    "recorded": "2024-…Z"    in a recount: the t that was recorded
    "headers": {…}           a CloudEvent in binary mode: its Kafka headers, and the record is its data
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfoot.definition.load import load_file
from crossfoot.definition.model import Definition
from crossfoot.event import PositionedRecord
from crossfoot.prepare.cloudevents import structured
from tests.engines import FAR_FUTURE_US, Commit, Feed, FeedRecords, Finish, Heartbeat, Redefine, Register, Rejoin, Step
from tests.times import us

HOME = Path(__file__).parent
FOLDERS = sorted(path.parent for path in HOME.glob("*/definition.yaml"))
_RECORD = '"record": '
_BESIDE = {"stamp", "received", "offset", "headers", "recorded"}


@dataclass(frozen=True, slots=True)
class Golden:
    """A folder, read."""

    folder: Path
    definition: Definition
    steps: tuple[Step, ...]
    expected: dict[str, Any]


def read(folder: Path) -> Golden:
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    positions: dict[str, int] = {}
    steps = tuple(_step(folder, line, positions) for line in lines)
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return Golden(folder, load_file(folder / "definition.yaml"), steps, expected)


def _step(folder: Path, line: str, positions: dict[str, int]) -> Step:
    says = json.loads(line)
    if "partition" in says:
        return _message(says, data_of(line), positions) if _BESIDE & set(says) else _feed(says, data_of(line))
    if "register" in says:
        return Register(tuple(says["register"]))
    if "rejoin" in says:
        return Rejoin(tuple(says["rejoin"]), says["joined"] and us(says["joined"]))
    if "heartbeat" in says:
        return Heartbeat(says["heartbeat"], us(says["t"]))
    if "finish" in says:
        return Finish(says["finish"])
    if "definition" in says:
        return Redefine(load_file(folder / says["definition"]))
    assert says == {"commit": True}, line
    return Commit()


def data_of(line: str) -> bytes:
    """The bytes that a line of the log feeds. A record keeps its literals and the order of its keys."""
    says = json.loads(line)
    if "record" in says:
        start = line.index(_RECORD) + len(_RECORD)
        end = json.JSONDecoder().raw_decode(line, start)[1]
        return line[start:end].encode()
    return base64.b64decode(says["base64"]) if "base64" in says else says["raw"].encode()


def _feed(says: dict[str, Any], data: bytes) -> Feed:
    records = sum(1 for line in data.split(b"\n") if line.strip(b" \t\r"))
    return Feed(says["partition"], data, records, us(says["now"]) if "now" in says else FAR_FUTURE_US)


def _message(says: dict[str, Any], data: bytes, positions: dict[str, int]) -> FeedRecords:
    partition = says["partition"]
    offset = says.get("offset", positions.get(partition, 0))
    positions[partition] = offset + 1
    times = (us(says[name]) if name in says else None for name in ("stamp", "received", "recorded"))
    record = PositionedRecord(structured(says.get("headers", {}), data), offset, *times)
    return FeedRecords(partition, (record,), us(says["now"]) if "now" in says else FAR_FUTURE_US)
