"""What is refused, and where."""

import pytest

from crossfoot.definition.parse import ExpressionError, parse_fields, parse_raw
from crossfoot.definition.text import KEYWORDS
from crossfoot.definition.words import FUNCTIONS, TYPE_WORDS

REFUSED = [
    ("a = ", "CF1201", 2),
    ("a in ()", "CF1201", 0),
    ("a between 1", "CF1201", 10),
    ("'abc", "CF1201", 0),
    ("(a", "CF1201", 1),
    ("a)", "CF1201", 1),
    ("", "CF1201", 0),
    ("as", "CF1201", 0),
    ("(as)", "CF1202", 0),
    ("else", "CF1201", 0),
    ("-- only a comment", "CF1201", 0),
    ("x y", "CF1201", 2),
    ("'a' 'b'", "CF1201", 4),
    ("1_000", "CF1201", 1),
    ("a.1.b", "CF1201", 2),
    ("a ilike 'x'", "CF1201", 2),
    ("date '2020-01-01'", "CF1201", 5),
    ("a == 1", "CF1202", 2),
    ("a::int", "CF1202", 1),
    ("a[0]", "CF1202", 1),
    ("a ->> 'b'", "CF1202", 2),
    ("a <=> b", "CF1202", 2),
    ("a; b", "CF1202", 1),
    ("x is true", "CF1202", 0),
    ("a.*", "CF1202", 0),
    ("(a, b) = 1", "CF1202", 1),
    ("a = ‘1’", "CF1202", 4),
    ("lowr(a)", "CF1203", 0),
    ("a = any(b)", "CF1203", 4),
    ("9223372036854775808", "CF1204", 0),
    ("a = 1e999", "CF1204", 4),
    ("0.0000000000000000001", "CF1204", 0),
    ("a like b", "CF1205", 7),
    ("cast(a as integr)", "CF1206", 10),
    ("cast(a as decimal(10, 2))", "CF1206", 5),
    ("cast(a as decimal(19))", "CF1206", 5),
    ("(" * 70 + "a" + ")" * 70, "CF1207", 64),
    ("+".join("a" * 200), "CF1207", 0),
    ("not " * 2000 + "a", "CF1207", 0),
    ("lower(a, b)", "CF1209", 10),
    ("substr(a)", "CF1209", 0),
]


@pytest.mark.parametrize(("text", "message_id", "offset"), REFUSED)
def test_refused(text, message_id, offset):
    """Everything outside the subset is refused at its place."""
    with pytest.raises(ExpressionError) as caught:
        parse_raw(text)
    assert (caught.value.message_id, caught.value.offset) == (message_id, offset)


@pytest.mark.parametrize(
    "word", sorted(KEYWORDS | FUNCTIONS | TYPE_WORDS | {"CURRENT_DATE", "SELECT", "INTERVAL", "_1"})
)
def test_a_name_is_the_same_with_sql_and_without(word):
    """Whether it is read alone, or between parentheses, which only SQL has."""

    def read(text):
        try:
            return parse_raw(text).tree
        except ExpressionError:
            return None

    for name in (word, word.lower(), f"geo.{word}", f"{word}.a.b.c.d.e.f.g", f"{word}.a.b.c.d.e.f.g.h"):
        assert read(name) == read(f"({name})"), name


def test_a_path_is_no_field():
    """`where` reads declared fields, which have no parts."""
    with pytest.raises(ExpressionError) as caught:
        parse_fields("geo.country = 'FR'")
    assert caught.value.message_id == "CF1210"


@pytest.mark.parametrize(("written", "near"), [("lowr", "LOWER"), ("conct", "CONCAT"), ("substrng", "SUBSTRING")])
def test_unknown_functions_get_the_nearest_name(written, near):
    """A mistyped function names the one that was meant."""
    with pytest.raises(ExpressionError) as caught:
        parse_raw(f"{written}(a)")
    assert caught.value.near == near
