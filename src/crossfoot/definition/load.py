"""YAML -> Definition. Every error names file, line, column, the offending text and the nearest valid name.

Reading is the first half: what each value says. Checking what the whole means (`validate`) is the second; it happens
whenever a Definition is made, in Python too.
"""

from __future__ import annotations

from pathlib import Path

from crossfoot.definition.findings import Finding, FoundError, InvalidDefinitionError, to_error
from crossfoot.definition.limits import default_transport_us
from crossfoot.definition.load_event import read_event
from crossfoot.definition.load_metrics import read_metrics
from crossfoot.definition.load_parts import read_accept, read_limits, read_tests
from crossfoot.definition.load_reconcile import read_reconcile
from crossfoot.definition.load_services import read_archive, read_preprocess, read_relay, read_sinks
from crossfoot.definition.load_sources import read_sources
from crossfoot.definition.load_watch import read_monitor
from crossfoot.definition.model import Acceptance, Definition, Format, Limits
from crossfoot.definition.reading import Reading, text_of
from crossfoot.definition.yamltree import Node, Places, read_yaml

_KEYS = (
    *("crossfoot", "namespace", "source", "event", "accept", "metrics", "limits", "tests"),
    *("preprocess", "relay", "sinks", "archive", "monitor", "reconcile"),
)


def load_file(path: str | Path) -> Definition:
    """The definition of a file; DefinitionError with every place that is wrong."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        finding = Finding("CF1009", (), str(path), {"problem": f"byte {error.start} is not UTF-8"})
        raise to_error([finding], str(path)) from error
    except OSError as error:
        finding = Finding("CF1009", (), str(path), {"problem": (error.strerror or "unreadable").lower()})
        raise to_error([finding], str(path)) from error
    return load_text(text, str(path))


def load_text(text: str, file: str | None = None) -> Definition:
    """The definition of a YAML text."""
    root = None
    try:
        root = read_yaml(text)
        return _definition(root)
    except FoundError as error:
        findings: tuple[Finding, ...] = (error.finding,)
    except InvalidDefinitionError as error:
        findings = error.findings
    raise to_error(findings, file, Places(text, root).locate)


def _definition(root: Node) -> Definition:
    """The whole tree's value; InvalidDefinitionError with everything that cannot be read, else with what is wrong."""
    if root.kind != "map":
        raise FoundError(Finding("CF1008", (), "", {"found": "no mapping"}))
    reading = Reading()
    section = reading.section(root, _KEYS)
    section.must("crossfoot", _check_version)
    namespace = section.must("namespace", text_of)
    sources = section.maybe("source", lambda node: read_sources(reading, node), ())
    format_ = sources[0].format if sources else Format()
    event = section.must("event", lambda node: read_event(reading, node, format_))
    metrics = section.must("metrics", lambda node: read_metrics(reading, node))
    transport_us = default_transport_us(event.received if event else None)
    standard = Acceptance(transport_us=transport_us)
    accept = section.maybe("accept", lambda node: read_accept(reading, node, transport_us), standard)
    limits = section.maybe("limits", lambda node: read_limits(reading, node), Limits())
    tests = section.maybe("tests", lambda node: read_tests(reading, node), ())
    preprocess = section.maybe("preprocess", lambda node: read_preprocess(reading, node), None)
    relay = section.maybe("relay", lambda node: read_relay(reading, node), None)
    sinks = section.maybe("sinks", lambda node: read_sinks(reading, node), ())
    archive = section.maybe("archive", lambda node: read_archive(reading, node), None)
    monitor = section.maybe("monitor", lambda node: read_monitor(reading, node), None)
    reconcile = section.maybe("reconcile", lambda node: read_reconcile(reading, node), ())
    if reading.findings or namespace is None or event is None or metrics is None:
        raise to_error(reading.findings)
    around = (preprocess, relay, sinks, archive, monitor, reconcile)
    return Definition(namespace, event, metrics, sources, accept, limits, tests, *around)


def _check_version(node: Node) -> str:
    if text_of(node) != "1":
        raise FoundError(Finding("CF1006", node.at, node.text))
    return node.text
