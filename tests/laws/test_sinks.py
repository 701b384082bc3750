"""The law of sinks: any prefix of what a sink got, in any order, with repeats, is what the store said then."""

import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.errors import ServiceError
from crossfoot.sinks import marks
from crossfoot.sinks.cells import changed, messages
from crossfoot.stores.embedded import EmbeddedStore
from tests.bigtables import MemoryTable, read
from tests.bigtables import catch_up as bring_up
from tests.counting import CLICKS, click, lines
from tests.unit.sinks.folding import fold, queried

Sent = list[tuple[bytes, bytes]]
PAGES = st.sampled_from(["a", "b", "c", None])
HOURS = st.integers(0, 3)
STEPS = st.one_of(
    st.lists(st.tuples(PAGES, HOURS), min_size=1, max_size=6),
    st.sampled_from(["checkpoint", "catch up", "lose the mark", "fail"]),
)
RUNS = given(
    steps=st.lists(STEPS, min_size=1, max_size=14), journal_bytes=st.sampled_from([1, 2000, 1 << 20]), data=st.data()
)


@contextmanager
def beside(steps: list, journal_bytes: int) -> Iterator[Iterator[tuple[str, Path]]]:
    """What `stepped` gives, ended with the example: also with one that is given up in the middle."""
    found = stepped(steps, journal_bytes)
    with closing(found):
        yield found


def stepped(steps: list, journal_bytes: int) -> Generator[tuple[str, Path], None, None]:
    """Counts what the steps say; each step of a sink, with the store as it is then. A catch-up is the last.

    Small journals are moved into segments beside counting, so that a store is read while that is under way.
    """
    with tempfile.TemporaryDirectory() as folder:
        engine = EmbeddedEngine(
            Path(folder) / "store", load_text(CLICKS), merge_segments=2, checkpoint_bytes=journal_bytes
        )
        try:
            engine.register(["a"])
            seq = 0
            for step in [*steps, "catch up"]:
                if isinstance(step, list):
                    seq = feed(engine, step, seq)
                elif step == "checkpoint":
                    engine.checkpoint()
                else:
                    yield step, engine.path
        finally:
            engine.abandon()


def feed(engine: EmbeddedEngine, clicks: list, seq: int) -> int:
    """Count them as an epoch; the number of the next one."""
    records = [click(seq + n, f"2015-09-12T1{hour}:00Z", page=page) for n, (page, hour) in enumerate(clicks)]
    engine.feed("a", lines(records), 1_800_000_000_000_000)
    engine.commit()
    return seq + len(clicks)


@RUNS
def test_a_prefix_in_any_order_with_repeats_is_the_store_at_its_mark(steps, journal_bytes, data):
    """The highest epoch of each cell counts; a failed catch-up leaves a part of what it sent."""
    sent: Sent = []
    mark = (0, 0)
    with beside(steps, journal_bytes) as counted:
        for step, path in counted:
            if step == "lose the mark":
                mark = (0, 0)
                continue
            got, after = catch_up(path, mark)
            if step == "fail":
                sent += data.draw(st.lists(st.sampled_from(got))) if got else []
                continue
            sent, mark = sent + got, after
            repeats = data.draw(st.lists(st.sampled_from(sent), max_size=10)) if sent else []
            assert fold(data.draw(st.permutations(sent + repeats))) == queried(path)


def catch_up(path: Path, mark: tuple[int, int]) -> tuple[Sent, tuple[int, int]]:
    """What a sink gets, and its mark when it has it."""
    store = EmbeddedStore(path, mark)
    return [message for each in changed(store) for message in messages(each, store.mark[0])], store.mark


@RUNS
def test_a_bigtable_table_is_the_store_at_the_epoch_that_is_all_there(steps, journal_bytes, data):
    """Catch-ups are cut off anywhere, marks are lost, whatever was ever written comes again: an epoch is seen whole."""
    table, seen = MemoryTable(kept=None), None
    with beside(steps, journal_bytes) as counted:
        for step, path in counted:
            if step == "lose the mark":
                marks.write(path, str(table.name), marks.Mark())
                continue
            table.left = data.draw(st.integers(0, 60)) if step == "fail" else 1 << 60
            try:
                bring_up(path, table)
                seen = queried(path)
            except ServiceError:
                assert step == "fail"
            for row in data.draw(st.lists(st.sampled_from(table.written), max_size=10)) if table.written else []:
                table.put(row)
            assert seen is None or queried(read(table)) == seen
