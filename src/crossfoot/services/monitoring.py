"""The monitor beside a run: it looks as often as the definition says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from crossfoot.beside import Hold
from crossfoot.clock import Clock
from crossfoot.definition.model import Definition
from crossfoot.monitor.alerts import Told
from crossfoot.monitor.look import Place, last, look
from crossfoot.monitor.report import Alert, Report
from crossfoot.monitor.schedule import Scheduled
from crossfoot.monitor.webhook import webhook_of
from crossfoot.settings import Settings


@contextmanager
def monitoring(
    definition: Definition, folders: tuple[Path, Path], settings: Settings, environment: Mapping[str, str], clock: Clock
) -> Iterator[Scheduled | None]:
    """Until the end; None where the definition does not say how often. `folders`: store, definition's home."""
    monitor = definition.monitor
    if monitor is None or monitor.every_us is None:
        yield None
        return
    hook = webhook_of(monitor.webhook, settings, environment)
    place = Place(definition, *folders, environment, clock)

    def seen(hold: Hold) -> tuple[Report, tuple[Alert, ...]]:
        report = look(place, last(monitor, clock.now_us()), hold)
        return report, report.alerts(monitor)

    def post(report: Report, alerts: tuple[Alert, ...]) -> None:
        if hook is not None:
            hook.post(Told(definition.namespace, report, alerts).body())

    with Scheduled(monitor.every_us / 1e6, seen, post) as scheduled:
        yield scheduled
