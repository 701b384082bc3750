"""What the calendar takes for granted of the zone files."""

import struct
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from zoneinfo import available_timezones

import pytest

from crossfoot.calendar import zone_info

HEADER = ">4sc15x6I"
ZONES = (files("tzdata") / "zones").read_text().split()


def changes(data: bytes) -> list[int]:
    """The instants at which the offset changes, of the second (64-bit) block of a TZif file."""
    _, _, *first = struct.unpack_from(HEADER, data)
    utc, standard, leap, times, types, characters = first
    start = 44 + times * 5 + types * 6 + characters + leap * 8 + standard + utc
    *_, times, types, _ = struct.unpack_from(HEADER, data, start)
    body = start + 44
    instants = struct.unpack_from(f">{times}q", data, body)
    indices = data[body + times * 8 : body + times * 9]
    offsets = [struct.unpack_from(">i2x", data, body + times * 9 + at * 6)[0] for at in range(types)]
    shown = [offsets[0], *(offsets[index] for index in indices)]
    return [at for at, (before, after) in zip(instants, pairwise(shown), strict=True) if before != after]


def test_no_zone_changes_its_offset_twice_within_an_hour():
    """An edge is looked for hour by hour."""
    for zone in ZONES:
        found = changes((files("tzdata") / "zoneinfo").joinpath(*zone.split("/")).read_bytes())
        assert all(later - earlier > 3600 for earlier, later in pairwise(found)), zone


def test_every_zone_of_the_package_is_read():
    """Hundreds, from its own files."""
    assert len(ZONES) > 400
    assert {str(zone_info(zone)) for zone in ZONES} == set(ZONES)


def test_the_systems_zones_are_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Another machine has other files; the store has one table."""
    monkeypatch.setenv("PYTHONTZPATH", str(tmp_path))
    zone_info.cache_clear()
    assert str(zone_info("Europe/Paris")) == "Europe/Paris"


def test_an_unknown_zone_is_an_error():
    """The definition's loader names it before."""
    assert "Mars/Olympus" not in available_timezones()
    with pytest.raises(FileNotFoundError):
        zone_info("Mars/Olympus")
