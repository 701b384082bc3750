"""Lower and upper case that is the same in every engine and every version of Unicode.

A code point is mapped where its mapping is one code point; others stay (ß, İ). Letters that got their mapping after
Unicode 14, the oldest version that a supported Python has, stay too.
"""

from __future__ import annotations

# First and last code point of every range that a Unicode version after 14.0 gave case mappings to.
NEWER: tuple[tuple[int, int], ...] = (
    (0x1C89, 0x1C8A),
    (0xA7CB, 0xA7CF),
    (0xA7D2, 0xA7D2),
    (0xA7D4, 0xA7D4),
    (0xA7DA, 0xA7DC),
    (0x10D50, 0x10D65),
    (0x10D70, 0x10D85),
    (0x16EA0, 0x16EB8),
    (0x16EBB, 0x16ED3),
)


def _newer(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in NEWER)


def _single(character: str, mapped: str) -> str:
    if mapped == character or len(mapped) != 1 or _newer(character) or _newer(mapped):
        return character
    return mapped


def lower(text: str) -> str:
    """`text` in lower case, code point by code point."""
    return text.lower() if text.isascii() else "".join([_single(c, c.lower()) for c in text])


def upper(text: str) -> str:
    """`text` in upper case, code point by code point."""
    return text.upper() if text.isascii() else "".join([_single(c, c.upper()) for c in text])
