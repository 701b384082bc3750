"""The state for Prometheus: `/metrics` over HTTP, on the loopback interface unless a setting says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from crossfoot.errors import CallError
from crossfoot.seen.state import Spent, State


class Metrics:
    """Serves until it is closed; each request is answered by a thread, from the last published state."""

    def __init__(self, host: str, port: int, state: Callable[[], State | None]) -> None:
        registry = CollectorRegistry()
        registry.register(_Collector(state))
        try:
            server: Any
            server, self._thread = start_http_server(port, addr=host, registry=registry)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            hint = "set CROSSFOOT_METRICS_PORT to another port, or to 0 for any that is free"
            raise CallError(f"metrics cannot be served ({reason}): {host}:{port}", hint) from error
        self._server = server
        self.address = f"http://{host}:{server.server_port}/metrics"

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Collector(Collector):
    def __init__(self, state: Callable[[], State | None]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        if (state := self._state()) is not None:
            yield from families(state)


def families(state: State) -> Iterator[Metric]:
    """Every number of a state under its name."""
    about = {"service": state.service, "name": state.name, "version": state.version}
    yield InfoMetricFamily("crossfoot", "the service", value=about)
    yield _gauge("uptime_seconds", "since the service was started", state.seconds)
    yield _by("records", "records of this run by account", "account", state.accounts, CounterMetricFamily)
    yield _gauge("records_per_second", "the rate of the last seconds", state.rate)
    yield from _progress(state)
    lags = {lag.partition: lag for lag in state.lags}
    waiting = {name: lag.records for name, lag in lags.items()}
    yield _by("lag_records", "records that wait in a partition", "partition", waiting)
    ages = {name: lag.seconds for name, lag in lags.items() if lag.seconds is not None}
    yield _by("lag_seconds", "age of the newest record that was taken, while some wait", "partition", ages)
    queued = {queue.source: queue.bytes for queue in state.queues}
    yield _by("queue_bytes", "bytes that wait to be counted", "source", queued)
    yield _counter("retries", "failures that were tried again", state.retries)
    yield _by("retrying", "places that fail now", "place", {retry.place: retry.attempts for retry in state.retrying})
    yield _by(
        "alert",
        "1: a percentage is over its limit, or a comparison does not hold",
        "watched",
        dict.fromkeys(state.alerts, 1),
    )
    yield from _sinks(state)
    for name, number in state.more.items():
        yield _gauge(name, f"{state.service}: {name.replace('_', ' ')}", number)
    for name, count in state.more_counters.items():
        yield _counter(name, f"{state.service}: {name.replace('_', ' ')}", count)


def _progress(state: State) -> Iterator[Metric]:
    """Epochs and times, of who has them."""
    if state.epoch is not None:
        yield _gauge("epoch", "the newest epoch", state.epoch)
    if state.interval_s is not None:
        yield _gauge("epoch_interval_seconds", "how often an epoch is written now", state.interval_s)
    if state.epochs is not None:
        yield _spent("epoch_commit_seconds", "what writing an epoch took", state.epochs)
    if state.batches is not None:
        yield _spent("batch_seconds", "what a batch took", state.batches)
    if state.checkpoints is not None:
        yield _counter("checkpoints", "checkpoints of this run", state.checkpoints)
    if state.watermark_us is not None:
        yield _gauge("watermark_timestamp_seconds", "no earlier event is expected", state.watermark_us / 1e6)
    if state.clock_us is not None:
        yield _gauge("clock_timestamp_seconds", "the clock that forgets", state.clock_us / 1e6)


def _sinks(state: State) -> Iterator[Metric]:
    sinks = {sink.name: sink for sink in state.sinks}
    epochs = {name: each.epoch for name, each in sinks.items()}
    yield _by("sink_epoch", "a sink has everything up to it", "sink", epochs)
    behind = {name: each.behind for name, each in sinks.items()}
    yield _by("sink_behind_epochs", "epochs that a sink does not have", "sink", behind)
    cells = {name: each.cells for name, each in sinks.items()}
    yield _by("sink_cells", "cells that were written", "sink", cells, CounterMetricFamily)
    missing = {name: each.missing for name, each in sinks.items()}
    yield _by("sink_missing_events", "events that were forgotten before they were fed", "sink", missing)
    failing = {name: each.attempts for name, each in sinks.items()}
    yield _by("sink_failed_attempts", "failed attempts since it worked", "sink", failing)


def _gauge(name: str, what: str, number: float) -> Metric:
    return GaugeMetricFamily(f"crossfoot_{name}", what, value=number)


def _counter(name: str, what: str, number: int) -> Metric:
    return CounterMetricFamily(f"crossfoot_{name}", what, value=number)


def _by(name: str, what: str, label: str, numbers: Any, kind: Any = GaugeMetricFamily) -> Metric:
    family: Metric = kind(f"crossfoot_{name}", what, labels=[label])
    for value, number in numbers.items():
        family.add_metric([value], number)  # type: ignore[attr-defined]
    return family


def _spent(name: str, what: str, spent: Spent) -> Metric:
    return SummaryMetricFamily(f"crossfoot_{name}", what, count_value=spent.times, sum_value=spent.total_s)
