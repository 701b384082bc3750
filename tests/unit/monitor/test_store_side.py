"""The archive of a store as a side: only the days that are asked for are read, and the figures are the same."""

import pytest

from crossfoot.cli.app import main
from crossfoot.definition.load import load_text
from crossfoot.errors import StoreError
from crossfoot.monitor import raw
from crossfoot.monitor.look import Place, look, monitor_of
from crossfoot.monitor.measure import Asked
from crossfoot.query.times import read_time
from crossfoot.testing.clocks import ManualClock
from tests.archives import unsealed
from tests.counting import NOW_US, STAMPED, click, lines

ARCHIVED = STAMPED.replace("lateness: 1h", "lateness: 1h, horizon: 2h") + "archive: {}\n"
DAYS = ("2015-09-10", "2015-09-11", "2015-09-12", "2015-09-13")


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Three clicks a day, one of them a copy."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clicks.yaml").write_text(ARCHIVED)
    given = []
    for number, day in enumerate(DAYS):
        for seq, minute in ((2 * number, "00"), (2 * number + 1, "05"), (2 * number, "10")):
            given.append(click(seq, f"{day}T10:{minute if seq % 2 else '00'}:00Z", got=f"{day}T10:{minute}:00Z"))
    (tmp_path / "clicks.jsonl").write_bytes(lines(given))
    assert main(["run", "clicks.yaml"]) == 0
    return tmp_path / ".crossfoot"


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """The days whose parts were read since this was emptied."""
    days: list[str] = []

    def noted(part):
        days.append(part.path.parent.name.removeprefix("day="))
        return read_part(part)

    read_part = raw.read_part
    monkeypatch.setattr(raw, "read_part", noted)
    return days


def figures(store, *, since=None, until=None, text=ARCHIVED):
    """What a look says."""
    definition = load_text(text)
    asked = Asked(monitor_of(definition), read_time(since), read_time(until))
    return look(Place(definition, store, store.parent, {}, ManualClock(NOW_US)), asked)


def test_a_second_look_reads_what_it_is_asked_for(store, read):
    whole = figures(store)
    assert (whole.total.raw, whole.total.copies, whole.total.counted) == (12, 4, 8)
    assert set(DAYS) <= set(read)
    read.clear()
    day = figures(store, since="2015-09-11T10:00Z", until="2015-09-11T11:00Z")
    assert read == ["2015-09-11"]
    assert dict(day.spans)[day.since_us] == dict(whole.spans)[day.since_us]


def test_what_is_known_of_parts_changes_no_figure(store):
    spans = [(None, None), ("2015-09-12T00:00Z", None), (None, "2015-09-11T10:30Z"), ("2015-09-11", "2015-09-13")]
    known = [figures(store, since=since, until=until) for since, until in spans]
    for report, (since, until) in zip(known, spans, strict=True):
        (store / "shadow" / "came.json").unlink()
        assert figures(store, since=since, until=until) == report


def test_another_definition_reads_everything_again(store, read):
    """What is an event, and when it came, may be another thing there."""
    figures(store)
    read.clear()
    changed = figures(store, text=ARCHIVED.replace("  fields:\n", "  where: page <> 'a'\n  fields:\n"))
    assert set(DAYS) <= set(read)
    assert changed.total.events == 0


def test_what_is_no_record_of_parts_is_not_believed(store, read):
    whole = figures(store)
    (store / "shadow" / "came.json").write_text('{"plan": 1}')
    read.clear()
    assert figures(store) == whole
    assert set(DAYS) <= set(read)


def test_an_event_that_came_after_the_end_has_a_raw_event(store):
    """On the last moment of a day, and read in the part of the next. The ids of the others are forgotten by then."""
    late = click(99, "2015-09-13T23:59:00Z", got="2015-09-14T00:30:00Z")
    with (store.parent / "clicks.jsonl").open("ab") as file:
        file.write(lines([late]))
    assert main(["run", "clicks.yaml"]) == 0
    day = figures(store, since="2015-09-13T00:00Z", until="2015-09-14T00:00Z")
    assert (day.total.counted, day.total.unseen) == (0, 0)
    whole = figures(store)
    assert (whole.total.counted, whole.total.unseen) == (1, 0)


def test_an_archive_that_is_not_sealed_yet(tmp_path):
    """A run has begun: there is an archive."""
    with unsealed(tmp_path / "store", load_text(ARCHIVED), b""), pytest.raises(StoreError, match="not sealed yet"):
        figures(tmp_path / "store")
