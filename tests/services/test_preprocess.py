"""Preprocess against a real broker."""

import pytest

from tests.counting import click
from tests.services.broker import Broker
from tests.services.preparing import Stage


@pytest.fixture
def stage(broker: Broker) -> Stage:
    return Stage(broker)


def test_each_record_is_a_message_or_is_accounted_for(stage):
    """In = out + filtered + refused, for each partition."""
    stage.put(click(1), click(2), b"nonsense", click(3, kind="other"))
    stage.put({"seq": 4}, partition=1)
    found = stage.prepare()
    totals = found.totals
    assert (totals.records, totals.out, totals.filtered, totals.malformed, totals.invalid) == (5, 2, 1, 1, 1)
    assert totals.unaccounted == 0
    assert [line.lag for line in found.partitions] == [0, 0]
    assert sorted(message["offset"] for message in stage.prepared()) == ["0", "1"]
    assert [(letter, about["reason"], about["offset"]) for letter, about in stage.dead()] == [
        (b"nonsense", "syntax", "2"),
        (b'{"seq": 4}', "missing", "0"),
    ]
