"""The questions, in DuckDB's SQL; a side translates them where its warehouse speaks another one.

Each reads the tables as they are, and says nothing of how the engine counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from crossfoot.definition.model import DAY_US, HOUR_US, MINUTE_US, SECOND_US

CONFLICT = "conflict"
CAUSES = ("redelivery", "producer_retry", "relay_retry", "other_source", "unknown", CONFLICT)
"""Why an id came again; a conflict has another time or content."""
AGES = ("1s", "1m", "1h", "1d", "horizon", "beyond")
"""A copy's age: under that; more than a day and inside the horizon; beyond the horizon."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked: spans that begin in [since, until), and how far back the first of an id is looked for.

    Times are microseconds. `horizon_us` None: without an end.
    """

    since_us: int
    until_us: int
    span_us: int
    late_after_us: int
    lateness_us: int | None = None
    horizon_us: int | None = None

    @property
    def from_us(self) -> int | None:
        """Where reading begins: an id that is remembered may have come so long before."""
        return None if self.horizon_us is None else self.since_us - self.horizon_us

    @property
    def reach_us(self) -> int | None:
        """Until when an event that happened before the end may have come and be counted; None: at any time."""
        return None if self.lateness_us is None else self.until_us + self.lateness_us + 1


@dataclass(frozen=True, slots=True)
class Names:
    """The tables' names."""

    raw: str
    counted: str
    accounts: str


_AT = "coalesce(received, stamp, event_time, read_at)"
_ORDER = 'came, read_at, source, "partition", position, element'


def extent(names: Names) -> str:
    """The first and the last moment of the raw events, how many rows there are, and how many events have no uuid."""
    nameless = "sum(CASE WHEN account = 'event' AND uuid IS NULL THEN 1 ELSE 0 END) AS nameless"
    times = f"epoch_us(min({_AT})) AS first_us, epoch_us(max({_AT})) AS last_us"
    return f"SELECT {times}, count(*) AS raw, {nameless} FROM {names.raw}"


def raw(names: Names, scope: Scope) -> str:
    """Raw events by span, source, partition, account, and of copies by cause, by age, and whether they were late."""
    return f"""
WITH seen AS ({_seen(names, scope, scope.until_us)}), often AS (
  SELECT uuid FROM seen WHERE account = 'event' GROUP BY uuid HAVING count(*) > 1
), told AS ({_TOLD}), known AS (
  SELECT {_KNOWN}, {_CAUSE} AS cause, {_age(scope.horizon_us)} AS age FROM told
  UNION ALL
  SELECT {_KNOWN}, CAST(NULL AS TEXT) AS cause, CAST(NULL AS TEXT) AS age FROM seen
  WHERE account <> 'event' OR uuid NOT IN (SELECT uuid FROM often)
)
SELECT {_span("came", scope.span_us)} AS span, source, "partition", account, cause, age,
  {_late(scope)} AS is_late, count(*) AS n
FROM known WHERE epoch_us(came) >= {scope.since_us}
GROUP BY 1, 2, 3, 4, 5, 6, 7"""


def left(names: Names, scope: Scope) -> str:
    """Counted events by the span in which their id first came in; `doubled`: rows beyond one of each id.

    `unseen` are ids that no raw event has: their span is that of the event time. So raw events are looked for beyond
    the end too: one that came there is not of this time.
    """
    return f"""
WITH seen AS ({_seen(names, scope, scope.reach_us)}), first_of AS (
  SELECT uuid, min(came) AS came FROM seen WHERE account = 'event' GROUP BY uuid
), counted_of AS (
  SELECT uuid, min(event_time) AS event_time, count(*) AS n FROM {names.counted} GROUP BY uuid
), placed AS (
  SELECT counted_of.uuid, n, coalesce(first_of.came, counted_of.event_time) AS came, first_of.came IS NULL AS is_unseen
  FROM counted_of LEFT JOIN first_of ON counted_of.uuid = first_of.uuid
)
SELECT {_span("came", scope.span_us)} AS span, sum(n) AS counted, sum(n - 1) AS doubled,
  sum(CASE WHEN is_unseen THEN 1 ELSE 0 END) AS unseen
FROM placed WHERE epoch_us(came) >= {scope.since_us} AND epoch_us(came) < {scope.until_us}
GROUP BY 1"""


def accounts(names: Names, scope: Scope) -> str:
    """The ledger by span and partition; a row without a minute has no span."""
    return f"""
SELECT {_span("minute", scope.span_us)} AS span, "partition", account, sum(records) AS n
FROM {names.accounts}
WHERE minute IS NULL OR (epoch_us(minute) >= {scope.since_us} AND epoch_us(minute) < {scope.until_us})
GROUP BY 1, 2, 3"""


def ids(names: Names, since_us: int, until_us: int) -> str:
    """The ids of the raw events of some time."""
    came = f"epoch_us({_AT})"
    return f"""
SELECT DISTINCT uuid FROM {names.raw}
WHERE day >= {_day(since_us)} AND day < {_day(until_us + DAY_US)}
  AND account = 'event' AND {came} >= {since_us} AND {came} < {until_us}"""


def _seen(names: Names, scope: Scope, until_us: int | None) -> str:
    """The table is divided by the day of the same time."""
    bounds = []
    if until_us is not None:
        bounds.append(f"epoch_us({_AT}) < {until_us} AND day < {_day(until_us + DAY_US)}")
    if scope.from_us is not None:
        bounds.append(f"epoch_us({_AT}) >= {scope.from_us} AND day >= {_day(scope.from_us)}")
    columns = 'source, "partition", position, element, read_at, received, event_time, uuid, content, account'
    origin = "attempt, origin_source, origin_partition, origin_position"
    return f"SELECT {columns}, {origin}, {_AT} AS came FROM {names.raw} WHERE {' AND '.join(bounds) or 'true'}"


def _nth(*of: str) -> str:
    return f"row_number() OVER (PARTITION BY {', '.join(of)} ORDER BY {_ORDER})"


_ORIGIN = ("uuid", "source", "origin_source", "origin_partition", "origin_position")
_RANKS = {
    "nth": _nth("uuid"),
    "nth_here": _nth("uuid", "source", '"partition"', "position", "element"),
    "nth_published": _nth(*_ORIGIN, "attempt"),
    "nth_of_origin": _nth(*_ORIGIN),
    "nth_of_attempt": _nth("uuid", "source", "attempt"),
    "nth_of_source": _nth("uuid", "source"),
    "first_at": f"first_value(came) OVER (PARTITION BY uuid ORDER BY {_ORDER})",
    "first_time": f"first_value(event_time) OVER (PARTITION BY uuid ORDER BY {_ORDER})",
    "first_content": f"first_value(content) OVER (PARTITION BY uuid ORDER BY {_ORDER})",
}
_KNOWN = 'came, source, "partition", account, received, event_time'
_TOLD = "SELECT *, " + ", ".join(f"{query} AS {name}" for name, query in _RANKS.items())
_TOLD += " FROM seen WHERE account = 'event' AND uuid IN (SELECT uuid FROM often)"

# A message without a lineage that was published at the same attempt may be the topic's copy, or the producer's.
_CAUSE = """CASE
    WHEN nth = 1 THEN NULL
    WHEN first_time IS DISTINCT FROM event_time OR first_content IS DISTINCT FROM content THEN 'conflict'
    WHEN nth_here > 1 THEN 'redelivery'
    WHEN nth_of_source = 1 THEN 'other_source'
    WHEN origin_position IS NOT NULL AND nth_published > 1 THEN 'redelivery'
    WHEN origin_position IS NOT NULL AND nth_of_origin > 1 THEN 'relay_retry'
    WHEN origin_position IS NULL AND attempt IS NOT NULL AND nth_of_attempt > 1 THEN 'unknown'
    WHEN origin_position IS NULL AND attempt IS NOT NULL THEN 'relay_retry'
    ELSE 'producer_retry' END"""


def _late(scope: Scope) -> str:
    """What is later than the limit is too late, as the ledger has it."""
    lateness = "epoch_us(received) - epoch_us(event_time)"
    least = "" if scope.lateness_us is None else f" AND {lateness} <= {scope.lateness_us}"
    return f"coalesce({lateness} > {scope.late_after_us}{least}, false)"


def _age(horizon_us: int | None) -> str:
    age = "(epoch_us(came) - epoch_us(first_at))"
    limits = [("1s", SECOND_US), ("1m", MINUTE_US), ("1h", HOUR_US), ("1d", DAY_US)]
    beyond = [] if horizon_us is None else [f"WHEN {age} > {horizon_us} THEN 'beyond'"]
    under = [f"WHEN {age} < {limit_us} THEN '{name}'" for name, limit_us in limits]
    return " ".join(["CASE WHEN nth = 1 THEN NULL", *beyond, *under, "ELSE 'horizon' END"])


def _span(time: str, span_us: int) -> str:
    """The beginning of the span that a time lies in."""
    at = f"epoch_us({time})"
    return f"{at} - (({at} % {span_us}) + {span_us}) % {span_us}"


def _day(at_us: int) -> str:
    from crossfoot.query.times import show_time

    return f"DATE '{(show_time(at_us) or '')[:10]}'"
