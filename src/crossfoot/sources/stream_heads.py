"""How a stream is known: by its first bytes, or by as many of them as had come when it paused.

The same stream given again is the same partition, so that what was counted of it is passed over. Where too little was
counted, or too little has come, to tell that, it is a partition of its own: its records are copies by their ids.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain, count
from typing import IO

from crossfoot import _core
from crossfoot.sources.partition import HEAD_BYTES, Identity, Position
from crossfoot.sources.streams import BYTE_ORDER_MARK, WAIT_S, has_come


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the first bytes of a stream are waited for, once a line is among them; `is_table`: once two are."""

    pause_s: float = math.inf
    stop: Callable[[], bool] = lambda: False
    is_table: bool = False

    def is_enough(self, head: bytes) -> bool:
        """Whether there is something to count."""
        return head.count(b"\n") > self.is_table


ENDLESS = Patience()


def head_of(file: IO[bytes], patience: Patience) -> bytes | None:
    """The first bytes of a stream; None where we are asked to stop before there is something to count."""
    head, idle_s = b"", 0.0
    while len(head) < HEAD_BYTES:
        if patience.stop():
            return head if patience.is_enough(head) else None
        if not has_come(file, WAIT_S):
            idle_s += WAIT_S
            if idle_s >= patience.pause_s and patience.is_enough(head):
                break
            continue
        piece, idle_s = file.read(HEAD_BYTES - len(head)), 0.0
        if not piece:
            break
        head += piece
    return head


def known_as(name: str, head: bytes, positions: Mapping[str, Position], is_table: bool) -> str:
    """The partition that a stream is: one that the store knows, or another."""
    known = {of: at for of, at in positions.items() if of.startswith(f"{name}@") and at.is_of_stream}
    identity = Identity.of(0, head)
    for of in sorted(known, key=lambda of: (known[of].identity != identity, -known[of].identity.length)):
        if _is_same(known[of], head, is_table):
            return of
    plain = f"{name}@{identity.digest}"
    numbered = (f"{plain}.{number}" for number in count(2))
    return next(free for free in chain([plain], numbered) if free not in known)


def _is_same(known: Position, head: bytes, is_table: bool) -> bool:
    """Whether what was counted was of a stream that begins so. Where only reading on can tell, reading on does."""
    if not known.identity.fits(head):
        return False
    if known.identity.length in (0, HEAD_BYTES):
        return known.identity.length == len(head)
    if is_table:
        return known.identity.length == len(head) or not known.finished
    plain = head.removeprefix(BYTE_ORDER_MARK)
    if known.bytes > len(plain):
        return len(head) == HEAD_BYTES
    is_begun = known.digest is None or _core.crc32c(plain[: known.bytes], 0) == known.digest
    return is_begun and (known.bytes == len(plain) or not known.finished)
