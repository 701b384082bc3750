"""Regular expressions of lines: what all engines read alike, and the same expression spelled so that they do.

Python, Rust and SQL differ in what `\\d`, `\\w`, `\\s` and `\\b` mean, and in the letters that `(?i)` takes as one.
Here all of them are those of ASCII: classes and letters become sets, and Rust is told that a bound is of ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

REPEATED_MAX = 1000
"""The most often that a part may be repeated by numbers, also by one repetition inside another: RE2 takes no more."""

_CODE = r"\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\U000[0-9a-fA-F]{5}|\\U0010[0-9a-fA-F]{4}"
_TOKEN = re.compile(
    r"(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])"
    rf"|(?P<escape>{_CODE}|\\.)"
    r"|(?P<group>\((?:\?P<[^\W\d]\w*>)?(?!\?))"
    r"|(?P<flags>\(\?[ims]*(?:-[ims]+)?[:)])"
    r"|(?P<close>\))"
    r"|(?P<repeat>(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??)"
    r"|(?P<bar>\|)"
    r"|(?P<odd>\(\?.{0,2}|\{)"
    r"|(?P<one>.)",
    re.DOTALL,
)
_ITEM = re.compile(rf"{_CODE}|\\.|.", re.DOTALL)
_LAST = 0x10FFFF
_SETS = {"d": ((48, 57),), "w": ((48, 57), (65, 90), (95, 95), (97, 122)), "s": ((9, 13), (32, 32))}
_CONTROLS = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_CLASS = re.compile(r"\\[dwsDWS]")
# What Rust reads in another way than Python: classes, the bounds of words, a backspace.
_RUST_DIFFERS = re.compile(r"\\[dwsDWSb<>]")

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    folds: bool


def unlike(text: str) -> str | None:
    """What engines would read differently, in words; None where there is nothing."""
    for token in _tokens(text):
        problem = _problem(token)
        if problem is not None:
            return problem
    return _bad_repetition(text)


def ascii_pattern(text: str) -> str:
    """A checked expression for Python, with `re.ASCII`, and for SQL."""
    return "".join([_spelled(token) for token in _tokens(text)])


def core_pattern(text: str) -> str:
    """A checked expression for the core; one that Rust reads as the rule says stays as it was written."""
    return "".join([_for_rust(token) for token in _tokens(text)])


def _tokens(text: str) -> Iterator[_Token]:
    """The expression in parts, and whether letters stand for both of their cases there."""
    folds = [False]
    for match in _TOKEN.finditer(text):
        kind, part = match.lastgroup or "", match[0]
        if kind == "group" or (kind == "flags" and part[-1] == ":"):
            folds.append(_folding(part, folds[-1]))
        elif kind == "flags":
            folds[-1] = _folding(part, folds[-1])
        elif kind == "close" and len(folds) > 1:
            folds.pop()
        yield _Token(kind, part, folds[-1])


def _folding(part: str, before: bool) -> bool:
    on, _, off = part.partition("-") if "P<" not in part else ("", "", "")
    return "i" not in off and (before or "i" in on)


def _problem(token: _Token) -> str | None:
    text = token.text
    if token.kind == "odd":
        return "write \\{ for a brace, or {n}, {n,} or {n,m}" if text == "{" else f"{text} is not read alike everywhere"
    if token.kind in ("escape", "set"):
        odd = next((item for item in _ITEM.findall(text) if item[0] == "\\" and _is_odd(item, token.kind)), None)
        if odd is not None:
            return f"{odd} is not read alike everywhere"
    if token.kind == "set":
        plain = re.sub(r"\\.", "x", text[1:], flags=re.DOTALL)
        odd = next((sign for sign in ("[", "&&", "--", "~~", "||") if sign in plain), None)
        if odd is not None:
            return f"inside brackets {odd} is not read alike everywhere: put \\ before it"
    if token.folds and token.kind in ("one", "escape", "set") and any(_has_case(item) for item in _ITEM.findall(text)):
        return f"letters that are not ASCII cannot follow (?i): {text}"
    return None


def _is_odd(escape: str, kind: str) -> bool:
    if len(escape) > 2:
        return 0xD800 <= int(escape[2:], 16) <= 0xDFFF
    letter = escape[1]
    known = "dwsDWSabtnvfr" if kind == "set" else "dwsDWSbBAatnvfr"
    return not letter.isascii() or (letter.isalnum() and letter not in known)


def _has_case(item: str) -> bool:
    letter = chr(_code(item)) if len(item) != 2 else item[-1]
    return not letter.isascii() and letter.casefold() != letter.upper()


@dataclass(slots=True)
class _Part:
    """What is known of a part: whether it may be empty, whether a group is in it, how often it repeats by numbers."""

    may_be_empty: bool
    has_group: bool = False
    repeated: int = 1
    other_may_be_empty: bool = False

    def take(self, inner: _Part) -> None:
        self.may_be_empty &= inner.may_be_empty
        self.has_group |= inner.has_group
        self.repeated = max(self.repeated, inner.repeated)

    def ended(self) -> _Part:
        return _Part(self.may_be_empty or self.other_may_be_empty, self.has_group, self.repeated)


def _bad_repetition(text: str) -> str | None:
    """Repetitions that are too many, or in which engines keep another last round: one that may be empty."""
    around, last, was_repeat = [_Part(True)], _Part(True), False
    for token in _tokens(text):
        if token.kind == "repeat":
            least, most = _times(token.text)
            if was_repeat:
                return f"{token.text} after a repetition is not read alike everywhere"
            if most == 0 and last.has_group:
                return f"{token.text} leaves out a group"
            if most != 1 and last.may_be_empty and last.has_group:
                return f"{token.text} repeats a group that may be empty: engines keep another part of it"
            last.may_be_empty |= least == 0
            last.repeated *= max(least, most or 0, 1)
            if last.repeated > REPEATED_MAX:
                return f"{token.text} repeats a part more than {REPEATED_MAX} times"
            was_repeat = True
            continue
        was_repeat = False
        around[-1].take(last)
        last = _Part(True)
        if token.kind == "group" or (token.kind == "flags" and token.text[-1] == ":"):
            around.append(_Part(True, has_group=token.kind == "group"))
        elif token.kind == "close" and len(around) > 1:
            last = around.pop().ended()
        elif token.kind == "bar":
            around[-1].other_may_be_empty |= around[-1].may_be_empty
            around[-1].may_be_empty = True
        elif token.kind != "flags":
            last = _Part(token.text in ("^", "$", r"\b", r"\B", r"\A"))
    return None


def _times(repeat: str) -> tuple[int, int | None]:
    """The least and the most that a part repeats; None is without end."""
    if repeat[0] != "{":
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[repeat[0]]
    least, comma, most = repeat.rstrip("?").strip("{}").partition(",")
    return int(least), int(most) if most else None if comma else int(least)


def _for_rust(token: _Token) -> str:
    if token.kind == "escape" and token.text in (r"\b", r"\B"):
        return f"(?-u:{token.text})"
    differs = token.folds or token.kind == "flags" or _RUST_DIFFERS.search(token.text)
    return _spelled(token) if differs else token.text


def _spelled(token: _Token) -> str:
    text = token.text
    if token.kind == "flags":
        return _without_case(text)
    if token.kind == "set":
        return _set(text, token.folds)
    if token.kind == "escape" and _CLASS.fullmatch(text):
        return _written(_of_class(text))
    if token.kind == "escape" and text not in (r"\b", r"\B", r"\A"):
        return _letter(_code(text), token.folds)
    return _letter(ord(text), token.folds) if token.folds and text.isalpha() else text


def _without_case(flags: str) -> str:
    """`(?im-s:` without its i."""
    on, _, off = ("".join(dict.fromkeys(part.replace("i", ""))) for part in flags[2:-1].partition("-"))
    if not on and not off and flags[-1] == ")":
        return ""
    return f"(?{on}-{off}{flags[-1]}" if off else f"(?{on}{flags[-1]}"


def _letter(code: int, folds: bool) -> str:
    if folds and chr(code).isascii() and chr(code).isalpha():
        return _written(_both_cases([(code, code)]))
    return _char(code)


def _set(text: str, folds: bool) -> str:
    """Brackets, with each of their classes as ranges."""
    negated = text.startswith("[^")
    items = _ITEM.findall(text[2 if negated else 1 : -1])
    ranges: list[Range] = []
    place = 0
    while place < len(items):
        item = items[place]
        if _CLASS.fullmatch(item):
            ranges += _of_class(item)
            place += 1
        elif place + 2 < len(items) and items[place + 1] == "-":
            ranges.append((_code(item), _code(items[place + 2])))
            place += 3
        else:
            ranges.append((_code(item), _code(item)))
            place += 1
    return _written(_both_cases(ranges) if folds else ranges, "^" if negated else "")


def _of_class(escape: str) -> list[Range]:
    """The code points of a class; of a capital letter all others."""
    found = list(_SETS[escape[1].lower()])
    if escape[1].islower():
        return found
    starts = [0, *[last + 1 for _, last in found]]
    ends = [*[first - 1 for first, _ in found], _LAST]
    return list(zip(starts, ends, strict=True))


def _both_cases(ranges: list[Range]) -> list[Range]:
    letters = [code for code in range(65, 91) for low in (code, code + 32) if _holds(ranges, low)]
    return ranges + [(code + shift, code + shift) for code in letters for shift in (0, 32)]


def _holds(ranges: list[Range], code: int) -> bool:
    return any(first <= code <= last for first, last in ranges)


def _written(ranges: list[Range], sign: str = "") -> str:
    """A set of ranges, in order and without overlaps."""
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    said = [_char(first) if first == last else f"{_char(first)}-{_char(last)}" for first, last in merged]
    return f"[{sign}{''.join(said)}]"


def _code(item: str) -> int:
    """The code point of a character or of its escape."""
    if len(item) > 2:
        return int(item[2:], 16)
    return _CONTROLS.get(item[1], ord(item[1])) if len(item) == 2 else ord(item)


def _char(code: int) -> str:
    """A character that has no meaning of its own, also in brackets."""
    char = chr(code)
    return char if not char.isascii() or char.isalnum() else f"\\x{code:02x}"
