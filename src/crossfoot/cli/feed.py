"""crossfoot feed: the raw events of a definition's sources into its warehouse."""

from __future__ import annotations

from pathlib import Path

from crossfoot import settings
from crossfoot.cli.output import Format, Table, emit, remarks_of
from crossfoot.cli.places import default_store, load
from crossfoot.cli.stop import Stop


def feed(
    definition: Path,
    /,
    *,
    store: Path | None = None,
    to: str | None = None,
    once: bool = False,
    metrics_port: int | None = None,
    format: Format = "table",  # noqa: A002
) -> int:
    """Feed the warehouse of the definition with raw events, before any is removed as a copy.

    It reads the sources itself, by a subscription or consumer group of its own, and needs no store; `run` may count
    beside it. It runs until Ctrl-C or TERM. It may be killed at any moment: the next run goes on, and no row is missing
    or twice.

    Parameters
    ----------
    definition
        The definition's file.
    store
        The folder beside which the feed keeps its positions; `.crossfoot` beside the definition unless named.
    to
        The warehouse, where the definition names several.
    once
        Read up to the ends that the sources have now, wait until the warehouse has everything, then stop.
    metrics_port
        Serve `/metrics` for Prometheus at this port of the loopback interface; 0: any free one.
    format
        How the summary is printed.
    """
    from crossfoot.services.feed import feed as run
    from crossfoot.services.feed import job_of
    from crossfoot.services.live import LiveWatch
    from crossfoot.warehouse.open import chosen as warehouse_of

    loaded = load(definition)
    folders = ((store or default_store(definition)).absolute(), definition.absolute().parent)
    job = job_of(loaded, folders, warehouse_of(loaded, to), settings.environment(), once)
    chosen = settings.chosen(metrics_port=metrics_port)
    with Stop() as stop:
        done = run(job, chosen, LiveWatch(note=remarks_of("feed", chosen.log), stop=stop.asked))
    rows = [("records", sum(done.accounts.values())), *sorted(done.accounts.items())]
    rows += [("parts", done.parcels), ("parts not shipped", done.sink.behind), ("rows written", done.sink.cells)]
    emit(Table(("raw feed", "this run"), rows, whole=dict(rows)), format)
    return 0
