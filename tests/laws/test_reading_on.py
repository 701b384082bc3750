"""The law of reading on: a store that stays open and is refreshed says what one says that is opened anew."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.query.model import stored_of
from crossfoot.sinks.cells import changed, messages
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.stores.protocol import Scan
from tests.counting import CLICKS, click, lines
from tests.unit.sinks.folding import fold, queried

# The sets [page] and [] can be made of either of two others; which has less depends on the events.
DEFINITION = CLICKS.replace("metrics:", "    size: {path: ms, type: integer}\nmetrics:").replace(
    "[[page, country], [page], []]", "[[page, country], [page], [], [page, size]]"
)
DAY_US = 1_442_016_000_000_000
NOW_US = 1_800_000_000_000_000
PAGES = st.sampled_from(["a", "b", "c", None])
STEPS = st.one_of(
    st.lists(st.tuples(PAGES, st.integers(0, 3)), min_size=1, max_size=6),
    st.sampled_from(["checkpoint", "start again", "refresh", "refresh the other", "taken"]),
    st.tuples(st.integers(9, 14), st.integers(9, 14), st.integers(0, 2)),
)


def content(store: EmbeddedStore) -> dict:
    """All that a store says."""
    found = {"meta": {name: store.meta[name] for name in sorted(store.meta)}, "accounts": store.accounts()}
    stored = stored_of(store.meta["plan"])
    for metric in stored.metrics:
        for place, by in enumerate(metric.sets):
            for grain in range(len(metric.grains)):
                scan = Scan(metric.index, place, grain, dims=tuple(range(len(by))))
                found[f"{by} {grain}"] = store.scan(scan).to_pylist()
    return found


class Reading:
    """A store that is counted into, and read by two that stay open: one since the beginning, one as a sink does."""

    def __init__(self, folder: Path, journal_bytes: int) -> None:
        self.folder, self.journal_bytes, self.seq = folder / "store", journal_bytes, 0
        self.start()
        self.open = {"refresh": EmbeddedStore(self.folder), "refresh the other": EmbeddedStore(self.folder, (0, 0))}
        self.sent: list[tuple[bytes, bytes]] = []

    def start(self) -> None:
        definition = load_text(DEFINITION)
        self.engine = EmbeddedEngine(self.folder, definition, merge_segments=2, checkpoint_bytes=self.journal_bytes)
        self.engine.register(["a"])

    def count(self, rows: list[tuple[str | None, int]]) -> None:
        records = [
            click(
                self.seq + n, f"2015-09-12T1{hour}:00Z", page=page, country="FR" if hour % 2 else "DE", ms=max(hour, 1)
            )
            for n, (page, hour) in enumerate(rows)
        ]
        self.seq += len(rows)
        self.engine.feed("a", lines(records), NOW_US)
        self.engine.commit()

    def step(self, name: str) -> None:
        if name == "checkpoint":
            self.engine.checkpoint()
        elif name == "start again":
            self.engine.abandon()
            self.start()
        elif name == "taken":
            self.take()
        else:
            self.open[name].refresh()
            assert content(self.open[name]) == content(EmbeddedStore(self.folder))

    def ask(self, first: int, last: int, grain: int) -> None:
        """A series of one page, and one of all: what was asked before is kept, and may be of another range."""
        hour = {at: DAY_US + at * 3_600_000_000 for at in (first, last)}
        own = ["eq", ["field", 0], ["text", "a"]]
        for by, where in [(1, own), (1, ["and", own, ["eq", ["field", 0], ["text", "b"]]]), (2, None)]:
            scan = Scan(0, by, grain, since_us=hour[first], until_us=hour[last], where=where)
            asked = self.open["refresh"]
            asked.refresh()
            assert asked.scan(scan).equals(EmbeddedStore(self.folder).scan(scan), check_metadata=True)

    def take(self) -> None:
        """What a sink has after it is what the store says."""
        store = self.open["refresh the other"]
        store.refresh()
        self.sent += [message for each in changed(store) for message in messages(each, store.mark[0])]
        assert fold(self.sent) == queried(self.folder)
        store.taken()
        assert list(changed(store)) == []


@given(steps=st.lists(STEPS, min_size=1, max_size=16), journal_bytes=st.sampled_from([1, 2000, 1 << 20]))
def test_a_refreshed_store_says_what_a_new_one_says(steps, journal_bytes):
    """After any epochs, checkpoints, merges and starts of the writer, however many at once."""
    with tempfile.TemporaryDirectory() as folder:
        reading = Reading(Path(folder), journal_bytes)
        for step in [*steps, "refresh", "taken"]:
            if isinstance(step, list):
                reading.count(step)
            elif isinstance(step, tuple):
                reading.ask(*step)
            else:
                reading.step(step)
        reading.engine.abandon()
