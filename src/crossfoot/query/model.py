"""What can be asked, and what a store says that it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crossfoot.definition.model import FieldType, Grain, Measure


@dataclass(frozen=True, slots=True)
class Query:
    """A question to one metric: its measures by `by` and windows of `grain`, in [since_us, until_us).

    `where` is an SQL condition over dimensions. `order` names columns (``-`` in front: descending); without it rows are
    ordered by dimensions, then window. `live`: what a batch has settled is not used.
    """

    metric: str
    by: tuple[str, ...] = ()
    grain: str = "all"
    since_us: int | None = None
    until_us: int | None = None
    where: str | None = None
    order: tuple[str, ...] = ()
    limit: int | None = None
    live: bool = False


@dataclass(frozen=True, slots=True)
class StoredMetric:
    """A metric as a store keeps it: every set with every grain. `values_max`: None where no set has a row `(other)`."""

    index: int
    name: str
    sets: tuple[tuple[str, ...], ...]
    measures: tuple[Measure, ...]
    grains: tuple[Grain, ...]
    values_max: int | None = None

    @property
    def dimensions(self) -> tuple[str, ...]:
        """All dimensions of all sets, in the order in which they are first named."""
        return tuple(dict.fromkeys(name for by in self.sets for name in by))


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store's plan says: metrics, the fields' types, the zones that were stored with the data, acceptance."""

    metrics: tuple[StoredMetric, ...]
    types: dict[str, FieldType]
    zones: frozenset[str]
    lateness_us: int | None
    transport_us: int
    stamped: bool


def stored_of(plan: dict[str, Any]) -> Stored:
    """The plan of a store (`definition.compile`) as values."""
    names = [field["name"] for field in plan["fields"]]
    return Stored(
        metrics=tuple(_metric(index, metric, names) for index, metric in enumerate(plan["metrics"])),
        types={field["name"]: FieldType(field["type"], field["scale"]) for field in plan["fields"]},
        zones=frozenset(plan["zones"]),
        lateness_us=plan["accept"]["lateness_us"],
        transport_us=plan["accept"]["transport_us"],
        stamped=plan["received"] is not None,
    )


def _metric(index: int, metric: dict[str, Any], names: list[str]) -> StoredMetric:
    return StoredMetric(
        index,
        metric["name"],
        tuple(tuple(names[field] for field in by) for by in metric["sets"]),
        tuple(_measure(measure, names) for measure in metric["measures"]),
        tuple(
            Grain(grain["name"], grain["unit"], grain["n"], grain["zone"], grain["retain_us"])
            for grain in metric["grains"]
        ),
        metric.get("values_max"),
    )


def _measure(measure: dict[str, Any], names: list[str]) -> Measure:
    field = None if measure["field"] is None else names[measure["field"]]
    return Measure(measure["name"], measure["kind"], field, measure["rank"], measure["exact"])


def plan_grain(grain: Grain) -> dict[str, Any]:
    """A grain as plans have it."""
    return {"name": grain.text, "unit": grain.unit, "n": grain.n, "zone": grain.zone, "retain_us": None}
