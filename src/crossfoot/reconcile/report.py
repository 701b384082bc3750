"""A reconciliation as JSON, as lines for a terminal, and as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from crossfoot.query.escape import safe_text
from crossfoot.reconcile.causes import UNEXPLAINED, Cause
from crossfoot.reconcile.examples import Example
from crossfoot.reconcile.history import Past, entry
from crossfoot.reconcile.run import Reconciliation

_POINTS = 60
ROWS = ("equal", "differs", "missing here", "missing there")


def as_json(found: Reconciliation, at: str) -> dict[str, Any]:
    """Everything, as JSON has it."""
    compared = found.compared
    return entry(found, at) | {
        "comparison": found.comparison.name,
        "ours": found.ours,
        "theirs": found.theirs,
        "metric": found.comparison.metric,
        "grain": found.comparison.grain,
        "by": list(found.comparison.by),
        "kept_since": found.kept_since,
        "volume": compared.volume,
        "volume_equal": compared.volume_equal,
        "unexplained": found.unexplained,
        "measures": [asdict(each) for each in compared.measures],
        "causes": [asdict(cause) for cause in found.causes],
        "no_causes": found.no_causes,
        "worst": [asdict(each) for each in found.worst],
    }


def states(found: Reconciliation) -> list[tuple[str, int]]:
    """Cells by state."""
    compared = found.compared
    return list(
        zip(ROWS, (compared.equal, compared.differs, compared.missing_here, compared.missing_there), strict=True)
    )


def headline(found: Reconciliation) -> str:
    """The result in one line. A percentage is rounded down: what is not exact never looks exact."""
    compared = found.compared
    bar = "" if found.comparison.require_exact is None else f"; {found.comparison.require_exact:f} % are required"
    return (
        f"{percent(compared.exact_keys)} of {compared.cells:,} cells are exact,"
        f" {percent(compared.exact_volume)} by volume{bar}"
    )


def percent(value: float) -> str:
    """Three places, never rounded up."""
    return f"{int(value * 1000) / 1000:.3f} %"


def cause_rows(found: Reconciliation) -> list[tuple[str, int, int, int, str]]:
    """Cause, cells, events, volume, what it says."""
    return [(" or ".join(cause.names), cause.cells, cause.events, cause.volume, cause.text) for cause in found.causes]


def lines(found: Reconciliation) -> list[str]:
    """The result for a terminal, beside its tables."""
    said = [headline(found), *_left_out(found)]
    said += [f"no causes were looked for: {found.no_causes}"] if found.no_causes else []
    for cause in found.causes:
        said.append(f"{' or '.join(cause.names)}: {cause.text}")
        said += [f"  {line}" for example in cause.examples[:1] for line in _example_lines(example)]
    return [safe_text(line) for line in said]


def _left_out(found: Reconciliation) -> list[str]:
    """Which windows were not compared."""
    said = []
    if found.kept_since:
        said.append(f"windows that begin before {found.kept_since} are not kept any more, and were left out")
    if found.until:
        said.append(f"windows that begin before {found.until} were compared: later ones may still fill")
    return said


def _example_lines(example: Example) -> list[str]:
    key = ", ".join(f"{name} {value}" for name, value in example.key.items())
    ours, theirs = (
        ", ".join(f"{name} {value or 'none'}" for name, value in side.items()) or "absent"
        for side in (example.ours, example.theirs)
    )
    shown = [f"for example {key}: ours {ours}; theirs {theirs}"]
    for event in example.events[:2]:
        shown.append(f"  event {event.id} of {event.partition} at {event.position}, {event.event_time}: {event.why}")
    return shown


def as_html(found: Reconciliation, at: str, past: Sequence[Past] = ()) -> str:
    """One file that needs nothing else. All that comes from data is escaped."""
    page = Template(files("crossfoot.reconcile").joinpath("report.html").read_text(encoding="utf-8"))
    compared = found.compared
    all_cells = max(1, compared.cells - compared.equal)
    return page.substitute(
        title=escape(f"{found.comparison.name}: {found.comparison.metric} {found.comparison.grain}"),
        keys=percent(compared.exact_keys),
        verdict="holds" if found.holds else "fails",
        headline=escape(headline(found)),
        sides=escape(f"ours: {found.ours}, epoch {found.epoch}; theirs: {found.theirs}; {at}"),
        left_out="".join(f"<p>{escape(text)}.</p>" for text in _left_out(found)),
        states="".join(_row(name, f"{many:,}") for name, many in states(found)),
        measures="".join(
            _row(each.name, f"{each.cells:,}", _sum(each.ours), _sum(each.theirs)) for each in compared.measures
        ),
        bars="".join(_bar(number, cause, all_cells) for number, cause in enumerate(found.causes)) or _none(found),
        details="".join(_detail(number, cause) for number, cause in enumerate(found.causes)),
        worst="".join(_example(example) for example in found.worst) or "<p>No cell differs.</p>",
        history=_history(past),
    )


def _row(head: str, *values: str) -> str:
    cells = "".join(f"<td>{escape(value)}</td>" for value in values)
    return f"<tr><th scope='row'>{escape(head)}</th>{cells}</tr>"


def _none(found: Reconciliation) -> str:
    return (
        f"<p>{escape('No causes were looked for: ' + found.no_causes if found.no_causes else 'Nothing differs.')}</p>"
    )


def _sum(value: float | None) -> str:
    return "" if value is None else f"{value:,}"


def _bar(number: int, cause: Cause, all_cells: int) -> str:
    width = max(1.0, 100.0 * cause.cells / all_cells)
    kind = " class='unexplained'" if UNEXPLAINED in cause.names else ""
    name = escape(" or ".join(cause.names))
    return (
        f"<li{kind}><a href='#cause-{number}'>{name}</a><span class='track'><span class='bar'"
        f" style='width:{width:.1f}%'></span></span>"
        f"<span class='many'>{cause.cells:,} cells, {cause.events:,} events</span></li>"
    )


def _detail(number: int, cause: Cause) -> str:
    name = escape(" or ".join(cause.names))
    refuted = f"<p>{cause.refuted:,} equal cells would differ too.</p>" if cause.refuted else ""
    shown = "".join(_example(example) for example in cause.examples)
    said = "".join(f"<li>{escape(text)}</li>" for text in cause.texts)
    facts = f"<p>{cause.cells:,} cells, {cause.events:,} events more or less, {cause.volume:,} events in them.</p>"
    return f"<section id='cause-{number}'><h3>{name}</h3><ul>{said}</ul>{facts}{refuted}{shown}</section>"


def _example(example: Example) -> str:
    key = escape(", ".join(f"{name} {value}" for name, value in example.key.items()))
    names = list(example.ours)
    values = "".join(_row(name, example.ours[name], example.theirs[name]) for name in names)
    events = "".join(
        "<tr>" + "".join(f"<td>{escape(str(value or ''))}</td>" for value in asdict(event).values()) + "</tr>"
        for event in example.events
    )
    heads = ("source", "partition", "position", "id", "event time", "arrived", "why")
    table = (
        f"<table><thead><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr></thead><tbody>{events}</tbody></table>"
        if events
        else ""
    )
    return (
        f"<details><summary>{key} <em>{example.state}{_first(example)}</em></summary>"
        f"<table class='numbers'><thead><tr><th></th><th>ours</th><th>theirs</th></tr></thead>"
        f"<tbody>{values}</tbody></table>{table}</details>"
    )


def _first(example: Example) -> str:
    """The first measure of both sides."""
    name = next(iter(example.ours), None)
    return (
        ""
        if name is None
        else escape(f": {name} {example.ours[name] or 'none'} here, {example.theirs[name] or 'none'} there")
    )


def _history(past: Sequence[Past]) -> str:
    """The percentage over time, as a line."""
    shown = past[-_POINTS:]
    if len(shown) < 2:
        return ""
    low = min(each["exact_keys"] for each in shown)
    span = max(100.0 - low, 1e-9)
    points = " ".join(
        f"{600 * place / (len(shown) - 1):.1f},{90 - 80 * (each['exact_keys'] - low) / span:.1f}"
        for place, each in enumerate(shown)
    )
    label = (
        f"exact keys from {percent(shown[0]['exact_keys'])} to"
        f" {percent(shown[-1]['exact_keys'])} over {len(shown)} results"
    )
    return (
        f"<h2>Over time</h2><svg viewBox='0 0 600 100' role='img' aria-label='{label}'>"
        f"<polyline points='{points}' fill='none' stroke='currentColor' stroke-width='2'/></svg><p>{label};"
        f" the lowest {percent(low)}</p>"
    )
