"""How a process is a member of the group that shares a topic."""

from dataclasses import replace

import pytest
from confluent_kafka import KafkaError

from crossfoot.errors import DataError, DefinitionError
from crossfoot.services.group import member
from crossfoot.services.group.member import Calls, CoordinatorError, Member, committed_by, member_settings
from crossfoot.sources.kafka import Topic
from tests.kafka import SaidAdmin

NOTHING = Calls(lambda _: None, lambda *_: None, lambda _: None, lambda _: None, lambda: None)


def topic(**given: str) -> Topic:
    """One that nobody answers for."""
    return Topic(
        "clicks", {"bootstrap.servers": "127.0.0.1:1", **{name.replace("_", "."): one for name, one in given.items()}}
    )


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, ("45000", "60000")),
        ({"session_timeout_ms": "6000"}, ("6000", "60000")),
        ({"session_timeout_ms": "90000"}, ("90000", "90000")),
        ({"max_poll_interval_ms": "300000"}, ("45000", "300000")),
    ],
)
def test_a_group_does_not_wait_long_for_a_member_that_does_not_join_again(given, wanted):
    """A minute; as long as its session may be, at least, for the client takes nothing less."""
    settings = member_settings(topic(**given), "sharing")
    assert (settings["session.timeout.ms"], settings["max.poll.interval.ms"]) == wanted
    Member(topic(**given), "sharing", NOTHING, 1).close()


@pytest.mark.parametrize("given", [{"session_timeout_ms": "soon"}, {"max_poll_interval_ms": "1000"}])
def test_what_the_client_does_not_take_is_a_fault_of_the_definition(given):
    with pytest.raises(DefinitionError):
        Member(topic(**given), "sharing", NOTHING, 1)


def test_what_the_member_hears_of_a_topic_is_looked_into():
    """A topic that was made again is another one, not a missing one."""

    def check() -> None:
        raise DataError("it was deleted and made again")

    heard = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
    for calls, message in ((NOTHING, "there is no such Kafka topic"), (replace(NOTHING, check=check), "made again")):
        member = Member(topic(), "sharing", calls, 1)
        member._heard(heard)
        with pytest.raises(DataError, match=message):
            member.poll()
        member.close()


def test_a_member_is_not_stopped_by_where_a_log_begins():
    """It reads nothing, so no offset of its own can be gone."""
    member = Member(topic(), "sharing", NOTHING, 1)
    member._heard(KafkaError(KafkaError._AUTO_OFFSET_RESET))
    member.poll()
    member.close()


@pytest.mark.parametrize("failures", [0, 2, 100])
def test_a_coordinator_that_is_not_ready_is_asked_again(failures, monkeypatch):
    """Until the time is over; what a broker answers meanwhile is no state of the group."""
    answers = iter([*["NOT_COORDINATOR"] * failures, "ready"])

    def committed(_self, _partitions):
        if next(answers) == "ready":
            return {0: (7, "")}
        raise CoordinatorError("the offsets of the group sharing cannot be read: not coordinator")

    monkeypatch.setattr(member, "admin_of", lambda *_: SaidAdmin())
    monkeypatch.setattr(Member, "committed", committed)
    if failures > 5:
        with pytest.raises(CoordinatorError):
            committed_by(topic(), "sharing", 1)
    else:
        assert committed_by(topic(), "sharing", 1).offsets == {0: (7, "")}
