"""Records through the native step that prepares, and what comes out as Python values."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

from crossfoot import _core
from crossfoot.definition.compile import compile_plan
from crossfoot.definition.model import Definition, Format, KafkaSource
from crossfoot.definition.prepared import marks
from crossfoot.event import PositionedRecord
from tests.engines import FAR_FUTURE_US

_NONE = -(1 << 63)


@dataclass(frozen=True, slots=True)
class Prepared:
    messages: list[bytes]
    keys: list[bytes]
    refused: list[tuple[Any, ...]]
    summary: dict[str, Any]


def step(definition: Definition, **options: Any) -> _core.Preparation:
    return _core.Preparation(compile_plan(definition), json.dumps(marks(definition) | options))


def prepare(
    preparation: _core.Preparation,
    records: Sequence[PositionedRecord],
    state: tuple[int | None, int | None] = (None, None),
    now_us: int = FAR_FUTURE_US,
    partition: str = "p",
) -> Prepared:
    """The records of partition 3 of the topic `clicks`, which a store calls `p` unless another name is given."""
    columns = (
        array("I", accumulate(len(each.data) for each in records)).tobytes(),
        array("Q", [each.offset for each in records]).tobytes(),
        array("q", [_NONE if each.stamp_us is None else each.stamp_us for each in records]).tobytes(),
        array("q", [_NONE if each.received_us is None else each.received_us for each in records]).tobytes(),
    )
    data = b"".join(each.data for each in records)
    messages, refused, summary = preparation.prepare(partition, ("clicks", 3, 1), data, columns, state, now_us)
    return Prepared(_cut(*messages[:2]), _cut(*messages[2:]), refused, json.loads(summary))


def _cut(data: bytes, ends: bytes) -> list[bytes]:
    return [data[start:end] for start, end in pairwise([0, *array("I", ends)])]


def reading(definition: Definition, transport_us: int) -> Definition:
    """The definition of whoever counts what this one has prepared."""
    return replace(
        definition,
        sources=(KafkaSource("prepared", (("bootstrap.servers", "h"),), Format("prepared")),),
        event=replace(definition.event, received="carried"),
        accept=replace(definition.accept, transport_us=transport_us),
    )
