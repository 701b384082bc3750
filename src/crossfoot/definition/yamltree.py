"""YAML as a tree that remembers where everything stood. Plain values stay texts; who reads them knows what they are.

Anchors and aliases are read; tags are refused. The parser is PyYAML's own: the one in C crashes on deep nesting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import yaml

from crossfoot.definition.findings import At, Finding, FoundError, Position
from crossfoot.definition.secrets import may_be_secret

DEPTH_MAX = 50
NODES_MAX = 50_000
LENGTH_MAX = 4 << 20
_CORE_TAGS = "tag:yaml.org,2002:"
_KEY = re.compile(r"""([^\s{,'"]+)['"]?\s*:(?=\s|$)""", re.MULTILINE)
_NAMED = re.compile(r"(alias|anchor|handle) .*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the file. `plain`: a text without quotes. `source`: the characters that it was read from."""

    kind: Literal["map", "list", "text"]
    at: At
    position: Position
    source: str
    text: str = ""
    plain: bool = False
    keys: tuple[Node, ...] = ()
    items: tuple[Node, ...] = ()

    def entries(self) -> Iterator[tuple[Node, Node]]:
        """Keys and values of a map."""
        return zip(self.keys, self.items, strict=True)

    @property
    def empty(self) -> bool:
        """Whether this is YAML's null."""
        return self.kind == "text" and self.plain and self.text in ("", "~", "null", "Null", "NULL")

    def walk(self) -> Iterator[Node]:
        """This node and all below it, without keys."""
        yield self
        for item in self.items:
            yield from item.walk()


def read_yaml(text: str) -> Node:
    """The tree of a YAML text; FoundError where it is none."""
    if len(text) > LENGTH_MAX:
        raise FoundError(Finding("CF1010", (), "", {"most": LENGTH_MAX, "what": "characters"}))
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError as error:
        raise FoundError(Finding("CF1010", (), "", {"most": DEPTH_MAX, "what": "levels"})) from error
    except yaml.YAMLError as error:
        raise _not_yaml(error, text) from error
    if root is None:
        raise FoundError(Finding("CF1008", (), "", {"found": "empty"}))
    return _Builder(text).node(root, (), 0)


def _not_yaml(error: yaml.YAMLError, text: str) -> FoundError:
    mark = getattr(error, "problem_mark", None)
    index = mark.index if mark else getattr(error, "position", 0)
    problem = getattr(error, "problem", None) or f"{getattr(error, 'reason', 'it is no text')}"
    shown = _shown(text, index, text[index : index + 40].partition("\n")[0])
    if _is_hidden(text, index):
        problem = _NAMED.sub(r"\1", problem)
    return FoundError(Finding("CF1001", (), shown, {"problem": problem}, offset=index))


def _shown(text: str, index: int, part: str) -> str:
    """The part of the text at a place; nothing of what may be a secret."""
    return "" if _is_hidden(text, index) else part


def _is_hidden(text: str, index: int) -> bool:
    """Whether the line may hold a secret, or goes on with the value of one."""
    line = text[text.rfind("\n", 0, index) + 1 :].partition("\n")[0]
    keys = _KEY.findall(text[:index])
    return may_be_secret(line) or may_be_secret(keys[-1] if keys else "")


class _Builder:
    def __init__(self, text: str) -> None:
        self.text = text
        self.left = NODES_MAX

    def node(self, found: yaml.Node, at: At, depth: int) -> Node:
        """PyYAML's node as ours; an alias is read again at its own place."""
        self.left -= 1
        if depth > DEPTH_MAX or self.left < 0:
            most, what = (DEPTH_MAX, "levels") if depth > DEPTH_MAX else (NODES_MAX, "values")
            raise FoundError(Finding("CF1010", at, "", {"most": most, "what": what}))
        start, end = found.start_mark, found.end_mark
        position, source = Position(start.line + 1, start.column + 1), self.text[start.index : end.index]
        if not str(found.tag).startswith(_CORE_TAGS) or source.startswith("!"):
            shown = _shown(self.text, start.index, source.split()[0])
            raise FoundError(Finding("CF1011", at, shown, offset=start.index))
        if isinstance(found, yaml.MappingNode):
            keys = tuple([self.key(key, at) for key, _ in found.value])
            pairs = zip(keys, found.value, strict=True)
            values = tuple([self.node(value, (*at, key.text), depth + 1) for key, (_, value) in pairs])
            return Node("map", at, position, source, keys=keys, items=values)
        if isinstance(found, yaml.SequenceNode):
            items = tuple([self.node(item, (*at, place), depth + 1) for place, item in enumerate(found.value)])
            return Node("list", at, position, source, items=items)
        quoted = getattr(found, "style", None) in ("'", '"', "|", ">")
        return Node("text", at, position, source, str(found.value), plain=not quoted)

    def key(self, found: yaml.Node, at: At) -> Node:
        """A map's key, which is a text."""
        if not isinstance(found, yaml.ScalarNode):
            mark = found.start_mark
            values = {"problem": "a key is a plain text"}
            shown = _shown(self.text, mark.index, self.text[mark.index : mark.index + 20])
            raise FoundError(Finding("CF1001", at, shown, values, offset=mark.index))
        return self.node(found, at, 0)


class Places:
    """Where each part of a tree stands in its file."""

    def __init__(self, text: str, root: Node | None) -> None:
        self.text = text
        self.values: dict[At, Node] = {}
        self.keys: dict[At, Node] = {}
        for node in root.walk() if root else ():
            self.values[node.at] = node
            self.keys.update({(*node.at, key.text): key for key in node.keys})

    def locate(self, finding: Finding) -> Position:
        """The place of the finding's text; else of the value, the key, or the nearest part around it."""
        at = finding.at
        if not self.values:
            return self._from_index(finding.offset or 0)
        if finding.message_id in ("CF1001", "CF1011"):
            return self._from_index(finding.offset or 0)
        while at and at not in self.values:
            at = at[:-1]
        if finding.on_key and at in self.keys:
            return self.keys[at].position
        return _inside(self.values[at], finding.text, finding.offset or 0) if at else Position(1, 1)

    def _from_index(self, index: int) -> Position:
        before = self.text[:index].split("\n")
        return Position(len(before), len(before[-1]) + 1)


def _inside(node: Node, text: str, offset: int) -> Position:
    """Where `text` stands inside a value: at or after `offset`, since quotes and folding can only move it on."""
    word = re.compile(rf"(?<!\w){re.escape(text)}(?!\w)" if text.isidentifier() else re.escape(text))
    match = word.search(node.source, offset) or word.search(node.source)
    before = node.source[: match.start() if match else 0].split("\n")
    line, column = node.position.line + len(before) - 1, len(before[-1]) + 1
    return Position(line, column + node.position.column - 1 if len(before) == 1 else column)
