"""Pieces of SQL that rendered expressions are made of."""

from __future__ import annotations

from dataclasses import dataclass

from crossfoot.definition.number import INT_MAX, INT_MIN


@dataclass(frozen=True, slots=True)
class Sql:
    """`value` and `error` as SQL (`error` None: there is none), the static type, and a decimal's scale."""

    value: str
    type: str
    scale: int = 0
    error: str | None = None


def case(*branches: tuple[str, str], otherwise: str = "NULL") -> str:
    """A CASE over conditions and values; without branches its else."""
    body = " ".join([f"WHEN {condition} THEN {value}" for condition, value in branches])
    return f"CASE {body} ELSE {otherwise} END" if branches else otherwise


def first(*errors: str | None) -> str | None:
    """The first error that is there."""
    there = [error for error in errors if error]
    return None if not there else there[0] if len(there) == 1 else f"COALESCE({', '.join(there)})"


def when(condition: str, reason: str) -> str:
    """A reason where a condition holds."""
    return case((condition, f"'{reason}'"))


def fails(part: Sql) -> str:
    """Whether the part has an error."""
    return f"{part.error} IS NOT NULL"


def huge(part: Sql, scale: int = 0) -> str:
    """An integer or decimal, scaled to `scale`, wide enough for every sum and product of two."""
    factor = scale - part.scale
    return f"CAST({part.value} AS HUGEINT)" + (f" * CAST({10**factor} AS HUGEINT)" if factor else "")


def double(part: Sql) -> str:
    """A number as DOUBLE, the nearest one."""
    return f"CAST({places(part) if part.type == 'decimal' else part.value} AS DOUBLE)"


def places(part: Sql) -> str:
    """A decimal as text with all its places."""
    return f"cf_text({part.value}, {part.scale})"


def outside(value: str) -> str:
    """Whether a value does not fit 64 bits."""
    return f"({value}) NOT BETWEEN {INT_MIN} AND {INT_MAX}"


def checked(exact: str, kind: str, scale: int, error: str | None) -> Sql:
    """An exact result that must fit 64 bits."""
    held = f"TRY_CAST({exact} AS BIGINT)"
    value = held if kind == "integer" else f"CAST({held} AS HUGEINT)"
    return Sql(value, kind, scale, first(error, when(outside(exact), "range")))


def finite(value: str, error: str | None) -> Sql:
    """A float result; -0 is 0, and what is not finite is out of range."""
    held = f"CASE WHEN isfinite({value}) THEN ({value}) + 0.0e0 END"
    return Sql(held, "float", 0, first(error, when(f"NOT isfinite({value})", "range")))


def wider(parts: list[Sql]) -> str:
    """The wider of the types; a constant null joins any."""
    types = {part.type for part in parts}
    return next(name for name in ("float", "decimal", "integer", "null") if name in types)
