"""Windows: the start of the window of a grain, in microseconds."""

from __future__ import annotations

from crossfoot.definition.model import HOUR_US, MINUTE_US, Grain
from crossfoot.definition.text import quote_text
from crossfoot.engines.batch.sql import floor

_DAY_US = 86_400_000_000


def start(grain: Grain, zone: str | None = None) -> str:
    """The start of the window that holds `event_us`; `zone` stands in for the grain's own."""
    if grain.unit == "all":
        return "CAST(NULL AS BIGINT)"
    if grain.unit in ("m", "h"):
        length = grain.n * (MINUTE_US if grain.unit == "m" else HOUR_US)
        if zone is None:
            return floor("event_us", length)
        offset = f"cf_offset(event_us, {quote_text(zone)})"
        return f"({floor(f'(event_us + {offset})', length)} - {offset})"
    return _days(grain, zone or grain.zone)


QUARTER_US = 15 * MINUTE_US


def is_slow(grain: Grain, zone: str | None) -> bool:
    """Whether the start needs the rules of a zone."""
    return grain.unit != "all" and (zone or (grain.zone if grain.unit not in ("m", "h") else None)) not in (None, "UTC")


def starts(grain: Grain, zone: str | None, source: str) -> tuple[str, str]:
    """A query of the quarters of hours that occur with the starts of their windows; and the start by it.

    The rules of a zone are asked once for a quarter, and again only inside of one in which a window ends.
    """
    quarter = floor("event_us", QUARTER_US)
    exact = start(grain, zone)
    at = f"SELECT quarter, quarter AS event_us FROM (SELECT DISTINCT {quarter} AS quarter FROM {source})"
    first = f"SELECT quarter, {exact} AS first FROM ({at})"
    last = f"SELECT quarter, first, quarter + {QUARTER_US - 1} AS event_us FROM ({first})"
    query = f"SELECT quarter, first, {exact} AS last FROM ({last})"
    return query, f"CASE WHEN first = last THEN first ELSE {exact} END"


def _days(grain: Grain, zone: str | None) -> str:
    whole = floor("event_us", _DAY_US)
    if zone in (None, "UTC"):
        return f"({_first(grain, f'({whole} // {_DAY_US})')} * {_DAY_US})"
    named = quote_text(zone or "UTC")
    return f"cf_edge({_first(grain, f'cf_day_of(event_us, {named})')}, {named})"


def _first(grain: Grain, day: str) -> str:
    """The first day of the day, week (from Monday) or month."""
    if grain.unit == "d":
        return day
    if grain.unit == "w":
        return f"({day} - ((({day} + 3) % 7) + 7) % 7)"
    return f"date_diff('day', DATE '1970-01-01', date_trunc('month', DATE '1970-01-01' + CAST({day} AS INTEGER)))"
