"""39,244 edits of Wikipedia on 2015-09-12; they come with the project."""

from pathlib import Path

import pytest

from tests.engines import DRIVERS
from tests.real import data
from tests.real.recount import assert_same_cells, connect, count, ledger, lines_for, rows_of

EVENT = """
crossfoot: 1
namespace: wikipedia
event:
  time: {field: time, unit: iso}
  received: none
  id: [time, page, user]
  fields:
    page: {path: page, type: text}
    channel: {path: channel, type: text}
    country: {path: countryIsoCode, type: text}
    robot: {path: isRobot, type: boolean}
    new: {path: isNew, type: boolean}
    added: {path: added, type: integer}
    delta: {path: delta, type: integer}
"""
DEFINITION = (
    EVENT
    + """metrics:
  edits:
    by: [[], [channel, robot], [page], [country]]
    measures: {edits: count, added: sum(added), least: min(delta), most: max(delta), mean: mean(delta)}
    grains: [15m, 1d America/Los_Angeles, all]
  robots: {where: robot, measures: {edits: count}, grains: [1h, all]}
  new: {where: new and not robot, by: [[channel]], measures: {edits: count, delta: sum(delta)}, grains: [all]}
"""
)
EVENTS = """
CREATE TABLE e AS SELECT DISTINCT
  (text->>'time')::TIMESTAMPTZ AT TIME ZONE 'UTC' AS t, text->>'page' AS page, text->>'user' AS "user",
  text->>'channel' AS channel, text->>'countryIsoCode' AS country,
  (text->>'isRobot')::BOOLEAN AS robot, (text->>'isNew')::BOOLEAN AS new,
  (text->>'added')::BIGINT AS added, (text->>'delta')::BIGINT AS delta
FROM lines
"""
WINDOWS = {
    "15m": "time_bucket(INTERVAL 15 MINUTE, t, TIMESTAMP '1970-01-01')",
    "1d America/Los_Angeles": "date_trunc('day', t AT TIME ZONE 'UTC' AT TIME ZONE 'America/Los_Angeles')"
    " AT TIME ZONE 'America/Los_Angeles' AT TIME ZONE 'UTC'",
    "all": "NULL",
}
MEASURES = """count(*) AS edits, sum(added)::BIGINT AS added, min(delta) AS least, max(delta) AS most,
  sum(delta)::DOUBLE / count(delta) AS mean"""


def queries() -> dict[tuple[str, str, str], str]:
    found = {}
    for grain, window in WINDOWS.items():
        for dimensions in ("", "channel,robot", "page", "country"):
            by = f", {dimensions}" if dimensions else ""
            order = ", ".join(f"{name} NULLS FIRST" for name in [*filter(None, dimensions.split(",")), '"window"'])
            query = f'SELECT {window} AS "window"{by}, {MEASURES} FROM e GROUP BY ALL ORDER BY {order}'
            found["edits", dimensions, grain] = query
    hour = "SELECT date_trunc('hour', t) AS \"window\", count(*) AS edits FROM e WHERE robot GROUP BY 1 ORDER BY 1"
    found["robots", "", "1h"] = hour
    found["robots", "", "all"] = 'SELECT NULL AS "window", count(*) AS edits FROM e WHERE robot'
    found["new", "channel", "all"] = (
        'SELECT NULL AS "window", channel, count(*) AS edits, sum(delta)::BIGINT AS delta FROM e'
        " WHERE new AND NOT robot GROUP BY ALL ORDER BY channel"
    )
    return found


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return data.edits()


@pytest.mark.parametrize("name", DRIVERS)
def test_every_cell_is_what_sql_says(name: str, lines: list[bytes], tmp_path: Path):
    """Also with every line delivered twice."""
    some = lines_for(name, lines)
    engine = count(name, DEFINITION, {"first": some, "again": some}, tmp_path)
    connection = connect(some)
    connection.execute(EVENTS)
    assert_same_cells(engine, connection, queries())
    assert ledger(engine) == {"counted": len(some), "duplicate unknown": len(some)}


def test_the_numbers_that_must_come_out(lines: list[bytes]):
    """Of the data itself."""
    connection = connect(lines)
    connection.execute(EVENTS)
    numbers = "SELECT count(*) AS edits, count(*) FILTER (robot) AS robots, count(*) FILTER (new) AS new FROM e"
    assert rows_of(connection, numbers) == [{"edits": 39244, "robots": 15420, "new": 2278}]
