"""Expression text -> tree. A plain name is read here, all else as SQL (`sql_tree`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crossfoot.definition.expression import Call, Cast, Expression, FieldRef, Path, Reference
from crossfoot.definition.findings import BadValueError
from crossfoot.definition.text import is_plain

DEPTH_MAX = 64
LENGTH_MAX = 10_000
PLAIN_PARTS_MAX = 8


class ExpressionError(BadValueError):
    """An expression is not one of ours."""

    def __init__(self, message_id: str, offset: int, text: str, near: str | None = None, **values: Any) -> None:
        super().__init__(message_id, text, offset, near, **values)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A tree, and where each path or field first stands in the text."""

    tree: Expression
    offsets: Mapping[Reference, int]


def parse_raw(text: str) -> Parsed:
    """An expression over raw paths (`fields`); ExpressionError where it is none of ours."""
    return _parse(text, lambda parts, _: Path(parts))


def parse_fields(text: str) -> Parsed:
    """An expression over declared fields (`where`)."""
    return _parse(text, _field)


def _field(parts: tuple[str, ...], offset: int) -> Reference:
    if len(parts) > 1:
        raise ExpressionError("CF1210", offset, ".".join(parts), name=parts[-1])
    return FieldRef(parts[0])


def _parse(text: str, reference: Callable[[tuple[str, ...], int], Reference]) -> Parsed:
    offsets: dict[Reference, int] = {}

    def name(parts: tuple[str, ...], offset: int) -> Reference:
        found = reference(parts, offset)
        offsets.setdefault(found, offset)
        return found

    if len(text) > LENGTH_MAX:
        raise ExpressionError("CF1207", 0, text[:40], most=DEPTH_MAX)
    parts = text.split(".")
    if len(parts) <= PLAIN_PARTS_MAX and all(map(is_plain, parts)):
        return Parsed(name(tuple(parts), 0), offsets)
    from crossfoot.definition.sql_tree import read_sql  # to import it takes longer than all the rest

    try:
        tree = read_sql(text, name)
        if _depth(tree) > DEPTH_MAX:
            raise ExpressionError("CF1207", 0, text, most=DEPTH_MAX)
    except RecursionError as error:
        raise ExpressionError("CF1207", 0, text, most=DEPTH_MAX) from error
    return Parsed(tree, offsets)


def _depth(tree: Expression) -> int:
    """Nesting, walked level by level so that no depth is too much to measure."""
    level, depth = [tree], 0
    while level:
        depth += 1
        calls = [node.args for node in level if isinstance(node, Call)]
        level = [argument for args in calls for argument in args] + [n.value for n in level if isinstance(n, Cast)]
    return depth
