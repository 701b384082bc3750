"""The ledger of a service that shares a topic, as it is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossfoot.cli.output import Table
from crossfoot.query.times import show_time

if TYPE_CHECKING:
    from crossfoot.services.group.status import PartitionLine, Status

_NAMES = ("partition", "offset", "lag", "records", "events", "out", "filtered", "malformed", "invalid", "last time")


def table(status: Status) -> Table:
    """A row a partition."""
    return Table(_NAMES, [_row(line) for line in status.partitions], whole=as_json(status))


def _row(line: PartitionLine) -> tuple[object, ...]:
    if line.state is None:
        return (line.name, None, line.lag, *[0] * 6, None)
    totals, last_t_us = line.state.totals, line.state.last_t_us
    time = None if last_t_us is None else show_time(last_t_us)
    return (line.name, line.state.next, line.lag, totals.records, totals.events, *totals.accounts.values(), time)


def as_json(status: Status) -> dict[str, object]:
    """The ledger for machines."""
    return {
        "topic": status.topic,
        "to": status.to,
        "group": status.group,
        **_totals(status),
        "partitions": [
            {
                "partition": line.name,
                "lag": line.lag,
                "offset": line.state.next if line.state else None,
                "last_time": show_time(line.state.last_t_us) if line.state and line.state.last_t_us else None,
                "gaps": line.state.totals.gaps if line.state else 0,
                **dict(zip(_NAMES[3:9], _row(line)[3:9], strict=True)),
            }
            for line in status.partitions
        ],
    }


def _totals(status: Status) -> dict[str, int]:
    totals = status.totals
    said = {name: getattr(totals, name) for name in ("records", "gaps", "events", "unaccounted")}
    return said | totals.accounts | {"lag": sum(line.lag for line in status.partitions)}
