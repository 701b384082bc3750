"""Instants as people write them."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us(moment: str) -> int:
    """Microseconds since the epoch of an ISO text; without an offset it is UTC."""
    parsed = datetime.fromisoformat(moment)
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)


def iso(at_us: int | None) -> str | None:
    """The ISO text of an instant, with as many places as it needs."""
    return None if at_us is None else (EPOCH + timedelta(microseconds=at_us)).isoformat().replace("+00:00", "Z")
