"""crossfoot preprocess: a topic's records as events in the intermediate topic."""

from __future__ import annotations

from pathlib import Path

from crossfoot import settings
from crossfoot.cli.output import Format, emit, remarks_of
from crossfoot.cli.places import load
from crossfoot.cli.shares import table
from crossfoot.cli.stop import Stop


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
    chosen = settings.load()
    if status:
        found = ask(job, chosen)
    else:
        with Stop() as stop:
            found = prepare(job, chosen, LiveWatch(note=remarks_of("preprocess", chosen.log), stop=stop.asked))
    emit(table(found), format)
    return 1 if found.totals.unaccounted else 0
