"""A generation is what the recorded inputs say under another definition: both engines recount it alike."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfoot.archive.engine import ArchivingEngine
from crossfoot.archive.parts import parts_of
from crossfoot.archive.reading import recount, rows
from crossfoot.definition.load import load_text
from crossfoot.definition.model import Definition
from crossfoot.engines.reference import ReferenceEngine
from crossfoot.generations import folder_of
from crossfoot.services.backfill.build import Build
from crossfoot.settings import Settings
from crossfoot.testing.clocks import ManualClock
from tests.archives import place
from tests.engines import FAR_FUTURE_US, EmbeddedDriver, Feed, Step, play
from tests.laws import logs

ARCHIVED = logs.STAMPED + "archive: {}\n"
PLAIN = "\n".join(
    line for line in ARCHIVED.splitlines() if not line.startswith(("  received:", "accept:", "    retain:"))
).replace("id: id", "received: none\n  id: id")
LISTS = (
    ARCHIVED.replace("field: t,", "field: items.t,").replace("field: r,", "field: items.r,")
    .replace("id: id", "id: items.id").replace("path: ", "path: items.").replace(" k: k", " k: {path: items.k}")
    + "preprocess: {explode: items}\n"
)  # fmt: skip
CARRIED = ARCHIVED.replace("{field: r, unit: s}", "carried").replace("horizon: 40m", "transport: 4h")
CARRIED = CARRIED.replace("retain: {1m: 61m}", "retain: {1m: 5h}")
CHANGES = {
    "nothing": ("", ""),
    "where lets more through": ("where: not ping", "where: v is not null or k is null"),
    "where lets less through": ("where: not ping", "where: not ping and k = 'x'"),
    "time": ("time: {field: t,", "time: {field: r,"),
    "received": ("received: {field: r,", "received: {field: t,"),
    "id": ("id: id", "id: [id, v]"),
    "a field less": ("cost: sum(p), ", ""),
    "lateness": ("lateness: 30m", "lateness: 5m"),
    "horizon": ("lateness: 30m, horizon: 40m", "lateness: 10m, horizon: 10m"),
    "a metric": ('where: "v > 0"', 'where: "v < 7"'),
}
CHANGED = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


class Archived:
    """A store that was counted from steps, with its archive."""

    def __init__(self, folder: str, text: str, steps: list[Step]) -> None:
        self.store = Path(folder) / "store"
        driver = EmbeddedDriver.__new__(EmbeddedDriver)
        driver.engine = ArchivingEngine(self.store, load_text(text), ManualClock(FAR_FUTURE_US), Settings())
        play(driver, steps)
        self.before = answers(driver.engine)
        driver.engine.close()

    def joined(self) -> dict[str, int | None]:
        """J of each partition, as it was recorded last."""
        return {row["partition"]: row["t"] for row in rows(parts_of(self.store)) if row["kind"] == "join"}

    def recounted(self, definition: Definition) -> tuple[object, ...]:
        """By the reference engine."""
        engine = ReferenceEngine(definition)
        recount(self.store, engine, definition)
        return answers(engine)


def answers(engine: object) -> tuple[object, ...]:
    """All that an engine says, but its epochs."""
    ledger = sorted(engine.ledger(), key=repr)
    status = engine.status()
    clocks = status.clock_us, status.forgotten_us, status.watermark_us, status.partitions
    return engine.cells(), ledger, sorted(map(place, engine.side_log()), key=repr), clocks


def rebuilt(store: Path, definition: Definition) -> tuple[tuple[object, ...], dict[str, int | None]]:
    """What the generation says, and J of each partition in it."""
    build = Build(store, definition)
    try:
        build.catch_up()
        engine = build._engine
        return answers(engine), {name: each["joined_us"] for name, each in engine.partitions().items()}
    finally:
        build.abandon()


def check(text: str, other: str, steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archived, definition = Archived(folder, text, steps), load_text(other)
        found, joined = rebuilt(archived.store, definition)
        assert folder_of(archived.store, 1).exists()
        assert found == archived.recounted(definition)
        assert joined == archived.joined()
        if text == other:
            assert found == archived.before


def in_lists(steps: list[Step]) -> list[Step]:
    """All lines of a feed in one record's list, behind a record that is one event."""
    return [replace(step, data=_list(step.data)) if isinstance(step, Feed) else step for step in steps]


def _list(data: bytes) -> bytes:
    events = [line for line in data.split(b"\n") if line[:3] in (b'{"t', b'{"p')]
    return b'{"items": [%b]}\n' % b", ".join(events)


@CHANGED
@settings(max_examples=25)
@given(data=st.data(), steps=logs.logs())
def test_a_generation_is_what_the_reference_engine_finds(change: tuple[str, str], data: st.DataObject, steps):
    """Lines with stamps of their own, epochs anywhere, partitions that join late, beat, finish and come back."""
    check(ARCHIVED, ARCHIVED.replace(*change), data.draw(logs.with_commits(steps)))


@pytest.mark.parametrize(("text", "other"), [(PLAIN, ARCHIVED), (ARCHIVED, PLAIN)], ids=["without", "with"])
@settings(max_examples=15)
@given(steps=logs.logs())
def test_stamps_may_come_and_go(text: str, other: str, steps: list[Step]):
    check(text, other, steps)


@CHANGED
@settings(max_examples=10)
@given(steps=logs.logs())
def test_of_a_record_that_is_several_events_the_last_has_the_recorded_t(change: tuple[str, str], steps: list[Step]):
    to_lists = {
        "field: t": "field: items.t",
        "field: r": "field: items.r",
        "id: id": "id: items.id",
        "[id, v]": "[items.id, items.v]",
    }
    pair = list(change)
    for plain, listed in to_lists.items():
        pair = [each.replace(plain, listed) for each in pair]
    check(LISTS, LISTS.replace(*pair), in_lists(steps))


@pytest.mark.parametrize("change", [CHANGES[name] for name in CHANGES if name not in ("received", "horizon", "time")])
@settings(max_examples=10)
@given(data=st.data(), lines=st.lists(logs.honest_records(), min_size=2, max_size=12))
def test_records_at_positions_keep_the_stamps_beside_them(change: tuple[str, str], data: st.DataObject, lines):
    check(CARRIED, CARRIED.replace(*change), data.draw(logs.with_commits(data.draw(logs.arrivals(lines)))))
