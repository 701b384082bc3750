"""The local stack, with everything that it is made of."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from crossfoot.cli import main
from crossfoot.cli.commands import COMMANDS
from crossfoot.dev.parts import BIGTABLE, KAFKA, PUBSUB
from crossfoot.dev.producer import begun_of
from crossfoot.dev.stack import Stack, Wishes
from crossfoot.generate import blocks
from crossfoot.query.ledger import accounts_of
from crossfoot.stores.embedded import EmbeddedStore
from tests.services.parts import part

TOTAL = 5_000
VICTIMS = ("run", "relay", "preprocess", "produce", "broker")


class Local:
    """A stack in a folder, with what tests ask of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.stack = Stack(folder, frozenset(command.name for command in COMMANDS))

    def up(self, total: int = TOTAL, **wishes) -> dict[str, int]:
        """Process by part."""
        self.stack.up(Wishes(rate=10_000, total=total, **wishes))
        return self.pids()

    def pids(self) -> dict[str, int]:
        return {line.name: line.pid for line in self.stack.status() if line.pid}

    def states(self) -> dict[str, str]:
        return {line.name: line.state for line in self.stack.status()}

    def totals(self) -> dict[str, int]:
        """The ledger of the store that is counted into."""
        store = self.stack.folder.store(self.stack.is_direct(self.stack.folder.chosen()))
        return dict(accounts_of(EmbeddedStore(store)).totals)

    def wait_until_counted(self, lines: int = TOTAL, *accounts: str, seconds: float = 120) -> None:
        """Until these accounts, or all together, hold so many."""

        def is_so() -> bool:
            return sum(n for name, n in self.totals().items() if not accounts or name in accounts) >= lines

        run = self.stack.processes.known("run")
        assert run
        self.stack.processes.wait_until(run, is_so, seconds)

    def lines(self) -> int:
        """How many the topic holds."""
        (line,) = [line for line in self.stack.status() if line.name == "produce"]
        return int(line.detail.split()[0].replace(",", ""))

    def distinct(self, lines: int = TOTAL) -> int:
        """Events that the producer's lines are, by their ids."""
        begun = begun_of(self.stack.folder)
        assert begun
        made = b"".join(blocks(lines, begun.workload)).splitlines()
        return len({json.loads(line)["id"] for line in made})


@pytest.fixture(autouse=True)
def parts() -> None:
    for wanted in (KAFKA, PUBSUB):
        part(wanted)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    made = Local(tmp_path / "a stack")
    yield made
    if made.stack.folder.exists():
        made.stack.down()


def test_what_is_produced_is_counted(local, capsys):
    """By whatever services exist: every event once, every line in an account."""
    local.up()
    local.wait_until_counted()
    totals = local.totals()
    assert totals["counted"] == local.distinct()
    assert totals["counted"] + totals["duplicate"] == sum(totals.values()) == TOTAL
    assert main(["dev", "status", "--folder", local.folder]) == 0
    assert f"{TOTAL:,} records" in capsys.readouterr().out


def test_up_again_and_killed_parts(local, capsys):
    """What runs is left alone; what died is shown, and started again; nothing is lost, nothing is counted twice."""
    first = local.up(direct=True, total=300_000)
    assert local.up(direct=True, total=300_000) == first
    total = local.lines() + 30_000
    for name in ("run", "produce", "broker", "pubsub"):
        local.stack.processes.kill(name)
    assert main(["dev", "status", "--folder", local.folder]) == 1
    assert "produce: " in capsys.readouterr().out
    assert {local.states()[name] for name in first} == {"died"}
    second = local.up(direct=True, total=total)
    assert not set(first.values()) & set(second.values())
    local.wait_until_counted(total)
    assert local.totals()["counted"] == local.distinct(total)
    assert sum(local.totals().values()) == total


@pytest.mark.parametrize("kills", [6, pytest.param(500, marks=pytest.mark.campaign)])
def test_whoever_is_killed_nothing_is_lost(local, kills):
    """One or several parts of the whole way, at moments that a seed chooses, while events come: each is counted once.

    The emulator of Pub/Sub is left alone: what it has taken is in its memory only.
    """
    chance, wishes, killed = Random(kills), Wishes(rate=100, total=100 * kills), 0
    while killed < kills:
        local.stack.up(wishes)
        for name in chance.sample(VICTIMS, chance.randint(1, len(VICTIMS))):
            if running := local.stack.processes.known(name):
                running.wait(chance.uniform(0, 0.5))
                local.stack.processes.kill(name)
                killed += 1
    local.stack.up(wishes)
    wanted = local.distinct(100 * kills)
    # The producer still has lines to send: all of them together take it a second for each kill.
    local.wait_until_counted(wanted, "counted", seconds=120 + kills)
    totals = local.totals()
    assert totals["counted"] == wanted
    assert totals["counted"] + totals["duplicate"] == sum(totals.values())


def test_down_is_quick_and_leaves_the_data(local, capsys):
    """All processes have ended within ten seconds, also one that does not listen; the count goes on at the next up."""
    pids = local.up(direct=True)
    local.wait_until_counted()
    began = time.monotonic()
    assert main(["dev", "down", "--folder", local.folder]) == 0
    assert time.monotonic() - began < 10
    assert [pid for pid in pids.values() if Path(f"/proc/{pid}").exists()] == []
    assert local.totals()["counted"] == local.distinct()
    local.up(direct=True, total=TOTAL + 5000)
    local.wait_until_counted(TOTAL + 5000)
    assert local.totals()["counted"] == local.distinct(TOTAL + 5000)
    assert main(["dev", "down", "--purge", "--folder", local.folder]) == 0
    assert not Path(local.folder).exists()


def test_the_bigtable_emulator_comes_by_a_switch(local):
    """And is in the way of nothing else; without a rate nothing is produced."""
    part(BIGTABLE)
    local.stack.up(Wishes(rate=0, with_bigtable=True, direct=True))
    assert local.states() == {"broker": "running", "pubsub": "running", "bigtable": "running", "run": "running"}
