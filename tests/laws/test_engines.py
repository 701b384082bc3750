"""I5: the same log gives the same answers, whatever the batching, the epochs and the crashes."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfoot.definition.model import OTHER, Definition
from crossfoot.engines.embedded import durable_steps
from tests.engines import DRIVERS, Crash, EmbeddedDriver, Redefine, ReferenceDriver, Step, play, play_with_crash
from tests.golden.answers import answers, side_log
from tests.laws import logs

STAMPED = logs.stamped()
RAISED = logs.raised()
UNSTAMPED = logs.unstamped()
BOUNDED = logs.bounded()
DEFINITIONS = pytest.mark.parametrize(
    "definition", [STAMPED, UNSTAMPED, BOUNDED], ids=["stamped", "unstamped", "bounded"]
)


def reference(definition, steps: list[Step]) -> dict[str, object]:
    """The answers of the reference engine, a line a feed, one epoch."""
    driver = ReferenceDriver(definition, Path())
    play(driver, logs.one_by_one(steps))
    return answers(driver.engine)


@DEFINITIONS
@pytest.mark.parametrize("name", DRIVERS)
@settings(max_examples=100)
@given(data=st.data(), steps=logs.logs())
def test_batches_and_epochs_change_nothing(name: str, definition, data: st.DataObject, steps: list[Step]):
    """Blocks of lines with commits anywhere give what single lines in one epoch give to the reference engine."""
    with tempfile.TemporaryDirectory() as folder:
        driver = DRIVERS[name](definition, Path(folder))
        play(driver, data.draw(logs.with_commits(steps)))
        assert answers(driver.engine) == reference(definition, steps)


@pytest.mark.parametrize("name", DRIVERS)
@settings(max_examples=40)
@given(before=logs.logs(), after=logs.logs())
def test_raised_acceptance_goes_on(name: str, before: list[Step], after: list[Step]):
    """With more lateness and memory, from the clocks and the memory that there are."""
    steps = logs.possible([*before, Redefine(RAISED), *after])
    with tempfile.TemporaryDirectory() as folder:
        driver = DRIVERS[name](STAMPED, Path(folder))
        play(driver, steps, always_commit=True)
        assert answers(driver.engine) == reference(STAMPED, steps)


@pytest.mark.parametrize("step", durable_steps())
@settings(max_examples=8)
@given(steps=logs.logs(), nth=st.integers(1, 12), small=st.booleans(), definition=st.sampled_from([STAMPED, BOUNDED]))
def test_a_crash_changes_nothing(step: str, steps: list[Step], nth: int, small: bool, definition: Definition):
    """At any time that a durable step comes by, with checkpoints often or never."""
    with tempfile.TemporaryDirectory() as folder:
        options = {"checkpoint_bytes": 1, "merge_segments": 2} if small else {}
        driver = EmbeddedDriver(definition, Path(folder), **options)
        play_with_crash(driver, steps, Crash(step, nth))
        found = answers(driver.engine)
        driver.engine.abandon()  # nothing is written beside it any more when the folder goes
        assert found == reference(definition, steps)


@settings(max_examples=40)
@given(steps=logs.logs())
def test_both_engines_keep_the_same_members(steps: list[Step]):
    """Ledger rows with their digests, and the bytes of the side log."""
    with tempfile.TemporaryDirectory() as folder:
        kept = []
        for name in DRIVERS:
            driver = DRIVERS[name](STAMPED, Path(folder) / name)
            play(driver, steps)
            kept.append((sorted(driver.engine.ledger(), key=repr), side_log(driver.engine)))
        assert kept[0] == kept[1]


@pytest.mark.parametrize("name", DRIVERS)
@settings(max_examples=40)
@given(steps=logs.logs())
def test_a_row_that_is_kept_is_exact_and_other_is_the_rest(name: str, steps: list[Step]):
    """Against the same log without a bound: the same rows, but for those that `(other)` is the sum of."""
    with tempfile.TemporaryDirectory() as folder:
        driver = DRIVERS[name](BOUNDED, Path(folder))
        play(driver, steps)
        whole = ReferenceDriver(STAMPED, Path())
        play(whole, steps)
        for few, all_of_them in zip(driver.engine.cells(), whole.engine.cells(), strict=True):
            assert few.expired == all_of_them.expired
            kept = [row for row in few.rows if not row.get(OTHER)]
            rest = list(all_of_them.rows)
            for row in kept:
                rest.remove({column: value for column, value in row.items() if column != OTHER})
            for row in (row for row in few.rows if row.get(OTHER)):
                hidden = [each for each in rest if each["window"] == row["window"]]
                assert row["events"] == sum(each["events"] for each in hidden)
                rest = [each for each in rest if each not in hidden]
            assert rest == []
            if few.metric == "all" and few.by and not few.expired:
                assert len({tuple(repr(row[name]) for name in few.by) for row in kept}) <= 2
