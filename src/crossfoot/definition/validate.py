"""What a definition means, checked as a whole: the same for YAML and for values built in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields

from crossfoot.definition.durations import TIME_MAX_US, TIME_MIN_US, render_duration, render_instant
from crossfoot.definition.findings import At, BadValueError, Finding, nearest, to_error
from crossfoot.definition.limits import BUCKET_MIN_US, LIMIT_MAX, METRICS_MAX
from crossfoot.definition.model import Acceptance, Definition, TimeSpec
from crossfoot.definition.names import NAME, NAMESPACE, checked_pattern, regex_groups
from crossfoot.definition.paths import used_paths
from crossfoot.definition.validate_metrics import metric_findings, repeated
from crossfoot.definition.validate_reconcile import reconcile_findings
from crossfoot.definition.validate_sources import service_findings, source_findings
from crossfoot.definition.validate_tests import test_findings
from crossfoot.definition.validate_types import field_findings, where_findings
from crossfoot.definition.zones import checked_zone


def validate(definition: Definition) -> None:
    """InvalidDefinitionError with everything that is wrong."""
    findings = list(findings_of(definition))
    if findings:
        raise to_error(findings)


def findings_of(definition: Definition) -> Iterator[Finding]:
    """Everything that is wrong, in the order of the sections."""
    yield from _name_findings(definition)
    yield from source_findings(definition)
    yield from _event_findings(definition)
    yield from _accept_findings(definition)
    declared = {field.name: field for field in definition.event.fields}
    for metric in definition.metrics:
        yield from metric_findings(metric, declared, definition.accept)
    yield from _limit_findings(definition)
    yield from service_findings(definition)
    yield from reconcile_findings(definition)
    for place, test in enumerate(definition.tests):
        yield from test_findings(("tests", place), test, definition)


def _name_findings(definition: Definition) -> Iterator[Finding]:
    if not NAMESPACE.fullmatch(definition.namespace):
        yield Finding("CF1113", ("namespace",), definition.namespace, {"what": "a namespace"})
    names: list[tuple[str, At, str]] = [
        *[("a field", ("event", "fields", field.name), field.name) for field in definition.event.fields],
        *[("a metric", ("metrics", metric.name), metric.name) for metric in definition.metrics],
    ]
    for what, at, name in names:
        if not NAME.fullmatch(name):
            yield Finding("CF1113", at, name, {"what": what}, on_key=True)
    for at, found in ((("event", "fields"), definition.event.fields), (("metrics",), definition.metrics)):
        yield from [Finding("CF1302", at, name) for name in repeated(item.name for item in found)]
    if not definition.metrics:
        yield Finding("CF1306", ("metrics",), "", {"instead": "add a metric"})
    if len(definition.metrics) > METRICS_MAX:
        yield Finding("CF1010", ("metrics",), "", {"most": METRICS_MAX, "what": "metrics"})


def _bad(at: At, check: Callable[[str], object], text: str) -> Iterator[Finding]:
    """The finding of a text that `check` refuses."""
    try:
        check(text)
    except BadValueError as error:
        yield error.at(at)


def _event_findings(definition: Definition) -> Iterator[Finding]:
    event, form = definition.event, definition.format
    yield from _time_findings(("event", "time"), event.time)
    if isinstance(event.received, TimeSpec):
        yield from _time_findings(("event", "received"), event.received)
    if event.id.kind != "position" and not event.id.paths:
        yield Finding("CF1306", ("event", "id"), "", {"instead": "name at least one field"})
    yield from [Finding("CF1302", ("event", "id"), ".".join(path)) for path in repeated(event.id.paths)]
    yield from field_findings(event.fields, untyped=form.untyped)
    yield from where_findings(("event", "where"), event.where, {field.name: field for field in event.fields})
    if form.regex:
        yield from _bad(("source", "format", "regex"), regex_groups, form.regex)
        yield from _group_findings(definition, form.regex)


def _time_findings(at: At, time: TimeSpec) -> Iterator[Finding]:
    if time.zone is not None and time.unit not in ("iso", "pattern"):
        instead = "a number counts from 1970-01-01 in UTC; leave the zone out"
        yield Finding("CF1115", (*at, "zone"), time.zone, {"what": f"a time in {time.unit}", "instead": instead})
    if time.zone is not None:
        yield from _bad((*at, "zone"), checked_zone, time.zone)
    if time.unit == "pattern":
        yield from _bad((*at, "pattern"), checked_pattern, time.pattern or "")


def _group_findings(definition: Definition, regex: str) -> Iterator[Finding]:
    try:
        groups = regex_groups(regex)
    except BadValueError:
        return
    for at, path in used_paths(definition.event):
        if len(path) > 1 or path[0] not in groups:
            values = {"allowed": ", ".join(groups)}
            yield Finding("CF1307", at, ".".join(path), values, nearest(path[0], groups))


def _accept_findings(definition: Definition) -> Iterator[Finding]:
    accept = definition.accept
    yield from _received_findings(definition)
    yield from _horizon_findings(accept)
    for name in ("lateness_us", "future_us", "transport_us", "horizon_us", "bucket_us", "out_of_order_us"):
        value = getattr(accept, name)
        if value is not None and value < 0:
            yield Finding("CF1101", ("accept", name.removesuffix("_us")), str(value), {"unbounded": ""})
    for name in ("not_before_us", "not_after_us"):
        value = getattr(accept, name)
        if value is not None and not TIME_MIN_US <= value <= TIME_MAX_US:
            yield Finding("CF1102", ("accept", name.removesuffix("_us")), str(value))
    first, last = accept.not_before_us, accept.not_after_us
    if first is not None and last is not None and first >= last:
        yield Finding("CF1407", ("accept", "not_before"), render_instant(first))


def _received_findings(definition: Definition) -> Iterator[Finding]:
    accept = definition.accept
    if definition.event.received is None:
        for name, given in (("lateness", accept.lateness_us is not None), ("transport", accept.transport_us > 0)):
            if given:
                yield Finding("CF1401", ("accept", name), "", {"name": f"accept.{name}"})
    if definition.event.received == "carried" and not accept.transport_us:
        yield Finding("CF1409", ("accept", "transport"), render_duration(accept.transport_us))


def _horizon_findings(accept: Acceptance) -> Iterator[Finding]:
    at: At = ("accept", "horizon")
    horizon = render_duration(accept.horizon_us)
    if accept.horizon_us is not None and accept.lateness_us is None:
        yield Finding("CF1402", at, horizon)
    elif accept.horizon_us is not None and accept.horizon_us < (accept.lateness_us or 0) + accept.transport_us:
        least = render_duration((accept.lateness_us or 0) + accept.transport_us)
        yield Finding("CF1403", at, horizon, {"least": least})
    most = None if accept.horizon_us is None else max(accept.horizon_us, BUCKET_MIN_US)
    if accept.bucket_us < BUCKET_MIN_US or (most is not None and accept.bucket_us > most):
        values = {"least": render_duration(BUCKET_MIN_US), "most": horizon}
        yield Finding("CF1406", ("accept", "bucket"), render_duration(accept.bucket_us), values)


def _limit_findings(definition: Definition) -> Iterator[Finding]:
    for entry in fields(definition.limits):
        value, most = getattr(definition.limits, entry.name), LIMIT_MAX[entry.name]
        if not 1 <= value <= most:
            values = {"what": f"limits.{entry.name}", "least": 1, "most": most}
            yield Finding("CF1112", ("limits", entry.name), str(value), values)
