"""800 nested events of GitHub, of 15 kinds with 15 forms."""

from pathlib import Path

import pytest

from tests.engines import DRIVERS
from tests.real import data
from tests.real.recount import assert_same_cells, connect, count, ledger

DEFINITION = """
crossfoot: 1
namespace: github
event:
  time: {field: created_at, unit: iso}
  received: none
  id: id
  fields:
    type: {path: type, type: text}
    actor: {path: actor.login, type: text}
    repo: {path: repo.name, type: text}
    org: {path: org.login, type: text}
    commits: {path: payload.size, type: integer}
    added: {path: payload.pull_request.additions, type: integer}
    merged: {path: payload.pull_request.merged, type: boolean, default: false}
    bot: {expr: "actor.login like '%[bot]'", type: boolean}
metrics:
  events:
    by: [[], [type, bot], [org, type], [repo]]
    measures: {events: count, commits: sum(commits), added: sum(added), actors: distinct(actor)}
    grains: [15m, 1h, all]
  merges: {where: merged, by: [[bot]], measures: {merges: count}, grains: [all]}
"""
EVENTS = """
CREATE TABLE e AS SELECT
  (text->>'created_at')::TIMESTAMPTZ AT TIME ZONE 'UTC' AS t, text->>'type' AS type, text->'actor'->>'login' AS actor,
  text->'repo'->>'name' AS repo, text->'org'->>'login' AS org, (text->'payload'->>'size')::BIGINT AS commits,
  (text->'payload'->'pull_request'->>'additions')::BIGINT AS added,
  COALESCE((text->'payload'->'pull_request'->>'merged')::BOOLEAN, false) AS merged, actor LIKE '%[bot]' AS bot
FROM lines;
"""
MEASURES = """count(*) AS events, sum(commits)::BIGINT AS commits, sum(added)::BIGINT AS added,
  count(DISTINCT actor) AS actors"""
WINDOWS = {
    "15m": "time_bucket(INTERVAL 15 MINUTE, t, TIMESTAMP '1970-01-01')",
    "1h": "date_trunc('hour', t)",
    "all": "NULL",
}


def queries() -> dict[tuple[str, str, str], str]:
    found = {}
    for grain, window in WINDOWS.items():
        for by in ("", "type,bot", "org,type", "repo"):
            order = ", ".join(f"{name} NULLS FIRST" for name in [*filter(None, by.split(",")), '"window"'])
            query = (
                f'SELECT {window} AS "window"{"," if by else ""} {by}, {MEASURES} FROM e GROUP BY ALL ORDER BY {order}'
            )
            found["events", by, grain] = query
    merges = 'SELECT NULL AS "window", bot, count(*) AS merges FROM e WHERE merged GROUP BY ALL ORDER BY bot'
    return found | {("merges", "bot", "all"): merges}


@pytest.mark.parametrize("name", DRIVERS)
def test_every_cell_is_what_sql_says(name: str, tmp_path: Path):
    """Paths that are missing in most kinds of events, and a second delivery of everything."""
    lines = data.github()
    engine = count(name, DEFINITION, {"first": lines, "again": lines}, tmp_path)
    connection = connect(lines)
    connection.execute(EVENTS)
    assert_same_cells(engine, connection, queries())
    assert ledger(engine) == {"counted": 800, "duplicate unknown": 800}
