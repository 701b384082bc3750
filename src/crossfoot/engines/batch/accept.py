"""The acceptance rule in SQL: t as a running maximum, then future and too_late by the record's own times.

C and G are not needed under one definition: a record's t is never before C, so what passes the limits of lateness and
transport is never before G = C - H, and an id that `t <= end of its bucket + H` still finds has not been forgotten.
"""

from __future__ import annotations

from datetime import timedelta

from crossfoot.definition.compile import stamps_of
from crossfoot.definition.model import HOUR_US, Definition
from crossfoot.definition.sql_parts import case
from crossfoot.engines.batch.prepare import prepared_columns
from crossfoot.engines.batch.sql import floor, micros
from crossfoot.engines.batch.variation import Hours, Variation

_MICROSECOND = timedelta(microseconds=1)
_LAST = "max(CASE WHEN refusal IS NULL THEN stamp_us END)"


def steps(definition: Definition, variation: Variation) -> list[tuple[str, str]]:
    """The steps `timed` and `timely`: t and a, and the verdict of the time rule in `refusal`."""
    stamped = stamps_of(definition.event.received) != "none"
    found = [("timed", _timed(definition) if stamped else _untimed())]
    conditions = [("refusal IS NOT NULL", "refusal"), *(_late(definition) if stamped else [])]
    if variation.drop_late is not None:
        delay = variation.drop_late // _MICROSECOND
        conditions.append((f"t_us >= {floor('event_us', HOUR_US)} + {HOUR_US + delay}", "'too_late dropped'"))
    there = " AND ".join(_there(variation)) or "TRUE"
    found.append(("timely", f"SELECT * EXCLUDE (refusal), {case(*conditions)} AS refusal FROM timed WHERE {there}"))
    return found


def _untimed() -> str:
    nothing = "CAST(NULL AS BIGINT)"
    return f"SELECT * EXCLUDE (stamp_us, carried_us), {nothing} AS t_us, {nothing} AS a_us FROM prepared"


def _timed(definition: Definition) -> str:
    """t is the largest stamp so far of the partition, with J and heartbeats."""
    columns = prepared_columns(definition)
    order = "epoch, step" + (", place" if definition.explode is not None else "")
    marks = (
        f"SELECT {', '.join(_mark(column) for column in columns)}, TRUE AS is_mark FROM raw"
        " WHERE kind IN ('join', 'heartbeat') AND t IS NOT NULL"
    )
    both = f"SELECT {', '.join(columns)}, FALSE AS is_mark FROM prepared UNION ALL {marks}"
    window = f"OVER (PARTITION BY partition ORDER BY {order} ROWS UNBOUNDED PRECEDING)"
    return (
        "SELECT * EXCLUDE (stamp_us, carried_us, is_mark), coalesce(carried_us, t_us) AS a_us"
        f" FROM (SELECT *, {_LAST} {window} AS t_us FROM ({both})) WHERE NOT is_mark"
    )


def _mark(column: str) -> str:
    """What a join or a heartbeat has in a column of prepared records: it moves t, and is no record."""
    given = {"epoch": "epoch", "step": "step", "partition": "partition", "stamp_us": "epoch_us(t)"}
    return f"{given.get(column, 'NULL')} AS {column}"


def _late(definition: Definition) -> list[tuple[str, str]]:
    accept = definition.accept
    found = [(f"event_us > a_us + {accept.future_us}", "'future'")]
    if accept.lateness_us is not None:
        found.append((f"a_us - event_us > {accept.lateness_us}", "'too_late lateness'"))
    found.append((f"t_us - a_us > {accept.transport_us}", "'too_late transport'"))
    return found


def _there(variation: Variation) -> list[str]:
    """Which records the other side has at all."""
    arrived = "coalesce(t_us, event_us, 0)"
    found = [] if variation.until is None else [f"{arrived} < {micros(variation.until)}"]
    return found + [_outside(each) for each in variation.without]


def _outside(missing: Hours) -> str:
    at = "event_us" if missing.of == "event_time" else "t_us"
    starts = ", ".join(map(str, missing.starts))
    return f"({at} IS NULL OR {floor(at, HOUR_US)} NOT IN ({starts}))"
