"""Apache Beam on this machine, a real Bigtable emulator: the same cells as the embedded engine's."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import suppress
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest

from crossfoot.definition.load import load_text
from crossfoot.errors import StoreError
from crossfoot.event import PositionedRecord
from crossfoot.query.ledger import accounts_of
from crossfoot.stores.bigtable import BigtableStore
from crossfoot.stores.bigtable_table import HOST, TableName
from crossfoot.stores.embedded import EmbeddedStore
from tests.counting import count
from tests.needs import shared_data
from tests.preparing import prepare, step
from tests.real.test_wikipedia import DEFINITION
from tests.services.beaming import Beam, make_table, opened, sink_of
from tests.services.relaying import PROJECT
from tests.services.relaying import Place as PubSubPlace
from tests.unit.sinks.folding import queried

RUN = ("-m", "crossfoot", "beam", "run")


@pytest.fixture
def beam(bigtable, monkeypatch, tmp_path):
    """Beam's environment, whose workers find the emulator."""
    monkeypatch.setenv(HOST, bigtable.address)
    return Beam(tmp_path)


@pytest.mark.parametrize("runner", ["prism", "direct"])
def test_files_are_counted_as_by_the_embedded_engine(beam, tmp_path, runner):
    """Edits of Wikipedia on four shards: every cell, every account, and that nothing more will come."""
    data, table = shared_data("wikipedia-edits") / "wikiticker-2015-09-12-sampled.json.gz", make_table()
    (tmp_path / "beam.yaml").write_text(DEFINITION + sink_of(table), "utf-8")
    beam.count(tmp_path / "beam.yaml", "--input", str(data), "--runner", runner, "--prism", beam.prism)
    count(tmp_path, DEFINITION, [str(data)])
    assert queried(opened(table)) == queried(tmp_path / "store")
    found, expected = accounts_of(BigtableStore.open(str(table))), accounts_of(EmbeddedStore(tmp_path / "store"))
    assert (found.records, found.totals, found.unaccounted) == (expected.records, expected.totals, 0)
    assert found.digests == expected.digests


CLICKS = """
crossfoot: 1
namespace: {name}
source: {source}
event:
  time: {{field: at, unit: ms}}
  received: {received}
  id: id
  fields:
    page: {{path: page, type: text}}
    who: {{path: who, type: integer}}
    paid: {{path: paid, type: decimal(2)}}
accept: {{lateness: 1h, future: 1m{transport}}}
metrics:
  clicks:
    by: [[], [page]]
    measures: {{clicks: count, paid: sum(paid), least: min(paid), people: distinct(who)}}
    grains: [1m, 1h, all]
"""


def clicks(number: int, seed: int = 7) -> list[dict[str, Any]]:
    """Events of the last minutes by their time of receipt: 8 % copies, some late, some ahead of their time."""
    random, now_ms, made = Random(seed), time.time_ns() // 10**6, []
    for place in range(number):
        if made and random.random() < 0.08:
            made.append(random.choice(made[-5_000:]) | {"got": now_ms - 600_000 + place})
            continue
        got = now_ms - 600_000 + place
        moved = random.choices((0, -3_700_000, 120_000), (0.96, 0.02, 0.02))[0]
        event = {"id": f"e{place}", "at": got + moved - random.randrange(2_000), "got": got, "page": f"p{place % 50}"}
        made.append(event | {"who": random.randrange(300), "paid": f"{random.randrange(10_000) / 100:.2f}"})
    return made


class Clicks:
    """The same events for both: as lines of a file, and as blocks in a subscription."""

    def __init__(self, folder: Path, address: str, number: int) -> None:
        self.folder, self.place, self.table = folder, PubSubPlace(address), make_table()
        self.lines = [json.dumps(event).encode() for event in clicks(number)]
        self.raw = self._text("{files: [clicks.jsonl]}", "{field: got, unit: ms}", "")
        (folder / "clicks.jsonl").write_bytes(b"\n".join(self.lines) + b"\n")
        source = f"{{pubsub: {{project: {PROJECT}, subscription: {self.place.name}}}, format: prepared}}"
        self.definition = folder / "beam.yaml"
        self.definition.write_text(self._text(source, "carried", ", transport: 7d") + sink_of(self.table), "utf-8")
        made = step(load_text(self.raw), form="block", block_bytes=20_000)
        self.messages = prepare(made, [PositionedRecord(line, at) for at, line in enumerate(self.lines)]).messages

    def _text(self, source: str, received: str, transport: str) -> str:
        return CLICKS.format(name=self.place.name, source=source, received=received, transport=transport)

    def assert_counted(self, records: int) -> None:
        """Every cell as the embedded engine has it, and every delivery in an account."""
        count(self.folder, self.raw)
        store = EmbeddedStore(self.folder / "store")
        assert queried(opened(self.table)) == queried(self.folder / "store")
        found, expected = accounts_of(BigtableStore.open(str(self.table))), accounts_of(store)
        assert (found.records, found.unaccounted) == (records, 0)
        assert found.digests["counted"] == expected.digests["counted"]
        assert expected.totals["too_late"] and expected.totals["future"] and expected.totals["duplicate"]


def until_counted(process: subprocess.Popen[str], table: TableName, records: int) -> None:
    """The pipeline has written out so many records; then it is asked to end."""
    while True:
        with suppress(StoreError):
            if accounts_of(BigtableStore.open(str(table))).records >= records:
                break
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
            raise AssertionError((process.stderr or StringIO()).read())
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said


@pytest.mark.parametrize("runner", ["prism", "direct"])
def test_a_subscription_is_counted_as_the_file(beam, pubsub, tmp_path, runner):
    """Blocks of events with copies, late ones and some ahead of their time, each message published twice."""
    events = Clicks(tmp_path, pubsub.address, 20_000)
    events.place.publish(*events.messages, *reversed(events.messages))
    beam.settings |= {"PUBSUB_EMULATOR_HOST": pubsub.address}
    process = beam.start(*RUN, str(events.definition), "--runner", runner, "--prism", beam.prism)
    until_counted(process, events.table, 2 * len(events.lines))
    events.assert_counted(2 * len(events.lines))
