"""A chart of lines over minutes with a logarithmic axis as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from crossfoot.monitor.svg import picture, text

WIDTH, HEIGHT = 760, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 96, 44, 44
_STYLE = """\
.rule { stroke: #d0d7de } .step { fill: #eaeef2 } .aim { stroke: #57606a; stroke-dasharray: 6 4 }
.line { fill: none; stroke-width: 2 } .c0 { stroke: #0969da } .c1 { stroke: #bc4c00 } .c2 { stroke: #8250df }"""
_DARK = """\
.rule { stroke: #30363d } .step { fill: #1c2430 } .aim { stroke: #9198a1 }
.c0 { stroke: #4493f8 } .c1 { stroke: #f0883e } .c2 { stroke: #ab7df8 }"""


@dataclass(frozen=True, slots=True)
class Line:
    """A named line; a point that is not known is None."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over the same places on the x axis; `steps` are bars behind them, from 0 to 1; `aim` is a level."""

    title: str
    places: Sequence[float]
    lines: Sequence[Line]
    steps: Sequence[float] = ()
    aim: float | None = None
    unit: str = "ms"
    across: str = "minute"


@dataclass(frozen=True, slots=True)
class _Frame:
    left: float
    right: float
    low: int
    high: int

    def x(self, place: float) -> float:
        span = (self.right - self.left) or 1
        return _LEFT + (place - self.left) / span * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (log10(max(value, 10**self.low)) - self.low) / (self.high - self.low)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def svg(chart: Chart) -> str:
    """The picture as a text."""
    known = [value for line in chart.lines for value in line.values if value] + ([chart.aim] if chart.aim else [])
    low, high = floor(log10(min(known))), ceil(log10(max(known)) + 1e-9)
    frame = _Frame(min(chart.places), max(chart.places), low, max(high, low + 1))
    parts = (
        *_steps(chart, frame),
        *_axes(chart, frame),
        *_aim(chart, frame),
        *(_line(line, number, chart, frame) for number, line in enumerate(chart.lines)),
        *_names(chart, frame),
    )
    return picture((WIDTH, HEIGHT), chart.title, (_STYLE, _DARK), parts)


def _steps(chart: Chart, frame: _Frame) -> list[str]:
    """The load as bars: as high as the picture where it is 1."""
    width = (WIDTH - _LEFT - _RIGHT) / max(1, len(chart.places) - 1)
    room = HEIGHT - _TOP - _BOTTOM
    bars = []
    for place, step in zip(chart.places, chart.steps, strict=False):
        left = max(_LEFT, frame.x(place) - width / 2)
        right = min(WIDTH - _RIGHT, frame.x(place) + width / 2)
        where = f'x="{left:.1f}" y="{HEIGHT - _BOTTOM - step * room:.1f}"'
        bars.append(f'<rect class="step" {where} width="{right - left:.1f}" height="{step * room:.1f}"/>')
    return bars


def _axes(chart: Chart, frame: _Frame) -> list[str]:
    parts = []
    for power in range(frame.low, frame.high + 1):
        y = frame.y(10.0**power)
        parts.append(f'<path class="rule" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>')
        parts.append(text(_LEFT - 8, y + 4, f"{10.0**power:g} {chart.unit}", "end"))
    every = max(1, round(len(chart.places) / 10))
    for place in chart.places[::every]:
        parts.append(text(frame.x(place), HEIGHT - _BOTTOM + 20, f"{place:g}", "middle"))
    parts.append(text(WIDTH - _RIGHT + 10, HEIGHT - _BOTTOM + 20, chart.across))
    return parts


def _aim(chart: Chart, frame: _Frame) -> list[str]:
    if chart.aim is None:
        return []
    y = frame.y(chart.aim)
    return [f'<path class="aim" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>', text(_LEFT + 6, y - 6, "aim for p99")]


def _line(line: Line, number: int, chart: Chart, frame: _Frame) -> str:
    """Broken where a value is not known."""
    path, pen = [], "M"
    for place, value in zip(chart.places, line.values, strict=True):
        if value is None:
            pen = "M"
            continue
        path.append(f"{pen}{frame.x(place):.1f} {frame.y(value):.1f}")
        pen = "L"
    return f'<path class="line c{number}" d="{"".join(path)}"/>'


def _names(chart: Chart, frame: _Frame) -> list[str]:
    """At the lines' ends, never one over another."""
    ends = [(frame.y(last), line.name) for line in chart.lines if (last := _last(line)) is not None]
    parts, lowest = [], 0.0
    for y, name in sorted(ends):
        lowest = max(y + 4, lowest + 15)
        parts.append(text(WIDTH - _RIGHT + 10, lowest, name))
    return parts


def _last(line: Line) -> float | None:
    return next((value for value in reversed(line.values) if value is not None), None)
