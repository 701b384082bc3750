"""The step `prepared`: for each record its event time, received time, id and declared fields, or why it has none.

`refusal` is account, reason and part, with a blank between them; null: the record is an event. The order of the
reasons is that of section 5: malformed; filtered; invalid by time, received, id, then the declared fields.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crossfoot.definition.compile import stamps_of
from crossfoot.definition.expression import Expression, FieldRef, Literal, Path, Reference, references
from crossfoot.definition.model import Definition, EventSpec, Field, RawPath, TimeSpec
from crossfoot.definition.prepared import guard, reading
from crossfoot.definition.sql import to_sql
from crossfoot.definition.sql_parts import Sql, case, checked, double, finite, first, huge
from crossfoot.definition.text import quote_text
from crossfoot.engines.batch import decode, dynamic, ids
from crossfoot.engines.batch.literals import VALUE, direct
from crossfoot.engines.batch.sql import field_column
from crossfoot.engines.batch.times import ByText, instant

if TYPE_CHECKING:
    from crossfoot.engines.batch.dialect import Dialect

Steps = list[tuple[str, str]]
_SQL_TYPES = {
    "text": "VARCHAR",
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "decimal": "HUGEINT",
    "float": "DOUBLE",
    "any": "VARCHAR",
}


def raw_paths(definition: Definition) -> decode.Paths:
    """Every raw path that is read, once."""
    event = reading(definition)
    found: list[RawPath] = [path for path, _ in guard(definition)]
    found += [time.path for time in (event.time, event.received) if isinstance(time, TimeSpec)]
    found += list(event.id.paths)
    found += [node.parts for field in event.fields for node in references(field.expression) if isinstance(node, Path)]
    return decode.Paths(tuple(dict.fromkeys(found)), definition.explode)


def steps(definition: Definition, dialect: Dialect) -> Steps:
    """From raw records to prepared ones."""
    paths = raw_paths(definition)
    regex = definition.format.regex
    read = dialect.json(paths, definition) if regex is None else dialect.lines(paths, definition, regex)
    event = reading(definition)
    numbers = {path: number for number, path in enumerate(paths.paths)}
    return [
        *read,
        ("valued", _valued(definition, event, numbers, dialect)),
        ("prepared", _prepared(definition, event, paths, dialect.malformed(definition))),
    ]


def _valued(definition: Definition, event: EventSpec, numbers: dict[RawPath, int], dialect: Dialect) -> str:
    """Each part of an event in a column of its own; then the errors, which look at the values first."""
    made = _parts(event, numbers, definition.format.untyped, dialect.text_time)
    columns = [f"{value} AS {column}" for column, value, _, _ in made]
    columns += [f"{sql} AS {column}" for column, sql in ids.columns(event, numbers, definition.explode).items()]
    errors = [f"CAST({sql.replace(VALUE, column)} AS VARCHAR) AS {error}" for column, _, error, sql in made]
    if id_error := ids.error(event, numbers):
        errors.append(f"{id_error} AS id_error")
    return f"SELECT *, {', '.join(errors)} FROM (SELECT *, {', '.join(columns)} FROM looked)"


def _parts(
    event: EventSpec, numbers: dict[RawPath, int], untyped: bool, by_text: ByText
) -> list[tuple[str, str, str, str]]:
    """Column and value, column of the error and the error."""
    time = instant(*_named(event.time.path, numbers), event.time, untyped, by_text)
    made = [("event_us", time.value, "event_error", str(time.error))]
    if isinstance(event.received, TimeSpec):
        got = instant(*_named(event.received.path, numbers), event.received, untyped, by_text)
        made.append(("got_us", got.value, "got_error", str(got.error)))
    for number, field in enumerate(event.fields):
        value = field_sql(field, numbers, untyped)
        made.append((field_column(field.name), _stored(value), f"error_{number}", value.error or "NULL"))
    return made


def _stored(value: Sql) -> str:
    kind = "BIGINT" if value.type == "decimal" else _SQL_TYPES[value.type]
    return (
        f"TRY_CAST({value.value} AS {kind})"
        if value.type in ("decimal", "integer")
        else f"CAST({value.value} AS {kind})"
    )


def _named(path: RawPath, numbers: dict[RawPath, int]) -> tuple[str, str]:
    return f"k{numbers[path]}", f"s{numbers[path]}"


def field_sql(field: Field, numbers: dict[RawPath, int], untyped: bool) -> Sql:
    """A declared field's value: the path or the expression, the default, the strict type."""
    if isinstance(field.expression, Path):
        value = direct(*_named(field.expression.parts, numbers), field.type, untyped)
    else:
        value = _of_expression(field, numbers)
    if field.default is None:
        return value
    constant = _checked(to_sql(Literal(field.default), _no_reference), field)
    error = (value.error or "NULL").replace(VALUE, f"({value.value})")
    return replace(
        value, value=f"coalesce({value.value}, CASE WHEN ({error}) IS NULL THEN {constant.value} END)", error=error
    )


def _no_reference(_: Reference) -> Sql:
    return Sql("NULL", "null")


def _of_expression(field: Field, numbers: dict[RawPath, int]) -> Sql:
    def read(reference: Reference) -> dynamic.Dynamic:
        assert isinstance(reference, Path)
        return dynamic.raw(*_named(reference.parts, numbers))

    found = dynamic.dynamic(field.expression, read)
    if field.type.name == "any":
        return _as_any(found, field)
    return dynamic.single_of([replace(each, sql=_checked(each.sql, field)) for each in found], field.expression)


def _as_any(found: dynamic.Dynamic, field: Field) -> Sql:
    """Text, integer or boolean, as JSON text."""
    shown = []
    for each in found:
        fits = each.sql.type in ("text", "integer", "boolean", "null")
        wrong = f"CASE WHEN {each.sql.value} IS NOT NULL THEN 'type' END"
        value = f"CAST(to_json({each.sql.value}) AS VARCHAR)" if fits else "NULL"
        error = each.sql.error if fits else first(each.sql.error, wrong)
        shown.append(replace(each, sql=Sql(value, "any", 0, error)))
    return dynamic.single_of(shown, field.expression)


def _checked(value: Sql, field: Field) -> Sql:
    """A value of an expression in the field's declared type."""
    wanted, scale = field.type.name, field.type.scale
    if value.type in ("null", wanted) and (value.type != "decimal" or value.scale == scale):
        return Sql(f"CAST({value.value} AS {_SQL_TYPES[wanted]})", wanted, scale, value.error)
    if wanted == "any":
        return replace(value, value=f"CAST(to_json({value.value}) AS VARCHAR)", type="any")
    if wanted == "decimal" and value.type in ("integer", "decimal"):
        return _rescaled(value, scale)
    if wanted == "float" and value.type in ("integer", "decimal"):
        return finite(f"CAST({double(value)} AS DOUBLE)", value.error)
    if wanted == "integer" and value.type == "decimal":
        one = f"CAST({10**value.scale} AS HUGEINT)"
        whole = f"CASE WHEN {value.value} % {one} = 0 THEN TRY_CAST({value.value} // {one} AS BIGINT) END"
        return Sql(whole, "integer", 0, first(value.error, case((f"{value.value} % {one} <> 0", "'type'"))))
    error = first(value.error, f"CASE WHEN {value.value} IS NOT NULL THEN 'type' END")
    return Sql(f"CAST(NULL AS {_SQL_TYPES[wanted]})", wanted, scale, error)


def _rescaled(value: Sql, scale: int) -> Sql:
    if value.scale <= scale:
        return checked(huge(value, scale), "decimal", scale, value.error)
    unit = f"CAST({10 ** (value.scale - scale)} AS HUGEINT)"
    return checked(f"cf_half_even({value.value}, {unit})", "decimal", scale, value.error)


def _prepared(definition: Definition, event: EventSpec, paths: decode.Paths, refusals: Steps) -> str:
    """The refusal, from the errors in their order."""
    refusals = [*refusals]
    if definition.explode is not None:
        refusals.append(("list_kind IS NOT NULL AND list_kind NOT IN ('ARRAY', 'NULL')", "invalid type explode"))
        refusals.append(("place IS NULL", "filtered empty"))
    conditions = [(condition, quote_text(text)) for condition, text in refusals]
    conditions += _guard(definition, paths)
    named = _named_by_where(event)
    conditions += [error for field, error in _field_errors(event) if field in named]
    conditions += _filter(event)
    conditions += _time_errors(definition, event)
    if event.id.paths:
        conditions.append(("id_error IS NOT NULL", "'invalid ' || id_error || ' id'"))
    conditions += [error for field, error in _field_errors(event) if field not in named]
    stamps = _stamps(definition, event)
    given = ", ".join(_kept(definition, event, paths))
    return (
        f"SELECT epoch, step, source, partition, position, {_right('event')} AS event_us, {stamps}, {given},"
        f" {ids.shown(event, definition.explode)} AS id, {case(*conditions)} AS refusal FROM valued"
    )


def _kept(definition: Definition, event: EventSpec, paths: decode.Paths) -> list[str]:
    place = ["place"] if definition.explode is not None else []
    keys = ids.columns(event, dict.fromkeys(paths.paths, 0), definition.explode)
    return [*place, *keys, *[field_column(field.name) for field in event.fields]]


def prepared_columns(definition: Definition) -> list[str]:
    """The columns of the step `prepared`."""
    kept = _kept(definition, reading(definition), raw_paths(definition))
    times = ("event_us", "stamp_us", "carried_us")
    return ["epoch", "step", "source", "partition", "position", *times, *kept, "id", "refusal"]


def _field_errors(event: EventSpec) -> list[tuple[str, tuple[str, str]]]:
    return [
        (
            field.name,
            (f"error_{number} IS NOT NULL", f"'invalid ' || error_{number} || {quote_text(' ' + field.name)}"),
        )
        for number, field in enumerate(event.fields)
    ]


def _guard(definition: Definition, paths: decode.Paths) -> list[tuple[str, str]]:
    found = []
    for path, text in guard(definition):
        number = paths.number(path)
        same = f"coalesce(k{number} = 'VARCHAR' AND s{number} = {quote_text(text)}, FALSE)"
        found.append((f"NOT {same}", "'invalid definition definition'"))
    return found


def _named_by_where(event: EventSpec) -> set[str]:
    named = references(event.where) if event.where is not None else ()
    return {node.name for node in named if isinstance(node, FieldRef)}


def condition(node: Expression, fields: tuple[Field, ...]) -> Sql:
    """A condition over declared fields."""
    types = {field.name: field for field in fields}

    def read(reference: Reference) -> dynamic.Dynamic:
        assert isinstance(reference, FieldRef)
        field = types[reference.name]
        column = field_column(field.name)
        if field.type.name == "any":
            return dynamic.of_json(column)
        value = f"CAST({column} AS HUGEINT)" if field.type.name == "decimal" else column
        return dynamic.static(Sql(value, field.type.name, field.type.scale))

    return dynamic.single(node, read)


def _filter(event: EventSpec) -> list[tuple[str, str]]:
    if event.where is None:
        return []
    made = condition(event.where, event.fields)
    found = [(f"({made.error}) IS NOT NULL", f"'invalid ' || ({made.error}) || ' where'")] if made.error else []
    if made.type != "boolean":
        found.append((f"{made.value} IS NOT NULL", "'invalid type where'"))
        return [*found, ("TRUE", "'filtered'")]
    return [*found, (f"{made.value} IS NOT TRUE", "'filtered'")]


def _time_errors(definition: Definition, event: EventSpec) -> list[tuple[str, str]]:
    accept, stamps = definition.accept, stamps_of(definition.event.received)
    found = [("event_error IS NOT NULL", "'invalid ' || event_error || ' time'")]
    if accept.not_before_us is not None:
        found.append((f"event_us < {accept.not_before_us}", "'invalid range time'"))
    if accept.not_after_us is not None:
        found.append((f"event_us > {accept.not_after_us}", "'invalid range time'"))
    if stamps == "none":
        return found
    beside = "stamp IS NULL"
    if stamps != "field":
        found.append((beside, "'invalid missing received'"))
    if isinstance(event.received, TimeSpec):
        found.append(("got_error IS NOT NULL", "'invalid ' || got_error || ' received'"))
    elif stamps == "carried":
        found.append(("received IS NULL", "'invalid missing received'"))
    latest = "got_us" if stamps == "field" else f"greatest({', '.join(_both(event, stamps))})"
    found.append((f"{latest} > epoch_us(clock) + {accept.future_us}", "'invalid stamp received'"))
    return found


def _right(time: str) -> str:
    """A time of the record; one with an error is none, since it may be beyond all calendars."""
    return f"CASE WHEN {time}_error IS NULL THEN {time}_us END"


def _both(event: EventSpec, stamps: str) -> list[str]:
    carried = (
        [_right("got") if isinstance(event.received, TimeSpec) else "epoch_us(received)"] if stamps == "carried" else []
    )
    return ["epoch_us(stamp)", *carried]


def _stamps(definition: Definition, event: EventSpec) -> str:
    """The stamp that moves t, and the received time where it was carried."""
    stamps = stamps_of(definition.event.received)
    if stamps == "none":
        return "CAST(NULL AS BIGINT) AS stamp_us, CAST(NULL AS BIGINT) AS carried_us"
    if stamps == "field":
        return f"{_right('got')} AS stamp_us, CAST(NULL AS BIGINT) AS carried_us"
    both = [*_both(event, stamps), "CAST(NULL AS BIGINT)"]
    return f"{both[0]} AS stamp_us, {both[1]} AS carried_us"
