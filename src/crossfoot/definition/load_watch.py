"""The section `monitor`: read, written and checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

from crossfoot.definition.durations import duration_us, render_duration
from crossfoot.definition.findings import BadValueError, Finding
from crossfoot.definition.limits import SHADOW_IDS_MAX, SHADOW_IDS_MIN
from crossfoot.definition.model import MINUTE_US, Monitor
from crossfoot.definition.reading import Reading, Section, parsed, text_of, whole
from crossfoot.definition.yamltree import Node

NEVER = "never"
_PERCENT = re.compile(r"([0-9]{1,3}(\.[0-9]{1,6})?)%")
_WATCHED = ("duplicates", "left", "late", "too_late")


def percent(text: str) -> Decimal | None:
    """`0.5%` as a number of hundredths; None for `never`."""
    if text == NEVER:
        return None
    found = _PERCENT.fullmatch(text)
    if not found or Decimal(found[1]) > 100:
        raise BadValueError("CF1141", text)
    return Decimal(found[1])


def read_monitor(reading: Reading, node: Node) -> Monitor:
    """What is watched."""
    section = reading.section(node, (*_WATCHED, "span", "every", "over", "shadow", "webhook"))
    given: dict[str, Any] = {}
    for name in _WATCHED:
        given |= section.maybe(name, partial(_watched, reading, name), {})
    for name in ("span", "every", "over"):
        given |= _duration(section, name, f"{name}_us")
    given |= section.maybe("shadow", partial(_shadow, reading), {})
    return Monitor(**given, webhook=section.maybe("webhook", partial(text_of, wanted="a URL"), None))


def _watched(reading: Reading, name: str, node: Node) -> dict[str, Any]:
    section = reading.section(node, ("alert_above", "after") if name == "late" else ("alert_above",))
    given = _duration(section, "after", "late_after_us") if name == "late" else {}
    if "alert_above" in section.found:
        above = section.maybe("alert_above", lambda found: parsed(found, percent, "a percentage"), None)
        given[f"{name}_above"] = above
    return given


def _shadow(reading: Reading, node: Node) -> dict[str, Any]:
    section = reading.section(node, ("ids", "keep"))
    size = partial(whole, least=SHADOW_IDS_MIN, most=SHADOW_IDS_MAX)
    ids = section.maybe("ids", size, Monitor().shadow_ids)
    return {"shadow_ids": ids, **_duration(section, "keep", "shadow_keep_us")}


def _duration(section: Section, name: str, into: str) -> dict[str, Any]:
    found = section.maybe(name, lambda node: parsed(node, duration_us, "a duration"), None)
    return {} if found is None else {into: found}


def dump_monitor(monitor: Monitor) -> dict[str, Any]:
    """As a definition has it: what is not the default."""
    plain = Monitor()
    tree: dict[str, Any] = {}
    for name in _WATCHED:
        above = getattr(monitor, f"{name}_above")
        part = {"alert_above": _shown(above)} if above != getattr(plain, f"{name}_above") else {}
        if name == "late" and monitor.late_after_us != plain.late_after_us:
            part["after"] = render_duration(monitor.late_after_us)
        tree |= {name: part} if part else {}
    for name in ("span", "every", "over"):
        if (length := getattr(monitor, f"{name}_us")) != getattr(plain, f"{name}_us"):
            tree[name] = render_duration(length)
    shadow: dict[str, Any] = {"ids": monitor.shadow_ids} if monitor.shadow_ids != plain.shadow_ids else {}
    if monitor.shadow_keep_us != plain.shadow_keep_us:
        shadow["keep"] = render_duration(monitor.shadow_keep_us)
    tree |= {"shadow": shadow} if shadow else {}
    return tree | ({"webhook": monitor.webhook} if monitor.webhook else {})


def _shown(above: Decimal | None) -> str:
    return NEVER if above is None else f"{above:f}%"


def monitor_findings(monitor: Monitor) -> Iterator[Finding]:
    """Everything that is wrong with it."""
    spans = {"span": monitor.span_us, "every": monitor.every_us, "over": monitor.over_us}
    for name, length in spans.items():
        if length is not None and (length < MINUTE_US or (name == "span" and length % MINUTE_US)):
            yield Finding("CF1142", ("monitor", name), render_duration(length))
    for name in _WATCHED:
        above = getattr(monitor, f"{name}_above")
        if above is not None and not 0 <= above <= 100:
            yield Finding("CF1141", ("monitor", name, "alert_above"), f"{above}%")
    if not SHADOW_IDS_MIN <= monitor.shadow_ids <= SHADOW_IDS_MAX:
        values = {"what": "monitor.shadow.ids", "least": SHADOW_IDS_MIN, "most": SHADOW_IDS_MAX}
        yield Finding("CF1112", ("monitor", "shadow", "ids"), str(monitor.shadow_ids), values)
    if monitor.webhook is not None and not re.match(r"https?://|\$\{\w+\}$", monitor.webhook):
        values = {"found": "no URL", "wanted": "https://… or ${ENV_NAME}"}
        yield Finding("CF1005", ("monitor", "webhook"), monitor.webhook, values)
