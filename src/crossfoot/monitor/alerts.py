"""Whom alerts are told: a line of the log, and the webhook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crossfoot.monitor.report import Alert, Report
from crossfoot.monitor.webhook import Webhook
from crossfoot.query.times import show_time
from crossfoot.seen.changes import Event
from crossfoot.seen.log import Log


@dataclass(frozen=True, slots=True)
class Told:
    """Alerts, and the report that they are of."""

    namespace: str
    report: Report
    alerts: tuple[Alert, ...]

    def body(self) -> dict[str, Any]:
        """What a webhook gets."""
        report = self.report
        return {
            "crossfoot": "alert",
            "namespace": self.namespace,
            "from": report.about,
            "since": show_time(report.since_us),
            "until": show_time(report.until_us),
            "alerts": [{**alert.as_json(), "says": str(alert)} for alert in self.alerts],
        }


def tell(told: Told, log: Log, webhook: Webhook | None) -> None:
    """A line for each alert, then all of them by one POST; ServiceError where that fails."""
    for alert in told.alerts:
        log.tell(Event("alert", alert.as_json(), warns=True))
    if told.alerts and webhook is not None:
        webhook.post(told.body())
