"""A run whose disk is full: one clear line, nothing acknowledged that is not on disk, and it goes on afterwards."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from crossfoot.errors import ServiceError
from tests.archives import assert_recount_agrees
from tests.counting import CLICKS, click, lines
from tests.crash.processes import call, start
from tests.crash.test_places import limited
from tests.sockets import connect

SOCKET = (
    CLICKS.replace("{files: clicks.jsonl, format: json}", "{socket: in.sock}").replace(
        "received: none", "received: ingest"
    )
    + "accept: {lateness: 40000d}\n"
)
QUICK = {"CROSSFOOT_EPOCH_SECONDS": "0.02"}
# The log is one file up to here, and the largest of all.
LARGE = {**QUICK, "CROSSFOOT_LOG_SEGMENT_BYTES": "1G"}


def send_until_refused(folder: Path) -> int:
    """Batches of ten clicks, until one is not acknowledged; how many clicks were."""
    acknowledged = 0
    with suppress(ServiceError), connect(folder / "in.sock") as client:
        while True:
            client.send(click(acknowledged + number) for number in range(10))
            acknowledged += 10
    return acknowledged


def counted(folder: Path) -> dict[str, int]:
    code, out, _ = call(folder, "ledger", "--format", "json")
    assert code == 0
    found = json.loads(out)
    assert found["unaccounted"] == 0
    return found


@pytest.mark.parametrize("more", ["", "archive: {}\n"], ids=["log", "log and archive"])
def test_an_acknowledged_event_survives_a_full_disk(more, tmp_path):
    """Our own log, or the archive, has no room: exit code 5, and the next run counts what was acknowledged."""
    (tmp_path / "clicks.yaml").write_text(SOCKET + more)
    child = start(tmp_path, "run", "clicks.yaml", environment=LARGE, preexec_fn=limited(40_000))
    acknowledged = send_until_refused(tmp_path)
    _, error = child.communicate(timeout=60)
    assert child.returncode == 5, error
    assert [line.partition(": ")[0] for line in error.decode().splitlines()] == ["error", "next"], error
    assert b"error: cannot write " in error
    assert acknowledged > 0
    assert call(tmp_path, "run", "clicks.yaml", "--once", environment=LARGE)[0] == 0
    assert acknowledged <= counted(tmp_path)["counted"] <= acknowledged + 10
    if more:
        assert_recount_agrees(tmp_path)


@pytest.mark.parametrize("size", [2_000, 6_000, 20_000])
def test_files_whose_archive_has_no_room(size, tmp_path):
    """The epoch is not committed either: the next run has both."""
    (tmp_path / "clicks.yaml").write_text(CLICKS + "archive: {}\n")
    (tmp_path / "clicks.jsonl").write_bytes(lines(click(number) for number in range(500)))
    small = {"CROSSFOOT_BLOCK_BYTES": "2K", "CROSSFOOT_COMMIT_BYTES": "4K"}
    code, _, error = call(tmp_path, "run", "clicks.yaml", environment=small, before=limited(size))
    assert (code, len(error)) == (5, 2), error
    assert error[0].startswith("error: cannot ")
    assert call(tmp_path, "run", "clicks.yaml", environment=small)[0] == 0
    assert counted(tmp_path)["counted"] == 500
    assert_recount_agrees(tmp_path)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 64 KiB at `out`."""
    folder = tmp_path / "out"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"a file system cannot be mounted here: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_parquet_sink_without_room_harms_nothing(small_disk, tmp_path):
    """Everything is counted, the summary says how far the sink is; with room again it gets what it lacks."""
    (tmp_path / "clicks.yaml").write_text(CLICKS + "sinks: [{parquet: out}]\n")
    (tmp_path / "clicks.jsonl").write_bytes(lines(click(number) for number in range(500)))
    (small_disk / "filler").write_bytes(bytes(60 << 10))
    code, out, _ = call(
        tmp_path, "run", "clicks.yaml", "--format", "json", environment={"CROSSFOOT_SINK_WAIT_SECONDS": "5"}
    )
    said = json.loads(out)
    assert (code, said["counted"]) == (0, 500)
    assert "No space left on device" in said["hints"][0]
    (small_disk / "filler").unlink()
    code, out, _ = call(tmp_path, "run", "clicks.yaml", "--format", "json")
    assert (code, json.loads(out)["hints"]) == (0, [])
    assert list(small_disk.rglob("*.parquet")) != []
    assert list(small_disk.rglob("*.new")) == []
