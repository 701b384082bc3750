"""crossfoot plan: what a definition costs, what can run it, what it does to a store."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from crossfoot.cli.output import Format, Table, emit, next_step, say
from crossfoot.cli.places import default_store, load
from crossfoot.definition.changes import compare
from crossfoot.definition.plan import Plan
from crossfoot.definition.plan import plan as cost
from crossfoot.engines.batch import lacks as batch_lacks
from crossfoot.errors import CallError
from crossfoot.generations import in_force
from crossfoot.services.store import DEFINITION

Line = tuple[str, str, str]


def plan(
    definition: Path,
    /,
    *,
    rate: float = 1000.0,
    store: Path | None = None,
    format: Annotated[Format, Parameter(help="How the plan is printed.")] = "table",  # noqa: A002
) -> int:
    """Cells per event, ids and bytes at a rate, engines, and what differs from a store. Nothing is run.

    Parameters
    ----------
    definition
        The definition's file.
    rate
        Events per second, copies not counted.
    store
        A store to compare with; `.crossfoot` beside the definition if there is one.
    """
    if not 0 < rate < float("inf"):
        raise CallError("the rate is a positive number", "name events per second: --rate 5000")
    loaded = load(definition)
    found = cost(loaded, rate, batch_lacks(loaded))
    rows = _rows(found)
    kept = in_force(store or default_store(definition)) / DEFINITION
    changes = compare(load(kept), loaded) if store is not None or kept.exists() else ()
    rows += [(f"store: {change.what}", change.outcome, change.why) for change in changes]
    whole = {**asdict(found), "changes": [asdict(change) for change in changes]}
    emit(Table(("what", "how much", "note"), rows, whole), format)
    if format == "table":
        for note in found.notes:
            say(note)
    runs = any(one.runs for one in found.engines if one.name == "embedded")
    does = "run" if runs else "check"
    if runs and any(change.outcome == "rebuilt" for change in changes) and loaded.archive is not None:
        does = "backfill"
    next_step(f"crossfoot {does} {definition}")
    return 0


def _rows(found: Plan) -> list[Line]:
    rows = [("cells per event", f"{found.cells_per_event:,}", f"{found.folds_per_event:,} folded, the rest derived")]
    rows += [(f"metric {metric.name}", f"{metric.cells_per_event:,}", _sets(metric.folded)) for metric in found.metrics]
    ids = found.ids
    at = f"at {found.rate_per_second:,.0f} events/s"
    rows.append(("ids a day", f"{ids.per_day:,}", f"{_size(ids.bytes_per_day)} {at}"))
    if ids.live is not None and ids.live_bytes is not None:
        rows.append(("live ids", f"{ids.live:,}", f"{_size(ids.live_bytes)} {at}: the horizon is {ids.horizon}"))
    return rows + [(f"engine {one.name}", "yes" if one.runs else "no", one.why) for one in found.engines]


def _sets(folded: tuple[tuple[str, ...], ...]) -> str:
    return "folded: " + ", ".join(f"[{', '.join(names)}]" for names in folded)


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} PiB"
