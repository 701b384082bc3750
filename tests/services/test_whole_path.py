"""The whole way gives the cells and accounts of the raw input: a project's history, and seeded events with copies."""

import time
from collections import Counter
from pathlib import Path

import pytest

from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.generate import Workload, blocks
from crossfoot.query.ledger import Accounts
from tests.golden.answers import answers
from tests.real.data import history
from tests.real.recount import assert_same_cells, connect, count, ledger
from tests.services.broker import Broker
from tests.services.way import PARTITIONS, Events, Way

GIT = Events(
    """
crossfoot: 1
namespace: git
source: {source}
event:
  time: {{field: author_time, unit: s}}
  received: {received}
  id: [author_time, author, status, path]
  fields:
    author: {{path: author, type: text}}
    status: {{path: status, type: text}}
    at: {{path: author_time, type: integer}}
metrics:
  changes:
    by: [[], [status], [author, status]]
    measures: {{changes: count, first: min(at), last: max(at)}}
    grains: [1h, 1d Asia/Kolkata]
{more}
""",
    "{field: commit_time, unit: s}",
    # The commits are years old when they are counted: so long they may have been on the way.
    "accept: {lateness: 7d, transport: 10000d}",
)
SEEDED = Events(
    """
crossfoot: 1
namespace: engagement
source: {source}
event:
  time: {{field: ts, unit: ms}}
  received: {received}
  id: id
  fields:
    kind: {{path: kind, type: text}}
    country: {{path: country, type: text}}
    client: {{path: client, type: text}}
    duration: {{path: duration, type: integer}}
metrics:
  engagement:
    by: [[], [kind], [country, client]]
    measures: {{events: count, time_spent: sum(duration), longest: max(duration)}}
    grains: [1m, 1h]
{more}
""",
    "broker",
    "accept: {lateness: 2d}",
)
UNIT = {"1m": "minute", "1h": "hour"}
# Every copy is the same line once more.
JUDGED = """
CREATE TABLE event AS
  SELECT DISTINCT text->>'id' AS id, text->>'kind' AS kind, text->>'country' AS country, text->>'client' AS client,
         (text->>'duration')::BIGINT AS duration, make_timestamp((text->>'ts')::BIGINT * 1000) AS time FROM lines
"""
QUERIES = {
    ("engagement", by, grain): f"SELECT date_trunc('{unit}', time) AS \"window\"{',' if by else ''} {by},"
    " count(*) AS events, sum(duration)::BIGINT AS time_spent, max(duration) AS longest FROM event GROUP BY ALL"
    f' ORDER BY {by + ", " if by else ""} "window"'
    for grain, unit in UNIT.items()
    for by in ("", "kind", "country,client")
}


def cells(store: Path, text: str) -> list:
    """Every cell of a store."""
    engine = EmbeddedEngine(store, load_text(text))
    found = answers(engine)["cells"]
    engine.abandon()
    return found


def assert_same_accounts(accounts: Accounts, expected: dict[str, int], lines: int) -> None:
    """End to end; what Pub/Sub delivered once more is a duplicate once more."""
    by_account = Counter({"duplicate": sum(accounts.totals.values()) - lines})
    assert by_account["duplicate"] >= 0
    for account, records in expected.items():
        by_account[account.split()[0]] += records
    assert Counter(accounts.totals) == by_account


@pytest.mark.parametrize(
    ("number", "in_blocks"),
    [
        (20_000, True),
        pytest.param(20_000, False, marks=pytest.mark.campaign),
        pytest.param(None, True, marks=pytest.mark.campaign),
    ],
)
def test_a_history_comes_through_the_whole_way(broker: Broker, pubsub, tmp_path: Path, number, in_blocks):
    """As the reference engine counts it: with repeats, and with commits that are older than is allowed."""
    lines = history()[:number]
    way = Way(broker, pubsub.address, GIT, in_blocks)
    accounts = way.go(lines, tmp_path / "live")

    raw = GIT.at(way.stage.name, "{files: [history.jsonl]}", GIT.received, "accept: {lateness: 7d}")
    parts = {f"part-{part}": lines[part::PARTITIONS] for part in range(PARTITIONS)}
    reference = count("reference", raw, parts, tmp_path / "reference")
    assert cells(tmp_path / "live", way.pull) == answers(reference)["cells"]
    assert_same_accounts(accounts, ledger(reference), len(lines))


def seeded(number: int) -> list[bytes]:
    """Events of just now; 8 % of the lines are copies."""
    workload = Workload(start_us=time.time_ns() // 1000 - number * 500, rate=2000.0)
    return [line for block in blocks(number, workload) for line in block.splitlines()]


def test_seeded_events_come_through_the_whole_way(broker: Broker, pubsub, tmp_path: Path):
    """As the reference engine counts them."""
    lines = seeded(50_000)
    way = Way(broker, pubsub.address, SEEDED, blocks=True)
    accounts = way.go(lines, tmp_path / "live")
    raw = SEEDED.at(way.stage.name, "{files: [events.jsonl]}", "none")
    reference = count("reference", raw, {"events": lines}, tmp_path / "reference")
    assert cells(tmp_path / "live", way.pull) == answers(reference)["cells"]
    assert_same_accounts(accounts, ledger(reference), len(lines))


@pytest.mark.campaign
def test_two_million_events_come_through_the_whole_way(broker: Broker, pubsub, tmp_path: Path):
    """As the embedded engine counts them from a file, and as SQL does."""
    lines = seeded(2_000_000)
    way = Way(broker, pubsub.address, SEEDED, blocks=True)
    accounts = way.go(lines, tmp_path / "live")
    raw = SEEDED.at(way.stage.name, "{files: [events.jsonl]}", "none")
    (tmp_path / "direct").mkdir()
    direct = count("embedded", raw, {"events": lines}, tmp_path / "direct")
    assert cells(tmp_path / "live", way.pull) == answers(direct)["cells"]
    assert_same_accounts(accounts, ledger(direct), len(lines))
    connection = connect(lines)
    connection.execute(JUDGED)
    assert_same_cells(direct, connection, QUERIES)
