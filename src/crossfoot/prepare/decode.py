"""Bytes of a record -> its raw values, or why it is malformed (semantics section 5).

The order: size; UTF-8 of the whole line; then what a parser meets first, from left to right: a syntax error, a
bracket over `depth_max`, a member over `members_max`, a lone surrogate; at the end, that it is no object. `json`
parses; what it does not count is found in the tokens, and holds if `json` would come past its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NoReturn, TypeAlias

from crossfoot.definition.model import Format, Limits
from crossfoot.definition.number import NumberLiteral
from crossfoot.definition.patterns import ascii_pattern

RawValue: TypeAlias = Any
"""null, boolean, text, `NumberLiteral`, or a dict or list of raw values."""
Raw: TypeAlias = Mapping[str, RawValue]


class Malformed(Exception):  # noqa: N818 - an account, caught by `prepare`
    """Why a record cannot be decoded."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decode(data: bytes, form: Format, limits: Limits) -> Raw:
    """The raw values of one line (without its line end); Malformed where it is none of `form`."""
    if len(data) > limits.record_bytes_max:
        raise Malformed("size")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Malformed("utf8") from error
    return _matched(text, form.regex) if form.regex is not None else _parsed(text, limits)


def _matched(text: str, pattern: str) -> Raw:
    """The named groups of a regular expression that matches the whole line; a group without part is missing."""
    found = _compiled(pattern).fullmatch(text)
    if found is None:
        raise Malformed("syntax")
    return {name: value for name, value in found.groupdict().items() if value is not None}


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(ascii_pattern(pattern), re.ASCII)


def _parsed(text: str, limits: Limits) -> Raw:
    for reason, place in _faults(text, limits):
        raise Malformed(reason if _passes(text[:place] + _INSTEAD[reason], place) else "syntax")
    value, stopped = _json(text)
    if stopped is not None:
        raise Malformed("syntax")
    if not isinstance(value, dict):
        raise Malformed("not_object")
    return value


# What could stand in the place of a fault: a value for the bracket, a key, the end of the text with half a code point.
_INSTEAD = {"depth": "null", "members": '""', "utf8": '"'}


def _passes(text: str, place: int) -> bool:
    """Whether a parser comes past the place."""
    stopped = _json(text)[1]
    return stopped is None or stopped > place


def _json(text: str) -> tuple[RawValue, int | None]:
    """The value, or the place where parsing stopped."""
    try:
        return _DECODER.decode(text), None
    except json.JSONDecodeError as error:
        return None, error.pos


def _constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is no value", "", 0)


_DECODER = json.JSONDecoder(parse_int=NumberLiteral, parse_float=NumberLiteral, parse_constant=_constant)

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}\[\],]', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


def _faults(text: str, limits: Limits) -> Iterator[tuple[str, int]]:
    """Reason and place of what passes a limit or is a lone surrogate, as far as `text` is JSON."""
    stack: list[str] = []
    members, key_may_follow = 0, False
    for token in _TOKEN.finditer(text):
        first = token[0][0]
        if first in "{[":
            if len(stack) == limits.depth_max:
                yield "depth", token.start()
            stack.append(first)
        elif first in "}]":
            stack = stack[:-1]
        elif first == '"':
            members += key_may_follow
            if key_may_follow and members > limits.members_max:
                yield "members", token.start()
            yield from _lone_surrogates(token[0], token.start())
        key_may_follow = first in "{," and stack[-1:] == ["{"]


def _lone_surrogates(text: str, start: int) -> Iterator[tuple[str, int]]:
    """Escapes of half a code point."""
    high: int | None = None
    end = 0
    for escape in _ESCAPE.finditer(text) if "\\u" in text else ():
        unit = int(escape[1], 16) if escape[1] else 0
        is_low = 0xDC00 <= unit <= 0xDFFF
        paired = high is not None and is_low and escape.start() == end
        if high is not None and not paired:
            yield "utf8", start + high
        if is_low and not paired:
            yield "utf8", start + escape.start()
        high = escape.start() if 0xD800 <= unit <= 0xDBFF else None
        end = escape.end()
    if high is not None:
        yield "utf8", start + high
