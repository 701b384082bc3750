"""One event, and one line, for each change of state."""

import io
import json
from dataclasses import replace

import pytest

from crossfoot.seen.changes import Changes, Event
from crossfoot.seen.log import Log
from crossfoot.seen.state import Lag, Queue, Retry, SinkState, State
from tests.unit.seen.states import state


def events(*states: State) -> list[str]:
    """What is told of some states after the first, and of whom."""
    changes = Changes()
    list(changes.of(state()))
    told = [event for each in states for event in changes.of(each)]
    return [" ".join([event.name, *map(str, list(event.facts.values())[:1])]) for event in told]


def test_a_start_is_told_once():
    """With who it is."""
    changes = Changes()
    first = list(changes.of(state(metrics="http://127.0.0.1:1/metrics")))
    assert [event.name for event in first] == ["started"]
    assert first[0].facts["name"] == "clicks"
    assert list(changes.of(state())) == []


def test_partitions_that_join_are_told_together():
    """And later ones by themselves."""
    lags = (Lag("a/0", 0, 0.0), Lag("a/1", 0, 0.0))
    later = (*lags, Lag("a/2", 0, 0.0))
    assert events(state(lags=lags), state(lags=lags), state(lags=later)) == ["joined ['a/0', 'a/1']", "joined ['a/2']"]


def test_lag_begins_and_ends_once():
    """Records that wait for a moment are no lag; between the two bounds nothing is told."""
    lags = [Lag("a/0", n, seconds) for n, seconds in [(5, 2.0), (5, 10.0), (5, 6.0), (5, 11.0), (5, 4.0), (0, 0.0)]]
    told = events(*(state(lags=(lag,)) for lag in lags))
    assert told == ["joined ['a/0']", "lag_begins a/0", "lag_ends a/0"]


def test_a_full_queue_pauses_its_source():
    """Until half of it is free."""
    queues = [Queue("a", used, 100) for used in (99, 100, 99, 100, 50, 0)]
    assert events(*(state(queues=(queue,)) for queue in queues)) == ["paused a", "resumed a"]


def test_what_fails_is_told_when_it_begins_and_ends():
    """Sources and sinks alike; not each attempt."""
    failing = state(retrying=(Retry("a", 1, "x"),), sinks=(SinkState("s", 1, 1, 0, "down", 3),))
    again = replace(failing, retrying=(Retry("a", 2, "x"),))
    works = state(sinks=(SinkState("s", 2, 0, 5),))
    assert events(failing, again, works) == [
        "retry_begins a",
        "retry_begins sink s",
        "retry_ends a",
        "retry_ends sink s",
    ]


def test_checkpoints_and_the_end_are_told():
    """The end once."""
    last = state(epoch=4, checkpoints=1, phase="stopping")
    assert events(state(epoch=4, checkpoints=1), last, last) == ["checkpoint 4", "stop 4"]


def test_the_end_of_a_service_without_epochs_names_none():
    """It has none."""
    changes = Changes()
    last = list(changes.of(state(phase="stopping")))[-1]
    assert last.facts == {"records": 0, "seconds": 1.0}


@pytest.mark.parametrize("text", ["no\nbroker", 'a "b"', "x y"])
def test_a_line_of_json_is_one_line(text):
    """Whatever it says."""
    out = io.StringIO()
    Log("json", "run", out).tell(Event("retry_begins", {"reason": text}, warns=True))
    assert out.getvalue().count("\n") == 1
    found = json.loads(out.getvalue())
    assert found.pop("time").endswith("Z")
    assert found == {"level": "warning", "service": "run", "event": "retry_begins", "reason": text}


def test_a_line_of_text_is_one_line():
    """What has blanks is quoted."""
    out = io.StringIO()
    Log("text", "run", out).tell(Event("joined", {"partitions": ["a/0", "a/1"], "reason": "x\ny"}))
    assert out.getvalue().split(" ", 1)[1] == 'info run joined partitions=a/0,a/1 reason="x\\ny"\n'


def test_nothing_is_told_unless_it_was_asked_for(capsys):
    """Standard error stays as it was."""
    Log("", "run").tell(Event("stop"))
    assert capsys.readouterr() == ("", "")
