"""Answers as texts."""

import io

import pyarrow as pa
import pytest

from crossfoot.query.client import Facts, Result
from crossfoot.query.escape import safe_cell, safe_text, write_csv
from crossfoot.query.present import as_html, as_text, facts_line, sparkline

FACTS = Facts("clicks", ("page",), "1h", "[page] 1h", 7, 0, False, False, None, None, {})


def result(pages: list[str | None], clicks: list[int]) -> Result:
    window = pa.array(range(len(pages)), pa.timestamp("us", "UTC"))
    return Result(pa.table({"window": window, "page": pages, "clicks": clicks}), FACTS)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("@x", "'@x"),
        ("-x", "'-x"),
        ("\tx", "'\tx"),
        ("-1.50", "-1.50"),
        ("-5", "-5"),
        ("a", "a"),
        ("", ""),
        (None, ""),
        (True, "true"),
        (-3, -3),
    ],
)
def test_no_cell_is_a_formula(value, expected):
    """A text that a spreadsheet would run gets an apostrophe in front; numbers do not."""
    assert safe_cell(value) == expected


def test_csv_is_quoted():
    """Line ends and quotes inside values stay inside."""
    out = io.StringIO()
    write_csv(["a", "=b"], [('x"\ny', "1,2")], out)
    assert out.getvalue() == 'a,\'=b\n"x""\ny","1,2"\n'


def test_an_empty_text_is_not_null_in_csv():
    """As databases write both."""
    out = io.StringIO()
    write_csv(["a", "b"], [("", None)], out)
    assert out.getvalue() == 'a,b\n"",\n'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("\u202egnp", "\\u202egnp"),
        ("\x9b2J", "\\x9b2J"),
        ("日本 é", "日本 é"),
        ("\udcff", "\\udcff"),
        (None, ""),
        (False, "false"),
    ],
)
def test_no_value_moves_the_cursor(value, expected):
    """Control characters are shown, not sent."""
    assert safe_text(value) == expected


def test_html_is_escaped():
    """A page called like a tag is a text."""
    text = as_html(result(["<script>alert(1)</script>", None], [1, 2]))
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_html_is_small():
    """A notebook shows the first rows, and says how many there are more."""
    text = as_html(result([str(number) for number in range(1000)], [1] * 1000))
    assert text.count("<tr>") == 21
    assert "980 more rows" in text


def test_text_has_rows_and_facts():
    """A result prints as a small table."""
    assert as_text(result(["a", "bb"], [1, 20])).splitlines() == [
        "window                       page  clicks",
        "1970-01-01T00:00:00Z         a     1",
        "1970-01-01T00:00:00.000001Z  bb    20",
        "epoch 7 · complete up to 1970-01-01T00:00:00Z · may change as long as there is input",
    ]


@pytest.mark.parametrize(
    ("values", "bars"),
    [([0, 7], "▁█"), ([1, 2, 4, 8], "▂▃▅█"), ([], ""), ([0, 0], "▁▁"), ([-4, 0, 4], "▁▅█"), ([5], "█")],
)
def test_sparklines(values, bars):
    """Bars are as high as their values; zero is the lowest."""
    assert sparkline(values) == bars


def test_facts_in_one_line():
    """How certain an answer is, in words."""
    facts = Facts("m", (), "1h", "", 3, 0, True, True, 0, 60_000_000, {"p50": "estimate"})
    kept = "earlier windows than 1970-01-01T00:01:00Z are not kept"
    assert facts_line(facts) == f"epoch 3 · final · cannot change any more · {kept} · p50: estimate"
