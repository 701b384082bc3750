"""Golden folders on Prism, from the Pub/Sub emulator into the Bigtable emulator, with the workers killed once.

All folders are one job: each has a subscription, steps and a table of its own. Prism ends a job when its worker dies,
and its state ends with it; the job begins again with empty tables and with all messages.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from typing import Any

import pytest

from crossfoot.dev.broker import free_ports
from crossfoot.query.ledger import accounts_of
from crossfoot.stores.bigtable import BigtableStore
from crossfoot.stores.protocol import Scan
from tests.golden import folders
from tests.golden.answers import table_answer
from tests.golden.carried import carried, expected_of
from tests.golden.test_carried import CHOSEN, form_of
from tests.services.beaming import Beam, make_table, until
from tests.services.relaying import Place
from tests.shards import bytes_of, tables_of

SOME = (
    "carried-in-any-order",
    "conflicts",
    "copies-across-partitions",
    "decimals-half-even",
    "future-edge",
    "late-event-corrects-every-grain",
    "midnight-that-came-twice",
)
"""A later copy, a late event, one ahead of its time, several partitions; numbers and zones."""


class OneFolder:
    """A folder's messages in two subscriptions, each message twice; the second is for the second job."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self.golden = name, folders.read(folders.HOME / name)
        self._made = carried(self.golden, form_of(name))
        self.expected = expected_of(self.golden, self._made)
        self.place, self.table = Place(address), make_table()
        self.subscriptions = [self.place.name, self.place.also()]
        messages = self._made.messages
        self.place.publish(*messages, *reversed(messages))

    def said(self) -> str:
        """A table that holds nothing, and a subscription that nobody has read."""
        self.table = make_table()
        return f"{self.name}={self.subscriptions.pop(0)}={self.table}"

    @property
    def records(self) -> int:
        return sum(self.expected[1].values())

    def found(self) -> Any:
        store = BigtableStore.open(str(self.table))
        totals = Counter[str]()
        for row in accounts_of(store).rows:
            reason = "" if row["account"] == "duplicate" else row["reason"]
            totals[" ".join(filter(None, (row["account"], reason, row["part"])))] += row["records"]
        cells = tables_of(Asked(store), self._made.definition)
        return [table_answer(table) for table in cells], dict(totals)


class Asked:
    """A table of Bigtable, asked as the core's readers are."""

    def __init__(self, store: BigtableStore) -> None:
        self._store = store
        self.expired = store.expired

    def scan(self, request_json: str) -> bytes:
        return bytes_of(self._store.scan(Scan(**json.loads(request_json))))


def begin(beam: Beam, each: list[OneFolder]) -> tuple[Any, Any]:
    """A job with workers of its own."""
    port = free_ports(0)[0]
    workers = beam.workers(port)
    said = [one.said() for one in each]
    return workers, beam.start("-m", "tests.services.beam_golden", beam.prism, f"localhost:{port}", *said)


CASES = [
    pytest.param(SOME, id="some"),
    pytest.param([folder.name for folder in CHOSEN], id="all", marks=pytest.mark.campaign),
]


@pytest.mark.parametrize("names", CASES)
def test_folders_come_out_the_same_with_their_workers_killed(beam, pubsub, names):
    """Cells and accounts, each message delivered twice."""
    each = [OneFolder(name, pubsub.address) for name in names]
    workers, job = begin(beam, each)
    until(job, each[0].table, 1)
    os.killpg(workers.pid, signal.SIGKILL)
    _, said = job.communicate(timeout=120)
    assert (job.returncode, "failed" in said) == (1, True), said

    workers, job = begin(beam, each)
    for one in each:
        until(job, one.table, one.records)
    assert {one.name: one.found() for one in each} == {one.name: one.expected for one in each}
