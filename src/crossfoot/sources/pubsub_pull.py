"""Pub/Sub by single calls: deliveries that whoever asked for them acknowledges later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crossfoot.sources.pubsub_client import LASTING, code_of, failure_of, message_class, open_channel, routing, unary

DEADLINE_S = 60
"""What was not acknowledged by then is delivered again."""
MESSAGES_MAX = 1_000
_ACKS_MAX = 1_000
_CALL_S = 30.0


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Messages, and the ids by which they are acknowledged. None at all is false."""

    ids: tuple[str, ...] = ()
    messages: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ids)


class PullOnce:
    """A subscription, asked call by call."""

    def __init__(self, path: str, environment: Mapping[str, str]) -> None:
        self._path = path
        self._channel = open_channel(environment)
        self._pull = unary(self._channel, "Subscriber/Pull", "PullResponse")
        self._acknowledge = unary(self._channel, "Subscriber/Acknowledge")
        self._extend = unary(self._channel, "Subscriber/ModifyAckDeadline")
        asked = message_class("PullRequest")(subscription=path, max_messages=MESSAGES_MAX)
        self._asked = asked.SerializeToString()

    def pull(self, wait_s: float) -> Deliveries:
        """What is there, nothing after a while. A service that does not answer now gives nothing either.

        DataError or ServiceError where it never will.
        """
        import grpc

        try:
            answer = self._pull(self._asked, timeout=wait_s, metadata=self._metadata)
        except grpc.RpcError as error:
            if code_of(error) in LASTING:
                raise failure_of(error, "subscription", self._path) from error
            return Deliveries()
        found = answer.received_messages
        taken = Deliveries(tuple(each.ack_id for each in found), tuple(each.message.data for each in found))
        self._call(self._extend, "ModifyAckDeadlineRequest", taken.ids, ack_deadline_seconds=DEADLINE_S)
        return taken

    def acknowledge(self, ids: Sequence[str]) -> None:
        """These are durable. Where the call fails they are delivered again."""
        self._call(self._acknowledge, "AcknowledgeRequest", ids)

    def _call(self, call: Any, request: str, ids: Sequence[str], **more: int) -> None:
        import grpc

        for first in range(0, len(ids), _ACKS_MAX):
            asked = message_class(request)(subscription=self._path, ack_ids=ids[first : first + _ACKS_MAX], **more)
            try:
                call(asked.SerializeToString(), timeout=_CALL_S, metadata=self._metadata)
            except grpc.RpcError:
                return  # they are delivered again, and are duplicates then

    @property
    def _metadata(self) -> list[tuple[str, str]]:
        return routing("subscription", self._path)

    def close(self) -> None:
        """Let go of the channel."""
        self._channel.close()
