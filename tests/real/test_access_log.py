"""10,000 lines of a web server's log, 19 of them identical to an earlier one."""

from pathlib import Path

import pytest

from tests.engines import DRIVERS
from tests.real import data
from tests.real.recount import assert_same_cells, connect, count, ledger, lines_for, rows_of

PATTERN = (
    r'(?P<host>\S+) (?P<ident>\S+) (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<request>[^"]*)" (?P<status>\d{3})'
    r' (?P<size>\d+|-) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"?'
)
DEFINITION = f"""
crossfoot: 1
namespace: access
source: {{files: none.log, format: {{regex: '{PATTERN}'}}}}
event:
  time: {{field: time, pattern: "%d/%b/%Y:%H:%M:%S %z"}}
  received: none
  id: {{fingerprint: [host, ident, user, time, request, status, size, referer, agent]}}
  fields:
    host: {{path: host, type: text}}
    status: {{path: status, type: integer}}
    bytes: {{expr: "case when size = '-' then null else cast(size as integer) end", type: integer}}
metrics:
  requests:
    by: [[], [status], [host]]
    measures: {{requests: count, bytes: sum(bytes), largest: max(bytes), hosts: "distinct(host, exact=10000)"}}
    grains: [1m, 1h, all]
"""
EVENTS = r"""
CREATE TABLE e AS SELECT
  regexp_extract(text, '^(\S+)', 1) AS host,
  strptime(regexp_extract(text, '\[([^ ]+) ', 1), '%d/%b/%Y:%H:%M:%S') AS t,
  regexp_extract(text, '" (\d{3}) (\d+|-) "', 1)::BIGINT AS status,
  TRY_CAST(regexp_extract(text, '" (\d{3}) (\d+|-) "', 2) AS BIGINT) AS bytes
FROM (SELECT DISTINCT text FROM lines) WHERE text LIKE '% +0000] %';
"""
MEASURES = "count(*) AS requests, sum(bytes)::BIGINT AS bytes, max(bytes) AS largest, count(DISTINCT host) AS hosts"
QUERIES = {
    ("requests", by, grain): f'SELECT {window} AS "window"{"," if by else ""} {by}, {MEASURES} FROM e'
    f' GROUP BY ALL ORDER BY {by + ", " if by else ""} "window"'
    for grain, window in (("1m", "date_trunc('minute', t)"), ("1h", "date_trunc('hour', t)"), ("all", "NULL"))
    for by in ("", "status", "host")
}


@pytest.mark.parametrize("name", DRIVERS)
def test_every_cell_is_what_sql_says(name: str, tmp_path: Path):
    """Identical lines once, times by a pattern, sizes that are a hyphen."""
    lines = lines_for(name, data.access())
    engine = count(name, DEFINITION, {"log": lines}, tmp_path)
    connection = connect(lines)
    connection.execute(EVENTS)
    assert_same_cells(engine, connection, QUERIES)
    rows = rows_of(connection, "SELECT count(*) AS n FROM e")[0]["n"]
    repeated = {"duplicate unknown": len(lines) - rows} if rows < len(lines) else {}
    assert ledger(engine) == {"counted": rows} | repeated
    assert name == "reference" or (len(lines), rows) == (10_000, 9_981)
