"""The ledger and the side log as answers."""

import json

import pytest

from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.event import PositionedRecord
from crossfoot.query.ledger import ACCOUNTS, accounts_of, side_rows
from crossfoot.stores.embedded import EmbeddedStore
from tests.counting import CLICKS, click, count_records


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One record in each of four accounts."""
    records = [click(1), click(1), click(2, at=None), b"\xff=cmd\x1b[0m\n"]
    return EmbeddedStore(count_records(tmp_path_factory.mktemp("ledger"), records))


def test_accounts_add_up(store):
    """Every record is in one account."""
    found = accounts_of(store).as_json()
    assert {
        name: found[name] for name in ("records", "counted", "duplicate", "invalid", "malformed", "unaccounted")
    } == {
        "records": 4,
        "counted": 1,
        "duplicate": 1,
        "invalid": 1,
        "malformed": 1,
        "unaccounted": 0,
    }
    assert list(found)[1:9] == list(ACCOUNTS)


def test_partitions_add_up(store):
    """The partitions' accounts are those of all."""
    found = accounts_of(store)
    assert {name: sum(one[name] for one in found.partitions.values()) for name in ACCOUNTS} == found.totals


def test_a_record_without_an_account_shows(store):
    """Positions that were consumed are compared with the accounts, so a lost record is seen."""
    lost = accounts_of(store)
    object.__setattr__(lost, "records", 5)
    assert lost.unaccounted == 1


def test_the_same_members_have_the_same_digest(store, tmp_path):
    """A counted event has the same digest in another store."""
    other = accounts_of(EmbeddedStore(count_records(tmp_path, [click(1)])))
    assert other.digests["counted"] == accounts_of(store).digests["counted"]


def test_the_side_log_keeps_the_bytes(store):
    """Reason and bytes of what was not counted; bytes that are no text are escaped."""
    names, rows = side_rows(store, 10)
    entries = [dict(zip(names, row, strict=True)) for row in rows]
    assert [(entry["account"], entry["part"], entry["reason"]) for entry in entries] == [
        ("invalid", "time", "missing"),
        ("malformed", "", "utf8"),
    ]
    assert entries[1]["raw"] == "\\xff=cmd\x1b[0m"


def test_gaps_are_shown_of_partitions_that_have_positions(tmp_path):
    """Positions consumed = records + gaps."""
    engine = EmbeddedEngine(tmp_path / "store", load_text(CLICKS))
    records = [PositionedRecord(json.dumps(click(n)).encode(), offset) for n, offset in ((1, 4), (2, 7))]
    engine.feed_records("topic/0", records, now_us=0)
    engine.commit()
    engine.close()
    found = accounts_of(EmbeddedStore(tmp_path / "store"))
    assert (found.gaps, found.as_json()["gaps"]) == ({"topic/0": 2}, {"topic/0": 2})


def test_the_ledger_shows_records_and_their_events(tmp_path):
    """Where a record is several events, each is in an account."""
    engine = EmbeddedEngine(tmp_path / "store", load_text(CLICKS + "preprocess: {explode: lines}\n"))
    engine.feed("a", json.dumps(click(1) | {"lines": [1, 2, 3]}).encode() + b"\n", now_us=0)
    engine.commit()
    engine.close()
    found = accounts_of(EmbeddedStore(tmp_path / "store"))
    assert (found.records, found.exploded, found.totals["counted"], found.unaccounted) == (1, {"a": 2}, 3, 0)
    assert EmbeddedStore(tmp_path / "store").verify()["ok"]


def test_files_have_no_gaps(store):
    """Their records are numbered as they are read."""
    assert "gaps" not in accounts_of(store).as_json()
