"""Followed files: what grows is counted, whatever happens to the names."""

import gzip
import os

import pytest

from crossfoot.errors import CallError
from tests.counting import CLICKS, STAMPED, click, lines
from tests.live import LiveRun

FOLLOW = CLICKS.replace("{files: clicks.jsonl, format: json}", '{files: "*.jsonl", format: json, follow: true}')


@pytest.fixture
def run(tmp_path) -> LiveRun:
    return LiveRun(tmp_path, FOLLOW)


def add(run: LiveRun, *seqs: int, name: str = "a.jsonl", raw: bytes = b"") -> None:
    with (run.folder / name).open("ab") as file:
        file.write(lines(map(click, seqs)) + raw)


def bytes_of(run: LiveRun) -> dict[str, int]:
    return {name: part["bytes"] for name, part in run.partitions().items()}


def live(run: LiveRun) -> dict[str, bool]:
    return {name: part["live"] for name, part in run.partitions().items()}


def test_what_is_appended_is_counted(run):
    """Nobody has to ask for it."""
    add(run, 1)
    counted = run.run(lambda: 1, lambda: add(run, 2, 3) or 3)
    assert counted == {"counted": 3}
    assert live(run) == {"a.jsonl": True}


def test_a_later_run_goes_on(run):
    """At the byte where the store stands."""
    add(run, 1, 2)
    run.run(lambda: 2)
    add(run, 2, 3)
    assert run.run(lambda: 2) == {"counted": 1, "duplicate": 1}
    assert run.partitions()["a.jsonl"]["records"] == 4


def test_a_half_written_line_waits_for_its_end(run):
    """Also over a restart."""
    half = lines([click(2)])
    add(run, 1, raw=half[:10])
    assert run.run(lambda: 1) == {"counted": 1}
    assert run.run(lambda: add(run, raw=half[10:]) or 1) == {"counted": 1}


def test_files_that_appear_join(run):
    """Each in an epoch of its own; an empty one waits for its first line."""
    add(run, 1)
    (run.folder / "c.jsonl").touch()
    counted = run.run(lambda: 1, lambda: add(run, 2, name="b.jsonl") or 2, lambda: add(run, 3, name="c.jsonl") or 3)
    assert counted == {"counted": 3}
    assert run.notes == ["files: new partitions: b.jsonl", "files: new partitions: c.jsonl"]


def test_no_file_yet_is_no_error(run):
    """It is looked for again."""
    assert run.run(lambda: add(run, 1) or 1) == {"counted": 1}
    assert run.notes[0] == "no file matches *.jsonl; it is looked for again"


def test_a_folder_is_followed(tmp_path):
    """Every file below it."""
    (tmp_path / "logs" / "deep").mkdir(parents=True)
    run = LiveRun(tmp_path, FOLLOW.replace('"*.jsonl"', "logs"))
    add(run, 1, name="logs/a")
    assert run.run(lambda: 1, lambda: add(run, 2, name="logs/deep/b") or 2) == {"counted": 2}
    assert set(live(run)) == {"logs/a", "logs/deep/b"}


def rotate(run: LiveRun, to: str = "a.jsonl.1") -> None:
    (run.folder / "a.jsonl").rename(run.folder / to)


def test_a_rotated_file_is_read_to_its_end(run):
    """What its writer still appended is counted; the new file is a partition of its own."""
    add(run, 1)

    def turn() -> int:
        add(run, 2)
        rotate(run)
        add(run, 3, name="a.jsonl.1", raw=lines([click(4)])[:-1])
        add(run, 5)
        return 5

    assert run.run(lambda: 1, turn) == {"counted": 5}
    assert live(run) == {"a.jsonl": False, "a.jsonl@2": True}
    assert bytes_of(run)["a.jsonl"] == (run.folder / "a.jsonl.1").stat().st_size


def test_a_file_that_is_renamed_within_the_pattern_stays_what_it_is(tmp_path):
    """It is the same file."""
    run = LiveRun(tmp_path, FOLLOW.replace('"*.jsonl"', '"a.jsonl*"'))
    add(run, 1)
    run.run(lambda: 1, lambda: (rotate(run), add(run, 2)) and 2, lambda: add(run, 3, name="a.jsonl.1") or 3)
    assert live(run) == {"a.jsonl": True, "a.jsonl@2": True}
    add(run, 4, name="a.jsonl.1")
    assert run.run(lambda: add(run, 5) or 2) == {"counted": 2}
    assert {name: part["records"] for name, part in run.partitions().items()} == {"a.jsonl": 3, "a.jsonl@2": 2}


def test_a_file_that_was_rotated_while_nobody_looked_is_read_to_its_end(run):
    """It is found by its inode beside where it was."""
    add(run, 1)
    run.run(lambda: 1)
    add(run, 2)
    rotate(run)
    add(run, 3)
    assert run.run(lambda: lambda: not live(run)["a.jsonl"]) == {"counted": 2}
    assert set(live(run)) == {"a.jsonl", "a.jsonl@2"}


def test_a_file_that_was_deleted_while_nobody_looked_is_finished(run):
    """Nothing waits for it."""
    add(run, 1)
    add(run, 2, name="b.jsonl")
    run.run(lambda: 2)
    (run.folder / "a.jsonl").unlink()
    run.run(lambda: add(run, 3, name="b.jsonl") or 1)
    assert live(run) == {"a.jsonl": False, "b.jsonl": True}
    assert any(note.startswith("a.jsonl is gone") for note in run.notes)


def test_a_file_that_is_deleted_is_read_to_its_end(run):
    """Its last line needs no newline then."""
    add(run, 1)

    def delete() -> int:
        add(run, 2, raw=lines([click(3)])[:-1])
        (run.folder / "a.jsonl").unlink()
        return 3

    assert run.run(lambda: 1, delete) == {"counted": 3}
    assert live(run) == {"a.jsonl": False}


@pytest.mark.parametrize("more", [(), (7, 8, 9)])
def test_a_truncated_file_is_another_partition(run, more):
    """Whether it is shorter than what was read, or has grown beyond that again."""
    add(run, 1, 2)

    def truncate() -> int:
        os.truncate(run.folder / "a.jsonl", 0)
        add(run, 3, *more)
        return 3 + len(more)

    assert run.run(lambda: 2, truncate) == {"counted": 3 + len(more)}
    assert live(run) == {"a.jsonl": False, "a.jsonl@2": True}
    assert any("a.jsonl was " in note and "a partition of its own" in note for note in run.notes)


def test_a_file_that_was_truncated_while_nobody_looked_is_another_partition(run):
    """Its bytes are others."""
    add(run, 1, 2)
    run.run(lambda: 2)
    os.truncate(run.folder / "a.jsonl", 0)
    add(run, 3)
    assert run.run(lambda: 1) == {"counted": 1}
    assert live(run) == {"a.jsonl": False, "a.jsonl@2": True}


def test_a_replaced_file_is_another_partition(run):
    """As editors and atomic writers do it."""
    add(run, 1)

    def replace() -> int:
        add(run, 2, 3, name="draft")
        (run.folder / "draft").rename(run.folder / "a.jsonl")
        return 3

    assert run.run(lambda: 1, replace) == {"counted": 3}
    assert live(run)["a.jsonl@2"]


def test_a_file_that_comes_back_is_read_from_where_it_was_finished(run):
    """It is known by its inode and bytes."""
    add(run, 1)

    def away() -> object:
        rotate(run, "elsewhere")
        return lambda: not live(run)["a.jsonl"]

    def back() -> int:
        rotate_back = run.folder / "elsewhere"
        rotate_back.rename(run.folder / "a.jsonl")
        add(run, 2)
        return 2

    assert run.run(lambda: 1, away, back) == {"counted": 2}
    assert set(live(run)) == {"a.jsonl"}


def test_once_counts_what_is_there(run):
    """A half-written line is left for later."""
    add(run, 1, 2, raw=b'{"seq"')
    assert run.run(once=True) == {"counted": 2}


def test_packed_files_are_not_followed(tmp_path):
    """They do not grow."""
    run = LiveRun(tmp_path, FOLLOW.replace('"*.jsonl"', '"*"'))
    (run.folder / "old.gz").write_bytes(gzip.compress(lines([click(9)])))
    add(run, 1)
    assert run.run(lambda: 1) == {"counted": 1}
    assert "old.gz is packed: it is not followed" in run.notes


def test_a_line_over_the_limit_is_measured(tmp_path):
    """As in any other file."""
    run = LiveRun(tmp_path, FOLLOW + "limits: {record_bytes_max: 200}\n")
    add(run, 1)
    counted = run.run(lambda: 1, lambda: add(run, raw=b"x" * 500 + b"\n") or 2, lambda: add(run, 2) or 3)
    assert counted == {"counted": 2, "malformed": 1}


def test_a_file_at_its_end_moves_the_clock(tmp_path):
    """It is idle; one that ends inside of a line is not."""
    text = STAMPED.replace("{files: clicks.jsonl, format: json}", "{files: a.jsonl, format: json, follow: true}")
    run = LiveRun(tmp_path, text)
    (run.folder / "a.jsonl").write_bytes(lines([{**click(1), "got": "2015-09-12T10:00:00Z"}]))
    now = 1_700_000_000_000_000
    run.run(lambda: 1, lambda: lambda: run.states[-1].clock_us > now)
    assert run.states[-1].watermark_us > now - 3_700_000_000


def test_two_sources_do_not_read_the_same_file(tmp_path):
    """It would be counted by both."""
    two = "[{files: a.jsonl, follow: true, name: one}, {files: '*.jsonl', follow: true, name: two}]"
    run = LiveRun(tmp_path, FOLLOW.replace('{files: "*.jsonl", format: json, follow: true}', two))
    add(run, 1)
    with pytest.raises(CallError, match=r"one and two both read a\.jsonl"):
        run.run(lambda: 1)


def test_whole_files_are_counted_beside_followed_ones(tmp_path):
    """They are finished at their end; a later run leaves them alone."""
    two = "[{files: a.jsonl, follow: true, name: one}, {files: whole.jsonl, name: two}]"
    run = LiveRun(tmp_path, FOLLOW.replace('{files: "*.jsonl", format: json, follow: true}', two))
    add(run, 1)
    add(run, 2, 3, name="whole.jsonl")
    assert run.run(lambda: 3) == {"counted": 3}
    assert live(run) == {"a.jsonl": True, "whole.jsonl": False}
    assert run.run(lambda: add(run, 4) or 1) == {"counted": 1}
