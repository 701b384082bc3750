"""`crossfoot` in processes of its own, that can be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.counting import STAMPED, click, lines

DEFINITION = STAMPED.replace("files: clicks.jsonl", 'files: "*.jsonl"')
# Small blocks and epochs, so that a few hundred records pass every durable step several times.
SMALL = {
    "CROSSFOOT_BLOCK_BYTES": "2K",
    "CROSSFOOT_COMMIT_BYTES": "4K",
    "CROSSFOOT_CHECKPOINT_BYTES": "4K",
}


def records(number: int = 600) -> list[Any]:
    """Clicks with copies, late ones and garbage."""
    made: list[Any] = []
    for seq in range(number):
        at = f"2015-09-12T{10 + seq // 300:02}:{seq // 5 % 60:02}:{seq % 5 * 10:02}Z"
        one = click(seq, at, page=f"p{seq % 7}", ms=seq, got=at)
        made.append(one)
        if seq % 11 == 0:
            made.append(one)
        if seq % 13 == 0:
            made.append(b"garbage\n")
        if seq % 17 == 0:
            made.append({**one, "at": "2015-09-11T00:00:00Z", "seq": -seq - 1})
    return made


def prepare(folder: Path, parts: int = 3) -> Path:
    """A folder with a definition and its data in several files."""
    (folder / "clicks.yaml").write_text(DEFINITION)
    everything = records()
    for part in range(parts):
        (folder / f"part-{part}.jsonl").write_bytes(lines(everything[part::parts]))
    return folder


_STARTED: list[subprocess.Popen[Any]] = []


def end_all() -> None:
    """Whatever a test has left running when it failed."""
    while _STARTED:
        process = _STARTED.pop()
        if process.poll() is None:
            process.kill()
            process.communicate()


def start(folder: Path, *arguments: str, environment: dict[str, str] | None = None, **options: Any) -> subprocess.Popen:
    """A command in a process of its own; its streams are pipes."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CROSSFOOT_")}
    command = [sys.executable, "-m", "crossfoot", *arguments]
    process = subprocess.Popen(command, cwd=folder, env={**clean, **(environment or {})}, **streams)
    _STARTED.append(process)
    return process


def call(
    folder: Path, *arguments: str, environment: dict[str, str] | None = None, before: Callable[[], None] | None = None
) -> tuple[int, str, list[str]]:
    """Exit code, standard output, lines of standard error."""
    child = start(folder, *arguments, environment=environment, preexec_fn=before)
    out, error = child.communicate(timeout=120)
    return child.returncode, out.decode(), error.decode().splitlines()


def state(folder: Path, store: str = ".crossfoot") -> dict[str, Any]:
    """All that a store answers: accounts with digests, and the cells of every table."""
    from crossfoot.query.client import Store
    from crossfoot.query.ledger import accounts_of
    from crossfoot.stores.embedded import EmbeddedStore
    from crossfoot.stores.protocol import Scan

    opened = EmbeddedStore(folder / store)
    accounts = accounts_of(opened)
    cells = {
        f"{metric.name} {by} {grain}": opened.scan(Scan(metric.index, by, grain, tuple(range(len(names))))).to_pylist()
        for metric in Store(opened).metrics
        for by, names in enumerate(metric.sets)
        for grain in range(len(metric.grains))
    }
    return {
        "totals": accounts.totals,
        "digests": accounts.digests,
        "unaccounted": accounts.unaccounted,
        "cells": json.loads(json.dumps(cells, default=str)),
    }
