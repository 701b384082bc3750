"""A column as another side has it -> a column of the form: SQL for the value, and for what does not fit."""

from __future__ import annotations

from dataclasses import dataclass

from crossfoot.definition.model import Grain, WindowColumn
from crossfoot.definition.text import quote_text
from crossfoot.reconcile.form import Column

UNITS = {"s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}
"""How many microseconds a unit is, as a fraction."""
_WHOLE = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
)
_OFFSET = r"[T ].*(Z|[+-]\d\d(:?\d\d)?)$"
_NUMBER = r"-?\d+"
_FRACTION = r"-?\d+(\.\d*)?([eE]\+?\d+)?"
_NESTED = ("STRUCT", "MAP", "UNION")


@dataclass(frozen=True, slots=True)
class Read:
    """`wrong`: a condition that holds for values that cannot be read; None: all can."""

    value: str
    wrong: str | None = None


def is_number(sql_type: str) -> bool:
    """Whether a column holds numbers."""
    return sql_type in _WHOLE or sql_type in ("DOUBLE", "FLOAT") or sql_type.startswith("DECIMAL")


def read_window(sql: str, sql_type: str, window: WindowColumn, grain: Grain) -> Read:
    """The start of a window in microseconds."""
    value = _window(sql, sql_type, window, grain)
    return Read(value, f"({value}) IS NULL")


def _window(sql: str, sql_type: str, window: WindowColumn, grain: Grain) -> str:
    zone = quote_text(window.zone or (grain.zone if sql_type == "DATE" else None) or "UTC")
    if sql_type == "TIMESTAMP WITH TIME ZONE":
        return f"epoch_us({sql})"
    if sql_type.startswith("TIMESTAMP") or sql_type == "DATE":
        return f"epoch_us(CAST({sql} AS TIMESTAMP) AT TIME ZONE {zone})"
    if is_number(sql_type):
        return _epoch(sql, window, "HUGEINT" if sql_type in _WHOLE else "DOUBLE")
    text = f"CAST({sql} AS VARCHAR)"
    local = f"epoch_us(TRY_CAST({text} AS TIMESTAMP) AT TIME ZONE {zone})"
    value = (
        f"CASE WHEN regexp_matches({text}, {quote_text(_OFFSET)}) THEN epoch_us(TRY_CAST({text} AS"
        f" TIMESTAMPTZ)) ELSE {local} END"
    )
    if window.unit is not None:
        numbers = [
            f"WHEN regexp_full_match({text}, '{form}') THEN {_epoch(text, window, kind)}"
            for form, kind in ((_NUMBER, "HUGEINT"), (_FRACTION, "DOUBLE"))
        ]
        value = f"CASE {' '.join(numbers)} ELSE {value} END"
    return value


def _epoch(sql: str, window: WindowColumn, kind: str) -> str:
    many, parts = UNITS[window.unit or "us"]
    divided = f"{'//' if kind == 'HUGEINT' else '/'} {parts}" if parts > 1 else ""
    return f"TRY_CAST(TRY_CAST({sql} AS {kind}) * {many} {divided} AS BIGINT)"


def read_value(sql: str, sql_type: str, column: Column, as_json: bool) -> Read:
    """A dimension or a measure. `as_json`: a dimension of several kinds, given as JSON text."""
    if column.type.name == "any" and column.kind == "key":
        if as_json and sql_type == "VARCHAR":
            return Read(sql, f"{sql} IS NOT NULL AND NOT json_valid({sql})")
        return Read(f"CAST(to_json({sql}) AS VARCHAR)")
    if sql_type.startswith(_NESTED) or sql_type.endswith("]"):
        return Read(f"CAST(NULL AS {column.sql_type})", f"{sql} IS NOT NULL")
    if column.sql_type == "VARCHAR":
        return Read(f"CAST({sql} AS VARCHAR)")
    if column.type.name == "decimal" and column.kind not in ("count", "distinct", "mean"):
        return _decimal(sql, sql_type, column.type.scale)
    if column.sql_type == "DOUBLE":
        return _tried(sql, f"TRY_CAST({sql} AS DOUBLE)")
    if column.sql_type == "BOOLEAN":
        return _tried(sql, f"TRY_CAST({sql} AS BOOLEAN)") if sql_type != "BOOLEAN" else Read(sql)
    return _integer(sql, sql_type, column.sql_type)


def _tried(sql: str, value: str) -> Read:
    return Read(value, f"({sql}) IS NOT NULL AND ({value}) IS NULL")


def _integer(sql: str, sql_type: str, wanted: str) -> Read:
    if sql_type == wanted:
        return Read(sql)
    if sql_type in _WHOLE:
        return _tried(sql, f"TRY_CAST({sql} AS {wanted})")
    if sql_type == "VARCHAR":
        return _tried(
            sql, f"CASE WHEN regexp_full_match(trim({sql}), '{_NUMBER}') THEN TRY_CAST({sql} AS {wanted}) END"
        )
    value = f"TRY_CAST({sql} AS {wanted})"
    return Read(value, f"({sql}) IS NOT NULL AND coalesce({value} <> {sql}, TRUE)")


def _decimal(sql: str, sql_type: str, scale: int) -> Read:
    """Scaled; a float is rounded, a text or a decimal must not have more places."""
    if sql_type in ("DOUBLE", "FLOAT"):
        value = f"TRY_CAST(round({sql} * {10**scale}) AS HUGEINT)"
        return _tried(sql, value)
    exact = f"TRY_CAST({sql} AS DECIMAL(38, {max(scale, 12)}))"
    scaled = f"({exact} * {10**scale})"
    value = f"TRY_CAST({scaled} AS HUGEINT)"
    return Read(value, f"({sql}) IS NOT NULL AND coalesce({scaled} <> {value}, TRUE)")
