"""The places where the SQL of one database is another text than that of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from crossfoot.definition.engines import Lack
from crossfoot.definition.model import Definition, TimeSpec
from crossfoot.definition.sql_parts import Sql
from crossfoot.engines.batch import decode, decode_scripted, times

Steps = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a generator asks for; all else is written once, in DuckDB's words."""

    name: str
    json: Callable[[decode.Paths, Definition], Steps]
    lines: Callable[[decode.Paths, Definition, str], Steps]
    malformed: Callable[[Definition], Steps]
    text_time: Callable[[str, str, TimeSpec], Sql]
    """A text in the words of a time: microseconds and the error."""
    quantile: Callable[[str, float], str]
    any_of: Callable[[str, str], str]
    """Whether a condition on `e` holds for one of a list."""
    record: Callable[[dict[str, str]], str]
    append: Callable[[str, str], str]
    picks_any: bool
    """Whether one of several rows can be taken without an order."""
    lacks: Callable[[Definition], Iterator[Lack]]


def _place(column: str, rank: float, divided: str) -> str:
    """The smallest value whose share of values up to it is at least the rank, by whole numbers."""
    share = Fraction(str(rank))
    return divided.format(f"(count({column}) * {share.numerator} + {share.denominator - 1})", share.denominator)


def _sorted_list(column: str, rank: float) -> str:
    place = _place(column, rank, "{} // {}")
    return f"list_sort(list({column}) FILTER ({column} IS NOT NULL))[greatest({place}, 1)]"


def _sorted_array(column: str, rank: float) -> str:
    place = _place(column, rank, "{} // {}")
    return f"cf_nth({column}, greatest({place}, 1))"


DUCKDB = Dialect(
    "duckdb",
    decode.of_json,
    decode.of_lines,
    decode.malformed,
    times.by_parts,
    _sorted_list,
    lambda items, condition: f"len(list_filter({items}, lambda e: {condition})) > 0",
    lambda parts: "{" + ", ".join(f"'{name}': {value}" for name, value in parts.items()) + "}",
    lambda items, item: f"list_append({items}, {item})",
    True,
    lambda _: iter(()),
)
BIGQUERY = Dialect(
    "bigquery",
    decode_scripted.of_json,
    decode_scripted.of_lines,
    decode_scripted.malformed,
    times.by_functions,
    _sorted_array,
    lambda items, condition: f"cf_any({items}, {condition})",
    lambda parts: "cf_record(" + ", ".join(f"{value} AS {name}" for name, value in parts.items()) + ")",
    lambda items, item: f"cf_append({items}, {item})",
    False,
    decode_scripted.lacks,
)
DIALECTS = {each.name: each for each in (DUCKDB, BIGQUERY)}
