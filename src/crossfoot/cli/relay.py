"""crossfoot relay: the intermediate topic's messages to Pub/Sub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot import settings
from crossfoot.cli.output import Format, Table, emit, note
from crossfoot.cli.places import load
from crossfoot.cli.stop import Stop

if TYPE_CHECKING:
    from crossfoot.services.relay.state import Status


def relay(
    definition: Path,
    /,
    *,
    once: bool = False,
    status: bool = False,
    format: Format = "table",  # noqa: A002
) -> int:
    """Publish the messages of the definition's prepared topic to the Pub/Sub topic of `relay.to`.

    It runs until Ctrl-C or TERM. Several processes share the topic; each may be killed at any moment, and nothing is
    lost. What is published twice has the same uuid, and is counted once.

    Parameters
    ----------
    definition
        The definition's file.
    once
        Publish up to the ends that the logs have now, then stop.
    status
        Only show how far the topic is published, with its ledger; exit 1 if a message is in no account.
    format
        How the ledger is printed.
    """
    from crossfoot.services.relay.job import job_of
    from crossfoot.services.relay.job import relay as publish
    from crossfoot.services.relay.job import status as ask
    from crossfoot.services.relay.state import RelayWatch

    job = job_of(load(definition), settings.environment(), once)
    if status:
        found = ask(job, settings.load())
    else:
        with Stop() as stop:
            found = publish(job, settings.load(), RelayWatch(note=note, stop=stop.asked))
    emit(Table(_NAMES, _rows(found), whole=as_json(found)), format)
    return 1 if found.total("unaccounted") else 0


_NAMES = ("partition", "offset", "backlog", "records", "published", "dead letters", "gaps")


def _rows(status: Status) -> list[tuple[object, ...]]:
    return [
        (line.name, None, line.backlog, 0, 0, 0, 0)
        if (found := line.ledger) is None
        else (line.name, found.next, line.backlog, found.records, found.published, found.dead, found.gaps)
        for line in status.partitions
    ]


def as_json(status: Status) -> dict[str, object]:
    """The ledger for machines."""
    names = ("partition", "offset", "backlog", "records", "published", "dead_letters", "gaps")
    return {
        "topic": status.topic,
        "to": status.to,
        "group": status.group,
        "records": status.total("records"),
        "published": status.total("published"),
        "dead_letters": status.total("dead"),
        "unaccounted": status.total("unaccounted"),
        "backlog": sum(line.backlog for line in status.partitions),
        "partitions": [dict(zip(names, row, strict=True)) for row in _rows(status)],
    }
