"""A Pub/Sub emulator of one process, its topics and subscriptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from crossfoot.dev.emulator import Emulator
from crossfoot.errors import DataError, ServiceError
from crossfoot.sources.pubsub_client import HOST, need_package

NAME = "pubsub"
_ANSWER_S = 1.0
_ACK_S = 60


@dataclass(frozen=True, slots=True)
class PubSub(Emulator):
    """An emulator of topics and subscriptions."""

    name = NAME

    @property
    def options(self) -> tuple[str, ...]:
        """How its program is told where to listen."""
        return ("-address", self.address)

    def answers(self) -> bool:
        """Whether it is ready for clients; waits a second at most."""
        from google.api_core.exceptions import GoogleAPICallError, RetryError

        with self.channel() as channel:
            try:
                list(_publisher(channel).list_topics(project="projects/ready", retry=None, timeout=_ANSWER_S))
            except (GoogleAPICallError, RetryError):
                return False
        return True

    def need_topic(self, project: str, topic: str, subscription: str | None = None) -> None:
        """Make a topic, and a subscription to it, unless they are there."""
        named = f"projects/{project}/topics/{topic}"
        with self.channel() as channel:
            _make(lambda: _publisher(channel).create_topic(name=named), f"topic {topic}")
            if subscription:
                asked = {
                    "name": f"projects/{project}/subscriptions/{subscription}",
                    "topic": named,
                    "ack_deadline_seconds": _ACK_S,
                }
                _make(lambda: _subscriber(channel).create_subscription(request=asked), f"subscription {subscription}")


def look_up(place: str, environment: Mapping[str, str], timeout_s: float) -> str:
    """Ask the service for a topic or a subscription by its whole name; what was asked: an emulator, or Google."""
    need_package()
    from google.api_core.exceptions import GoogleAPICallError, NotFound, RetryError

    kind, name = place.split("/")[-2:]
    one = kind.removesuffix("s")
    try:
        with _service(environment.get(HOST)) as (publisher, subscriber):
            ask = publisher.get_topic if one == "topic" else subscriber.get_subscription
            ask(request={one: place}, retry=None, timeout=timeout_s)
    except NotFound as error:
        raise DataError(f"there is no such Pub/Sub {one}: {name}", "make it, or name another") from error
    except (GoogleAPICallError, RetryError, OSError) as error:
        raise _unreachable(str(error), environment) from error
    return f"the emulator at {environment[HOST]}" if environment.get(HOST) else "Google Cloud"


@contextmanager
def _service(emulator: str | None) -> Iterator[tuple[Any, Any]]:
    """Clients of an emulator, or of Google with the credentials of this machine."""
    if emulator:
        import grpc

        with grpc.insecure_channel(emulator) as channel:
            yield _publisher(channel), _subscriber(channel)
        return
    from google.auth.exceptions import GoogleAuthError
    from google.pubsub_v1 import PublisherClient, SubscriberClient

    try:
        with PublisherClient() as publisher, SubscriberClient() as subscriber:
            yield publisher, subscriber
    except GoogleAuthError as error:
        raise _unreachable(str(error), {}) from error


def _unreachable(text: str, environment: Mapping[str, str]) -> ServiceError:
    at = f" at {environment[HOST]}" if environment.get(HOST) else ""
    why = next(iter(text.splitlines()), "it said nothing")
    hint = f"check the project, the credentials and the network; an emulator is named by {HOST}"
    return ServiceError(f"Pub/Sub{at} does not answer: {why}", hint)


def _publisher(channel: Any) -> Any:
    from google.pubsub_v1.services.publisher import PublisherClient
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

    return PublisherClient(transport=PublisherGrpcTransport(channel=channel))


def _subscriber(channel: Any) -> Any:
    from google.pubsub_v1.services.subscriber import SubscriberClient
    from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

    return SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))


def _make(call: Any, what: str) -> None:
    from google.api_core.exceptions import AlreadyExists, GoogleAPICallError

    try:
        call()
    except AlreadyExists:
        return
    except GoogleAPICallError as error:
        raise ServiceError(f"the Pub/Sub {what} cannot be made: {error.message}") from error
