"""Times of questions and answers: texts in, texts out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from crossfoot.calendar import instant_us, local_us, zone_info
from crossfoot.definition.findings import BadValueError
from crossfoot.definition.zones import checked_zone
from crossfoot.errors import CallError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The calendar repeats after 400 years: windows may begin a little outside of the years that `datetime` knows.
_CYCLE = timedelta(days=146_097)


def read_time(value: str | int | datetime | None, zone: str | None = None) -> int | None:
    """An instant in microseconds: an integer, a datetime or an ISO text; without an offset it is local to `zone`."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            hint = "write a date or a time: 2015-09-12, 2015-09-12T10:00, 2015-09-12T10:00Z"
            raise CallError(f"this is no time: {value}", hint) from error
    else:
        moment = value
    if moment.tzinfo is not None:
        return instant_us(moment.astimezone(UTC))
    return local_us(zone or "UTC", moment)


def read_zone(name: str | None) -> str | None:
    """A zone of the IANA list; None stays None (UTC)."""
    if name is None:
        return None
    try:
        return checked_zone(name)
    except BadValueError as error:
        hint = f"did you mean {error.near}?" if error.near else "use a name such as Europe/Paris"
        raise CallError(f"there is no time zone {name}", hint) from error


def show_time(at_us: int | None, zone: str | None = None) -> str | None:
    """An instant as ISO text: `…Z` in UTC, with an offset in a zone."""
    if at_us is None:
        return None
    at = timedelta(microseconds=at_us)
    for shift in (0, 1, -1):
        try:
            moment = _EPOCH + (at + shift * _CYCLE)
            shown = moment if zone is None else moment.astimezone(zone_info(zone))
        except OverflowError:
            continue
        text = shown.isoformat()
        year = f"{shown.year - 400 * shift:04d}"
        return (year + text[4:]).replace("+00:00", "Z") if zone is None else year + text[4:]
    return f"{at_us} us"
