"""A series as columns of block characters."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def columns(
    values: Sequence[float], labels: Sequence[str], height: int = 6, width: int = 2, unit: str = ""
) -> list[str]:
    """Lines from the top: each value a column, the largest at full height; the top and zero are named on the left."""
    top = max(values, default=0) or 1
    units = [round(value * height * 8 / top) for value in values]
    names = [f"{top:,.4g}{unit}" if isinstance(top, float) else f"{top:,}{unit}", *[""] * (height - 2), "0"]
    margin = max(map(len, names))
    lines = []
    for row in range(height):
        floor = (height - 1 - row) * 8
        blocks = (_EIGHTHS[min(max(unit - floor, 0), 8)] * width for unit in units)
        lines.append(f"{names[row].rjust(margin)} {' '.join(blocks)}".rstrip())
    foot = " ".join(label[:width].ljust(width) for label in labels)
    return [*lines, f"{' ' * margin} {foot}".rstrip()]
