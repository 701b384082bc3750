"""Measures as texts: `count`, `sum(dwell_ms)`, `quantile(dwell_ms, 0.95)`."""

from __future__ import annotations

import re
from typing import get_args

from crossfoot.definition.findings import BadValueError, nearest
from crossfoot.definition.model import Measure, MeasureKind

KINDS: dict[str, MeasureKind] = {kind: kind for kind in get_args(MeasureKind)}
EXACT_DEFAULT = 1024
EXACT_MAX = 1_000_000
_MEASURE = re.compile(r"\s*(\w+)\s*(?:\(\s*([^(),]*?)\s*(?:,\s*([^(),]*?)\s*)?\)\s*)?")
_RANK = re.compile(r"0|1|0?\.[0-9]{1,9}|[01]\.0+")
_EXACT = re.compile(r"exact\s*=\s*([0-9]{1,7})")


def parse_measure(name: str, text: str) -> Measure:
    """The measure called `name`."""
    match = _MEASURE.fullmatch(text)
    if not match:
        raise BadValueError("CF1106", text)
    word, field, option = match.groups()
    if word == "top":
        raise BadValueError(
            "CF1007", text, what="the measure top", instead="count by that dimension and query the largest"
        )
    if word not in KINDS:
        raise BadValueError("CF1107", word, near=nearest(word, KINDS))
    alone = word == "count" and field is None
    if not (field or alone) or (option is None and word == "quantile"):
        raise BadValueError("CF1106", text)
    if option is not None:
        return _with_option(name, word, field, option)
    return Measure(name, KINDS[word], field)


def _with_option(name: str, word: str, field: str, option: str) -> Measure:
    if word == "quantile":
        if not _RANK.fullmatch(option):
            raise BadValueError("CF1112", option, what="the rank of a quantile", least=0, most=1)
        return Measure(name, "quantile", field, rank=float(option))
    exact = _EXACT.fullmatch(option)
    if word != "distinct" or not exact:
        raise BadValueError("CF1106", option)
    return Measure(name, "distinct", field, exact=checked_exact(int(exact[1])))


def checked_exact(members: int) -> int:
    """The member count up to which `distinct` is exact."""
    if not 1 <= members <= EXACT_MAX:
        raise BadValueError("CF1112", str(members), what="exact", least=1, most=EXACT_MAX)
    return members


def render_measure(measure: Measure) -> str:
    """The measure as it could have been written."""
    if measure.kind == "quantile":
        return f"quantile({measure.field}, {measure.rank:.9f}".rstrip("0").rstrip(".") + ")"
    if measure.kind == "distinct" and measure.exact != EXACT_DEFAULT:
        return f"distinct({measure.field}, exact={measure.exact})"
    return measure.kind if measure.field is None else f"{measure.kind}({measure.field})"
