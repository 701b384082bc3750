"""Which bytes are a record, and why others are not."""

import pytest

from crossfoot.definition.model import Format, Limits
from crossfoot.definition.number import NumberLiteral
from crossfoot.prepare.decode import Malformed, decode

JSON = Format("json")
LIMITS = Limits(record_bytes_max=200, depth_max=3, members_max=4)


def reason(data: bytes, limits: Limits = LIMITS) -> str:
    """Why the bytes are malformed; empty if they are not."""
    try:
        decode(data, JSON, limits)
    except Malformed as malformed:
        return malformed.reason
    return ""


def test_numbers_keep_their_literal():
    """No digit is lost on the way through a float."""
    raw = decode(b'{"a": 1.50, "b": 12345678901234567890123, "c": -0, "d": 1E+2}', JSON, LIMITS)
    assert [raw[name] for name in "abcd"] == [
        NumberLiteral(text) for text in ("1.50", "12345678901234567890123", "-0", "1E+2")
    ]


def test_the_last_of_equal_keys_wins():
    """A nested object is replaced as a whole."""
    raw = decode(b'{"a": {"x": 1}, "a": {"y": 2}}', JSON, LIMITS)
    assert raw == {"a": {"y": NumberLiteral("2")}}


@pytest.mark.parametrize(
    "data",
    [b"{", b"{}}", b"{}{}", b'{"a"}', b'{"a":}', b'{"a":1,}', b"{a:1}", b"{'a':1}", b'{"a":01}', b'{"a":1.}',
     b'{"a":.5}', b'{"a":+1}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":"\x01"}', b'{"a":"\\x"}',
     b'{"a":"b', b'{"a":tru}', b'{"a":1 2}', b"\xef\xbb\xbf{}", b"nonsense", b'{"a":"\\u12g4"}'],
)  # fmt: skip
def test_what_is_no_json_is_malformed(data: bytes):
    """Strict RFC 8259."""
    assert reason(data) == "syntax"


@pytest.mark.parametrize("data", [b"[]", b"1", b'"a"', b"null", b'[{"a":1}]'])
def test_json_that_is_no_object_says_so(data: bytes):
    """Valid, but no record."""
    assert reason(data) == "not_object"


@pytest.mark.parametrize("data", [b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', b"\x80 nonsense", b'{"a":"\xc0\x80"}'])
def test_bytes_that_are_no_utf8_come_before_syntax(data: bytes):
    """Over the whole line, wherever they are."""
    assert reason(data) == "utf8"


@pytest.mark.parametrize(
    "data",
    [rb'{"a":"\ud800"}', rb'{"a":"\udc00"}', rb'{"\ud800":1}', rb'{"a":"\ud800\u0041"}', rb'{"a":"\ud83d\ud83d\ude00"}',
     rb'{"a":"\ud800', rb'{"a":"\udc00\ud800"}', rb'{"a":"\ud800x\udc00"}'],
)  # fmt: skip
def test_half_a_code_point_is_no_text(data: bytes):
    """An escape of a lone surrogate."""
    assert reason(data) == "utf8"


@pytest.mark.parametrize(
    ("data", "text"), [(rb'"\ud83d\ude00"', "😀"), (rb'"\\ud800"', "\\ud800"), (rb'"\u0000"', "\0")]
)
def test_whole_code_points_are_texts(data: bytes, text: str):
    """A pair of surrogates is one code point, and an escaped backslash is none."""
    assert decode(b'{"a":' + data + b"}", JSON, LIMITS) == {"a": text}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a":[[1]]}', ""),
        (b'{"a":[[[]]]}', "depth"),
        (b'{"a":{"b":{"c":{}}}}', "depth"),
        (b'{"a":[[1]],"b":[[2]]}', ""),
        (b'{"a":"[[[[["}', ""),
        (b"[[[[", "depth"),
        (b'{"a":[[[', "depth"),
        (b'{"a" [[[[', "syntax"),
        (b'{"a":1} [[[[', "syntax"),
        (b'{"a":{"b":{[]}}}', "syntax"),
        (b'{"a":[[1[', "syntax"),
        (b'{"a":[[1,[', "depth"),
        (b'{"a":{"b":{"c":1,{', "syntax"),
        (b"[" * 100, "depth"),
    ],
)
def test_depth_is_limited_where_the_parser_meets_it(data: bytes, expected: str):
    """The bracket after the third is one too many, unless something was wrong before it."""
    assert reason(data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a":1,"b":2,"c":3,"d":4}', ""),
        (b'{"a":1,"b":2,"c":3,"d":4,"e":5}', "members"),
        (b'{"a":{"b":1,"c":2},"d":3,"e":4}', "members"),
        (b'{"a":1,"a":2,"a":3,"a":4,"a":5}', "members"),
        (b'{"a":1,"b":2,"c":3,"d":4,"e" 5', "members"),
        (b'{"a":1,"b":2,"c":3,"d" 4,"e":5}', "syntax"),
        (b'{"a":["1","2","3","4","5","6"]}', ""),
        (b'{"a":1,"b":2,"c":3,"d":4,"\\ud800":5}', "members"),
    ],
)
def test_members_are_limited_over_the_whole_record(data: bytes, expected: str):
    """Each key of each object counts."""
    assert reason(data) == expected


def test_a_size_over_the_limit_comes_first():
    """Nothing else of such a line is looked at."""
    assert reason(b"\xff" * 201) == "size"
    assert reason(b'{"a":"' + b"x" * 192 + b'"}') == ""


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_nesting_does_not_exhaust_the_parser(depth: int):
    """What is over the limit is never parsed."""
    assert reason(b'{"a":' * depth, Limits()) == "depth"


REGEX = Format("regex", r"(?P<host>\S+) (?P<size>\d+|-)(?: (?P<agent>.*))?")


def test_named_groups_are_the_values_of_a_line():
    """A group that took no part is missing."""
    assert decode(b"a.example 12", REGEX, LIMITS) == {"host": "a.example", "size": "12"}


@pytest.mark.parametrize(
    ("line", "expected"), [(b"a.example", "syntax"), (b"x 1\xff", "utf8"), (b" a 12", "syntax"), (b"x" * 201, "size")]
)
def test_the_whole_line_has_to_match(line: bytes, expected: str):
    """Not only its beginning."""
    with pytest.raises(Malformed, match=expected):
        decode(line, REGEX, LIMITS)
