"""crossfoot generate: seeded events of the engagement kind."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from crossfoot.cli.output import next_step
from crossfoot.errors import CallError
from crossfoot.generate import Workload, blocks

Share = Annotated[float, Parameter(help="A share of all lines, 0 to 1.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Kind:
    """What the events are like."""

    rate: Annotated[float, Parameter(help="Events per second of event time.")] = 2_000.0
    copies: Annotated[float, Parameter(help="Share of lines that are copies of recent events.")] = 0.077
    old_copies: Annotated[float, Parameter(help="Share of lines that are copies of any earlier event.")] = 0.003
    garbage: Annotated[float, Parameter(help="Share of lines that are no events.")] = 0.0
    uuid: Annotated[Literal[4, 7], Parameter(help="The version of the ids: 7 is ordered by time, 4 is random.")] = 7
    shuffled: Annotated[bool, Parameter(help="Vary order of keys, escapes and missing fields.")] = False
    received: Annotated[bool, Parameter(help="Add the received time as `received_ms`.")] = False


def generate(
    lines: int,
    /,
    *,
    seed: int = 1,
    output: Path | None = None,
    kind: Kind = Kind(),
) -> int:
    """Make JSON lines of client events: the same seed gives the same lines everywhere.

    Parameters
    ----------
    lines
        How many lines.
    seed
        Another seed gives other events.
    output
        The file to write; standard output unless named.
    """
    if lines < 0 or seed < 0:
        raise CallError("lines and seed are not negative", "crossfoot generate 100000 --seed 7")
    shares = (kind.copies, kind.old_copies, kind.garbage)
    if min(shares) < 0 or sum(shares) >= 1 or kind.rate <= 0:
        raise CallError("shares are from 0 to 1 and leave room for events; the rate is positive", "lower a share")
    workload = Workload(
        seed=seed,
        rate=kind.rate,
        copies=kind.copies,
        old_copies=kind.old_copies,
        garbage=kind.garbage,
        uuid_version=kind.uuid,
        shuffled=kind.shuffled,
        received=kind.received,
    )
    if output is None:
        for block in blocks(lines, workload):
            sys.stdout.buffer.write(block)
        return 0
    with output.open("wb") as file:
        for block in blocks(lines, workload):
            file.write(block)
    next_step(f"crossfoot run examples/engagement.yaml --input {output}")
    return 0
