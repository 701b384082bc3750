"""Reading a tree part by part: each reader gives a value or raises; what fails is kept, and reading goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from crossfoot.definition.findings import BadValueError, Finding, FoundError, nearest, say_at
from crossfoot.definition.yamltree import Node

T = TypeVar("T")
D = TypeVar("D")

_KINDS = {"map": "a mapping", "list": "a list", "text": "a single value"}


def found_kind(node: Node) -> str:
    """What stands there, in words."""
    return "empty" if node.empty else _KINDS[node.kind]


def wrong_kind(node: Node, wanted: str) -> FoundError:
    """Another kind of value is needed here."""
    text = node.text if node.kind == "text" else ""
    return FoundError(Finding("CF1005", node.at, text, {"found": found_kind(node), "wanted": wanted}))


def text_of(node: Node, wanted: str = "a single value") -> str:
    """The node's text; a list, a mapping or nothing is refused."""
    if node.kind != "text" or node.empty:
        raise wrong_kind(node, wanted)
    return node.text


def parsed(node: Node, parse: Callable[[str], T], wanted: str = "a single value") -> T:
    """The node's text, read by `parse`."""
    try:
        return parse(text_of(node, wanted))
    except BadValueError as error:
        raise FoundError(error.at(node.at)) from error


def items_of(node: Node, wanted: str) -> tuple[Node, ...]:
    """The items of a list; a single value stands for a list of one."""
    if node.kind == "list":
        return node.items
    text_of(node, wanted)
    return (node,)


def flag(node: Node) -> bool:
    """true or false."""
    if node.kind != "text" or not node.plain or node.text not in ("true", "false"):
        raise wrong_kind(node, "true or false")
    return node.text == "true"


def whole(node: Node, least: int, most: int) -> int:
    """A whole number in a range."""
    text = text_of(node, "a whole number")
    if not text.isdecimal() or len(text) > 19 or int(text) < least:
        raise FoundError(Finding("CF1119", node.at, text, {"least": least}))
    if int(text) > most:
        values = {"what": say_at(node.at), "least": least, "most": most}
        raise FoundError(Finding("CF1112", node.at, text, values))
    return int(text)


class Reading:
    """The findings of one file."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def attempt(self, read: Callable[[], T]) -> T | None:
        """What `read` gives; None where it fails, with the finding kept."""
        try:
            return read()
        except FoundError as error:
            self.findings.append(error.finding)
            return None

    def each(self, nodes: Iterable[Node], read: Callable[[Node], T | None]) -> tuple[T, ...]:
        """What `read` gives for each node that it can read."""
        found = [self.attempt(partial(read, node)) for node in nodes]
        return tuple([value for value in found if value is not None])

    def each_named(self, node: Node, read: Callable[[str, Node], T | None]) -> tuple[T, ...]:
        """What `read` gives for each entry, key and value, of a mapping whose keys are names of the user's."""
        found = [self.attempt(partial(read, name, value)) for name, value in self.mapping(node)]
        return tuple([value for value in found if value is not None])

    def section(self, node: Node, known: Iterable[str], later: dict[str, tuple[str, str]] | None = None) -> Section:
        """A mapping with known keys; every other key is a finding, those of `later` with what to do instead."""
        if node.kind != "map":
            raise wrong_kind(node, "a mapping")
        section, allowed = Section(self, node), list(known)
        for key, _ in node.entries():
            if key.text in section.found:
                self.findings.append(Finding("CF1002", (*node.at, key.text), key.text, on_key=True))
            section.found[key.text] = next(value for name, value in node.entries() if name.text == key.text)
            if key.text not in allowed:
                self.findings.append(_odd_key(node, key, allowed, later or {}))
        return section

    def mapping(self, node: Node) -> list[tuple[str, Node]]:
        """A mapping whose keys are names of the user's."""
        section = self.section(node, [key.text for key in node.keys])
        return list(section.found.items())


def _odd_key(node: Node, key: Node, allowed: list[str], later: dict[str, tuple[str, str]]) -> Finding:
    at = (*node.at, key.text)
    if key.text in later:
        what, instead = later[key.text]
        return Finding("CF1007", at, key.text, {"what": what, "instead": instead}, on_key=True)
    values = {"place": say_at(node.at), "allowed": ", ".join(allowed)}
    return Finding("CF1003", at, key.text, values, nearest(key.text, allowed), on_key=True)


class Section:
    """One mapping, asked key by key."""

    def __init__(self, reading: Reading, node: Node) -> None:
        self.reading = reading
        self.node = node
        self.found: dict[str, Node] = {}

    def need(self, key: str) -> Node:
        """The value of a key that must be there."""
        if key not in self.found:
            raise FoundError(Finding("CF1004", self.node.at, key, {"place": say_at(self.node.at)}))
        return self.found[key]

    def maybe(self, key: str, read: Callable[[Node], T], default: D) -> T | D:
        """What `read` gives for the key; `default` where it is absent or cannot be read."""
        if key not in self.found:
            return default
        found = self.reading.attempt(lambda: read(self.found[key]))
        return default if found is None else found

    def must(self, key: str, read: Callable[[Node], T]) -> T | None:
        """What `read` gives for a key that must be there; None where it is missing or cannot be read."""
        return self.reading.attempt(lambda: read(self.need(key)))
