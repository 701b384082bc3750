"""The results of a comparison over time: one JSON line each, in the store's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypedDict

import msgspec

from crossfoot.definition.durations import instant_us
from crossfoot.definition.findings import BadValueError
from crossfoot.errors import StoreError
from crossfoot.reconcile.run import Reconciliation

FOLDER = "reconcile"


class Past(TypedDict):
    """What is read of an earlier result."""

    at: str
    holds: bool
    exact_keys: float
    exact_volume: float
    cells: int


def file_of(store: Path, name: str) -> Path:
    """The history of a comparison."""
    return store / FOLDER / f"{name}.jsonl"


def remember(store: Path, found: Reconciliation, at: str) -> Path:
    """Add a result; a line is there whole, or a reader skips it."""
    path = file_of(store, found.comparison.name)
    line = json.dumps(entry(found, at), ensure_ascii=False)
    try:
        path.parent.mkdir(exist_ok=True)
        torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        with path.open("a", encoding="utf-8") as file:
            file.write(("\n" if torn else "") + line + "\n")
    except OSError as error:
        hint = "see to the folder, or to the space on its disk, and compare again"
        raise StoreError(f"the result cannot be kept in {path}: {error.strerror}", hint) from error
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


def history(store: Path, name: str) -> list[Past]:
    """All results of a comparison, the oldest first. What is no result is passed over."""
    path = file_of(store, name)
    if not path.exists():
        return []
    return [found for line in path.read_bytes().splitlines() if (found := _past(line)) is not None]


def _past(line: bytes) -> Past | None:
    try:
        found = msgspec.json.decode(line, type=Past)
        instant_us(found["at"])
    except (msgspec.DecodeError, BadValueError):
        return None
    return found
