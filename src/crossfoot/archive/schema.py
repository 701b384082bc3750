"""The columns of the archive's parts: a row for each input, in the order of `epoch` and `step`."""

from __future__ import annotations

from functools import cache
from typing import Any

FORM = 2
"""Parts of form 1 held the records of one log, without what joins, beats and finishes."""
NO_DAY = "__HIVE_DEFAULT_PARTITION__"
"""The day of a row without t, by Hive's custom: DuckDB reads it as null."""

COLUMNS = (
    ("epoch", "int64", "the epoch that committed it"),
    ("step", "int64", "its place among the inputs of the epoch, from 0"),
    ("kind", "text", "`record`, `join`, `heartbeat`, `finish`, `skip` or `switch`"),
    ("source", "text", "the source's name in the definition; null where files were named on the command line"),
    ("partition", "text", "the partition's name in the store"),
    ("position", "int64", "of a record; of a skip, the position that it leads to"),
    ("stamp", "time", "the stamp that came with a record: the broker's append time, or our own log's; else null"),
    ("received", "time", "a received time that was carried beside the record; else null"),
    ("t", "time", "of a record its t; of a join J; of a heartbeat what it said; else the partition's last t"),
    ("clock", "time", "the reading clock, by which a stamp is `invalid`"),
    (
        "text",
        "text",
        "of a join the partition's identity; of a finish its source's state; of a switch the generation",
    ),
    ("length", "int64", "bytes of a record of which only the beginning is kept; else null"),
    ("record", "bytes", "the record as it came, without its line end"),
)


@cache
def schema() -> Any:
    """The schema in Arrow."""
    import pyarrow as pa

    types = {
        "int64": pa.int64(),
        "text": pa.dictionary(pa.int32(), pa.string()),
        "time": pa.timestamp("us", tz="UTC"),
        "bytes": pa.binary(),
    }
    return pa.schema([(name, types[kind]) for name, kind, _ in COLUMNS])
