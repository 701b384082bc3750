"""385,201 changes of files in the history of a project: event time is the author's, received time the commit's."""

from pathlib import Path

import pytest

from tests.engines import DRIVERS
from tests.real import data
from tests.real.recount import assert_same_cells, connect, count, ledger, lines_for, rows_of

DEFINITION = """
crossfoot: 1
namespace: git
event:
  time: {field: author_time, unit: s}
  received: {field: commit_time, unit: s}
  id: [author_time, author, status, path]
  fields:
    author: {path: author, type: text}
    status: {path: status, type: text}
    path: {path: path, type: text}
accept: {lateness: LATENESS}
metrics:
  changes:
    by: [[], [status], [author, status]]
    measures: {changes: count, paths: "distinct(path, exact=1000000)"}
    grains: [1h, 1d Asia/Kolkata, 1mo, all]
"""
# a is the largest stamp so far. A copy of what passed the time rule is a duplicate: within H = L it is remembered.
JUDGED = """
CREATE TABLE judged AS
  WITH e AS (
    SELECT n, text->>'author' AS author, text->>'status' AS status, text->>'path' AS path,
           (text->>'author_time')::BIGINT AS t, (text->>'commit_time')::BIGINT AS r FROM lines),
  stamped AS (SELECT *, max(r) OVER (ORDER BY n) AS a FROM e),
  timely AS (SELECT *, a - t <= LATENESS AS passed FROM stamped)
  SELECT *, to_timestamp(t) AT TIME ZONE 'UTC' AS ts,
    CASE WHEN NOT passed THEN 'too_late'
         WHEN n = min(n) FILTER (passed) OVER (PARTITION BY t, author, status, path) THEN 'counted'
         ELSE 'duplicate' END AS account
  FROM timely;
CREATE VIEW c AS SELECT * FROM judged WHERE account = 'counted';
"""
WINDOWS = {
    "1h": "date_trunc('hour', ts)",
    "1d Asia/Kolkata": "date_trunc('day', ts AT TIME ZONE 'UTC' AT TIME ZONE 'Asia/Kolkata')"
    " AT TIME ZONE 'Asia/Kolkata' AT TIME ZONE 'UTC'",
    "1mo": "date_trunc('month', ts)",
    "all": "NULL",
}
QUERIES = {
    ("changes", by, grain): f'SELECT {window} AS "window"{"," if by else ""} {by}, count(*) AS changes,'
    f' count(DISTINCT path) AS paths FROM c GROUP BY ALL ORDER BY {by + ", " if by else ""} "window"'
    for grain, window in WINDOWS.items()
    for by in ("", "status", "author,status")
}
EXPECTED = {
    "unbounded": {"counted": 371_980, "duplicate": 13_221},
    "7d": {"counted": 337_675, "duplicate": 4_137, "too_late": 43_389},
}
SECONDS = {"unbounded": str(10**12), "7d": str(7 * 86_400)}


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return data.history()


@pytest.mark.parametrize("lateness", EXPECTED)
@pytest.mark.parametrize("name", DRIVERS)
def test_every_cell_and_account_is_what_sql_says(name: str, lateness: str, lines: list[bytes], tmp_path: Path):
    """Without a limit of lateness, and with seven days: what is late agrees too, and nothing is a conflict."""
    some = lines_for(name, lines)
    engine = count(name, DEFINITION.replace("LATENESS", lateness), {"history": some}, tmp_path)
    connection = connect(some)
    connection.execute(JUDGED.replace("LATENESS", SECONDS[lateness]))
    assert_same_cells(engine, connection, QUERIES)
    truth = rows_of(connection, "SELECT account, count(*) AS records FROM judged GROUP BY 1")
    by_account: dict[str, int] = {}
    for account, records in ledger(engine).items():
        by_account[account.split()[0]] = by_account.get(account.split()[0], 0) + records
    assert by_account == {row["account"]: row["records"] for row in truth}
    assert name == "reference" or by_account == EXPECTED[lateness]
