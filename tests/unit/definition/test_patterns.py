"""Regular expressions of lines: what is refused, and how the others are spelled for the engines."""

import re

import pytest

from crossfoot.definition.findings import BadValueError
from crossfoot.definition.names import regex_groups
from crossfoot.definition.patterns import ascii_pattern, core_pattern

WORD, NO_WORD = r"[0-9A-Z\x5fa-z]", "[\\x00-\\x2f\\x3a-\\x40\\x5b-\\x5e\\x60\\x7b-\U0010ffff]"


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        (r"\d+", "[0-9]+"),
        (r"\w", WORD),
        (r"\W", NO_WORD),
        (r"\s*?", r"[\x09-\x0d\x20]*?"),
        (r"\S", "[\\x00-\\x08\\x0e-\\x1f\\x21-\U0010ffff]"),
        (r"[\w.-]", r"[\x2d-\x2e0-9A-Z\x5fa-z]"),
        (r"[^\W\d_]", "[^\\x00-\\x40\\x5b-\\x60\\x7b-\U0010ffff]"),
        (r"\\d\[\w", r"\\d\[" + WORD),
        (r"(?i)get|a\.b", r"[Gg][Ee][Tt]|[Aa]\x2e[Bb]"),
        (r"(?i:k)k(?i:[^a-c])", "(?:[Kk])k(?:[^A-Ca-c])"),
        (r"(?i)(?-i:k)k", "(?:k)[Kk]"),
        (r"(?im)^a", "(?m)^[Aa]"),
        (r"\<b\>", r"\x3cb\x3e"),
        (r"[\b]", r"[\x08]"),
    ],
)
def test_classes_and_both_cases_become_sets_of_ascii(written: str, spelled: str):
    """For the core; what means the same in Rust stays as it was."""
    assert core_pattern(written) == spelled


@pytest.mark.parametrize(
    "written",
    [r"(?P<a>[^]]+) \[([^\]]*)\] \x41\u00e9[\U0001f600-é]{2,}(?:a|b)?", r"(?sm)^\A.\.$", r"[a-f0-9-]\t\-é#&}"],
)
def test_what_is_alike_stays_as_it_was_written(written: str):
    """So the plan of a store, and with it the store, stay those of its definition."""
    assert core_pattern(written) == written


def test_bounds_of_words_are_told_to_be_of_ascii():
    """In Rust; Python is told by a flag, and SQL knows no others."""
    assert core_pattern(r"\ba\B") == r"(?-u:\b)a(?-u:\B)"
    assert ascii_pattern(r"\ba\B") == r"\ba\B"


@pytest.mark.parametrize("written", ["[^]]", r"\u00e9", r"[\U0001f600]", r"\<"])
def test_sql_is_given_no_escapes_that_it_lacks(written: str):
    """The characters themselves, or their codes below U+0100."""
    found = ascii_pattern(written)
    assert not re.search(r"\\[uU<]|\[\^?\]", found)
    assert [bool(re.fullmatch(found, sign)) for sign in "é\U0001f600<]"] == [
        bool(re.fullmatch(written, sign)) for sign in "é\U0001f600<]"
    ]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (r"\pL", r"\\p is not read alike"),
        (r"\p{Greek}", r"\\p is not read alike"),
        (r"\h", r"\\h is not read alike"),
        (r"a\Z", r"\\Z is not read alike"),
        (r"a\z", r"\\z is not read alike"),
        (r"\x{41}", r"\\x is not read alike"),
        (r"\N{BULLET}", r"\\N is not read alike"),
        (r"\0", r"\\0 is not read alike"),
        (r"[\1]", r"\\1 is not read alike"),
        (r"(a)\1", r"\\1 is not read alike"),
        (r"\ud800", r"\\ud800 is not read alike"),
        (r"\é", r"\\é is not read alike"),
        ("[[:alpha:]]", r"inside brackets \[ is not read alike"),
        ("[a-z&&[^b]]", r"inside brackets \[ is not read alike"),
        ("[a&&b]", "inside brackets && is not read alike"),
        ("[+--]", "inside brackets -- is not read alike"),
        ("(?=a)a", r"\(\?=a is not read alike"),
        ("(?<!a)b", r"\(\?<! is not read alike"),
        ("(?x) a", r"\(\?x\) is not read alike"),
        ("(?a)a", r"\(\?a\) is not read alike"),
        ("(?>a)", r"\(\?>a is not read alike"),
        ("a++", r"\+ after a repetition"),
        ("a{2}+", r"\+ after a repetition"),
        ("a{,2}", "for a brace"),
        ("{a", "for a brace"),
        ("a{1001}", "more than 1000 times"),
        ("((a{40}){30})", "more than 1000 times"),
        ("(a*)*", "a group that may be empty"),
        ("(?:(a)|b?)+", "a group that may be empty"),
        ("(a){0}", "leaves out a group"),
        ("(?i)é", "letters that are not ASCII"),
        ("(?i:[a\\u00e9])", "letters that are not ASCII"),
        ("(", "missing"),
        (r"[a-\d]", "bad character range"),
    ],
)
def test_what_engines_read_differently_is_refused(written: str, problem: str):
    """By the definition's check, in words."""
    with pytest.raises(BadValueError, match="CF1111") as caught:
        regex_groups(rf"(?P<t>.)(?:{written})" if not written.startswith(("(?x)", "(?a)", "(?i)")) else written)
    assert re.search(problem, caught.value.values["problem"])


@pytest.mark.parametrize(
    "written", ["(?:a*)*", "(a+)*", "(a*)?", "(?:(a)|b)*", "(a{30}){30}", "a{2,3}?", r"\{a\}", "(?i:日)"]
)
def test_what_is_read_alike_is_taken(written: str):
    """Beside what is refused."""
    assert regex_groups(f"(?P<t>{written})") == ("t",)
