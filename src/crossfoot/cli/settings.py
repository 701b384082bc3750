"""crossfoot settings: what this process runs with."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from crossfoot.cli.output import Format, Table, emit
from crossfoot.settings import origins


def settings(
    *,
    format: Annotated[Format, Parameter(help="How they are printed.")] = "table",  # noqa: A002
) -> int:
    """The settings of this process with value and origin. Settings of the data are in the definition."""
    rows = [(item.variable, item.value, item.origin, item.meaning) for item in origins()]
    emit(Table(("variable", "value", "origin", "meaning"), rows), format)
    return 0
