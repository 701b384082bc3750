"""The delivery counted by processes that get killed: at durable steps, and by a real `kill -9` from outside."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from crossfoot.demo.folder import Folder
from crossfoot.errors import StoreError
from crossfoot.stores.embedded import EmbeddedStore

KILLED = -9
# Small epochs and checkpoints, so that there are many durable steps to die at.
SMALL = {"CROSSFOOT_BLOCK_BYTES": "64K", "CROSSFOOT_COMMIT_BYTES": "64K", "CROSSFOOT_CHECKPOINT_BYTES": "256K"}
_SEED = 9
_FROM_OUTSIDE = 3


@dataclass(frozen=True, slots=True)
class Child:
    """A process to run: its command line, settings, and when it is to be killed from outside."""

    command: tuple[str, ...]
    settings: Mapping[str, str]
    kill: Callable[[], bool]


Run = Callable[[Child], int]
"""Runs a child to its end, asking `kill` all the while; the exit code, negative for a signal."""


@dataclass(frozen=True, slots=True)
class Death:
    """How one child ended, and the records that were committed then."""

    where: str
    expected: bool
    records: int | None

    def line(self) -> str:
        """The death in one line."""
        stand = "at a moment of its own" if self.records is None else f"{self.records:>7,} records are committed"
        return f"  {self.where:<24}{stand}" + ("" if self.expected else "  NOT AS EXPECTED")


def kill_and_count(folder: Folder, steps: Sequence[str], run: Run) -> Iterator[Death]:
    """Count the delivery with a child for every step, killed there; some killed from outside; the last one finishes."""
    rng = Random(_SEED)
    command = (
        *(sys.executable, "-P", "-m", "crossfoot", "run", str(folder.definition)),
        *("--store", str(folder.killed), "--format", "json"),
    )
    for step in steps:
        crash = SMALL | {"CROSSFOOT_CRASH": f"{step}:{rng.randrange(2, 5) if step.startswith('frame') else 1}"}
        code = run(Child(command, crash, lambda: False))
        yield Death(step, code == KILLED, records(folder.killed))
    for _ in range(_FROM_OUTSIDE):
        enough = epoch(folder.killed) + rng.randrange(3, 20)
        code = run(Child(command, SMALL, lambda enough=enough: epoch(folder.killed) >= enough))  # type: ignore[misc]
        yield Death("kill -9 from outside", code == KILLED, None)
    code = run(Child(command, {}, lambda: False))
    yield Death("none: ran to its end", code == 0, records(folder.killed))


def epoch(store: Path) -> int:
    """The newest committed epoch; 0 before the first."""
    try:
        return int(EmbeddedStore(store).meta["epoch"])
    except StoreError:
        return 0


def records(store: Path) -> int:
    """The records that the newest committed epoch has consumed."""
    try:
        return sum(partition["records"] for partition in EmbeddedStore(store).meta["partitions"])
    except StoreError:
        return 0
