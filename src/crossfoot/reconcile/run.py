"""One comparison from its beginning to its end: both sides, what differs, and why."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot.definition.model import Comparison, Definition
from crossfoot.engines.batch import BatchEngine
from crossfoot.errors import CallError, InternalError
from crossfoot.query.times import show_time
from crossfoot.reconcile.causes import UNEXPLAINED, Cause, explain
from crossfoot.reconcile.compare import DIFFERENCES, Compared, compare
from crossfoot.reconcile.examples import Example, examples
from crossfoot.reconcile.form import form_of
from crossfoot.reconcile.records import engine_of
from crossfoot.reconcile.scene import Scene
from crossfoot.reconcile.sides import EVERYTHING, OURS, Range, open_store, open_theirs
from crossfoot.reconcile.working import MEMORY, connect
from crossfoot.stores.embedded import EmbeddedStore

if TYPE_CHECKING:
    import duckdb

THEIRS = "theirs"


@dataclass(frozen=True, slots=True)
class Work:
    """How the work is done: what is compared, files that hold our records (none: the archive), memory, threads."""

    within: Range = EVERYTHING
    files: tuple[str, ...] = ()
    causes: bool = True
    memory: str = MEMORY
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was compared, how it came out, and why. `no_causes` says why none were looked for."""

    comparison: Comparison
    ours: str
    theirs: str
    epoch: int
    until: str | None
    compared: Compared
    causes: tuple[Cause, ...] = ()
    no_causes: str | None = None
    worst: tuple[Example, ...] = field(default=())

    @property
    def holds(self) -> bool:
        """Whether the percentage of exact keys is at least the required one; without one: whether all are exact."""
        bar = 100.0 if self.comparison.require_exact is None else float(self.comparison.require_exact)
        return self.compared.exact_keys >= bar

    @property
    def unexplained(self) -> int:
        """Cells that differ and that no cause explains."""
        return sum(cause.cells for cause in self.causes if UNEXPLAINED in cause.names)


def reconcile(definition: Definition, store: Path, comparison: Comparison, work: Work = Work()) -> Reconciliation:
    """Compare a store with another result, and explain what differs by our raw records."""
    import duckdb

    form = form_of(definition, comparison)
    meta = EmbeddedStore(store).meta
    within = _complete(work.within, meta["watermark_us"], bool(meta["final"]), form.grain.unit == "all")
    with tempfile.TemporaryDirectory(prefix="crossfoot-reconcile-") as spill:
        connection = connect(Path(spill), work.memory, work.threads)
        try:
            ours, form = open_store(connection, OURS, store, form, within)
            theirs = open_theirs(connection, THEIRS, comparison, form, within)
            compared = compare(connection, form, ours, theirs)
            causes, why, worst = _explained(connection, definition, store, (form, compared), work)
        except duckdb.OutOfMemoryException as error:
            hint = "give it more: --memory 4GB, or compare fewer windows: --since"
            raise CallError(f"the comparison does not fit into {work.memory}", hint) from error
        except duckdb.Error as error:
            what = " ".join(str(error).split())
            raise InternalError(f"the comparison failed: {what}", "please report this") from error
        finally:
            connection.close()
    return Reconciliation(
        comparison,
        str(store),
        theirs.shown,
        int(meta["epoch"]),
        show_time(within.until_us),
        compared,
        causes,
        why,
        worst,
    )


def _complete(within: Range, watermark_us: int | None, final: bool, whole: bool) -> Range:
    """Windows that begin after the watermark may still fill: they are left out unless they were asked for."""
    if final or whole or within.until_us is not None or watermark_us is None:
        return within
    return Range(within.since_us, watermark_us)


def _explained(
    connection: duckdb.DuckDBPyConnection,
    definition: Definition,
    store: Path,
    found: tuple[object, Compared],
    work: Work,
) -> tuple[tuple[Cause, ...], str | None, tuple[Example, ...]]:
    from crossfoot.reconcile.form import Form

    form, compared = found
    assert isinstance(form, Form)
    if compared.equal == compared.cells:
        return (), None, ()
    every = f"SELECT cell FROM {DIFFERENCES}"
    engine: BatchEngine | str = "causes were not asked for"
    if work.causes:
        engine = engine_of(connection, definition, store, work.files)
    if isinstance(engine, str):
        return (), engine, examples(None, every, None, connection=connection, form=form)
    scene = Scene(connection, engine, form)
    return explain(scene), None, examples(scene, every, None)
