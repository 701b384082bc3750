"""One comparison from its beginning to its end: both sides, what differs, and why."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot.beside import Hold
from crossfoot.calendar import window_of
from crossfoot.definition.changes import compare as changes
from crossfoot.definition.load import load_file
from crossfoot.definition.model import Comparison, Definition, Grain
from crossfoot.engines.batch import BatchEngine
from crossfoot.errors import CallError, DefinitionError, InternalError, StoreError
from crossfoot.generations import in_force
from crossfoot.query.times import show_time
from crossfoot.reconcile.causes import UNEXPLAINED, Cause, explain
from crossfoot.reconcile.compare import DIFFERENCES, Compared, compare
from crossfoot.reconcile.examples import Example, examples
from crossfoot.reconcile.form import Form, form_of
from crossfoot.reconcile.records import engine_of
from crossfoot.reconcile.scene import Scene
from crossfoot.reconcile.sides import EVERYTHING, OURS, Range, leave_out, open_store, open_theirs
from crossfoot.reconcile.working import MEMORY, connect
from crossfoot.stores.embedded import EmbeddedStore

if TYPE_CHECKING:
    import duckdb

THEIRS = "theirs"
_WAIT = "wait until a window is complete, or name the windows: --since, --until"


@dataclass(frozen=True, slots=True)
class Work:
    """How the work is done: what is compared, files that hold our records (none: the archive), memory, threads."""

    within: Range = EVERYTHING
    files: tuple[str, ...] = ()
    causes: bool = True
    memory: str = MEMORY
    threads: int | None = None
    hold: Hold = field(default_factory=Hold)
    """By which another thread may break it off."""


class NotYetError(CallError):
    """Nothing can be compared yet, which says nothing of either side."""


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
    kept_since: str | None = None
    """Earlier windows are not kept by both sides, and were left out."""

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
    opened = EmbeddedStore(store)
    _counted_so(store, definition, form.metric.name)
    meta = opened.meta
    within = work.within if meta["final"] else _complete(work.within, meta["watermark_us"], form.grain)
    with (
        tempfile.TemporaryDirectory(prefix="crossfoot-reconcile-") as spill,
        connect(Path(spill), work.memory, work.threads) as connection,
        work.hold.of(connection),
    ):
        try:
            ours, form = open_store(connection, OURS, opened, form, within)
            within = within if ours.kept_since_us is None else Range(ours.kept_since_us, within.until_us)
            theirs = open_theirs(connection, THEIRS, comparison, form, within)
            if theirs.kept_since_us is not None:
                leave_out(connection, ours, theirs.kept_since_us)
            compared = _something(compare(connection, form, ours, theirs), within)
            causes, why, worst = _explained(connection, definition, store, (form, compared), work)
        except duckdb.OutOfMemoryException as error:
            hint = "give it more: --memory 4GB, or compare fewer windows: --since"
            raise CallError(f"the comparison does not fit into {work.memory}", hint) from error
        except duckdb.Error as error:
            what = " ".join(str(error).split())
            raise InternalError(f"the comparison failed: {what}", "please report this") from error
    return Reconciliation(
        comparison,
        str(store),
        theirs.shown,
        ours.epoch,
        show_time(within.until_us),
        compared,
        causes,
        why,
        worst,
        show_time(ours.kept_since_us if theirs.kept_since_us is None else theirs.kept_since_us),
    )


def _counted_so(store: Path, definition: Definition, metric: str) -> None:
    """StoreError where the store counted the metric by another definition: every difference would be that one."""
    file = in_force(store) / "definition.yaml"
    if not file.exists():
        return
    try:
        old = load_file(file)
    except DefinitionError:
        return  # it is there for people; the engine knows its own
    for change in changes(old, definition):
        concerns = change.what == f"metrics.{metric}" or not change.what.startswith("metrics.")
        if concerns and change.outcome in ("rebuilt", "impossible"):
            hint = (
                "compare by the definition that made it, or count it again: crossfoot backfill"
                " (`crossfoot plan` shows what differs)"
            )
            raise StoreError(f"the store {store} was made with another definition: {change.what}", hint)


def _complete(within: Range, watermark_us: int | None, grain: Grain) -> Range:
    """The window of the watermark and later ones may still fill: they are left out unless they were asked for."""
    if within.until_us is not None:
        return within
    if watermark_us is None:
        raise NotYetError("no window of the store is complete yet", _WAIT)
    return Range(within.since_us, window_of(grain, watermark_us).start_us)


def _something(compared: Compared, within: Range) -> Compared:
    """CallError where nothing was compared, which is no proof of anything."""
    if compared.cells:
        return compared
    until = show_time(within.until_us)
    what = f"no cell lies in the windows that begin before {until}" if until else "there is no cell to compare"
    raise NotYetError(what, _WAIT)


def _explained(
    connection: duckdb.DuckDBPyConnection,
    definition: Definition,
    store: Path,
    found: tuple[Form, Compared],
    work: Work,
) -> tuple[tuple[Cause, ...], str | None, tuple[Example, ...]]:
    form, compared = found
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
