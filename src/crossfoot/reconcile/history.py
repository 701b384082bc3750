"""The results of a comparison over time: one JSON line each, in the store's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crossfoot.reconcile.run import Reconciliation

FOLDER = "reconcile"


def file_of(store: Path, name: str) -> Path:
    """The history of a comparison."""
    return store / FOLDER / f"{name}.jsonl"


def remember(store: Path, found: Reconciliation, at: str) -> Path:
    """Add a result; a line is there whole, or a reader skips it."""
    path = file_of(store, found.comparison.name)
    path.parent.mkdir(exist_ok=True)
    line = json.dumps(entry(found, at), ensure_ascii=False)
    torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if torn else "") + line + "\n")
    return path


def entry(found: Reconciliation, at: str) -> dict[str, Any]:
    """What is kept of a result."""
    compared = found.compared
    return {
        "at": at,
        "epoch": found.epoch,
        "until": found.until,
        "holds": found.holds,
        "exact_keys": compared.exact_keys,
        "exact_volume": compared.exact_volume,
        "cells": compared.cells,
        "equal": compared.equal,
        "differs": compared.differs,
        "missing_here": compared.missing_here,
        "missing_there": compared.missing_there,
        "causes": [
            {"names": list(cause.names), "cells": cause.cells, "events": cause.events} for cause in found.causes
        ],
    }


def history(store: Path, name: str) -> list[dict[str, Any]]:
    """All results of a comparison, the oldest first."""
    path = file_of(store, name)
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found
