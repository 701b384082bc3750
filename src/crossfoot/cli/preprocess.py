"""crossfoot preprocess: a topic's records as events in the intermediate topic."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from crossfoot import settings
from crossfoot.cli.output import Format
from crossfoot.cli.places import load
from crossfoot.cli.shares import work


def preprocess(
    definition: Path,
    /,
    *,
    once: bool = False,
    status: bool = False,
    metrics_port: int | None = None,
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
    metrics_port
        Serve `/metrics` for Prometheus at this port of the loopback interface; 0: any free one.
    format
        How the ledger is printed.
    """
    from crossfoot.services.preprocess import job

    asked = job.job_of(load(definition), settings.environment(), once)
    ask = partial(job.status, asked) if status else None
    return work("preprocess", (partial(job.preprocess, asked), ask), settings.chosen(metrics_port=metrics_port), format)
