"""How a process is a member of the group that shares a topic."""

import pytest

from crossfoot.errors import DefinitionError
from crossfoot.services.group.member import Calls, Member, member_settings
from crossfoot.sources.kafka import Topic

NOTHING = Calls(lambda _: None, lambda *_: None, lambda _: None, lambda _: None)


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
