"""crossfoot watch: how a running service stands."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from crossfoot.cli.options import DEFAULT_STORE, StoreFolder
from crossfoot.cli.output import Format, Table, emit
from crossfoot.query.escape import safe_text
from crossfoot.query.times import show_time
from crossfoot.seen.socket import NAME, ask
from crossfoot.seen.state import Spent, State, place_of

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table as RichTable

_EVERY_S = 0.5
_COPIES = ("duplicate", "conflict")
_LATE = ("too_late",)


def watch(
    *,
    store: StoreFolder = DEFAULT_STORE,
    socket: Annotated[Path | None, Parameter(help="The status socket of another service.")] = None,
    once: bool = False,
    format: Annotated[Format, Parameter(help="How one state is printed.")] = "table",  # noqa: A002
) -> int:
    """Rate, lag, duplicates and late records, epochs, watermark, partitions and sinks of a running service.

    Parameters
    ----------
    once
        Print one state and stop; so does every format but `table`, and output that is no terminal.
    """
    path = socket or store / NAME
    state = ask(path)
    if once or format != "table" or not sys.stdout.isatty():
        emit(Table(("name", "value"), list(rows(state)), as_json(state)), format)
        return 0
    _live(path, state)
    return 0


def _live(path: Path, state: State) -> None:
    """A view that is drawn again until Ctrl-C, or until the service ends."""
    from rich.live import Live

    with Live(view(state), auto_refresh=False) as screen:
        try:
            while state.phase == "running":
                time.sleep(_EVERY_S)
                state = ask(path)
                screen.update(view(state), refresh=True)
        except KeyboardInterrupt:
            return


def as_json(state: State) -> dict[str, Any]:
    """The state for machines: what the socket says."""
    import msgspec

    made: dict[str, Any] = msgspec.to_builtins(state)
    return made


def rows(state: State) -> Iterator[tuple[str, Any]]:
    """The state as names and values."""
    yield "service", f"{state.service} {state.name}, process {state.process}, {state.phase} for {state.seconds:,.0f} s"
    yield "records", state.records
    yield "records/s", round(state.rate)
    for name, accounts in (("duplicates", _COPIES), ("late", _LATE)):
        if any(account in state.accounts for account in accounts):
            yield name, f"{state.share(*accounts):.2f} %"
    others = {name: n for name, n in state.accounts.items() if n and name not in ("counted", *_COPIES, *_LATE)}
    yield from others.items()
    yield from _epochs(state)
    if state.queues:
        yield "queue bytes", state.queued_bytes
    if state.lags:
        yield "lag", f"{sum(lag.records for lag in state.lags):,} records, {_oldest(state):,.1f} s"
    for name, number in (state.more | state.more_counters).items():
        yield name.replace("_", " "), number
    yield "retries", state.retries
    sinks = {place_of(sink) for sink in state.sinks}
    for retry in state.retrying:
        if retry.place not in sinks:  # its own line says so
            yield f"retrying {retry.place}", f"{retry.attempts} times: {retry.reason}"
    for name, says in state.alerts.items():
        yield f"alert {name}", says
    for lag in state.lags:
        yield f"lag of {lag.partition}", f"{lag.records:,} records, {_age(lag.seconds)}"
    for sink in state.sinks:
        missing = f", {sink.missing:,} missing" if sink.missing else ""
        failing = f", failing ({sink.attempts} times): {sink.failing}" if sink.failing else ""
        yield (
            f"sink {sink.name}",
            f"epoch {sink.epoch:,}, {sink.behind:,} behind, {sink.cells:,} cells{missing}{failing}",
        )
    if state.metrics:
        yield "metrics", state.metrics


def _epochs(state: State) -> Iterator[tuple[str, Any]]:
    """What of it a service has."""
    if state.epoch is not None:
        every = "" if state.interval_s is None else f" every {1000 * state.interval_s:,.0f} ms"
        yield "epoch", f"{state.epoch:,}{every}{_took(state.epochs)}"
    if state.has_store:
        yield "checkpoints", state.checkpoints
        yield "watermark", show_time(state.watermark_us) or "none yet"


def _took(epochs: Spent | None) -> str:
    if epochs is None:
        return ""
    return f"; commit {1000 * epochs.last_s:.1f} ms, longest {1000 * epochs.longest_s:.1f} ms"


def _oldest(state: State) -> float:
    return max([lag.seconds or 0.0 for lag in state.lags], default=0.0)


def _age(seconds: float | None) -> str:
    return "nothing taken yet" if seconds is None else f"{seconds:,.1f} s"


def view(state: State) -> Group:
    """The state for a terminal: numbers, then a table of the partitions, then one of the sinks."""
    from rich.console import Group

    numbers = [(name, value) for name, value in rows(state) if not name.startswith(("lag of", "sink "))]
    parts = [_table(("", ""), [(name, _shown(value)) for name, value in numbers])]
    if state.lags:
        lags = [(lag.partition, f"{lag.records:,}", _age(lag.seconds)) for lag in state.lags]
        parts.append(_table(("partition", "lag records", "lag time"), lags))
    if state.sinks:
        sinks = [(s.name, f"{s.epoch:,}", f"{s.behind:,}", f"{s.cells:,}", s.failing or "") for s in state.sinks]
        parts.append(_table(("sink", "epoch", "behind", "cells", "failing"), sinks))
    return Group(*parts)


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _table(head: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> RichTable:
    from rich import box
    from rich.table import Table as Rich
    from rich.text import Text

    made = Rich(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, show_header=any(head))
    for at, name in enumerate(head):
        right = at > 0 and all(line[at][:1].isdigit() for line in lines) and any(head)
        made.add_column(Text(name), justify="right" if right else "left", overflow="fold")
    for line in lines:
        made.add_row(*(Text(safe_text(cell)) for cell in line))
    return made
