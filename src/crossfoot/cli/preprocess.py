"""crossfoot preprocess: a topic's records as events in the intermediate topic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot import settings
from crossfoot.cli.output import Format, Table, emit, note
from crossfoot.cli.places import load
from crossfoot.cli.stop import Stop
from crossfoot.query.times import show_time

if TYPE_CHECKING:
    from crossfoot.services.preprocess.status import PartitionLine, Status


def preprocess(
    definition: Path,
    /,
    *,
    once: bool = False,
    status: bool = False,
    format: Format = "table",  # noqa: A002
) -> int:
    """Prepare the records of the definition's topic and write them to the topic of `preprocess.to`.

    It runs until Ctrl-C or TERM. Several processes share the topic; each may be killed at any moment, and nothing is
    lost. What is written twice has the same uuid, and is counted once.

    Parameters
    ----------
    definition
        The definition's file.
    once
        Prepare up to the ends that the logs have now, then stop.
    status
        Only show how far the topic is prepared, with its ledger; exit 1 if an event is in no account.
    format
        How the ledger is printed.
    """
    from crossfoot.services.live import LiveWatch
    from crossfoot.services.preprocess.job import job_of
    from crossfoot.services.preprocess.job import preprocess as prepare
    from crossfoot.services.preprocess.job import status as ask

    job = job_of(load(definition), settings.environment(), once)
    if status:
        found = ask(job, settings.load())
    else:
        with Stop() as stop:
            found = prepare(job, settings.load(), LiveWatch(note=note, stop=stop.asked))
    emit(_table(found), format)
    return 1 if found.totals.unaccounted else 0


_NAMES = ("partition", "offset", "lag", "records", "events", "out", "filtered", "malformed", "invalid", "last time")


def _table(status: Status) -> Table:
    rows = [_row(line) for line in status.partitions]
    return Table(_NAMES, rows, whole=as_json(status))


def _row(line: PartitionLine) -> tuple[object, ...]:
    if line.state is None:
        return (line.name, None, line.lag, *[0] * 6, None)
    totals, last_t_us = line.state.totals, line.state.last_t_us
    accounts = (totals.out, totals.filtered, totals.malformed, totals.invalid)
    time = None if last_t_us is None else show_time(last_t_us)
    return (line.name, line.state.next, line.lag, totals.records, totals.events, *accounts, time)


def as_json(status: Status) -> dict[str, object]:
    """The ledger for machines."""
    return {
        "topic": status.topic,
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
    names = ("records", "gaps", "events", "out", "filtered", "malformed", "invalid", "unaccounted")
    return {name: getattr(totals, name) for name in names} | {"lag": sum(line.lag for line in status.partitions)}
