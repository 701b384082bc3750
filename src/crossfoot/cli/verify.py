"""crossfoot verify: read the whole store again."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from crossfoot.cli.options import DEFAULT_STORE, StoreFolder
from crossfoot.cli.output import Format, Table, emit, say
from crossfoot.stores.embedded import EmbeddedStore


def verify(
    *,
    store: StoreFolder = DEFAULT_STORE,
    format: Annotated[Format, Parameter(help="How the answer is printed.")] = "table",  # noqa: A002
) -> int:
    """Check every checksum, the ledger against the positions, and every stored table against the ledger.

    Exit code 1 if a check does not hold, 5 if the store is damaged.
    """
    found = EmbeddedStore(store).verify()
    rows = [(check["name"], "ok" if check["ok"] else "FAILED", check["detail"]) for check in found["checks"]]
    emit(Table(("check", "result", "detail"), rows, whole=found), format)
    if format == "table":
        say(f"epoch {found['epoch']}: {len(rows)} checks, {sum(row[1] != 'ok' for row in rows)} failed")
    return 0 if found["ok"] else 1
