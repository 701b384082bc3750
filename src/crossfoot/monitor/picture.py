"""The percentages over time: as an SVG file that opens anywhere, and as columns in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crossfoot.monitor.report import WATCHED, Counts, Report
from crossfoot.monitor.svg import picture, text
from crossfoot.query.drawing import columns
from crossfoot.query.times import show_time

NAMES = {"duplicates": "copies before", "left": "copies after", "late": "late", "too_late": "too late"}
_SVG_COLUMNS, _TERMINAL_COLUMNS = 240, 48
_WIDTH, _HEIGHT, _LEFT, _TOP, _PANEL = 800, 96, 72, 48, 64
_STYLE = """\
.line { stroke: currentColor; opacity: .35 } .limit { stroke: #c62828; stroke-dasharray: 4 3 }
.column { fill: #2f6fb0 } .over { fill: #c62828 }"""
_DARK = ".column { fill: #6ea8dc } .over { fill: #ff7a70 } .limit { stroke: #ff7a70 }"

Point = tuple[int, float | None]
"""The beginning of some spans, and the highest percentage of them; None: nothing happened."""


def points(report: Report, name: str, most: int) -> list[Point]:
    """At most so many columns; neighbouring spans share one where there are more."""
    spans = report.spans
    step = -(-len(spans) // most)
    return [(spans[at][0], _highest(spans[at : at + step], name)) for at in range(0, len(spans), step)]


def _highest(spans: Sequence[tuple[int, Counts]], name: str) -> float | None:
    shares = (counts.percent(name) for _, counts in spans)
    return max((float(share) for share in shares if share is not None), default=None)


def terminal(report: Report) -> Iterator[str]:
    """Columns of the watched percentages that are not zero all along."""
    for name in WATCHED:
        series = points(report, name, _TERMINAL_COLUMNS)
        shares = [share or 0.0 for _, share in series]
        if any(shares):
            yield f"{NAMES[name]}, in percent of a span: from {show_time(series[0][0])} to {show_time(series[-1][0])}"
            yield from columns(shares, [""] * len(shares), height=4, width=1, unit=" %")[:-1]


def svg(report: Report, limits: dict[str, float | None]) -> str:
    """A panel for each percentage; what is over its limit is red."""
    height = _TOP + len(WATCHED) * _HEIGHT + 24
    panels = (
        _panel(points(report, name, _SVG_COLUMNS), NAMES[name], limits[name], _TOP + number * _HEIGHT)
        for number, name in enumerate(WATCHED)
    )
    foot = (
        text(_LEFT, height - 12, f"{show_time(report.since_us)}"),
        text(_WIDTH - 16, height - 12, f"{show_time(report.until_us)}", "end"),
    )
    title = f"copies and late events of {report.about}"
    return picture((_WIDTH, height), title, (_STYLE, _DARK), (*panels, *foot))


def _panel(series: Sequence[Point], name: str, limit: float | None, top: int) -> str:
    shares = [share for _, share in series if share is not None]
    highest = max([*shares, limit or 0.0]) or 1.0
    width, floor = (_WIDTH - _LEFT - 16) / len(series), top + _PANEL
    marks = [
        text(_LEFT, top - 8, f"{name}: at most {max(shares, default=0.0):.4g} %"),
        text(_LEFT - 8, top + 4, f"{highest:.4g} %", "end"),
        text(_LEFT - 8, floor + 4, "0", "end"),
    ]
    for number, (at_us, share) in enumerate(series):
        if share:
            tall = _PANEL * share / highest
            kind = "over" if limit is not None and share > limit else "column"
            marks.append(
                f'<rect class="{kind}" x="{_LEFT + number * width:.2f}" y="{floor - tall:.2f}" '
                f'width="{max(width * 0.85, 0.5):.2f}" height="{tall:.2f}">'
                f"<title>{show_time(at_us)}: {share:.4g} %</title></rect>"
            )
    marks.append(_line("line", floor))
    if limit is not None:
        marks.append(_line("limit", floor - _PANEL * limit / highest))
    return "".join(marks)


def _line(kind: str, y: float) -> str:
    return f'<line class="{kind}" x1="{_LEFT}" x2="{_WIDTH - 16}" y1="{y:.2f}" y2="{y:.2f}"/>'
