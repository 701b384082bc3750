"""The sinks of a definition while a run feeds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from crossfoot.clock import Clock
from crossfoot.definition.model import Definition, KafkaTopic, Sink
from crossfoot.definition.secrets import resolve
from crossfoot.seen.state import SinkState
from crossfoot.settings import Settings
from crossfoot.sinks.feeder import Feeder
from crossfoot.sinks.parquet import ParquetTarget
from crossfoot.sinks.target import Target


class Sinks:
    """All feeders of a run; there may be none."""

    def __init__(self, feeders: Sequence[Feeder] = ()) -> None:
        self._feeders = tuple(feeders)

    def tell(self, epoch: int) -> None:
        """The store has this epoch."""
        for feeder in self._feeders:
            feeder.tell(epoch)

    @property
    def states(self) -> tuple[SinkState, ...]:
        """How far each is."""
        return tuple(feeder.state for feeder in self._feeders)

    def finish(self, wait_s: float, clock: Clock) -> None:
        """Bring all up to the last epoch, as far as the time allows; then they end."""
        for feeder in self._feeders:
            feeder.end()
        until = clock.elapsed_s() + wait_s
        for feeder in self._feeders:
            feeder.join(max(0.0, until - clock.elapsed_s()))


@contextmanager
def fed(
    definition: Definition,
    folders: tuple[Path, Path],
    settings: Settings,
    environment: Mapping[str, str],
    clock: Clock,
) -> Iterator[Sinks]:
    """The definition's sinks, fed until the end; an error ends them at once. `folders`: store, definition's home."""
    store, home = folders
    targets: list[Target] = []
    for sink in dict.fromkeys(definition.sinks):
        name = f"kafka:{sink.topic}" if isinstance(sink, KafkaTopic) else f"parquet:{sink.folder}"
        twins = sum(target.name.partition("#")[0] == name for target in targets)
        targets.append(_target(f"{name}#{twins + 1}" if twins else name, sink, home, settings, environment))
    sinks = Sinks([Feeder(store, target, clock) for target in targets])
    try:
        yield sinks
    finally:
        sinks.finish(0.0, clock)


def _target(name: str, sink: Sink, home: Path, settings: Settings, environment: Mapping[str, str]) -> Target:
    if not isinstance(sink, KafkaTopic):
        return ParquetTarget(name, home / sink.folder, settings.parquet_seconds)
    from crossfoot.sinks.kafka import KafkaTarget

    given = resolve(sink.settings, environment)
    # An attempt at the end of a run says why it failed before the end is waited for no longer.
    timeout_s = min(settings.connect_seconds, 0.8 * settings.sink_wait_seconds)
    return KafkaTarget(name, sink.topic, given, settings.sink_seconds, timeout_s)
