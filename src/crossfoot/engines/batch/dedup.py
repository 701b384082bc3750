"""Copies by the raw id fields: which record of an id counts, and what the others are.

Nearly all ids come with one event time: then the first record counts, and a later one is a `duplicate`, or a `conflict`
if its declared fields differ. An id with several times is judged record by record, since each that counts is remembered
for its own while.
"""

from __future__ import annotations

from crossfoot.definition.model import DAY_US, HOUR_US, MINUTE_US, SECOND_US, Definition
from crossfoot.definition.prepared import reading
from crossfoot.definition.sql_parts import case
from crossfoot.engines.batch import ids
from crossfoot.engines.batch.dialect import Dialect
from crossfoot.engines.batch.prepare import raw_paths
from crossfoot.engines.batch.sql import field_column, floor
from crossfoot.engines.batch.variation import Variation

_RANKED = "nth, first_us, first_content, least_us, most_us, content"
_AGES = ((SECOND_US, "under_1s"), (MINUTE_US, "under_1m"), (HOUR_US, "under_1h"), (DAY_US, "under_1d"))


def steps(definition: Definition, variation: Variation, dialect: Dialect) -> list[tuple[str, str]]:
    """The step `verdicts`: every record with `verdict`, its account and reason."""
    if variation.dedup == "none":
        return [("verdicts", "SELECT *, coalesce(refusal, 'counted') AS verdict FROM timely")]
    keys = ", ".join(key_columns(definition, variation))
    order = order_of(definition)
    ranked = (
        f"SELECT *, row_number() OVER ordered AS nth, first_value(event_us) OVER same_id AS first_us,"
        f" first_value(content) OVER same_id AS first_content, min(event_us) OVER ids AS least_us,"
        f" max(event_us) OVER ids AS most_us FROM (SELECT *, {_content(definition)} AS content FROM timely"
        " WHERE refusal IS NULL)"
        f" WINDOW ids AS (PARTITION BY {keys}), ordered AS (PARTITION BY {keys} ORDER BY {order}),"
        f" same_id AS (PARTITION BY {keys} ORDER BY {order}"
        " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    )
    simple = case(
        ("nth = 1", "'counted'"),
        ("event_us <> first_us", "'conflict time'"),
        ("content <> first_content", "'conflict content'"),
        otherwise=f"'duplicate ' || {_age()}",
    )
    if definition.accept.horizon_us is None or variation.dedup == "per_window":
        judged = f"SELECT * EXCLUDE ({_RANKED}), {simple} AS verdict FROM ranked"
        return [("ranked", ranked), ("verdicts", f"{judged} {_refused()}")]
    return [("ranked", ranked), *_with_horizon(definition, keys, simple, dialect)]


def lean(definition: Definition, variation: Variation, dialect: Dialect) -> str | None:
    """What counts, without a verdict on every record: where nothing but the id decides, any of several copies."""
    if definition.accept.horizon_us is not None or variation.dedup != "exact" or not dialect.picks_any:
        return None
    keys = ", ".join(key_columns(definition, variation))
    columns = ", ".join(["event_us", *[field_column(field.name) for field in definition.event.fields]])
    return f"SELECT DISTINCT ON ({keys}) {columns} FROM timely WHERE refusal IS NULL"


def _refused() -> str:
    return "UNION ALL SELECT *, refusal AS verdict FROM timely WHERE refusal IS NOT NULL"


def order_of(definition: Definition) -> str:
    return "epoch, step" + (", place" if definition.explode is not None else "")


def key_columns(definition: Definition, variation: Variation) -> list[str]:
    """What must be equal for two records to be copies."""
    numbers = dict.fromkeys(raw_paths(definition).paths, 0)
    keys = list(ids.columns(reading(definition), numbers, definition.explode))
    if variation.dedup == "per_window":
        keys.append(floor("coalesce(t_us, event_us)", HOUR_US))
    return keys


def _content(definition: Definition) -> str:
    columns = [field_column(field.name) for field in definition.event.fields]
    return f"row({', '.join(columns)})" if columns else "row(0)"


def _age() -> str:
    branches = [("t_us IS NULL", "'unknown'"), *[(f"t_us - event_us < {us}", f"'{text}'") for us, text in _AGES]]
    return case(*branches, otherwise="'over_1d'")


def _with_horizon(definition: Definition, keys: str, simple: str, dialect: Dialect) -> list[tuple[str, str]]:
    """Ids of several times step by step: `kept` holds, of each record that counted, what is remembered."""
    accept = definition.accept
    ends = f"{floor('event_us', accept.bucket_us)} + {accept.bucket_us + (accept.horizon_us or 0)}"
    some = (
        f"SELECT *, dense_rank() OVER (ORDER BY {keys}) AS id_number, {ends} AS until_us FROM ranked"
        " WHERE least_us <> most_us"
    )
    known = "n.t_us <= e.u"
    same = f"{known} AND e.e = n.event_us"
    verdict = case(
        (f"NOT ({dialect.any_of('k.kept', known)})", "'counted'"),
        (dialect.any_of("k.kept", f"{same} AND e.c = n.content"), f"'duplicate ' || {_age()}"),
        (dialect.any_of("k.kept", same), "'conflict content'"),
        otherwise="'conflict time'",
    )
    one = dialect.record({"e": "n.event_us", "u": "n.until_us", "c": "n.content"})
    step = (
        "SELECT id_number, nth, verdict,"
        f" CASE WHEN verdict = 'counted' THEN {dialect.append('kept', 'one')} ELSE kept END AS kept"
        f" FROM (SELECT n.id_number, n.nth, k.kept, {one} AS one, {verdict} AS verdict"
        " FROM walked k JOIN several n ON n.id_number = k.id_number AND n.nth = k.nth + 1)"
    )
    start = f"SELECT id_number, nth, 'counted' AS verdict, [{one}] AS kept FROM several n WHERE nth = 1"
    judged = (
        f"SELECT r.* EXCLUDE ({_RANKED}, id_number, until_us), w.verdict"
        " FROM several r JOIN walked w USING (id_number, nth)"
    )
    plain = f"SELECT * EXCLUDE ({_RANKED}), {simple} AS verdict FROM ranked WHERE least_us = most_us"
    return [
        ("several", some),
        ("walked", f"RECURSIVE {start} UNION ALL {step}"),
        ("verdicts", f"{plain} UNION ALL {judged} {_refused()}"),
    ]
