"""`crossfoot beam run`, where the acknowledgement of each message is lost the first time: it is delivered again."""

import sys
from typing import Any

from google.cloud.pubsub import SubscriberClient

from crossfoot.cli import main

PULL, ACKNOWLEDGE = SubscriberClient.pull, SubscriberClient.acknowledge


def install() -> None:
    """The service is told at once that nobody has acknowledged; otherwise it would wait for the deadline."""
    messages: dict[str, bytes] = {}
    lost: set[bytes] = set()

    def pull(self: Any, **asked: Any) -> Any:
        found = PULL(self, **asked)
        messages.update({each.ack_id: each.message.data for each in found.received_messages})
        return found

    def acknowledge(self: Any, *, subscription: str, ack_ids: list[str]) -> None:
        first = [each for each in ack_ids if messages[each] not in lost]
        lost.update(messages[each] for each in first)
        if first:
            self.modify_ack_deadline(subscription=subscription, ack_ids=first, ack_deadline_seconds=0)
        if again := [each for each in ack_ids if each not in first]:
            ACKNOWLEDGE(self, subscription=subscription, ack_ids=again)

    SubscriberClient.pull, SubscriberClient.acknowledge = pull, acknowledge


if __name__ == "__main__":
    install()
    sys.exit(main())
