"""Ceilings of the definition itself, and the defaults that follow from other values."""

from __future__ import annotations

from collections.abc import Mapping

from crossfoot.definition.model import DAY_US, HOUR_US, MINUTE_US, Received

# An event carries one bit for each metric whose `where` is true.
METRICS_MAX = 64
BUCKET_MIN_US = MINUTE_US

# The largest value of each limit: what the core's integers hold, or what its stack can bear.
LIMIT_MAX: Mapping[str, int] = {
    "record_bytes_max": 1 << 30,
    "depth_max": 1000,
    "members_max": 1 << 20,
    "cells_max": 1 << 40,
    "ids_max": 1 << 31,
    "memory_bytes_max": 1 << 50,
}
ARCHIVE_BYTES_MAX = 1 << 50
# Dimension values that have rows of their own: they are all held in memory.
VALUES_MAX = 100_000_000
SHADOW_IDS_MIN, SHADOW_IDS_MAX = 1 << 5, 1 << 26


def default_transport_us(received: Received) -> int:
    """What a hold on the way may last, where stamps are carried; elsewhere nothing is on the way."""
    return 7 * DAY_US if received == "carried" else 0


def default_horizon_us(lateness_us: int | None, transport_us: int) -> int | None:
    """An id is remembered as long as a copy of it may be accepted."""
    return None if lateness_us is None else lateness_us + transport_us


def default_bucket_us(horizon_us: int | None) -> int:
    """An eighth of the horizon, at least a minute; an hour where ids are never forgotten."""
    return HOUR_US if horizon_us is None else max(horizon_us // 8, BUCKET_MIN_US)
