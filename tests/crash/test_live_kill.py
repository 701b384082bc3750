"""A live run that is killed at any moment: what was acknowledged is counted once, what was written to a file too."""

import random
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from crossfoot.archive.parts import parts_of
from crossfoot.archive.reading import rows
from crossfoot.errors import ServiceError
from crossfoot.log.log import Log
from crossfoot.query.ledger import accounts_of
from crossfoot.sources.own_log import folder_name
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.testing.clocks import ManualClock
from tests.archives import assert_recount_agrees
from tests.counting import CLICKS, click, lines
from tests.crash.processes import call, start
from tests.sockets import connect

SMALL = {
    "CROSSFOOT_EPOCH_SECONDS": "0.01",
    "CROSSFOOT_IDLE_SECONDS": "0.02",
    "CROSSFOOT_LOG_SEGMENT_BYTES": "4K",
    "CROSSFOOT_ARCHIVE_SEGMENT_BYTES": "8K",
    "CROSSFOOT_CHECKPOINT_BYTES": "16K",
}
SOCKET = (
    CLICKS.replace("{files: clicks.jsonl, format: json}", "{socket: in.sock}").replace(
        "received: none", "received: ingest"
    )
    + "accept: {lateness: 40000d}\narchive: {keep: 30d}\n"
)
FOLLOW = (
    CLICKS.replace("{files: clicks.jsonl, format: json}", '{files: ["*.jsonl", "old-*"], follow: true}')
    + "archive: {}\n"
)
BATCH = 5


def totals(folder: Path) -> dict[str, int]:
    accounts = accounts_of(EmbeddedStore(folder / ".crossfoot"))
    assert accounts.unaccounted == 0
    return {name: records for name, records in accounts.totals.items() if records}


class Sender(threading.Thread):
    """Sends batches until the other side has gone; a batch that was not answered is sent again next time."""

    def __init__(self, folder: Path, first: int, step: int) -> None:
        super().__init__(daemon=True)
        self.folder, self.seq, self.step = folder, first, step
        self.answered = 0

    def run(self) -> None:
        try:
            with connect(self.folder / "in.sock") as client:
                while True:
                    client.send(click(self.seq + number * self.step) for number in range(BATCH))
                    self.seq += BATCH * self.step
                    self.answered += 1
        except ServiceError:
            return


def kill_while_sending(folder: Path, seqs: list[int], moments: random.Random) -> int:
    child = start(folder, "run", "clicks.yaml", environment=SMALL)
    senders = [Sender(folder, seq, len(seqs)) for seq in seqs]
    for sender in senders:
        sender.start()
    wanted = moments.randrange(5, 60)
    while sum(sender.answered for sender in senders) < wanted:
        senders[0].join(0.002)
        assert child.poll() is None
    child.kill()
    child.communicate()
    for sender in senders:
        sender.join(30)
    seqs[:] = [sender.seq for sender in senders]
    return sum(sender.answered for sender in senders)


@pytest.mark.parametrize("seed", range(2))
def test_a_socket_whose_reader_is_killed(seed, tmp_path):
    """Every acknowledged event is counted exactly once; one that was not acknowledged, once at most."""
    (tmp_path / "clicks.yaml").write_text(SOCKET)
    moments, seqs = random.Random(seed), [0, 1, 2]
    answered = sum(kill_while_sending(tmp_path, seqs, moments) for _ in range(4))
    code, _, error = call(tmp_path, "run", "clicks.yaml", "--once", environment=SMALL)
    assert (code, error) == (0, [])
    found = totals(tmp_path)
    assert set(found) <= {"counted", "duplicate"}
    assert answered * BATCH <= found["counted"] <= (answered + len(seqs)) * BATCH
    log = Log(tmp_path / ".crossfoot" / "log" / folder_name("socket:in.sock"), ManualClock())
    assert sum(found.values()) == log.end
    assert archived(tmp_path) == list(range(log.end))
    assert_recount_agrees(tmp_path)
    assert call(tmp_path, "verify")[0] == 0


def archived(folder: Path) -> list[int]:
    """The positions of the records that the archive has, in its order."""
    found = rows(parts_of(folder / ".crossfoot"))
    return [row["position"] for row in found if row["kind"] == "record"]


@pytest.mark.parametrize("seed", range(2))
def test_followed_files_whose_reader_is_killed(seed, tmp_path):
    """Growing, renamed and new files: every line is counted once, wherever the kill falls."""
    (tmp_path / "clicks.yaml").write_text(FOLLOW)
    moments, seq = random.Random(seed), 0
    for turn in range(6):
        child = start(tmp_path, "run", "clicks.yaml", environment=SMALL)
        for _ in range(moments.randrange(2, 12)):
            seq = write_some(tmp_path, seq, moments, turn)
        if moments.random() < 0.8:
            wait_for_epoch(tmp_path, child)
        child.send_signal(signal.SIGKILL)
        child.communicate()
    code, _, error = call(tmp_path, "run", "clicks.yaml", "--once", environment=SMALL)
    assert code == 0, error
    assert totals(tmp_path) == {"counted": seq}
    assert_recount_agrees(tmp_path)


def write_some(folder: Path, seq: int, moments: random.Random, turn: int) -> int:
    """Lines in pieces that are cut anywhere; now and then a rotation, at a line's end."""
    name = moments.choice(["a.jsonl", f"new-{turn}.jsonl"])
    count = moments.randrange(1, 30)
    data = lines(click(seq + number) for number in range(count))
    cut = moments.randrange(len(data))
    for piece in (data[:cut], data[cut:]):
        with (folder / name).open("ab") as file:
            file.write(piece)
    if name == "a.jsonl" and moments.random() < 0.2:
        (folder / name).rename(folder / f"old-{seq}")
    return seq + count


def wait_for_epoch(folder: Path, child: subprocess.Popen) -> None:
    manifest = folder / ".crossfoot" / "MANIFEST"
    while not manifest.exists():
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.005)
