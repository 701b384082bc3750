"""Text -> tree -> text."""

import pytest
from hypothesis import given

from crossfoot.definition.expression import Call, FieldRef, Literal, Path
from crossfoot.definition.parse import parse_fields, parse_raw
from crossfoot.definition.text import render
from tests.unit.definition.trees import any_expression


@given(any_expression())
def test_rendered_fields_parse_to_the_same_tree(tree):
    """What is written out reads back as the same expression."""
    assert parse_fields(render(tree)).tree == tree


@given(any_expression(reference=Path))
def test_rendered_paths_parse_to_the_same_tree(tree):
    """The same over raw paths."""
    assert parse_raw(render(tree)).tree == tree


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("a.b.c.d.e.f = 1", "a.b.c.d.e.f = 1"),
        ('"a b"."c""d" = 2', '"a b"."c""d" = 2'),
        ("timestamp > 5 and user.end <> 3", 'timestamp > 5 AND user."end" <> 3'),
        ("a not between 1 and 2.50", "NOT (a >= 1 AND a <= 2.50)"),
        ("a not in ('it''s', null)", "NOT a IN ('it''s', NULL)"),
        ("a not like 'x!%' escape '!'", "NOT a LIKE 'x!%' ESCAPE '!'"),
        ("a is not null", "NOT a IS NULL"),
        ("case a when 1 then 2 end", "CASE WHEN a = 1 THEN 2 ELSE NULL END"),
        ("a || b || 'c'", "CONCAT(a, b, 'c')"),
        ("substring(a, 1, 2)", "SUBSTR(a, 1, 2)"),
        ("cast(a as double precision) = cast(b as bigint)", "CAST(a AS float) = CAST(b AS integer)"),
        ("(a + b) * c - (d - -5)", "(a + b) * c - (d - -5)"),
        ("a = -9223372036854775808", "a = -9223372036854775808"),
        ("a and (b and c) and d", "a AND (b AND c) AND d"),
    ],
)
def test_forms(text, rendered):
    """Each form of the subset, and what it stands for."""
    assert render(parse_raw(text).tree) == rendered


def test_decimal_constants_keep_their_places():
    """1.50 is a decimal of two places, not a float and not 1.5."""
    tree = parse_fields("a = 1.50").tree
    assert isinstance(tree, Call)
    assert isinstance(tree.args[1], Literal)
    assert str(tree.args[1].value) == "1.50"


def test_offsets_name_the_first_use():
    """The place of each reference is known, for messages."""
    assert parse_fields("lower(kind) = 'a' or n > 1 or kind = 'b'").offsets == {FieldRef("kind"): 6, FieldRef("n"): 21}


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("a + b % c", "a + (b % c)"),
        ("a - b * c / d", "a - ((b * c) / d)"),
        ("a - b - c", "(a - b) - c"),
        ("a / b * c", "(a / b) * c"),
        ("-a * b", "(-a) * b"),
        ("not a and b or c", "((not a) and b) or c"),
        ("not a = b + 1", "not (a = (b + 1))"),
        ("not a in (1)", "not (a in (1))"),
        ("not a is null", "not (a is null)"),
        ("a = 1 or b = 2 and c = 3", "(a = 1) or ((b = 2) and (c = 3))"),
        ("a + 1 between b and c * 2 and d", "((a + 1) between b and (c * 2)) and d"),
        ("a || b = c", "(a || b) = c"),
    ],
)
def test_what_binds_tighter(text, grouped):
    """Operators bind as in SQL."""
    assert render(parse_raw(text).tree) == render(parse_raw(grouped).tree)
