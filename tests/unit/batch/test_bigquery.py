"""The recount in BigQuery's SQL: it parses, it calls nothing that is not there, and what has no words is refused."""

from __future__ import annotations

import re

import pytest
import sqlglot
from sqlglot import exp

from crossfoot.definition.load import load_text
from crossfoot.engines.batch import Variation, lacks, render
from crossfoot.engines.batch.bigquery import translated
from crossfoot.engines.batch.bigquery_functions import made, prelude
from crossfoot.engines.batch.scripts import scripted
from crossfoot.errors import CallError, DefinitionError
from tests.golden import folders
from tests.golden.test_batch import ABLE

KNOWN = {
    "ARRAY_CONCAT", "BYTE_LENGTH", "DATE_FROM_UNIX_DATE", "IS_INF", "IS_NAN", "JSON_VALUE", "REGEXP_CONTAINS",
    "SPLIT", "STRUCT", "TIMESTAMP_MICROS", "TO_JSON_STRING", "UNIX_MICROS", "IF", "ARRAY_TO_STRING",
}  # fmt: skip
"""What BigQuery has and sqlglot has no class for."""
LINES = """
crossfoot: 1
namespace: lines
source: {{files: log.txt, format: {{regex: '{0}'}}}}
event: {{time: {{field: at, unit: s}}, received: none, id: position, fields: {{}}}}
metrics: {{m: {{measures: {{n: count}}, grains: [all]}}}}
"""
WHERE = """
crossfoot: 1
namespace: lines
source: {{files: log.jsonl, format: json}}
event: {{time: {{field: at, unit: s}}, received: none, id: position, fields: {{a: {{path: a, type: text}}}}}}
metrics: {{m: {{where: "{0}", measures: {{n: count}}, grains: [all]}}}}
"""


def scripts(folder):
    """Every statement that a folder's recount runs."""
    definition = folders.read(folder).definition
    rendered = render(definition, dialect="bigquery")
    yield rendered.query("judged")
    for metric in definition.metrics:
        for by in metric.sets:
            for grain in metric.grains:
                yield rendered.cells(metric.name, by, grain.text)


@pytest.mark.parametrize("folder", ABLE, ids=lambda folder: folder.name)
def test_every_folder_is_rendered(folder):
    """Each statement parses, and calls what BigQuery has or what goes before it."""
    for sql in scripts(folder):
        tree = sqlglot.parse_one(sql, read="bigquery")
        called = {node.name for node in tree.find_all(exp.Anonymous)}
        there = {re.match(r"CREATE TEMP FUNCTION (\w+)", statement)[1] for statement in prelude(sql)}
        assert called <= KNOWN | there
        assert '"' not in re.sub(r"'(?:[^'\\]|\\.)*'", "", sql)


def test_a_function_stands_behind_those_that_it_calls():
    names = [re.match(r"CREATE TEMP FUNCTION (\w+)", statement)[1] for statement in prelude("cf_day_of(a, 'b')")]
    assert names == ["cf_offset", "cf_day", "cf_begins", "cf_edge", "cf_day_of"]


def test_functions_that_are_not_called_are_left_out():
    assert prelude("SELECT 1") == ()


@pytest.mark.parametrize("name", made("half_even"))
def test_scripts_are_plain_texts(name):
    """A backslash or a quote would be read otherwise here and there."""
    assert "\\" not in made("half_even")[name].replace("CONCAT", "") or name in ("cf_lower", "cf_upper")


WORDS = {
    "SELECT * EXCLUDE (a) FROM t": "SELECT * EXCEPT (a) FROM t",
    "SELECT a // b, a % b FROM t": "SELECT DIV(a, b), MOD(a, b) FROM t",
    "SELECT sum(a) FROM t": "SELECT SUM(CAST(a AS BIGNUMERIC)) FROM t",
    "SELECT CAST(a AS HUGEINT) FROM t": "SELECT CAST(a AS BIGNUMERIC) FROM t",
    "SELECT epoch_us(a), make_timestamptz(b) FROM t": "SELECT UNIX_MICROS(a), TIMESTAMP_MICROS(b) FROM t",
    "SELECT regexp_full_match(a, '[ab]') FROM t": "SELECT REGEXP_CONTAINS(a, '^(?:[ab])$') FROM t",
    "SELECT a LIKE 'x_%' FROM t": "SELECT REGEXP_CONTAINS(a, '(?s)^x..*$') FROM t",
    "SELECT a LIKE '!_b' ESCAPE '!' FROM t": "SELECT REGEXP_CONTAINS(a, '(?s)^\\\\x{5f}b$') FROM t",
    'SELECT "field a b" FROM t': "SELECT `field_a_b` FROM t",
    "SELECT (cf_canonical(a)).e FROM t": "SELECT cf_exponent(a) FROM t",
}


@pytest.mark.parametrize("said", WORDS)
def test_words_are_translated(said):
    assert translated(said) == WORDS[said]


def test_a_pattern_that_is_read_otherwise_is_refused():
    definition = load_text(LINES.format("(?s)(?P<at>[0-9]+).*"))
    assert [lack.path for lack in lacks(definition, "bigquery")] == ["source.format"]
    with pytest.raises(DefinitionError, match="BigQuery cannot run this"):
        render(definition, dialect="bigquery")


def test_a_pattern_is_written_as_javascript_writes_it():
    assert scripted(r"(?P<a>\d)\-\x{2f}\.") == r"(?<a>\d)\u{2d}\u{2f}\."


def test_another_dialect_is_refused():
    with pytest.raises(CallError, match="not rendered for oracle"):
        render(load_text(WHERE.format("a = 'b'")), dialect="oracle")


def test_rounding_is_that_of_the_variation():
    rendered = render(load_text(WHERE.format("a = 'b'")), Variation(rounding="truncate"), "bigquery")
    assert "const up = false" in rendered.script("SELECT cf_decimal('1.5', 0)")
