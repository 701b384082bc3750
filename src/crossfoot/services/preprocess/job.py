"""What is prepared from where to where: everything is opened and asked for here, then the loop runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from crossfoot.definition.engines import preprocess_lacks, refuse
from crossfoot.definition.model import Definition, KafkaSource, KafkaTopic, Preprocess
from crossfoot.definition.prepared import prepared_hash
from crossfoot.definition.secrets import resolve
from crossfoot.errors import ServiceError
from crossfoot.seen.board import Showing, shown
from crossfoot.services.group.convert import BLOCK_BYTES, NativeConversion, WithinLimit
from crossfoot.services.group.output import OverLimitError, Target, limits_of, message_limit, target_settings
from crossfoot.services.group.share import Shared
from crossfoot.services.group.status import Status, committed_status, lines_of
from crossfoot.services.live import LiveWatch
from crossfoot.services.preprocess.service import Parts, Service
from crossfoot.settings import Settings
from crossfoot.sources.kafka import Topic, admin_of, demand_append_time, topics_of
from crossfoot.sources.kafka_admin import ClusterAdmin

_LAST_S = 2.0
"""How long the cluster is waited for when a run that ends asks for the whole ledger."""


@dataclass(frozen=True, slots=True)
class PreprocessJob:
    """A definition with its two clusters. `target` are the settings of the one that is written to."""

    definition: Definition
    topic: Topic
    target: Mapping[str, str]
    once: bool = False

    @property
    def group(self) -> str:
        """The group that shares the topic, unless a setting names one."""
        return f"crossfoot-preprocess-{self.definition.namespace}"

    @property
    def preprocess(self) -> Preprocess:
        """The definition's section."""
        return self.definition.preprocess or Preprocess()

    @property
    def to(self) -> KafkaTopic:
        """The intermediate topic."""
        assert self.preprocess.to is not None
        return self.preprocess.to


def job_of(definition: Definition, environment: Mapping[str, str], once: bool) -> PreprocessJob:
    """The job of a definition, whose secrets are read from the environment; DefinitionError where it names none."""
    refuse("`crossfoot preprocess`", preprocess_lacks(definition))
    (topic,) = topics_of(definition, environment)
    (source,) = definition.sources
    assert isinstance(source, KafkaSource)
    assert definition.preprocess is not None
    assert definition.preprocess.to is not None
    to = target_settings(resolve(definition.preprocess.to.settings, environment), topic.settings)
    return PreprocessJob(definition, topic, to, once)


def preprocess(job: PreprocessJob, settings: Settings, watch: LiveWatch) -> Status:
    """Prepare until asked to stop; how far that has come, and its ledger."""
    timeout_s = settings.connect_seconds
    admin = admin_of(job.topic, job.group, timeout_s)
    demand_append_time(job.topic, admin)
    _look_at_stamps(job, timeout_s, watch.note)
    with shown("preprocess", Showing.of(settings, None)) as board:
        told = replace(watch, state=lambda state: watch.state(board.publish(state)), note=board.noting(watch.note))
        service = _run(job, admin, settings, told)
    try:
        return status(job, replace(settings, connect_seconds=min(timeout_s, _LAST_S)))
    except ServiceError as error:
        watch.note(f"the ledger of this process, as it was last committed: {error.message}")
        return _own(job, service)


def _look_at_stamps(job: PreprocessJob, timeout_s: float, note: Callable[[str], None]) -> None:
    """Whoever counts the intermediate topic takes its append time; whoever relays it needs none, so it is only said."""
    admin = ClusterAdmin(job.to.topic, job.target, timeout_s)
    admin.connect()
    try:
        is_stamped = admin.has_append_time()
    except ServiceError:  # a right that is missing; whoever counts says it then
        return
    if not is_stamped:
        note(
            f"the Kafka topic {job.to.topic} has the producers' time: it can be relayed, but to be counted "
            "from there it needs message.timestamp.type=LogAppendTime before the first event is written"
        )


def _run(job: PreprocessJob, admin: ClusterAdmin, settings: Settings, watch: LiveWatch) -> Service:
    """Until the end; where a topic's limit was lowered meanwhile, on again with that limit from what is committed."""
    target = _target(job, settings, watch.note)
    while True:
        service = Service(_parts(job, admin, target, settings), settings, watch)
        try:
            service.run(job.once)
            return service
        except OverLimitError as error:
            before, target = target, _target(job, settings, watch.note)
            if target.message_bytes >= before.message_bytes:
                raise
            watch.note(f"{error.message}; it goes on with {target.message_bytes:,} bytes")
        finally:
            service.close()


def _own(job: PreprocessJob, service: Service) -> Status:
    states = dict(service.share.known)
    names = {part: job.topic.partition_name(part) for part in states}
    ends = {part: state.next for part, state in states.items()}
    return Status(job.topic.topic, job.to.topic, service.share.member.group, lines_of(names, states, ends))


def _parts(job: PreprocessJob, admin: ClusterAdmin, target: Target, settings: Settings) -> Parts:
    native = NativeConversion(job.definition, job.topic.topic, min(BLOCK_BYTES, target.message_bytes // 2))
    conversion = WithinLimit(native, target.message_bytes)
    shared = Shared(job.topic, admin, job.group, prepared_hash(job.definition), "prepared", settings.queue_bytes)
    return Parts(job.definition.namespace, shared, conversion, target)


def _target(job: PreprocessJob, settings: Settings, note: Callable[[str], None]) -> Target:
    """Both topics are there, and what they take."""
    preprocess, chosen = job.preprocess, job.target.get("message.max.bytes", "")
    known = [int(chosen)] if chosen.isdigit() else []
    topics = [job.to.topic] + ([preprocess.dead_letter] if preprocess.dead_letter else [])
    known += limits_of(topics, job.target, settings.connect_seconds, note)
    return Target(job.to.topic, preprocess.dead_letter, job.target, settings.queue_bytes, message_limit(known))


def status(job: PreprocessJob, settings: Settings) -> Status:
    """How far the group has come, read without joining it."""
    return committed_status(job.topic, job.to.topic, job.group, settings.connect_seconds)
