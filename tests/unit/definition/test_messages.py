"""Every message: its example gives it, at the right place, and its page is written."""

from dataclasses import replace
from pathlib import Path

import pytest

from crossfoot.definition.expression import Call, FieldRef, Literal
from crossfoot.definition.load import load_file, load_text
from crossfoot.definition.messages import EXAMPLE, MESSAGES
from crossfoot.definition.messages.pages import FOLDER, pages, wrong_example
from crossfoot.definition.model import (
    Acceptance,
    Definition,
    EventSpec,
    Field,
    FieldType,
    Grain,
    IdSpec,
    Measure,
    Metric,
    TimeSpec,
)
from crossfoot.definition.yamltree import NODES_MAX
from crossfoot.errors import DefinitionError

WITH_EXAMPLE = [message for message in MESSAGES.values() if message.right]


def caught(text: str) -> DefinitionError:
    with pytest.raises(DefinitionError) as error:
        load_text(text, "shop.yaml")
    return error.value


def test_the_example_is_right():
    """What the pages call right loads."""
    assert load_text(EXAMPLE).namespace == "shop"


@pytest.mark.parametrize("message", WITH_EXAMPLE, ids=lambda message: message.id)
def test_the_example_gives_the_message(message):
    """The mistake of the page gives the message of the page, first of all that are found."""
    assert EXAMPLE.count(message.right) == 1
    assert message.id in [found.message_id for found in caught(wrong_example(message)).all]


@pytest.mark.parametrize("message", WITH_EXAMPLE, ids=lambda message: message.id)
def test_the_offending_text_stands_at_the_place(message):
    """Line and column lead to the text that the message names, where it is written there."""
    text = wrong_example(message)
    found = next(error for error in caught(text).all if error.message_id == message.id)
    rest = text.splitlines()[(found.line or 0) - 1][(found.column or 0) - 1 :]
    assert found.text not in text or rest.startswith(found.text) or found.text in rest or message.id == "CF1004"


def test_pages_equal_the_code(project: Path):
    """The pages of the messages are those that scripts/write_reference.py makes."""
    written = {path.name: path.read_text(encoding="utf-8") for path in (project / FOLDER).glob("*.md")}
    assert written == pages()


PLACES = [
    ("wher: kind", "    where: kind in", "CF1003", 20, 5, "where"),
    ("where: kidn in", "    where: kind in", "CF1301", 20, 12, "kind"),
    ("by: [[county]", "by: [[country]", "CF1301", 21, 11, "country"),
    ("where: kind <> 'test' and kin = 'x'", "where: kind <> 'test'", "CF1301", 10, 29, "kind"),
    ("where: 'kind <> ''a'' and kin = 1'", "where: kind <> 'test'", "CF1301", 10, 29, "kind"),
    ("where: >\n    kind <> 'a' and\n    kin = 'b'", "where: kind <> 'test'", "CF1301", 12, 5, "kind"),
    ("time: {field: ts, unt: ms}", "time: {field: ts, unit: ms}", "CF1003", 7, 21, "unit"),
    ("grains: [1m, 1h, 1d Pariss]", "grains: [1m, 1h, 1d Europe/Paris]", "CF1103", 23, 25, "Europe/Paris"),
]


@pytest.mark.parametrize(("wrong", "right", "message_id", "line", "column", "near"), PLACES)
def test_places_and_nearest_names(wrong, right, message_id, line, column, near):
    """File, line, column and the name that was meant."""
    text = EXAMPLE.replace(right.strip(), wrong) if right.strip() in EXAMPLE else EXAMPLE
    error = caught(text)
    assert (error.message_id, error.file, error.line, error.column, error.suggestion) == (
        message_id, "shop.yaml", line, column, near,
    )  # fmt: skip


def test_all_mistakes_are_told_at_once():
    """One reading names every mistake, in the order of the file."""
    text = EXAMPLE.replace("unit: ms}\n  rec", "unit: mss}\n  rec").replace("sum(dwell_ms)", "summ(dwell_ms)")
    text = text.replace("lateness: 2d", "lateness: 2 days").replace("namespace: shop", "namespce: shop")
    assert [error.message_id for error in caught(text).all] == ["CF1004", "CF1003", "CF1109", "CF1101", "CF1107"]


def test_an_error_says_everything_in_one_line():
    """Place, id, what; the next step is the hint."""
    error = caught(EXAMPLE.replace("sum(dwell_ms)", "summ(dwell_ms)"))
    assert str(error) == "shop.yaml:22:38: CF1107: unknown measure: summ"
    assert error.hint.startswith("did you mean sum?")
    assert (error.exit_code, error.page) == (3, "docs/reference/messages/CF1107.md")


@pytest.mark.parametrize(
    ("text", "message_id"),
    [
        ("", "CF1008"),
        ("# only a comment\n", "CF1008"),
        ("- a\n- b\n", "CF1008"),
        ("just words\n", "CF1008"),
        ("[" * 100_000, "CF1010"),
        ("a: " + "[" * 60 + "]" * 60, "CF1010"),
        ("a: [" + "b, " * NODES_MAX + "]", "CF1010"),
        ("a: &a [*a]\n", "CF1010"),
        ("a: \x00\n", "CF1001"),
        ("a: 'open\n", "CF1001"),
        ("? [a]\n: b\n", "CF1001"),
        ("a: 1\n---\nb: 2\n", "CF1001"),
        ("a: !!python/object:os.system x\n", "CF1011"),
    ],
)
def test_what_is_no_definition(text, message_id):
    """Any text gives one clear message, however odd it is."""
    assert caught(text).message_id == message_id


def test_a_missing_file_is_told(tmp_path):
    """The path that was given is named."""
    with pytest.raises(DefinitionError, match=r"CF1009: the definition cannot be read: no such file or directory"):
        load_file(tmp_path / "none.yaml")


def test_a_file_that_is_no_text_is_told(tmp_path):
    """A binary file is refused with the byte at which it is none."""
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"ab\xff")
    with pytest.raises(DefinitionError, match="byte 2 is not UTF-8"):
        load_file(path)


@pytest.mark.parametrize(
    ("right", "wrong", "text"),
    [
        ("  files: events/*.jsonl", "  http: {port: 80}", "http"),
        ("format: json", "format: avro", "avro"),
        ("highest: max(price)", "highest: top(price)", "top(price)"),
        ("{path: ratio, type: float}", "{path: ratio, zone: UTC}", "zone"),
    ],
)
def test_parts_of_later_builds_are_named(right, wrong, text):
    """So do sources, formats, measures and options."""
    error = caught(EXAMPLE.replace(right, wrong))
    assert (error.message_id, error.text) == ("CF1007", text)


TIME, ID = TimeSpec(("ts",), "ms"), IdSpec("position")
GOOD = Metric("m", ((),), (Measure("c", "count"),), (Grain("1h", "h"),))


NO_RULE = Acceptance()
EVENT = EventSpec(TIME, ID)


def built(event: EventSpec = EVENT, metric: Metric = GOOD, accept: Acceptance = NO_RULE) -> Definition:
    return Definition("n", event, (metric,), accept=accept)


@pytest.mark.parametrize(
    ("build", "message_id", "path"),
    [
        (lambda: built(EventSpec(TimeSpec(("ts",), "iso", None, "Nowhere"), ID)), "CF1103", "event.time.zone"),
        (lambda: built(EventSpec(TIME, ID, where=FieldRef("x"))), "CF1301", "event.where"),
        (lambda: built(EventSpec(TIME, ID, fields=(Field("a", FieldRef("b")),))), "CF1216", "event.fields.a"),
        (lambda: built(EventSpec(TIME, ID, fields=(Field("a b", Literal(1)),))), "CF1113", "event.fields.a b"),
        (
            lambda: built(EventSpec(TIME, ID, fields=(Field("a", Call("lower", (Literal(1),))),))),
            "CF1208",
            "event.fields.a",
        ),
        (
            lambda: built(EventSpec(TIME, ID, fields=(Field("a", Literal(1), FieldType("integer"), "x"),))),
            "CF1116",
            "event.fields.a.default",
        ),
        (lambda: built(accept=Acceptance(5)), "CF1401", "accept.lateness"),
        (lambda: built(accept=Acceptance(bucket_us=1)), "CF1406", "accept.bucket"),
        (
            lambda: built(metric=Metric("m", ((),), GOOD.measures, (Grain("7h", "h", 7),))),
            "CF1105",
            "metrics.m.grains[0]",
        ),
        (lambda: built(metric=Metric("m", ((),), GOOD.measures, (Grain("1h", "d"),))), "CF1104", "metrics.m.grains[0]"),
        (lambda: built(metric=Metric("m", (("x",),), GOOD.measures, GOOD.grains)), "CF1301", "metrics.m.by[0]"),
        (lambda: built(metric=Metric("m", ((),), (), GOOD.grains)), "CF1306", "metrics.m.measures"),
        (lambda: built(metric=replace(GOOD, sets=((),), values_max=1)), "CF1308", "metrics.m.values_max"),
        (lambda: built(metric=replace(GOOD, values_max=0)), "CF1112", "metrics.m.values_max"),
        (
            lambda: built(metric=Metric("m", ((),), (Measure("q", "count", rank=2.0),), GOOD.grains)),
            "CF1112",
            "metrics.m.measures.q",
        ),
        (lambda: Definition("n", EventSpec(TIME, ID), ()), "CF1306", "metrics"),
        (lambda: Definition("a b", EventSpec(TIME, ID), (GOOD,)), "CF1113", "namespace"),
        (lambda: Definition("n", EventSpec(TIME, ID), (GOOD, GOOD)), "CF1302", "metrics"),
    ],
)
def test_a_definition_built_in_python_is_checked(build, message_id, path):
    """The same checks, placed by the path of the attribute."""
    with pytest.raises(DefinitionError) as error:
        build()
    assert (error.value.message_id, error.value.path, error.value.line) == (message_id, path, None)
