"""What is published from where to where: everything is opened and asked for here, then the loop runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from crossfoot.definition.engines import refuse, relay_lacks
from crossfoot.definition.model import Definition, Relay
from crossfoot.definition.prepared import marks
from crossfoot.seen.board import Showing, shown
from crossfoot.seen.meter import Meter
from crossfoot.services.group.convert import BLOCK_BYTES, NativeConversion, WithinLimit
from crossfoot.services.group.output import Target, limits_of, message_limit, target_settings
from crossfoot.services.group.share import Shared
from crossfoot.services.group.status import Status, committed_status
from crossfoot.services.relay.encode import ATTRIBUTES_BYTES_MAX, Encoder, request_topic
from crossfoot.services.relay.heads import Wanted
from crossfoot.services.relay.publisher import MESSAGE_BYTES_MAX, Publisher
from crossfoot.services.relay.pubsub import Topic as PubSubTopic
from crossfoot.services.relay.service import Parts, Service
from crossfoot.services.relay.state import RelayState, RelayWatch, seen
from crossfoot.services.relay.step import Encoders, Passing, Preparing
from crossfoot.settings import Settings
from crossfoot.sources.kafka import Topic, admin_of, demand_append_time, topics_of
from crossfoot.sources.kafka_admin import need_package
from crossfoot.sources.pubsub_client import check_there, open_channel

_QUEUED = {"queued.max.messages.kbytes": "8192"}
"""What the client reads ahead, unless the definition says otherwise: a fresh message waits behind this at most."""


@dataclass(frozen=True, slots=True)
class RelayJob:
    """A definition with its topics. `environment` says where Pub/Sub is, and who we are to it."""

    definition: Definition
    topic: Topic
    environment: Mapping[str, str]
    once: bool = False

    @property
    def group(self) -> str:
        """The group that shares the topic, unless a setting names one."""
        return f"crossfoot-relay-{self.definition.namespace}"

    @property
    def relay(self) -> Relay:
        """The definition's section."""
        assert self.definition.relay is not None
        return self.definition.relay

    @property
    def is_raw(self) -> bool:
        """Whether the topic's records are not prepared yet."""
        return self.definition.format.name != "prepared"

    @property
    def path(self) -> str:
        """The Pub/Sub topic's whole name."""
        return f"projects/{self.relay.to.project}/topics/{self.relay.to.topic}"


def job_of(definition: Definition, environment: Mapping[str, str], once: bool) -> RelayJob:
    """The job of a definition; DefinitionError where it lacks a part."""
    refuse("`crossfoot relay`", relay_lacks(definition))
    (found,) = topics_of(definition, environment)
    topic = replace(found, settings={**_QUEUED, **found.settings})
    return RelayJob(definition, topic, environment, once)


def relay(job: RelayJob, settings: Settings, watch: RelayWatch) -> Status:
    """Publish until asked to stop; how far that has come, and its ledger."""
    need_package()
    channel = open_channel(job.environment)
    meter = Meter("relay", job.definition.namespace, watch.clock, batches=False, epochs=False)
    try:
        check_there(channel, "topic", job.path, settings.connect_seconds)
        with shown("relay", Showing.of(settings, None)) as board:
            retries = 0

            def tell(state: RelayState) -> None:
                nonlocal retries
                board.publish(seen(state, meter, job.topic.source_name, settings.queue_bytes, retries))
                retries = state.retries
                watch.state(state)

            _run(job, settings, replace(watch, state=tell, note=board.noting(watch.note)), channel)
    finally:
        channel.close()
    return status(job, settings)


def _run(job: RelayJob, settings: Settings, watch: RelayWatch, channel: Any) -> None:
    admin = admin_of(job.topic, job.group, settings.connect_seconds)
    if job.is_raw:
        demand_append_time(job.topic, admin)
    target = _target(job, settings, watch.note)
    to = PubSubTopic(channel, job.path, gzip=settings.pubsub_gzip)
    wanted = Wanted(**marks(job.definition))

    @cache
    def encoders(partition: int) -> Encoder:
        return Encoder(wanted, job.topic.topic, partition, MESSAGE_BYTES_MAX)

    parts = Parts(
        Shared(job.topic, admin, job.group, wanted.definition, "published", settings.queue_bytes // 4),
        _preparing(job, wanted, encoders) if job.is_raw else Passing(wanted, encoders),
        Publisher(to.send, request_topic(job.path), watch.clock.elapsed_s, watch.note),
        target,
    )
    service = Service(parts, settings, watch)
    try:
        service.run(job.once)
    finally:
        service.close()


def _preparing(job: RelayJob, wanted: Wanted, encoders: Encoders) -> Preparing:
    """The step of preprocess; an event that Pub/Sub cannot take is refused by it."""
    native = NativeConversion(job.definition, job.topic.topic, BLOCK_BYTES)
    return Preparing(WithinLimit(native, MESSAGE_BYTES_MAX - ATTRIBUTES_BYTES_MAX), wanted, encoders)


def _target(job: RelayJob, settings: Settings, note: Callable[[str], None]) -> Target:
    """The topic of dead letters is there, and what it takes."""
    name = job.relay.dead_letter
    assert name is not None
    client = target_settings({}, job.topic.settings)
    limit = message_limit(limits_of([name], client, settings.connect_seconds, note))
    return Target(name, name, client, settings.queue_bytes, limit)


def status(job: RelayJob, settings: Settings) -> Status:
    """How far the group has come, read without joining it."""
    return committed_status(job.topic, job.path, job.group, settings.connect_seconds)
