"""crossfoot monitor: copies before and after deduplication, their causes and ages, late events; over time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from crossfoot import settings
from crossfoot.cli.output import Format, Table, emit, say
from crossfoot.cli.places import default_store, load
from crossfoot.clock import SystemClock
from crossfoot.definition.durations import duration_us
from crossfoot.definition.findings import BadValueError
from crossfoot.definition.model import MINUTE_US, Monitor
from crossfoot.errors import CallError
from crossfoot.query.times import read_time, show_time

_SPANS_SHOWN = 24
_COLUMNS = ("span", "raw", "ids", "copies", "copies %", "left %", "late %", "too late %")
_CAUSES = {
    "redelivery": "the same position read again",
    "producer_retry": "the same event at another position",
    "relay_retry": "another publish attempt",
    "other_source": "another source",
    "unknown": "published again or read again: the messages do not say",
}
_AGES = {
    "1s": "under 1 s",
    "1m": "under 1 min",
    "1h": "under 1 h",
    "1d": "under 1 d",
    "horizon": "inside the horizon",
    "beyond": "beyond the horizon",
}


def monitor(
    definition: Path,
    /,
    *,
    store: Path | None = None,
    source: Annotated[str | None, Parameter(name="--from")] = None,
    span: str | None = None,
    since: str | None = None,
    until: str | None = None,
    picture: Path | None = None,
    format: Format = "table",  # noqa: A002
) -> int:
    """Measure copies and late events over time, by what a warehouse holds, or else the archive of the store.

    Exit code 1 if a percentage is over a limit of the definition's `monitor`; alerts are logged, and posted to its
    webhook.

    Parameters
    ----------
    definition
        The definition's file.
    store
        The folder of the store; `.crossfoot` beside the definition unless named.
    source
        The warehouse, where the definition names several; `store`: the archive of the store.
    span
        The length of the spans of time: 15m; that of the definition unless named.
    since
        Only what came in from this time on: 2015-09-12T10:00Z.
    until
        Only what came in before this time.
    picture
        Write the percentages over time as an SVG file.
    format
        How the answer is printed.
    """
    from crossfoot.monitor.alerts import Told, tell
    from crossfoot.monitor.look import Place, look, monitor_of
    from crossfoot.monitor.measure import Asked
    from crossfoot.monitor.webhook import webhook_of
    from crossfoot.seen.log import Log

    loaded, chosen, environment = load(definition), settings.load(), settings.environment()
    watched = _spanned(monitor_of(loaded), span)
    hook = webhook_of(watched.webhook, chosen, environment)
    folders = ((store or default_store(definition)).absolute(), definition.absolute().parent)
    place = Place(loaded, *folders, environment, SystemClock(), source)
    report = look(place, Asked(watched, read_time(since), read_time(until)))
    if picture is not None:
        _write(picture, report, watched)
    emit(_table(report, watched), format)
    alerts = report.alerts(watched)
    if format == "table":
        for line in _remarks(report, watched):
            say(line)
    tell(Told(loaded.namespace, report, alerts), Log(chosen.log, "monitor"), hook)
    return 1 if alerts else 0


def _spanned(watched: Monitor, span: str | None) -> Monitor:
    if span is None:
        return watched
    try:
        length_us = duration_us(span)
    except BadValueError as error:
        raise CallError(f"this is no duration: {span}", "write it as in 15m, 1h, 1d") from error
    if length_us < MINUTE_US or length_us % MINUTE_US:
        raise CallError(f"a span is a whole number of minutes: {span}", "write it as in 15m, 1h, 1d")
    return replace(watched, span_us=length_us)


def _write(path: Path, report: Any, watched: Monitor) -> None:
    from crossfoot.monitor.picture import svg
    from crossfoot.monitor.report import WATCHED

    above = {name: getattr(watched, f"{name}_above") for name in WATCHED}
    limits = {name: None if limit is None else float(limit) for name, limit in above.items()}
    try:
        path.write_text(svg(report, limits), encoding="utf-8")
    except OSError as error:
        raise CallError(f"cannot write the picture ({error.strerror}): {path}", "name another file") from error


def _table(report: Any, watched: Monitor) -> Table:
    rows = [_row(show_time(at_us), counts) for at_us, counts in report.spans[-_SPANS_SHOWN:]]
    return Table(_COLUMNS, [*rows, _row("all", report.total)], report.as_json(watched))


def _row(name: str | None, counts: Any) -> tuple[Any, ...]:
    shares = (_shown(counts.percent(each)) for each in ("duplicates", "left", "late", "too_late"))
    return (name, counts.raw, counts.ids, counts.copies, *shares)


def _shown(percent: Any) -> float | None:
    return None if percent is None else round(float(percent), 4)


def _remarks(report: Any, watched: Monitor) -> Iterator[str]:
    from crossfoot.monitor.picture import terminal

    total = report.total
    yield f"measured by {report.about}, from {show_time(report.since_us)} to {show_time(report.until_us)}"
    if len(report.spans) > _SPANS_SHOWN:
        yield f"the last {_SPANS_SHOWN} of {len(report.spans):,} spans; --format json has all"
    yield from terminal(report)
    for said, found in ((_CAUSES, total.causes), (_AGES, total.ages)):
        for name, text in said.items():
            if found[name]:
                yield f"{found[name]:,} copies: {text}"
    if total.conflicts:
        yield f"{total.conflicts:,} ids came again with another time or content"
    for source, name, counts in report.partitions if len(report.partitions) > 1 else ():
        share = counts.percent("duplicates")
        yield f"{source or ''} {name}: {counts.raw:,} raw, {_shown(share) or 0} % copies".strip()
    if report.beyond is not None:
        about = f"about {report.beyond.ids:,.0f} ids (95 %: {report.beyond.low:,.0f} to {report.beyond.high:,.0f})"
        yield f"beyond the horizon, an estimate: {about} came before, of {report.beyond.remembered:,.0f} remembered"
    if total.unseen:
        yield f"{total.unseen:,} counted events have no raw event: is the raw feed behind?"
    yield from report.notes
    for alert in report.alerts(watched):
        yield f"alert: {alert}"
