"""Definition -> YAML that reads back as an equal definition."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, TypeAlias

import yaml

from crossfoot.definition.durations import render_duration, render_instant
from crossfoot.definition.expression import Path
from crossfoot.definition.limits import default_bucket_us, default_horizon_us, default_transport_us
from crossfoot.definition.load_watch import dump_monitor
from crossfoot.definition.measures import render_measure
from crossfoot.definition.model import (
    FEEDS,
    Acceptance,
    Against,
    Archive,
    BigQuerySource,
    BigtableTable,
    Comparison,
    Definition,
    DefinitionTest,
    EventSpec,
    Field,
    FieldType,
    FileSource,
    IdSpec,
    KafkaSource,
    KafkaTopic,
    Limits,
    Metric,
    Preprocess,
    PubSubSource,
    Relay,
    Sink,
    SocketSource,
    Source,
    TimeSpec,
    Warehouse,
    WindowColumn,
)
from crossfoot.definition.names import render_path, render_type
from crossfoot.definition.number import JSON_NUMBER
from crossfoot.definition.text import render

Tree: TypeAlias = Any


def dump(definition: Definition) -> str:
    """The whole definition; what has its default is left out."""
    tree: dict[str, Tree] = {"crossfoot": 1, "namespace": definition.namespace}
    tree |= _given(
        source=_sources(definition.sources) or None,
        event=_event(definition.event),
        accept=_accept(definition.accept, default_transport_us(definition.event.received)) or None,
        metrics={metric.name: _metric(metric) for metric in definition.metrics},
        limits=_limits(definition.limits) or None,
        tests=[_test(test) for test in definition.tests] or None,
        preprocess=_preprocess(definition.preprocess) if definition.preprocess else None,
        relay=_relay(definition.relay) if definition.relay else None,
        sinks=[_sink(sink) for sink in definition.sinks] or None,
        archive=_archive(definition.archive) if definition.archive else None,
        monitor=dump_monitor(definition.monitor) if definition.monitor else None,
        reconcile={each.name: _comparison(each) for each in definition.reconcile} or None,
    )
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


def _given(**entries: Tree) -> dict[str, Tree]:
    """The entries that are not None."""
    return {name: value for name, value in entries.items() if value is not None}


def _sources(sources: tuple[Source, ...]) -> Tree:
    return _source(sources[0]) if len(sources) == 1 else [_source(source) for source in sources]


def _source(source: Source) -> Tree:
    """The name is left out where it is the one that the source has anyway."""
    regex = source.format.regex
    place, derived = _place(source)
    return _given(
        **place,
        format={"regex": regex} if regex is not None else source.format.name,
        follow=True if isinstance(source, FileSource) and source.follow else None,
        options=dict(source.options) if isinstance(source, FileSource) and source.options else None,
        name=None if source.name == derived.name else source.name,
    )


def _place(source: Source) -> tuple[dict[str, Tree], Source]:
    """Where the source reads, and the same source without a given name."""
    if isinstance(source, FileSource):
        return {"files": list(source.files)}, FileSource(source.files)
    if isinstance(source, KafkaSource):
        return {"kafka": _topic(KafkaTopic(source.topic, source.settings))}, KafkaSource(source.topic)
    if isinstance(source, PubSubSource):
        place = {"project": source.project, "subscription": source.subscription}
        return {"pubsub": place}, PubSubSource(source.project, source.subscription)
    if isinstance(source, BigQuerySource):
        plain = BigQuerySource(source.table)
        columns = {part: getattr(source, part) for part in ("record", "position", "partition")}
        said = {part: column for part, column in columns.items() if column != getattr(plain, part)}
        return {"bigquery": {"table": source.table, **said}}, plain
    return {"socket": source.path}, SocketSource(source.path)


def _topic(topic: KafkaTopic) -> Tree:
    return {"topic": topic.topic, **dict(topic.settings)}


def _preprocess(preprocess: Preprocess) -> Tree:
    return _given(
        to={"kafka": _topic(preprocess.to)} if preprocess.to else None,
        key=None if preprocess.key == Preprocess().key else preprocess.key,
        explode=render_path(preprocess.explode) if preprocess.explode else None,
        blocks=preprocess.blocks or None,
        dead_letter=preprocess.dead_letter,
    )


def _relay(relay: Relay) -> Tree:
    to = {"pubsub": {"project": relay.to.project, "topic": relay.to.topic}}
    return _given(to=to, dead_letter=relay.dead_letter)


def _sink(sink: Sink) -> Tree:
    if isinstance(sink, Warehouse):
        return {sink.kind: _warehouse(sink)}
    if isinstance(sink, BigtableTable):
        return {"bigtable": {"project": sink.project, "instance": sink.instance, "table": sink.table}}
    return {"kafka": _topic(sink)} if isinstance(sink, KafkaTopic) else {"parquet": sink.folder}


def _warehouse(warehouse: Warehouse) -> Tree:
    return _given(
        folder=warehouse.folder or None,
        project=warehouse.project or None,
        dataset=warehouse.dataset or None,
        location=warehouse.location,
        feeds=None if warehouse.feeds == FEEDS else list(warehouse.feeds),
        prefix=warehouse.prefix or None,
        raw_from=warehouse.raw_from,
    )


def _archive(archive: Archive) -> Tree:
    keep = None if archive.keep_us is None else render_duration(archive.keep_us)
    return _given(keep=keep, bytes=archive.bytes_max)


def _comparison(comparison: Comparison) -> Tree:
    window = _window(comparison.window)
    columns = ({"window": window} if window else {}) | dict(comparison.columns)
    bar = comparison.require_exact
    return _given(
        against=_against(comparison.against),
        metric=comparison.metric,
        grain=None if comparison.grain == "all" else comparison.grain,
        by=list(comparison.by) or None,
        columns=columns or None,
        measures=list(comparison.measures) or None,
        require_exact=None if bar is None else f"{bar:f}%",
        schedule=None if comparison.every_us is None else render_duration(comparison.every_us),
    )


def _against(against: Against) -> Tree:
    return {against.kind: against.place} | _given(table=against.table, query=against.query)


def _window(window: WindowColumn) -> Tree:
    name = None if window.name == WindowColumn().name else window.name
    return _given(name=name, unit=window.unit, zone=window.zone)


def _event(event: EventSpec) -> Tree:
    return _given(
        time=_time(event.time),
        received=_time(event.received) if isinstance(event.received, TimeSpec) else event.received,
        id=_id(event.id),
        where=render(event.where) if event.where else None,
        fields={field.name: _field(field) for field in event.fields} or None,
    )


def _time(time: TimeSpec) -> Tree:
    unit = None if time.unit == "pattern" else time.unit
    return _given(field=render_path(time.path), unit=unit, pattern=time.pattern, zone=time.zone)


def _id(identity: IdSpec) -> Tree:
    paths = [render_path(path) for path in identity.paths]
    return "position" if identity.kind == "position" else paths if identity.kind == "fields" else {"fingerprint": paths}


def _field(field: Field) -> Tree:
    node = field.expression
    entry = {"path": render_path(node.parts)} if isinstance(node, Path) else {"expr": render(node)}
    if field.type != FieldType():
        entry["type"] = render_type(field.type)
    if field.default is not None:
        entry["default"] = field.default
    return entry


def _accept(accept: Acceptance, transport_us: int) -> Tree:
    horizon = default_horizon_us(accept.lateness_us, accept.transport_us)
    return _given(
        lateness=None if accept.lateness_us is None else render_duration(accept.lateness_us),
        future=None if accept.future_us == Acceptance().future_us else render_duration(accept.future_us),
        transport=None if accept.transport_us == transport_us else render_duration(accept.transport_us),
        horizon=None if accept.horizon_us == horizon else render_duration(accept.horizon_us),
        bucket=None if accept.bucket_us == default_bucket_us(accept.horizon_us) else render_duration(accept.bucket_us),
        out_of_order=render_duration(accept.out_of_order_us) if accept.out_of_order_us else None,
        not_before=None if accept.not_before_us is None else render_instant(accept.not_before_us),
        not_after=None if accept.not_after_us is None else render_instant(accept.not_after_us),
    )


def _metric(metric: Metric) -> Tree:
    retained = {grain.text: render_duration(grain.retain_us) for grain in metric.grains if grain.retain_us is not None}
    return _given(
        where=render(metric.where) if metric.where else None,
        by=[list(names) for names in metric.sets],
        measures={measure.name: render_measure(measure) for measure in metric.measures},
        grains=[grain.text for grain in metric.grains],
        retain=retained or None,
        values_max=metric.values_max,
        settled=None if metric.settled is None else {"batch": metric.settled},
    )


def _limits(limits: Limits) -> Tree:
    standard = Limits()
    names = [entry.name for entry in fields(Limits)]
    return {name: getattr(limits, name) for name in names if getattr(limits, name) != getattr(standard, name)}


def _test(test: DefinitionTest) -> Tree:
    expect: Mapping[str, Tree] = {name: [dict(row) for row in rows] for name, rows in test.expect.items()}
    return {"name": test.name, "events": [dict(event) for event in test.events], "expect": expect}


class _Dumper(yaml.SafeDumper):
    """Texts that could be taken for something else get quotes; nothing is an alias."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


# YAML 1.2 and ours read fewer words as something else than PyYAML does; these are ours.
_SPECIAL = re.compile(r"|~|[nN]ull|NULL|true|false|[tT]rue|TRUE|[fF]alse|FALSE|" + JSON_NUMBER.pattern)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "'" if _SPECIAL.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _number(dumper: yaml.SafeDumper, value: Decimal | float) -> yaml.Node:
    """The digits as they are, with the tag that PyYAML would see in them, so that it writes none."""
    seen: str = dumper.resolve(yaml.ScalarNode, str(value), (True, False))  # type: ignore[no-untyped-call]
    return dumper.represent_scalar(seen, str(value))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(Decimal, _number)
_Dumper.add_representer(float, _number)


def yaml_flow(text: str) -> str:
    """A text as it stands in YAML, in a flow list too, with quotes where they are needed."""
    written: str = yaml.dump([text], Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=1_000_000)
    return written.strip()[1:-1]
