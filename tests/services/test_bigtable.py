"""A real Bigtable emulator: the sink of a run, an export, the questions, and what is missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
import warnings
from datetime import timedelta
from typing import Any

import pytest

from crossfoot.cli import main
from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import EmbeddedEngine
from crossfoot.errors import DataError, ServiceError, StoreError
from crossfoot.query.client import Store
from crossfoot.services.export import export
from crossfoot.settings import Settings
from crossfoot.stores.bigtable_rows import FAMILY, Cell, Row
from crossfoot.stores.bigtable_table import HOST, GoogleTable, TableName
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.testing.clocks import ManualClock
from tests.backfilling import ARCHIVED, build
from tests.bigtables import catch_up, read
from tests.counting import CLICKS, NOW_US, click, clicks_engine, count, count_records, feed
from tests.real.data import edits
from tests.real.test_wikipedia import DEFINITION
from tests.services.pausing import pause, resume
from tests.unit.sinks.folding import queried


@pytest.fixture
def emulator(bigtable, monkeypatch):
    """Google's client finds it by a variable."""
    monkeypatch.setenv(HOST, bigtable.address)
    return bigtable


def admin(name: TableName) -> Any:
    from google.cloud.bigtable import Client

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Client(project=name.project, admin=True).instance(name.instance).table(name.table)


def make(families: dict[str, Any] | None = None, name: TableName | None = None) -> TableName:
    """A table, with a family that keeps four versions."""
    from google.cloud.bigtable.column_family import MaxVersionsGCRule

    name = name or TableName("test", "instance", f"t-{uuid.uuid4().hex[:8]}")
    admin(name).create(column_families={FAMILY: MaxVersionsGCRule(4)} if families is None else families)
    return name


@pytest.fixture
def table(emulator):
    made = GoogleTable(make(), timeout_s=10)
    yield made
    made.close()


def test_a_run_with_the_sink_and_the_questions(tmp_path, emulator):
    """By the command's own way: what the definition names is fed, and answers as the store does."""
    name = make()
    sink = f"sinks: [{{bigtable: {{project: {name.project}, instance: {name.instance}, table: {name.table}}}}}]\n"
    count_records(tmp_path, [click(1), click(2, page=None), click(3, page="ß\u0000é\U0001f4a1", paid=None)])
    (tmp_path / "store").rename(tmp_path / "before")
    count(tmp_path, CLICKS + sink)
    opened = GoogleTable(name)
    assert queried(read(opened)) == queried(tmp_path / "store")
    opened.close()


def test_versions_decide_and_not_the_order_of_writes(tmp_path, table):
    """An older version that is written after a newer one is not seen; nor is one that is not whole."""
    with clicks_engine(tmp_path / "store") as engine:
        feed(engine, click(1), click(2, page="b"))
        catch_up(engine.path, table)
        old = list(table.read([(b"", b"\xff")]))
        feed(engine, click(3))
        catch_up(engine.path, table)
        assert table.write(old) == []
        assert queried(read(table)) == queried(engine.path)


def test_a_table_that_goes_and_comes_again_gets_everything(tmp_path, table):
    """In between it is said what is missing."""
    store = count_records(tmp_path, [click(1)])
    catch_up(store, table)
    admin(table.name).delete()
    with pytest.raises(DataError, match="there is no such table: bigtable:test/instance/"):
        catch_up(store, table)
    make(name=table.name)
    catch_up(store, table, now_us=2)
    assert queried(read(table)) == queried(store)


def test_what_is_missing_is_said_before_anything_is_written(emulator, tmp_path):
    """A table, a family, versions."""
    from google.cloud.bigtable.column_family import MaxAgeGCRule, MaxVersionsGCRule

    store = count_records(tmp_path, [click(1)])
    age = MaxAgeGCRule(timedelta(days=1))
    for families, said in (
        ({"other": MaxVersionsGCRule(4)}, "has no column family c"),
        ({FAMILY: age}, "removes cells of the family c by age"),
        ({FAMILY: MaxVersionsGCRule(1)}, "keeps one version of a cell"),
    ):
        made = GoogleTable(make(families))
        with pytest.raises(DataError, match=said):
            catch_up(store, made)
        assert list(made.read([(b"", b"\xff")])) == []
        made.close()
    with pytest.raises(DataError, match="there is no such table"):
        catch_up(store, GoogleTable(TableName("test", "instance", "nowhere")))


def test_a_service_that_does_not_answer_may_come_back(monkeypatch, tmp_path):
    """It is tried again later; counting goes on."""
    monkeypatch.setenv(HOST, "127.0.0.1:1")
    store = count_records(tmp_path, [click(1)])
    with pytest.raises(ServiceError, match="does not answer"):
        GoogleTable(TableName("test", "instance", "t"), timeout_s=1).row(b"k")
    assert EmbeddedStore(store).meta["epoch"]


@pytest.fixture
def wikipedia(tmp_path):
    """Edits of a day; 15-minute windows, days of a zone, nulls, titles of every script."""
    engine = EmbeddedEngine(tmp_path / "store", load_text(DEFINITION))
    engine.register(["edits"])
    engine.feed("edits", b"\n".join(edits()) + b"\n", NOW_US)
    engine.commit()
    engine.close()
    return engine.path


def test_wikipedia_is_the_same_cell_by_cell(wikipedia, table):
    """Exported by the service; every table, conditions, coarser grains, and the facts."""
    moved = export((wikipedia, wikipedia), str(table.name), Settings(), {}, ManualClock(1))
    assert moved.refused == 0
    ours, theirs = read(table), Store.open(wikipedia)
    assert len(queried(ours)) == moved.cells
    assert queried(ours) == queried(theirs)
    for question in (
        {"by": ["page"], "grain": "1h", "where": "page = 'Jeremy Corbyn'"},
        {"by": ["channel"], "grain": "1d America/Los_Angeles", "where": "robot"},
        {"by": ["country"], "grain": "15m", "where": "country is null", "since": "2015-09-12T10:00Z"},
        {"grain": "6h", "until": "2015-09-12T18:00Z"},
    ):
        mine, other = ours.query("edits", **question), theirs.query("edits", **question)
        assert len(mine)
        assert (mine.table, mine.facts) == (other.table, other.facts)


def test_the_commands_take_a_table_for_a_store(wikipedia, table, monkeypatch, capsys):
    """query, top and ledger print the same as of the folder."""
    monkeypatch.setenv("CROSSFOOT_CONNECT_SECONDS", "10")
    assert main(["export", "--store", str(wikipedia), "--to", str(table.name)]) == 0
    capsys.readouterr()
    for words in (
        ["query", "edits", "--by", "channel,robot", "--format", "ndjson"],
        ["top", "edits", "--by", "page"],
        ["ledger", "--format", "json"],
    ):
        said = []
        for store in (str(table.name), str(wikipedia)):
            assert main([*words, "--store", store]) == 0
            said.append(capsys.readouterr().out)
        assert said[0] == said[1]


def test_an_export_that_is_killed_is_run_again(wikipedia, table, tmp_path):
    """No reader takes what it left for a store; then everything is there."""
    words = [sys.executable, "-m", "crossfoot", "export", "--store", str(wikipedia), "--to", str(table.name)]
    running = subprocess.Popen(words)
    while not any(True for _ in table.read([(b"0", b"g")])):
        assert running.poll() is None
    running.kill()
    assert running.wait() == -signal.SIGKILL
    with pytest.raises(StoreError, match="no store was written to"):
        read(table)
    assert subprocess.run(words, check=False).returncode == 0
    assert queried(read(table)) == queried(wikipedia)


def test_a_table_loses_the_cells_of_a_superseded_generation(tmp_path, table, monkeypatch):
    """Cut off in the middle: it answers as before; then as the generation in force does."""
    records = [click(n, page=f"p{n % 50}", got="2015-09-12T10:00:01Z") for n in range(200)]
    store = count_records(tmp_path, records, ARCHIVED)
    catch_up(store, table)
    before = queried(store)
    build(tmp_path, ARCHIVED.replace("  clicks:\n", "  clicks:\n    where: page > 'p2'\n"))
    with monkeypatch.context() as patched:
        patched.setattr("crossfoot.sinks.bigtable.BigtableWriter.commit", killed)
        with pytest.raises(KeyboardInterrupt):
            catch_up(store, table)
    assert queried(read(table)) == before
    catch_up(store, table)
    assert queried(read(table)) == queried(store) != before


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_doctor_looks_at_the_table(emulator, tmp_path, capsys):
    """There, and then with a family that does not do."""
    for families, state in ((None, "ok"), ({}, "missing")):
        name = make(families)
        sink = f"sinks: [{{bigtable: {{project: {name.project}, instance: {name.instance}, table: {name.table}}}}}]\n"
        (tmp_path / "clicks.jsonl").touch()
        (tmp_path / "clicks.yaml").write_text(CLICKS + sink)
        main(["doctor", str(tmp_path / "clicks.yaml"), "--format", "json"])
        found = {each["what"]: each for each in json.loads(capsys.readouterr().out)}
        assert found[str(name)]["state"] == state
        assert found["google-cloud-bigtable"]["needed"]


@pytest.mark.skipif(not os.environ.get("CROSSFOOT_TEST_BIGTABLE"), reason="names no table of a project")
def test_a_real_table_answers_as_the_store_does(wikipedia):
    """An empty table with a family `c`; it holds the edits afterwards."""
    real = GoogleTable(TableName.of(os.environ["CROSSFOOT_TEST_BIGTABLE"]))
    catch_up(wikipedia, real)
    assert queried(read(real)) == queried(wikipedia)
    real.close()


def test_a_reader_that_takes_its_time_gets_each_row_once(emulator, monkeypatch):
    """The limit is that of a pause: a whole answer may take as long as it likes, in whatever ranges."""
    table, asked = GoogleTable(make(), timeout_s=0.5), []
    read_rows = table._table.read_rows_stream
    counted = lambda query, **given: asked.append(query) or read_rows(query, **given)  # noqa: E731
    monkeypatch.setattr(table._table, "read_rows_stream", counted)
    keys = [b"a%02d" % number for number in range(40)]
    GoogleTable(table.name).write([Row(key, [Cell("c", 1, bytes(100_000))]) for key in keys])
    ranges = [(b"a30", b"b"), (b"a00", b"a10"), (b"a10", b"a25"), (b"a5", b"a4")]
    read = []
    for row in table.read(ranges):
        time.sleep(0.1)
        read.append(row.key)
    assert read == [*keys[:25], *keys[30:]]
    assert len(asked) > 1


def test_a_reader_of_a_table_that_has_fallen_silent_is_told(lone_bigtable, monkeypatch):
    """It does not wait for an hour."""
    emulator, pid = lone_bigtable
    monkeypatch.setenv(HOST, emulator.address)
    name = make()
    table = GoogleTable(name, timeout_s=2)
    table.write([Row(b"a", [Cell("c", 1, b"")])])
    assert [row.key for row in table.read([(b"a", b"b")])] == [b"a"]
    pause(pid)
    began = time.monotonic()
    with pytest.raises(ServiceError, match="does not answer"):
        list(table.read([(b"a", b"b")]))
    assert time.monotonic() - began < 30
    resume(pid)
