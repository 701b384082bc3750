"""Seeded events of the engagement kind, made by the native core: the same seed gives the same lines everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from crossfoot import _core

BLOCK_LINES = 50_000


@dataclass(frozen=True, slots=True)
class Workload:
    """What is generated; shares are of all lines, ``rate`` is events per second of received time since ``start_us``."""

    seed: int = 1
    start_us: int = 1_767_225_600_000_000
    rate: float = 2_000.0
    copies: float = 0.077
    old_copies: float = 0.003
    garbage: float = 0.0
    uuid_version: int = 7
    shuffled: bool = False
    received: bool = False
    users: int = 300_000_000
    items: int = 1_000_000


def blocks(lines: int, workload: Workload | None = None) -> Iterator[bytes]:
    """JSON lines in blocks, ``lines`` of them in all."""
    generator = _core.Generator(json.dumps(asdict(workload or Workload())))
    while lines > 0:
        step = min(lines, BLOCK_LINES)
        yield generator.block(step)
        lines -= step
