"""The law of partial values: those of the parts of a stream add up to the answers of the whole."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.errors import StoreError
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.stores.partials import GROUP, PARTIAL, WINDOW, scan_partials, scan_prefix
from crossfoot.stores.protocol import Scan
from tests.counting import CLICKS, NOW_US, click, lines

EVERY_MEASURE = CLICKS.replace(
    "{clicks: count, paid: sum(paid), ms: sum(ms), slowest: max(ms), mean: mean(ms)}",
    """
      clicks: count
      rated: count(ratio)
      paid: sum(paid)
      cheapest: min(paid)
      ms: sum(ms)
      slowest: max(ms)
      mean: mean(paid)
      least: min(ratio)
      few: distinct(ms, exact=1000)
      many: distinct(ms, exact=2)
      middle: quantile(ms, 0.5)
      ratio: quantile(ratio, 0.9)""",
).replace("ms: {path: ms, type: integer}", "ms: {path: ms, type: integer}\n    ratio: {path: ratio, type: float}")
EVENT = st.fixed_dictionaries(
    {
        "page": st.sampled_from(["a", "null", "", "ß\u0000é", "\U0001f4a1", None]),
        "country": st.sampled_from(["FR", None]),
        "paid": st.none() | st.integers(-(10**17), 10**17).map(lambda cents: f"{cents // 100}.{cents % 100:02d}"),
        "ms": st.none() | st.integers(-(2**63), 2**63 - 1),
        "ratio": st.none() | st.floats(-1e9, 1e9),
        "at": st.sampled_from(["2015-10-24T22:30:00Z", "2015-10-25T00:30:00Z", "2015-10-25T23:00:00Z"]),
    }
)


@contextmanager
def stores(parts: list[list[dict[str, object]]], text: str = EVERY_MEASURE) -> Iterator[list[EmbeddedStore]]:
    """A store for each part, some of it in segments, some in journals."""
    with tempfile.TemporaryDirectory() as folder:
        made = []
        for number, part in enumerate(parts):
            engine = EmbeddedEngine(Path(folder) / str(number), load_text(text))
            engine.register(["p"])
            for half in (part[::2], part[1::2]):
                engine.feed("p", lines(half), NOW_US)
                engine.commit()
                if not number % 2:
                    engine.checkpoint()
            engine.abandon()
            made.append(EmbeddedStore(engine.path, (0, 0)))
        yield made


def partials(shards: list[EmbeddedStore], table: tuple[int, int, int]) -> pa.Table:
    parts = [part for shard in shards for part in shard.changed_partials(*table)]
    names = [WINDOW, GROUP, PARTIAL]
    empty = pa.schema([(WINDOW, pa.int64()), (GROUP, pa.binary()), (PARTIAL, pa.binary())]).empty_table()
    return pa.concat_tables([empty, *(part.select(names) for part in parts)])


def scans(plan: dict) -> Iterator[Scan]:
    """Every stored table as it is, and one in other windows, by fewer dimensions, under a condition."""
    for metric, declared in enumerate(plan["metrics"]):
        for by, dims in enumerate(declared["sets"]):
            for grain in range(len(declared["grains"])):
                yield Scan(metric, by, grain, tuple(range(len(dims))))
    day = plan["metrics"][0]["grains"][2]
    yield Scan(0, 0, 0, (1,), into=day)
    yield Scan(0, 0, 1, (), where=["and", ["eq", ["field", 0], ["text", "null"]], ["eq", ["field", 1], ["text", "FR"]]])
    yield Scan(0, 1, 1, (0,), where=["eq", ["field", 0], ["text", "ß\u0000é"]], since_us=1_445_731_200_000_000)


@given(parts=st.lists(st.lists(EVENT, max_size=12), min_size=1, max_size=3))
def test_partials_of_parts_are_the_whole(parts):
    """Every measure, every set and grain: sums beyond 64 bits, decimals, floats, members, sketches, nulls."""
    numbered = [
        [click(0, **event) | {"seq": n + 100 * at} for n, event in enumerate(part)] for at, part in enumerate(parts)
    ]
    whole = [event for part in numbered for event in part]
    with stores([*numbered, whole]) as (*shards, single):
        plan = single.meta["plan"]
        for scan in scans(plan):
            found = scan_partials(plan, scan, partials(shards, (scan.metric, scan.set, scan.grain)))
            assert shown(found) == shown(single.scan(scan)), scan


def shown(table: pa.Table) -> tuple[pa.Schema, dict[str, list[object]]]:
    """A quantile of few values is exact."""
    return table.schema, table.to_pydict()


def test_sketches_of_parts_agree_within_their_error():
    """HyperLogLog and quantiles of many values: 20,000 events in two shards against one."""
    events = [click(n, page="a", country=None, ms=n, ratio=n / 7) for n in range(20_000)]
    with stores([events[::2], events[1::2]]) as shards:
        plan = shards[0].meta["plan"]
        row = scan_partials(plan, Scan(0, 2, 1), partials(shards, (0, 2, 1))).to_pylist()[0]
    assert row["clicks"] == 20_000
    assert abs(row["many"] - 20_000) < 20_000 * 0.05
    assert abs(row["middle"] - 10_000) < 20_000 * 0.0165


def test_groups_are_in_the_order_of_their_values():
    """Nulls first, numbers by size, texts by their bytes."""
    events = [click(n, page=page, country=None) for n, page in enumerate([None, "b", "a", "", "a\u0000", "aa", "é"])]
    with stores([events], CLICKS) as (store,):
        found = partials([store], (0, 1, 2)).append_column(
            "page", pa.concat_tables(store.changed_partials(0, 1, 2))["page"]
        )
    assert found.sort_by(GROUP)["page"].to_pylist() == [None, "", "a", "a\u0000", "aa", "b", "é"]


@pytest.mark.parametrize(
    ("where", "is_whole"),
    [(["eq", ["field", 0], ["text", "a"]], False), (["eq", ["field", 1], ["text", "FR"]], False), (None, False)],
)
def test_a_prefix_holds_every_cell_of_the_answer(where, is_whole):
    """What a condition fixes is how the groups of the answer begin."""
    events = [
        click(n, page=page, country=country)
        for n, (page, country) in enumerate([("a", "FR"), ("a", None), ("b", "FR")])
    ]
    with stores([events], CLICKS) as (store,):
        scan = Scan(0, 0, 0, (0, 1), where=where)
        prefix, found_whole = scan_prefix(store.meta["plan"], scan)
        rows = partials([store], (0, 0, 0))
        kept = pa.Table.from_pylist([row for row in rows.to_pylist() if row[GROUP].startswith(prefix)], rows.schema)
        assert scan_partials(store.meta["plan"], scan, kept).equals(store.scan(scan))
    assert found_whole == is_whole


def test_a_prefix_of_all_dimensions_is_the_only_group():
    """Then one series is read, not a range of groups."""
    with stores([[click(1)]], CLICKS) as (store,):
        both = ["and", ["eq", ["field", 0], ["text", "a"]], ["eq", ["field", 1], ["text", "FR"]]]
        found = scan_prefix(store.meta["plan"], Scan(0, 0, 0, where=both))
        assert found == (partials([store], (0, 0, 0))[GROUP][0].as_py(), True)


def test_a_form_that_is_not_known_is_refused():
    """Partial values of a newer version are not guessed at."""
    with stores([[click(1)]], CLICKS) as (store,):
        rows = partials([store], (0, 0, 0))
        newer = rows.set_column(2, PARTIAL, pa.array([b"\x63" + rows[PARTIAL][0].as_py()[1:]]))
        with pytest.raises(StoreError, match="of a form that this build does not know: 99"):
            scan_partials(store.meta["plan"], Scan(0, 0, 0), newer)
