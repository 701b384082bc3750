"""What a switch would change, cell by cell."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot.definition.model import Against, Comparison, Definition, Metric
from crossfoot.errors import CallError, InternalError
from crossfoot.reconcile.compare import Compared, compare
from crossfoot.reconcile.examples import Example, examples
from crossfoot.reconcile.form import form_of
from crossfoot.reconcile.sides import EVERYTHING, OURS, Range, open_store
from crossfoot.reconcile.working import MEMORY, connect
from crossfoot.stores.embedded import EmbeddedStore

if TYPE_CHECKING:
    import duckdb

_THEIRS = "theirs"


@dataclass(frozen=True, slots=True)
class TableDifference:
    """A table of both generations: in `compared` ours is the one in force, theirs the one that was built.

    None: it is there only after the switch, with so many events, or, as `note` says, it was not compared.
    """

    metric: str
    by: tuple[str, ...]
    grain: str
    events: int
    compared: Compared | None = None
    worst: tuple[Example, ...] = ()
    note: str = ""

    @property
    def differs(self) -> bool:
        """Whether a cell would be another one, come or go."""
        return self.compared is None or self.compared.equal < self.compared.cells


@dataclass(frozen=True, slots=True)
class Side:
    """A generation, opened once, and what it was counted with."""

    store: EmbeddedStore
    definition: Definition


def differences(old: Side, new: Side, within: Range = EVERYTHING) -> tuple[TableDifference, ...]:
    """Every table of the built generation beside that of the one in force."""
    if find_spec("duckdb") is None:
        raise CallError("the comparison needs DuckDB, which is not installed", "pip install 'crossfoot[demo]'")
    import duckdb

    with tempfile.TemporaryDirectory(prefix="crossfoot-backfill-") as spill:
        try:
            return tuple(_all(Path(spill), old, new, within))
        except duckdb.OutOfMemoryException as error:
            hint = "compare fewer windows: --since, --until"
            raise CallError(f"the comparison does not fit into {MEMORY}", hint) from error
        except duckdb.Error as error:
            what = " ".join(str(error).split())
            raise InternalError(f"the comparison failed: {what}", "please report this") from error


def _all(spill: Path, old: Side, new: Side, within: Range) -> Iterator[TableDifference]:
    before = {metric.name: metric for metric in old.definition.metrics}
    for at, metric in enumerate(new.definition.metrics):
        for place, by in enumerate(metric.sets):
            for number, grain in enumerate(metric.grains):
                events = sum(many for _, many in new.store.windows(at, place, number))
                table = TableDifference(metric.name, by, grain.text, events)
                measures = _common(before.get(metric.name), metric, table)
                if not measures:
                    yield table
                    continue
                connection = connect(spill, MEMORY)
                try:
                    yield _compared(connection, (old, new), (table, measures), within)
                finally:
                    connection.close()


def _common(old: Metric | None, new: Metric, table: TableDifference) -> tuple[str, ...]:
    """The measures that both have of a table."""
    if old is None or table.by not in old.sets or table.grain not in [grain.text for grain in old.grains]:
        return ()
    return tuple(measure.name for measure in new.measures if measure in old.measures)


def _compared(
    connection: duckdb.DuckDBPyConnection,
    sides: tuple[Side, Side],
    asked: tuple[TableDifference, tuple[str, ...]],
    within: Range,
) -> TableDifference:
    (old, new), (table, measures) = sides, asked
    of = Comparison("backfill", Against("store", ""), table.metric, table.grain, table.by, measures=measures)
    form = form_of(new.definition, of)
    known = (table.metric, table.by, table.grain, table.events)
    try:
        ours, form = open_store(connection, OURS, old.store, form, within)
        theirs, form = open_store(connection, _THEIRS, new.store, form, within)
    except CallError as error:
        return TableDifference(*known, note=error.message)
    found = compare(connection, form, ours, theirs)
    worst = examples(None, "SELECT cell FROM differences", None, connection=connection, form=form)
    return TableDifference(*known, compared=found, worst=worst)
