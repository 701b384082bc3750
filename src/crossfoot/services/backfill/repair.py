"""A store that has other cells than its archive says is counted again, where that brings it nearer the other side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from crossfoot.definition.model import Comparison, Definition
from crossfoot.errors import StoreError
from crossfoot.generations import folder_of
from crossfoot.reconcile.run import Reconciliation, Work, reconcile
from crossfoot.services.backfill.run import Job, Report, backfill
from crossfoot.services.backfill.switch import BackfillWatch
from crossfoot.services.store import definition_in_force
from crossfoot.settings import Settings


@dataclass(frozen=True, slots=True)
class Repair:
    """What the archive would change, and how the comparison comes out then; None where it changes nothing."""

    report: Report
    after: Reconciliation | None = None


@dataclass(frozen=True, slots=True)
class Faulty:
    """A store whose cells differ from another side, and how that was found."""

    definition: Definition
    store: Path
    comparison: Comparison
    work: Work


def repair(
    faulty: Faulty, found: Reconciliation, settings: Settings, watch: BackfillWatch, *, switches: bool
) -> Repair:
    """Build, compare with both, and switch if that is asked for; StoreError where no more cells would be equal."""
    job = Job(definition_in_force(faulty.store), faulty.store, faulty.work.within)
    report = backfill(job, settings, watch)
    if report.stopped or not report.differs:
        return Repair(report)
    built = folder_of(faulty.store, report.generation)
    after = reconcile(faulty.definition, built, faulty.comparison, replace(faulty.work, causes=False))
    if switches:
        if after.compared.equal <= found.compared.equal:
            what = f"{after.compared.equal:,} cells would be equal, and {found.compared.equal:,} are"
            hint = "see what differs: crossfoot backfill; the fault is not one of the store"
            raise StoreError(f"the archive does not bring the store nearer the other side: {what}", hint)
        report = backfill(replace(job, switches=True), settings, watch)
    return Repair(report, after)
