"""Whether a table is still the one that was made: its columns, its owner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from crossfoot.errors import DataError
from crossfoot.warehouse.tables import Column, Table

_OTHER = "name another `prefix` for the tables in the definition, or take this one out of the way"


@dataclass(frozen=True, slots=True)
class Made:
    """What stands beside a table: whose it is, which making of it, and the columns that we have given it."""

    owner: str
    making: str
    columns: tuple[Column, ...]

    def text(self) -> str:
        """As it is kept."""
        columns = {column.name: column.type for column in self.columns}
        return json.dumps({"crossfoot": 1, "owner": self.owner, "making": self.making, "columns": columns})

    @staticmethod
    def of(text: str | None, table: Table) -> Made:
        """DataError for a table that is not ours."""
        try:
            found = json.loads(text or "")
            columns = tuple(Column(name, kind) for name, kind in found["columns"].items())
            return Made(found["owner"], found["making"], columns)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"the table {table.name} was not made by crossfoot", _OTHER) from error


def check(table: Table, made: Made, there: Sequence[Column], owner: str) -> None:
    """`there` are the columns that the table has; one that is to be added yet may be missing."""
    if made.owner != owner:
        raise DataError(f"the table {table.name} is that of another feed, or of another store", _OTHER)
    found, given = ({column.name: column.type for column in columns} for columns in (there, made.columns))
    for name, kind in given.items():
        if name not in found:
            raise DataError(f"the column {name} of the table {table.name} was removed", f"bring it back, or {_OTHER}")
        if found[name] != kind:
            what = f"the column {name} of the table {table.name} was changed: it is {found[name]}, it was {kind}"
            raise DataError(what, f"change it back, or {_OTHER}")
    for name in found:
        if name not in given:
            raise DataError(f"the table {table.name} has a column that is not ours: {name}", f"remove it, or {_OTHER}")
    for column in table.columns:
        if given.get(column.name, column.type) != column.type:
            what = f"the column {column.name} of the table {table.name} would be {column.type} now, it is"
            raise DataError(f"{what} {given[column.name]}", f"give the measure or field another name, or {_OTHER}")
