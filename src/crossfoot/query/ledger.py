"""The ledger as answers: totals, by partition, by minute; and the side log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crossfoot.event import Account
from crossfoot.query.times import show_time
from crossfoot.stores.protocol import CellStore

# In the order of using.md: what was counted first.
ACCOUNTS = ("counted", "duplicate", "conflict", "filtered", "future", "too_late", "invalid", "malformed")
assert set(ACCOUNTS) == {str(account) for account in Account}


@dataclass(frozen=True, slots=True)
class Accounts:
    """Records by account: all, by partition, and by partition and minute."""

    epoch: int
    records: int
    totals: dict[str, int]
    partitions: dict[str, dict[str, int]]
    gaps: dict[str, int]
    """Positions that the source never handed out, by partition; only of partitions that have positions of their own."""
    exploded: dict[str, int]
    """Events beyond one of each record, by partition; only where records are several events."""
    digests: dict[str, str]
    rows: list[dict[str, Any]]

    @property
    def unaccounted(self) -> int:
        """Events of consumed records that are in no account. Never anything but 0, unless something is broken."""
        return self.records + sum(self.exploded.values()) - sum(self.totals.values())

    def as_json(self, minutes: bool = False) -> dict[str, Any]:
        """As scripts read it."""
        found: dict[str, Any] = {
            "records": self.records,
            **self.totals,
            "unaccounted": self.unaccounted,
            "epoch": self.epoch,
            "digests": self.digests,
            "partitions": self.partitions,
        }
        if self.gaps:
            found["gaps"] = self.gaps
        if self.exploded:
            found["exploded"] = self.exploded
        return found | {"rows": self.rows} if minutes else found


def accounts_of(store: CellStore) -> Accounts:
    """The accounts of a store's epoch. Records are counted by the positions that were consumed, not by the ledger."""
    rows = _ledger_rows(store)
    totals = dict.fromkeys(ACCOUNTS, 0)
    digests = dict.fromkeys(ACCOUNTS, 0)
    partitions = {
        partition["name"]: {"records": partition["records"], **dict.fromkeys(ACCOUNTS, 0)}
        for partition in store.meta["partitions"]
    }
    for row in rows:
        totals[row["account"]] += row["records"]
        partitions[row["partition"]][row["account"]] += row["records"]
        digests[row["account"]] = (digests[row["account"]] + int(row["digest"], 16)) % (1 << 128)
    return Accounts(
        epoch=store.meta["epoch"],
        records=sum(partition["records"] for partition in partitions.values()),
        totals=totals,
        partitions=partitions,
        gaps={part["name"]: part["gaps"] for part in store.meta["partitions"] if part["next_offset"] is not None},
        exploded={part["name"]: part["exploded"] for part in store.meta["partitions"] if part["exploded"]},
        digests={name: f"{digest:032x}" for name, digest in digests.items() if totals[name]},
        rows=rows,
    )


def _ledger_rows(store: CellStore) -> list[dict[str, Any]]:
    import pyarrow as pa

    table = store.ledger()
    minutes = [show_time(at) for at in table.column("minute").cast(pa.int64()).to_pylist()]
    table = table.drop_columns(["minute"])
    return [
        {"partition": row["partition"], "minute": minute, **{name: row[name] for name in _AFTER_MINUTE}}
        for row, minute in zip(table.to_pylist(), minutes, strict=True)
    ]


_AFTER_MINUTE = ("account", "reason", "part", "records", "digest")
_TIMES = ("event_time", "received_time", "t")


def side_rows(store: CellStore, limit: int) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Names and rows of the side log. `raw` is text; bytes that are no UTF-8 are written as escapes."""
    import pyarrow as pa

    table = store.side_log(limit)
    columns: dict[str, list[Any]] = {}
    for name in table.column_names:
        column = table.column(name)
        if name in _TIMES:
            columns[name] = [show_time(at) for at in column.cast(pa.int64()).to_pylist()]
        elif name == "raw":
            columns[name] = [raw.decode("utf-8", "backslashreplace") for raw in column.to_pylist()]
        else:
            columns[name] = column.to_pylist()
    return tuple(columns), list(zip(*columns.values(), strict=True))
