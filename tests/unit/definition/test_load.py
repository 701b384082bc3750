"""YAML -> definition: forms, defaults and the way back."""

import textwrap

import pytest
from hypothesis import given

from crossfoot.definition.expression import Call, FieldRef, Literal, Path
from crossfoot.definition.load import load_file, load_text
from crossfoot.definition.messages import EXAMPLE
from crossfoot.definition.model import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    Acceptance,
    Definition,
    Field,
    FieldType,
    Format,
    Grain,
    IdSpec,
    Measure,
    TimeSpec,
)
from crossfoot.errors import DefinitionError
from tests.unit.definition.definitions import definitions

SMALL = """\
crossfoot: 1
namespace: n
event:
  time: {time}
  id: {id}
  fields:
    kind: {field}
accept: {accept}
metrics:
  m: {metric}
"""


def load(*, time="ts", id_="id", field="kind", accept="{}", metric="{measures: {c: count}, grains: [1h]}"):
    return load_text(SMALL.format(time=time, id=id_, field=field, accept=accept, metric=metric))


@given(definitions())
def test_what_is_written_reads_back(definition):
    """to_yaml and from_yaml are inverse."""
    assert load_text(definition.to_yaml()) == definition


def test_a_file_and_its_text_are_the_same(tmp_path):
    """A definition is read from a path or from a text; a byte order mark is no part of it."""
    path = tmp_path / "shop.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.encode())
    assert load_file(path) == Definition.from_yaml(str(path)) == Definition.from_yaml(EXAMPLE)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("created_at", TimeSpec(("created_at",), "iso")),
        ("{field: a.b}", TimeSpec(("a", "b"), "iso")),
        ("{field: ts, unit: ms}", TimeSpec(("ts",), "ms")),
        ("{field: ts, zone: Europe/Paris}", TimeSpec(("ts",), "iso", None, "Europe/Paris")),
        ("{field: ts, pattern: '%Y-%m-%d'}", TimeSpec(("ts",), "pattern", "%Y-%m-%d")),
        ("'\"a.b\".c'", TimeSpec(("a.b", "c"), "iso")),
    ],
)
def test_times(text, time):
    """A path alone is ISO text."""
    assert load(time=text).event.time == time


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("id", IdSpec("fields", (("id",),))),
        ("[a, b.c]", IdSpec("fields", (("a",), ("b", "c")))),
        ("{fingerprint: [a, b]}", IdSpec("fingerprint", (("a",), ("b",)))),
        ("position", IdSpec("position")),
        ("[position]", IdSpec("fields", (("position",),))),
    ],
)
def test_ids(text, identity):
    """A field, a tuple, a fingerprint, or the position."""
    assert load(id_=text).event.id == identity


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("a.b", Field("kind", Path(("a", "b")))),
        ("lower(a)", Field("kind", Call("lower", (Path(("a",)),)))),
        ("{path: a, type: integer, default: 0}", Field("kind", Path(("a",)), FieldType("integer"), 0)),
        ("{path: user-id}", Field("kind", Path(("user-id",)))),
        ("{expr: a + 1, type: integer}", Field("kind", Call("add", (Path(("a",)), Literal(1))), FieldType("integer"))),
        ("{path: a, default: NO}", Field("kind", Path(("a",)), FieldType(), "NO")),
        ("{path: a, default: 5}", Field("kind", Path(("a",)), FieldType(), 5)),
        ("{path: a, default: '5'}", Field("kind", Path(("a",)), FieldType(), "5")),
        ("{path: a, type: text, default: 5}", Field("kind", Path(("a",)), FieldType("text"), "5")),
        ("{path: a, type: boolean, default: false}", Field("kind", Path(("a",)), FieldType("boolean"), False)),
    ],
)
def test_fields(text, field):
    """A path, an expression, or a mapping; a default is of the field's type."""
    assert load(field=text).event.fields == (field,)


def test_a_decimal_default_keeps_the_places():
    """0.5 of two places is 0.50, exactly."""
    default = load(field="{path: a, type: decimal(2), default: 0.5}").event.fields[0].default
    assert str(default) == "0.50"


@pytest.mark.parametrize(
    ("text", "measure"),
    [
        ("count", Measure("c", "count")),
        ("count(kind)", Measure("c", "count", "kind")),
        ("distinct(kind)", Measure("c", "distinct", "kind")),
        ("distinct( kind , exact = 7 )", Measure("c", "distinct", "kind", exact=7)),
        ("quantile(kind, 0.95)", Measure("c", "quantile", "kind", rank=0.95)),
        ("quantile(kind, 1)", Measure("c", "quantile", "kind", rank=1.0)),
    ],
)
def test_measures(text, measure):
    """Each form of a measure."""
    found = load(field="{path: a, type: integer}", metric=f'{{measures: {{c: "{text}"}}, grains: [1h]}}')
    assert found.metrics[0].measures == (measure,)


@pytest.mark.parametrize(
    ("text", "grain"),
    [
        ("15m", Grain("15m", "m", 15)),
        ("24h", Grain("24h", "h", 24)),
        ("1d", Grain("1d", "d")),
        ("1d  Europe/Paris", Grain("1d Europe/Paris", "d", 1, "Europe/Paris")),
        ("1w Pacific/Apia", Grain("1w Pacific/Apia", "w", 1, "Pacific/Apia")),
        ("1mo", Grain("1mo", "mo")),
        ("all", Grain("all", "all")),
    ],
)
def test_grains(text, grain):
    """Each form of a grain."""
    assert load(metric=f"{{measures: {{c: count}}, grains: [{text}]}}").metrics[0].grains == (grain,)


@pytest.mark.parametrize(
    ("text", "accept"),
    [
        ("{}", Acceptance()),
        ("{lateness: 2d}", Acceptance(2 * DAY_US, horizon_us=2 * DAY_US, bucket_us=6 * HOUR_US)),
        ("{lateness: 5m}", Acceptance(5 * MINUTE_US, horizon_us=5 * MINUTE_US, bucket_us=MINUTE_US)),
        ("{lateness: 2d, horizon: unbounded}", Acceptance(2 * DAY_US, bucket_us=HOUR_US)),
        (
            "{lateness: 1d, transport: 7d}",
            Acceptance(DAY_US, transport_us=7 * DAY_US, horizon_us=8 * DAY_US, bucket_us=DAY_US),
        ),
    ],
)
def test_acceptance_defaults(text, accept):
    """Horizon is lateness + transport, bucket an eighth of it and at least a minute."""
    received = SMALL.replace("  id:", "  received: {{field: at}}\n  id:")
    metric = "{measures: {c: count}, grains: [1h]}"
    found = load_text(received.format(time="ts", id="id", field="kind", accept=text, metric=metric))
    assert found.accept == accept


def test_one_window_set_and_one_path_need_no_list():
    """`by` left out is the whole; a single grain or file stands for a list of one."""
    found = load(metric="{measures: {c: count}, grains: all}")
    assert (found.metrics[0].sets, found.metrics[0].grains) == (((),), (Grain("all", "all"),))


def test_cloudevents_have_a_time_and_an_id():
    """source and id are the id, time the time."""
    text = """\
        crossfoot: 1
        namespace: n
        source: {files: "*.json", format: cloudevents}
        event: {}
        metrics: {m: {measures: {c: count}, grains: [1h]}}
        """
    event = load_text(textwrap.dedent(text)).event
    assert (event.time, event.id) == (TimeSpec(("time",), "iso"), IdSpec("fields", (("source",), ("id",))))


def test_a_regular_expression_names_the_paths():
    """Groups are the paths of the record."""
    text = """\
        crossfoot: 1
        namespace: n
        source: {files: a.log, format: {regex: '(?P<ip>\\S+) \\[(?P<at>[^\\]]+)\\] (?P<n>[0-9]++)?x'}}
        event: {time: at, id: position}
        metrics: {m: {measures: {c: count}, grains: [1h]}}
        """
    with pytest.raises(DefinitionError, match="CF1111"):
        load_text(textwrap.dedent(text))
    found = load_text(textwrap.dedent(text).replace("++", "+"))
    assert found.format == Format("regex", r"(?P<ip>\S+) \[(?P<at>[^\]]+)\] (?P<n>[0-9]+)?x")


def test_where_reads_fields():
    """A condition names declared fields."""
    found = load(metric="{where: kind = 'a', measures: {c: count}, grains: [1h]}")
    assert found.metrics[0].where == Call("eq", (FieldRef("kind"), Literal("a")))
