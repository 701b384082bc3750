"""SVG files that open anywhere, and follow the reader's light or dark theme."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_LIGHT = "svg { font: 12px system-ui, sans-serif; background: #fff; color: #222 } text { fill: currentColor }"
_DARK = "svg { background: #16181c; color: #ddd }"


def picture(size: tuple[int, int], title: str, styles: tuple[str, str], parts: Iterable[str]) -> str:
    """A whole file: its parts under a title. `styles` are the classes that they use, and what is else in the dark."""
    width, height = size
    light, dark = styles
    style = f"{_LIGHT}\n{light}\n@media (prefers-color-scheme: dark) {{ {_DARK}\n{dark} }}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}"><style>{style}</style>'
    )
    named = f'<text x="16" y="24" font-weight="600">{escape(title)}</text>'
    return "\n".join((head, named, *parts, "</svg>\n"))


def text(x: float, y: float, said: str, anchor: str = "start") -> str:
    """A line of text; `anchor`: which of its ends, or its middle, is at that place."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(said)}</text>'
