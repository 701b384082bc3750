"""Stores where they cannot be, or may not be used."""

import os
import re
import resource
from pathlib import Path

import pytest

from crossfoot.definition.load import load_text
from crossfoot.engines.embedded import EmbeddedEngine
from tests.counting import lines
from tests.crash.processes import DEFINITION, SMALL, call, prepare, records, state


def refused(told: tuple[int, str, list[str]], message: str, hint: str) -> None:
    """Exit code 5, one line for what is wrong, one for the next step."""
    code, _, error = told
    assert code == 5, error
    assert len(error) == 2, error
    assert re.search(f"^error: .*{message}", error[0]), error
    assert re.search(f"^next: .*{hint}", error[1]), error


def limited(size: int):
    """As on a full disk: no file of the child grows beyond `size` bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("size", [0, 1_000, 5_000, 20_000])
def test_a_full_disk(size, tmp_path):
    """No space is one clear line; with space again the numbers are right."""
    prepare(tmp_path)
    told = call(tmp_path, "run", "clicks.yaml", environment=SMALL, before=limited(size))
    refused(told, "cannot ", "free some space")
    assert call(tmp_path, "run", "clicks.yaml", environment=SMALL)[0] == 0
    (tmp_path / "twin").mkdir()
    call(prepare(tmp_path / "twin"), "run", "clicks.yaml")
    assert state(tmp_path) == state(tmp_path / "twin")


def test_a_full_disk_later(tmp_path):
    """What was committed before the disk was full stays readable."""
    prepare(tmp_path)
    assert call(tmp_path, "run", "clicks.yaml", "--input", "part-0.jsonl")[0] == 0
    before = state(tmp_path)
    refused(call(tmp_path, "run", "clicks.yaml", before=limited(3_000)), "cannot ", "free some space")
    assert state(tmp_path)["totals"]["counted"] >= before["totals"]["counted"]
    assert call(tmp_path, "run", "clicks.yaml")[0] == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere; the test below stands in")
def test_a_folder_that_may_not_be_written(tmp_path):
    """A read-only folder is one clear line."""
    prepare(tmp_path)
    (tmp_path / "locked").mkdir(mode=0o500)
    refused(call(tmp_path, "run", "clicks.yaml", "--store", "locked/store"), "locked/store", "make the folder writable")


@pytest.mark.parametrize("place", ["clicks.yaml/store", "/proc/self/crossfoot-store"])
def test_a_place_where_no_folder_can_be(place, tmp_path):
    """A file in the way, or a file system that takes nothing."""
    refused(call(prepare(tmp_path), "run", "clicks.yaml", "--store", place), "cannot create ", "")


def test_a_store_without_write_permission_is_readable(tmp_path):
    """Questions need no right to write."""
    prepare(tmp_path)
    call(tmp_path, "run", "clicks.yaml")
    files = [tmp_path / ".crossfoot", *(tmp_path / ".crossfoot").iterdir()]
    for path in files:
        path.chmod(0o500 if path.is_dir() else 0o400)
    code, out, error = call(tmp_path, "query", "totals", "--format", "ndjson")
    (tmp_path / ".crossfoot").chmod(0o700)
    assert (code, error, '"clicks": ' in out) == (0, [], True)


@pytest.fixture
def held(tmp_path: Path):
    """A store with data that this process holds."""
    prepare(tmp_path)
    call(tmp_path, "run", "clicks.yaml")
    engine = EmbeddedEngine(tmp_path / ".crossfoot", load_text(DEFINITION))
    yield tmp_path
    engine.abandon()


def test_a_second_process_is_told_who_holds_the_store(held):
    """One process writes; the second is told which one."""
    refused(call(held, "run", "clicks.yaml"), f"is held by process {os.getpid()}", "wait for it or stop it")


@pytest.mark.parametrize("command", [["query", "totals"], ["ledger"], ["verify"], ["top", "clicks", "--by", "page"]])
def test_reading_works_while_another_process_counts(held, command):
    """No question ever fails with `locked`."""
    assert call(held, *command)[0] == 0


def test_a_store_of_another_definition(tmp_path):
    """A store goes on only under the definition that made it."""
    prepare(tmp_path)
    call(tmp_path, "run", "clicks.yaml")
    other = DEFINITION.replace("slowest: max(ms)", "slowest: min(ms)")
    (tmp_path / "other.yaml").write_text(other)
    before = state(tmp_path)
    refused(call(tmp_path, "run", "other.yaml"), "was made with another definition", "crossfoot plan")
    assert state(tmp_path) == before


@pytest.mark.parametrize("command", [["run", "clicks.yaml"], ["query", "totals"], ["ledger"], ["verify"]])
@pytest.mark.parametrize(("other", "age"), [(3, "newer"), (1, "older")])
def test_a_store_of_another_version(other, age, command, tmp_path):
    """A format that this version does not know is left alone."""
    prepare(tmp_path)
    call(tmp_path, "run", "clicks.yaml")
    manifest = tmp_path / ".crossfoot" / "MANIFEST"
    manifest.write_text(manifest.read_text().replace('"format":2,', f'"format":{other},', 1))
    told = manifest.read_bytes()
    refused(call(tmp_path, *command), f"has format {other}, {age} than 2", f"{age} crossfoot")
    assert manifest.read_bytes() == told


@pytest.mark.parametrize("name", ["MANIFEST", "HEAD", "cells-*", "ids-*", "journal-*"])
def test_a_damaged_file_is_named(name, tmp_path):
    """A changed byte is found where it is, and nothing is counted on top of it."""
    prepare(tmp_path)
    call(tmp_path, "run", "clicks.yaml")
    (tmp_path / "part-3.jsonl").write_bytes(lines(records(50)))
    assert call(tmp_path, "run", "clicks.yaml", environment={"CROSSFOOT_CRASH": "checkpoint.journal:1"})[0] == -9
    path = next(path for path in (tmp_path / ".crossfoot").glob(name) if path.stat().st_size)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    code, out, error = call(tmp_path, "verify")
    assert code in (1, 5)
    assert path.name in out + "".join(error)


def test_a_folder_that_is_no_store(tmp_path):
    """A folder with other things in it is not taken for a store by questions."""
    refused(call(tmp_path, "query", "totals", "--store", "."), "there is no store in", "crossfoot run")
