"""crossfoot ledger: every record's account, and the records that were not counted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from crossfoot.cli.options import AnyStore, some
from crossfoot.cli.output import Format, Table, emit, next_step, note, say, shell_words
from crossfoot.cli.places import STORE, shown_store
from crossfoot.query.ledger import Accounts, accounts_of, side_rows
from crossfoot.stores.open import open_store
from crossfoot.stores.protocol import CellStore


def ledger(
    *,
    store: AnyStore = STORE,
    minutes: bool = False,
    side: bool = False,
    limit: int = 100,
    format: Annotated[Format, Parameter(help="How the answer is printed.")] = "table",  # noqa: A002
) -> int:
    """The accounts of all records. Exit code 1 if a record is in none.

    Parameters
    ----------
    minutes
        By partition and minute, with reasons and digests, instead of by partition.
    side
        The records that could not be counted, with their reason and their bytes.
    limit
        With `--side`: at most this many records.
    """
    opened = open_store(store)
    if side:
        emit(side_rows_table(opened, some(limit, "records")), format)
        return 0
    accounts = accounts_of(opened)
    emit(_table(accounts, minutes, format), format)
    if format == "table":
        say(f"{accounts.records:,} records, each in one account; unaccounted {accounts.unaccounted}")
        if exploded := sum(accounts.exploded.values()):
            say(f"the records are {accounts.records + exploded:,} events: the accounts count events")
        if gaps := sum(accounts.gaps.values()):
            say(f"{gaps:,} positions were never handed out by their source (gaps)")
        if any(accounts.totals[name] for name in ("conflict", "future", "too_late", "invalid", "malformed")):
            next_step(shell_words(["crossfoot", "ledger", "--side", *shown_store(Path(store))]))
    if accounts.unaccounted:
        note("a record without an account is a fault: please report it with `crossfoot verify`")
    return 1 if accounts.unaccounted else 0


def side_rows_table(store: CellStore, limit: int) -> Table:
    """The side log as rows."""
    names, rows = side_rows(store, limit)
    return Table(names, rows, arrow=lambda: store.side_log(limit))


def _table(accounts: Accounts, minutes: bool, form: Format) -> Table:
    whole: dict[str, Any] | None = accounts.as_json(minutes) if form == "json" else None
    if minutes:
        names = ("partition", "minute", "account", "reason", "part", "records", "digest")
        return Table(names, [tuple(row[name] for name in names) for row in accounts.rows], whole)
    used = [name for name, records in accounts.totals.items() if records or name == "counted"]
    rows = [
        (name, found["records"], *(found[account] for account in used)) for name, found in accounts.partitions.items()
    ]
    rows.append(("all", accounts.records, *(accounts.totals[account] for account in used)))
    return Table(("partition", "records", *used), rows, whole)
