"""A service that shares a topic, and its ledger as it is printed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crossfoot import settings
from crossfoot.cli.output import Format, Table, emit, remarks_of
from crossfoot.cli.stop import Stop
from crossfoot.query.times import show_time

if TYPE_CHECKING:
    from crossfoot.services.group.status import PartitionLine, Status
    from crossfoot.services.watch import Watch

    Run = Callable[[settings.Settings, Watch[Any]], Status]
    Ask = Callable[[settings.Settings], Status]

_NAMES = ("partition", "offset", "lag", "records", "events", "out", "filtered", "malformed", "invalid", "last time")


def work(name: str, does: tuple[Run, Ask | None], chosen: settings.Settings, form: Format) -> int:
    """Run a service until the end, or only ask how far it is, and print its ledger; 1 if an event is in no account."""
    from crossfoot.services.watch import Watch

    run, ask = does
    if ask is not None:
        found = ask(chosen)
    else:
        with Stop() as stop:
            found = run(chosen, Watch(note=remarks_of(name, chosen.log), stop=stop.asked))
    emit(_table(found), form)
    return 1 if found.totals.unaccounted else 0


def _table(status: Status) -> Table:
    """A row a partition."""
    return Table(_NAMES, [_row(line) for line in status.partitions], whole=_as_json(status))


def _row(line: PartitionLine) -> tuple[object, ...]:
    if line.state is None:
        return (line.name, None, line.lag, *[0] * 6, None)
    totals, last_t_us = line.state.totals, line.state.last_t_us
    time = None if last_t_us is None else show_time(last_t_us)
    return (line.name, line.state.next, line.lag, totals.records, totals.events, *totals.accounts.values(), time)


def _as_json(status: Status) -> dict[str, object]:
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
