"""What an archive lacks of what its store has counted: before its last row, and behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossfoot.archive.entries import epoch_of
from crossfoot.archive.parts import JOURNAL, Part, parts_of, read_columns
from crossfoot.generations import in_force
from crossfoot.log.reader import oldest_record
from crossfoot.stores.embedded import EmbeddedStore

_COUNTED = ("epoch", "step_count_sum", "step_max_max")


@dataclass(frozen=True, slots=True)
class Lost:
    """What is missing first before the last row, and what is missing behind it; None: nothing."""

    inside: str | None = None
    behind: str | None = None

    @property
    def first(self) -> str | None:
        """What is missing first."""
        return self.inside or self.behind


@dataclass(frozen=True, slots=True)
class _End:
    """Where the parts must end: the epoch, and the next position of each partition, if that epoch is the store's."""

    epoch: int = 0
    positions: Mapping[str, int] = field(default_factory=dict)


def lost_of(store: Path) -> Lost:
    """What the parts of a store lack. What waits in the journal is not missing."""
    end = _end_of(store)  # first: what is counted from here on may be sealed, or not
    parts = parts_of(store)
    last, inside = _inside(parts)
    if last < end.epoch:
        return Lost(inside, f"the epochs from {last + 1} to {end.epoch}")
    # Where something else is missing, only what the last epoch has begun of a partition must be there to its end.
    reached = _reached(parts, last if inside else 0) if end.positions else {}
    for name, position in end.positions.items():
        if (at := reached.get(name, position if inside else 0)) < position:
            return Lost(inside, f"the records of {name} from {at} to {position - 1}")
    return Lost(inside)


def _end_of(store: Path) -> _End:
    """Where no store is beside the archive, nobody knows."""
    if not (in_force(store) / "MANIFEST").exists():
        return _End()
    meta = EmbeddedStore(store).meta
    record = oldest_record(store / JOURNAL)
    if record is not None and (waits := epoch_of(record)) <= meta["epoch"]:
        return _End(waits - 1)
    return _End(meta["epoch"], {known["name"]: _next(known) for known in meta["partitions"]})


def _next(partition: Mapping[str, Any]) -> int:
    """Lines have no positions but their ordinals."""
    at: int | None = partition["next_offset"]
    return int(partition["records"]) if at is None else at


def _inside(parts: list[Part]) -> tuple[int, str | None]:
    """The last epoch, and what is missing first up to the last row."""
    import pyarrow as pa

    wanted = [("step", "count"), ("step", "max")]
    found = [read_columns(part, ["epoch", "step"]).group_by("epoch").aggregate(wanted) for part in parts]
    if not found:
        return 0, None
    sums = [("step_count", "sum"), ("step_max", "max")]
    of_all = pa.concat_tables(found).group_by("epoch").aggregate(sums).sort_by("epoch")
    epochs, *rows = (of_all[name].to_pylist() for name in _COUNTED)
    last = 0
    for epoch, many, step in zip(epochs, *rows, strict=True):
        if epoch > last + 1:
            return epochs[-1], f"the epochs from {last + 1} to {epoch - 1}"
        if many <= step:
            return epochs[-1], f"rows of epoch {epoch}"
        last = epoch
    return last, None


def _reached(parts: list[Part], first: int) -> dict[str, int]:
    """The next position of each partition that an epoch, or a later one, has anything of."""
    import pyarrow.compute as pc

    reached: dict[str, int] = {}
    for part in parts:
        of_part = read_columns(part, ["epoch", "kind", "partition", "position"])
        of_part = of_part.filter(pc.greater_equal(of_part["epoch"], first))
        found = of_part.group_by(["kind", "partition"]).aggregate([("position", "max")])
        for kind, name, position in zip(*(found[each].to_pylist() for each in found.column_names), strict=True):
            if kind in ("record", "skip") and position is not None:
                reached[name] = max(reached.get(name, 0), position + (kind == "record"))
    return reached
