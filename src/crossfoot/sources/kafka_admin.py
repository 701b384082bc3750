"""What a Kafka cluster says of a topic: its id, its partitions, where their logs begin and end. No record comes by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from crossfoot.errors import CallError, CrossfootError, DataError, DefinitionError, ServiceError

_T = TypeVar("_T")
_APPEND_TIME = "LogAppendTime"
_AGAIN_S = 0.2


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic at one moment. `id` is another one once the topic was deleted and made again."""

    id: str
    partitions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """A topic, and where the logs of its partitions ended, asked for at `asked_us` of the reading clock."""

    state: TopicState
    ends: Mapping[int, int]
    asked_us: int


Asked = Callable[[float], TopicState | None]
"""A question for a topic: waits for the answer, at most so many seconds; None before it came."""


class NotNowError(ServiceError):
    """The cluster cannot answer at this moment; who runs on may ask again."""


class LeaderError(NotNowError):
    """A partition has another leader than we were told; soon we are told of the new one."""


class Admin(Protocol):
    """What a source asks of a cluster."""

    def describe(self) -> TopicState:
        """The topic."""
        ...

    def has_append_time(self) -> bool:
        """Whether the broker stamps the topic's records when it appends them."""
        ...

    def begins(self, partitions: Iterable[int]) -> dict[int, int]:
        """The first offset that each log still has."""
        ...

    def ends(self, partitions: Iterable[int]) -> dict[int, int]:
        """The offset after the last one that each log has."""
        ...

    def start_look(self, partitions: Iterable[int], now_us: int) -> None:
        """Ask for the topic and the ends, without waiting."""

    def looked(self) -> Look | None:
        """The answer, once it has come; None before, and where it failed."""
        ...

    def ask(self) -> Asked:
        """Ask for the topic, without waiting; what is returned waits for the answer."""
        ...

    def wait(self, seconds: float) -> None:
        """Let time go by."""


class ClusterAdmin:
    """A cluster, through the admin client of confluent-kafka. Each answer is waited for at most `timeout_s`."""

    def __init__(self, topic: str, settings: Mapping[str, str], timeout_s: float) -> None:
        from confluent_kafka.admin import AdminClient

        self._topic = topic
        self._timeout_s = timeout_s
        self._bootstrap = settings.get("bootstrap.servers", "")
        self._errors: list[str] = []
        self._asked_us = 0
        self._description: Any | None = None
        self._ends: dict[int, Any] = {}
        try:
            self._client = AdminClient({"log_level": "0", **settings, "error_cb": self._keep})
        except Exception as error:  # KafkaException has no public base of its own
            raise refused_setting(error) from error

    def _keep(self, error: Any) -> None:
        self._errors = [error.str()]

    def connect(self) -> None:
        """Be sure that the cluster answers and has the topic."""
        from confluent_kafka import KafkaException

        try:
            found = self._client.list_topics(self._topic, timeout=self._timeout_s).topics[self._topic]
        except KafkaException as error:
            self._client.poll(0)
            raise self.unreachable(error.args[0].str()) from error
        if found.error is not None:
            raise failure_of(found.error.name(), found.error.str(), self._topic)

    def unreachable(self, text: str) -> NotNowError:
        """Nobody answers."""
        why = f" ({self._errors[0]})" if self._errors else f" ({text})"
        return NotNowError(
            f"no Kafka broker answers within {self._timeout_s:g} s{why}: {self._bootstrap or 'no bootstrap.servers'}",
            "check bootstrap.servers and that the broker runs, then run again: what was counted is committed",
        )

    def describe(self) -> TopicState:
        return _state_of(self._result(self._describing()))

    def _describing(self) -> Any:
        from confluent_kafka import TopicCollection

        answers = self._client.describe_topics(TopicCollection([self._topic]), request_timeout=self._timeout_s)
        return answers[self._topic]

    def ask(self) -> Asked:
        return partial(self._state_within, self._describing())

    def _state_within(self, answer: Any, wait_s: float) -> TopicState | None:
        from confluent_kafka import KafkaException

        try:
            return _state_of(answer.result(wait_s))
        except KafkaException as error:
            raise failure_of(error.args[0].name(), error.args[0].str(), self._topic) from error
        except TimeoutError:
            return None

    def wait(self, seconds: float) -> None:
        self._client.poll(seconds)

    def has_append_time(self) -> bool:
        return self.setting("message.timestamp.type") == _APPEND_TIME

    def setting(self, name: str) -> str:
        """A setting of the topic, by its own name."""
        from confluent_kafka.admin import ConfigResource, ResourceType

        resource = ConfigResource(ResourceType.TOPIC, self._topic)
        answers = self._client.describe_configs([resource], request_timeout=self._timeout_s)
        return str(self._result(answers[resource])[name].value)

    def begins(self, partitions: Iterable[int]) -> dict[int, int]:
        from confluent_kafka.admin import OffsetSpec

        return self._offsets(tuple(partitions), OffsetSpec.earliest())

    def ends(self, partitions: Iterable[int]) -> dict[int, int]:
        from confluent_kafka.admin import OffsetSpec

        return self._offsets(tuple(partitions), OffsetSpec.latest())

    def _listing(self, partitions: Iterable[int], spec: Any) -> dict[int, Any]:
        from confluent_kafka import IsolationLevel, TopicPartition

        wanted = {TopicPartition(self._topic, partition): spec for partition in partitions}
        if not wanted:
            return {}
        committed = IsolationLevel.READ_COMMITTED
        answers = self._client.list_offsets(wanted, isolation_level=committed, request_timeout=self._timeout_s)
        return {place.partition: answer for place, answer in answers.items()}

    def _offsets(self, partitions: tuple[int, ...], spec: Any) -> dict[int, int]:
        ask = partial(self._offsets_now, partitions, spec)
        return asked_again(ask, LeaderError, self._client.poll, self._timeout_s)

    def _offsets_now(self, partitions: tuple[int, ...], spec: Any) -> dict[int, int]:
        answers = self._listing(partitions, spec)
        return {partition: self._result(answer).offset for partition, answer in answers.items()}

    def _result(self, answer: Any) -> Any:
        from confluent_kafka import KafkaException

        try:
            return answer.result(self._timeout_s + 1)
        except KafkaException as error:
            raise failure_of(error.args[0].name(), error.args[0].str(), self._topic) from error
        except TimeoutError as error:
            raise self.unreachable("timed out") from error

    def start_look(self, partitions: Iterable[int], now_us: int) -> None:
        from confluent_kafka.admin import OffsetSpec

        if self._description is None:
            self._asked_us = now_us
            self._description = self._describing()
            self._ends = self._listing(partitions, OffsetSpec.latest())

    def looked(self) -> Look | None:
        description, ends = self._description, self._ends
        if description is None or not all(answer.done() for answer in (description, *ends.values())):
            return None
        self._description = None
        if any(answer.exception() for answer in (description, *ends.values())):
            return None  # the reader names what has failed
        offsets = {partition: answer.result().offset for partition, answer in ends.items()}
        return Look(_state_of(description.result()), offsets, self._asked_us)


def asked_again(
    ask: Callable[[], _T], failure: type[NotNowError], wait: Callable[[float], object], timeout_s: float
) -> _T:
    """The answer, asked for again while it fails so, as it does for a while after a broker has started."""
    for _ in range(int(timeout_s / _AGAIN_S)):
        try:
            return ask()
        except failure:
            wait(_AGAIN_S)
    return ask()


def _state_of(description: Any) -> TopicState:
    return TopicState(str(description.topic_id), tuple(sorted(part.id for part in description.partitions)))


def refused_setting(error: Exception) -> CrossfootError:
    """What librdkafka says of a setting that it does not take."""
    failure = error.args[0] if error.args else error
    text = failure.str() if hasattr(failure, "str") else str(error)
    return DefinitionError(text, "librdkafka says so; its settings are passed on by their own names")


MISSING = frozenset({"UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"})
_RIGHTS = frozenset({"TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED"})
_LOGIN = frozenset({"SASL_AUTHENTICATION_FAILED", "_AUTHENTICATION"})
OUT_OF_RANGE = frozenset({"OFFSET_OUT_OF_RANGE", "_AUTO_OFFSET_RESET"})
_LEADERS = frozenset(
    {"UNKNOWN_LEADER_EPOCH", "FENCED_LEADER_EPOCH", "LEADER_NOT_AVAILABLE", "NOT_LEADER_FOR_PARTITION"}
    | {"OFFSET_NOT_AVAILABLE"}
)
LASTING = MISSING | _RIGHTS | _LOGIN | OUT_OF_RANGE | {"_FATAL"}
"""Names of librdkafka's errors that no client recovers from by itself."""


def failure_of(name: str, text: str, topic: str) -> CrossfootError:
    """What an error of librdkafka means to the caller."""
    if name in MISSING:
        return DataError(f"there is no such Kafka topic: {topic}", "make it, or name another one in the definition")
    if name in _RIGHTS:
        needs = "grant Read and Describe (for `received: broker` also DescribeConfigs), then run again"
        return ServiceError(f"Kafka does not grant the right to read the topic {topic}: {text}", needs)
    if name in _LOGIN:
        return ServiceError(f"Kafka does not accept who we are: {text}", "check the sasl.* and ssl.* settings")
    if name in OUT_OF_RANGE:
        return DataError(f"an offset of the Kafka topic {topic} is gone: {text}", HINTS.gone)
    kind = ServiceError if name == "_FATAL" else LeaderError if name in _LEADERS else NotNowError
    return kind(f"Kafka has failed at the topic {topic}: {text}", "run again: what was done is committed")


@dataclass(frozen=True, slots=True)
class Hints:
    """What may be done about an offset that is gone, and about a log that was cut."""

    gone: str
    cut: str


_CHOICES = (
    "nothing was skipped: bring the lost records back and count them with the rest into a new store, or count what the "
    "topic still has into a new store (--store DIR)"
)
HINTS = Hints(f"{_CHOICES}; raise the topic's retention so that it does not happen again", _CHOICES)
"""Those of who counts."""


def need_package() -> None:
    """CallError where confluent-kafka is not installed."""
    try:
        import confluent_kafka  # noqa: F401
    except ImportError as error:
        raise CallError("Kafka needs the package confluent-kafka", "pip install 'crossfoot[kafka]'") from error
