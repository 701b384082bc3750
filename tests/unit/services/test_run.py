"""The counting loop over files."""

import gzip
import io
import json
import os
import tarfile
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from crossfoot.clock import SystemClock
from crossfoot.errors import CallError, DataError, DefinitionError, StoreError
from crossfoot.services.run import DamagedInputsError
from crossfoot.services.watch import Watch
from crossfoot.settings import Settings
from crossfoot.sources import reading
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.testing.clocks import ManualClock
from tests.counting import CLICKS, STAMPED, click, count, lines, stop_in_an_archive

PACK = {"a.jsonl": bytes, "a.jsonl.gz": gzip.compress}
ANYWHERE = CLICKS.replace("files: clicks.jsonl", 'files: "*.jsonl*"')


def write(path: Path, *records) -> Path:
    path.write_bytes(lines(records))
    return path


def append(path: Path, *records) -> None:
    path.write_bytes(path.read_bytes() + lines(records))


def partitions(folder: Path) -> dict[str, dict]:
    return {known["name"]: known for known in EmbeddedStore(folder / "store").meta["partitions"]}


def test_records_are_counted_once(tmp_path):
    """A run says what each record became."""
    write(tmp_path / "clicks.jsonl", click(1), click(2), click(1), b"nonsense\n", click(3, at="x"))
    summary = count(tmp_path)
    assert {name: number for name, number in summary.totals.items() if number} == {
        "counted": 2,
        "duplicate": 1,
        "invalid": 1,
        "malformed": 1,
    }
    assert summary.unaccounted == 0
    assert summary.outcome.records == 5


def test_a_second_run_counts_nothing_again(tmp_path):
    """Files that did not change are not read into any account."""
    write(tmp_path / "clicks.jsonl", click(1), click(2))
    first = count(tmp_path)
    second = count(tmp_path)
    assert (second.outcome.records, second.outcome.unchanged, second.epoch) == (0, 1, first.epoch)


def test_a_second_run_counts_what_was_appended(tmp_path):
    """A file that grew is continued at its position."""
    path = write(tmp_path / "clicks.jsonl", click(1))
    count(tmp_path)
    append(path, click(2), click(1))
    summary = count(tmp_path)
    assert (summary.outcome.accounts["counted"], summary.outcome.accounts["duplicate"]) == (1, 1)
    assert partitions(tmp_path)["clicks.jsonl"]["records"] == 3


def test_a_last_line_without_newline_is_counted(tmp_path):
    """The end of the file ends its last line, and what is appended later begins a new one."""
    path = tmp_path / "clicks.jsonl"
    path.write_bytes(lines([click(1)]).rstrip(b"\n"))
    assert count(tmp_path).totals == {"counted": 1}
    path.write_bytes(path.read_bytes() + b"\n" + lines([click(2)]))
    assert count(tmp_path).totals == {"counted": 2}


@pytest.mark.parametrize("name", PACK)
def test_a_last_line_that_goes_on_is_refused(name, tmp_path):
    """It was counted as it stood; the rest of it is no record, and nothing is counted on top of it."""
    path = tmp_path / name
    whole = lines([click(1), click(22)])
    path.write_bytes(PACK[name](whole[:-30]))
    assert count(tmp_path, ANYWHERE).totals == {"counted": 1, "malformed": 1}
    before = partitions(tmp_path)
    path.write_bytes(PACK[name](whole + lines([click(3)])))
    with pytest.raises(DataError, match=r"the last line of .* was counted as it stood, and goes on now") as told:
        count(tmp_path, ANYWHERE)
    assert "follow: true" in (told.value.hint or "")
    assert partitions(tmp_path) == before


def test_new_files_join(tmp_path):
    """A file that appears later is counted by the next run."""
    write(tmp_path / "a.jsonl", click(1))
    count(tmp_path, ANYWHERE)
    write(tmp_path / "b.jsonl", click(1), click(2))
    summary = count(tmp_path, ANYWHERE)
    assert summary.outcome.joined == ("b.jsonl",)
    assert summary.totals == {"counted": 2, "duplicate": 1}


def test_an_old_file_that_joins_late_is_too_late_and_the_summary_says_why(tmp_path):
    """A joining partition begins at the store's clock, so its old events are refused."""
    stamped = STAMPED.replace("files: clicks.jsonl", 'files: "*.jsonl"')
    write(tmp_path / "b.jsonl", click(1, at="2015-09-12T20:00:00Z", got="2015-09-12T20:00:01Z"))
    count(tmp_path, stamped)
    write(tmp_path / "a.jsonl", click(2, got="2015-09-12T10:00:01Z"))
    summary = count(tmp_path, stamped)
    assert summary.outcome.accounts["too_late"] == 1
    assert "a.jsonl joined a store that was running already" in summary.hints[0]


def test_an_empty_file_is_final(tmp_path):
    """Nothing is a whole input, too."""
    write(tmp_path / "clicks.jsonl")
    assert count(tmp_path).outcome.records == 0
    assert EmbeddedStore(tmp_path / "store").meta["final"]


def test_stopping_leaves_a_state_that_goes_on(tmp_path):
    """What was read before the stop is committed; the next run reads the rest, once."""
    write(tmp_path / "clicks.jsonl", *(click(number) for number in range(1000)))
    small = Settings(block_bytes=1000)
    first = count(tmp_path, settings=small, watch=Watch(stop=lambda: True))
    assert first.outcome.stopped
    assert 0 < first.totals["counted"] < 1000
    assert not EmbeddedStore(tmp_path / "store").meta["final"]
    assert count(tmp_path, settings=small).totals == {"counted": 1000}
    assert EmbeddedStore(tmp_path / "store").meta["final"]


def test_epochs_are_written_by_time(tmp_path):
    """However little was read, an epoch is written when its time has come."""
    clock = ManualClock(0)
    write(tmp_path / "clicks.jsonl", *(click(number) for number in range(100)))
    watch = Watch(clock=clock, state=lambda _: clock.advance(10))
    by_time = count(tmp_path, watch=watch, settings=Settings(block_bytes=1000, commit_seconds=5))
    assert by_time.epoch > 5


def test_epochs_are_written_by_size(tmp_path):
    """However little time has passed, an epoch is written when enough was read."""
    write(tmp_path / "clicks.jsonl", *(click(number) for number in range(100)))
    by_size = count(tmp_path, settings=Settings(block_bytes=1000, commit_bytes=2000))
    assert by_size.epoch > 3


def test_progress_is_told(tmp_path):
    """Who looks on sees how much of the input was read."""
    write(tmp_path / "clicks.jsonl", *(click(number) for number in range(100)))
    seen = []
    count(tmp_path, watch=Watch(state=seen.append), settings=Settings(block_bytes=1000))
    assert seen[-1].read_bytes == seen[-1].total_bytes == (tmp_path / "clicks.jsonl").stat().st_size


def test_a_damaged_file_costs_only_its_end(tmp_path):
    """What comes before the damage, and every other file, is counted; the error comes last."""
    packed = gzip.compress(lines(click(number) for number in range(500)), mtime=0)
    (tmp_path / "a.jsonl.gz").write_bytes(packed[:-20])
    write(tmp_path / "b.jsonl", click(1000))
    with pytest.raises(DamagedInputsError, match=r"a.jsonl.gz is damaged at unpacked byte \d+") as caught:
        count(tmp_path, ANYWHERE)
    counted = caught.value.summary.totals["counted"]
    assert 1 < counted < 501
    assert EmbeddedStore(tmp_path / "store").meta["final"] is False


def test_a_repaired_file_is_continued(tmp_path):
    """After the repair the rest is counted, and nothing twice."""
    packed = gzip.compress(lines(click(number) for number in range(500)), mtime=0)
    (tmp_path / "a.jsonl.gz").write_bytes(packed[:-20])
    with pytest.raises(DamagedInputsError):
        count(tmp_path, ANYWHERE)
    (tmp_path / "new").write_bytes(packed)
    (tmp_path / "new").replace(tmp_path / "a.jsonl.gz")
    summary = count(tmp_path, ANYWHERE)
    assert summary.totals == {"counted": 500}
    assert EmbeddedStore(tmp_path / "store").meta["final"]


def test_a_rewritten_file_changes_nothing(tmp_path):
    """A file with other bytes than were counted is an error before anything is counted."""
    path = write(tmp_path / "clicks.jsonl", click(1), click(2))
    epoch = count(tmp_path).epoch
    write(path, click(7), click(8), click(9))
    with pytest.raises(DataError, match=r"clicks.jsonl was rewritten since it was counted"):
        count(tmp_path)
    assert EmbeddedStore(tmp_path / "store").meta["epoch"] == epoch


def test_an_archive_goes_on_behind_a_member_that_was_finished(tmp_path):
    """Stopped in the second one, the next run reads the rest of it."""
    first = stop_in_an_archive(tmp_path)
    assert first.outcome.stopped
    assert 1 < first.totals["counted"] < 3000
    assert not partitions(tmp_path)["a.tar!one"]["live"]
    assert count(tmp_path, inputs=["a.tar"]).totals == {"counted": 3000}


class Piped:
    """Standard input that stays open. `stop` is true once the store shows so many records, or at once."""

    def __init__(self, folder: Path, *records, until: int = 0) -> None:
        end, self._begin = os.pipe()
        self._folder, self._until = folder, until
        self.stdin = io.FileIO(end)
        os.write(self._begin, lines(records))

    def shown(self) -> int:
        store = self._folder / "store"
        return sum(known["records"] for known in partitions(self._folder).values()) if store.exists() else 0

    def count(self, text: str = CLICKS):
        watch = Watch(clock=SystemClock(), stop=lambda: self.shown() >= self._until)
        settings = Settings(commit_seconds=0.2)
        with self.stdin:
            try:
                return count(self._folder, text, inputs=["-"], stdin=self.stdin, watch=watch, settings=settings)
            finally:
                os.close(self._begin)


@pytest.mark.parametrize("number", [1, 3, 500])
def test_what_has_come_is_committed_while_a_stream_gives_nothing(number, tmp_path):
    """However little it is; a wish to stop is heard, and the same stream given again goes on behind it."""
    records = [click(seq) for seq in range(number)]
    outcome = Piped(tmp_path, *records, b'{"seq": 9', until=number).count().outcome
    assert (outcome.stopped, outcome.accounts["counted"], outcome.records) == (True, number, number)
    again = count(tmp_path, inputs=["-"], stdin=io.BytesIO(lines([*records, click(9999)])))
    assert (again.outcome.accounts["counted"], again.outcome.records, len(partitions(tmp_path))) == (1, 1, 1)


def test_rows_that_have_come_are_committed_while_a_stream_gives_nothing(tmp_path):
    """A header alone does not make a stream known."""
    text = CLICKS.replace("format: json", "format: csv")
    rows = [b"seq,at,page\n", b"1,2015-09-12T10:00:00Z,a\n"]
    outcome = Piped(tmp_path, *rows, until=1).count(text).outcome
    assert (outcome.stopped, outcome.accounts["counted"]) == (True, 1)
    again = io.BytesIO(b"".join([*rows, b"2,2015-09-12T10:00:00Z,a\n"]))
    assert count(tmp_path, text, inputs=["-"], stdin=again).outcome.records == 1


@pytest.mark.parametrize("begun", [[], [b'{"seq": 1']])
def test_a_stream_that_gives_nothing_can_be_stopped(begun, tmp_path):
    """Nothing is known of it then, and the next one is a stream of its own."""
    outcome = Piped(tmp_path, *begun).count().outcome
    assert (outcome.stopped, outcome.partitions, outcome.records) == (True, 0, 0)
    assert count(tmp_path, inputs=["-"], stdin=io.BytesIO(lines([click(1)]))).totals == {"counted": 1}


MANY = tuple(click(number) for number in range(1000))


@pytest.mark.parametrize("name", PACK)
def test_a_file_rewritten_in_its_middle_is_noticed(name, tmp_path):
    """The same length, first and last bytes: the bytes between are read again, as the file was touched."""
    path = tmp_path / name
    path.write_bytes(PACK[name](lines(MANY)))
    count(tmp_path, ANYWHERE)
    path.write_bytes(PACK[name](lines((*MANY[:500], MANY[501], MANY[500], *MANY[502:]))))
    with pytest.raises(DataError, match=rf"{name} was rewritten since it was counted: other bytes before byte \d+"):
        count(tmp_path, ANYWHERE)
    assert partitions(tmp_path)[name]["records"] == 1000


@pytest.mark.parametrize("part", [False, True])
def test_a_file_that_took_its_place_is_compared_whole(part, tmp_path):
    """It is longer, its first and last bytes are those that were counted, all or a part of them: its inode tells."""
    path = write(tmp_path / "clicks.jsonl", *MANY)
    goes_on = iter([True] * 40)
    small = Settings(block_bytes=1 << 10, commit_bytes=1 << 11)
    outcome = count(tmp_path, settings=small, watch=Watch(stop=lambda: part and not next(goes_on, False))).outcome
    assert outcome.stopped == part
    write(tmp_path / "new", *MANY[:100], MANY[101], MANY[100], *MANY[102:], click(1000)).replace(path)
    with pytest.raises(DataError, match=r"clicks.jsonl was rewritten since it was counted: other bytes before"):
        count(tmp_path)
    write(tmp_path / "new", *MANY, click(1000)).replace(path)
    assert count(tmp_path).totals == {"counted": 1001}


def test_a_copy_is_compared_once(tmp_path, monkeypatch):
    """A file that was put back, and counted, is a file that grows, as before."""
    path = write(tmp_path / "clicks.jsonl", *MANY)
    count(tmp_path)
    write(tmp_path / "new", *MANY, click(1000)).replace(path)
    assert count(tmp_path).totals == {"counted": 1001}
    append(path, click(1001))
    monkeypatch.setattr(reading, "skip", lambda *_: pytest.fail("read from its beginning"))
    assert count(tmp_path).totals == {"counted": 1002}


def test_a_table_rewritten_in_its_middle_is_noticed(tmp_path):
    """Rows that were counted are compared, also when the file grew."""
    rows = [f"{number},2024-05-01T10:00:00Z,home\n" for number in range(1000)]
    path = tmp_path / "clicks.csv"
    path.write_text("seq,at,page\n" + "".join(rows))
    assert count(tmp_path, CSV).outcome.records == 1000
    path.write_text("seq,at,page\n" + "".join((*rows[:500], rows[501], rows[500], *rows[502:], rows[0])))
    with pytest.raises(DataError, match=r"clicks.csv was rewritten"):
        count(tmp_path, CSV)


CSV = CLICKS.replace("files: clicks.jsonl, format: json", "files: clicks.csv, format: csv")
PARQUET = CSV.replace("csv", "parquet")
PAGE = "    page: {path: page, type: text}\n"


def write_table(path: Path, rows: list[tuple[int, str]]) -> None:
    """Clicks with a column that the definition may read or not, and more of them than one block holds."""
    if path.suffix == ".csv":
        text = "".join(f"{number},2024-05-01T10:00:00Z,home,{more}\n" for number, more in rows)
        path.write_text("seq,at,page,more\n" + text)
        return
    numbers, more = zip(*rows, strict=True)
    columns = {"seq": numbers, "at": ["2024-05-01T10:00:00Z"] * len(rows), "page": ["home"] * len(rows), "more": more}
    pa.parquet.write_table(pa.table(columns), path, row_group_size=100)


@pytest.mark.parametrize("text", [CSV, PARQUET], ids=["csv", "parquet"])
def test_a_table_goes_on_under_a_definition_that_reads_other_columns(text, tmp_path):
    """What was counted of it is passed over, also by the runs after that one; and what is rewritten then is noticed."""
    path = tmp_path / ("clicks.csv" if text == CSV else "clicks.parquet")
    rows = [(seq, f"x{seq}") for seq in range(2000)]
    write_table(path, rows[:1000])
    assert count(tmp_path, text).totals == {"counted": 1000}
    text = text.replace(PAGE, f"    more: {{path: more, type: text}}\n{PAGE}")
    assert count(tmp_path, text).outcome.unchanged == 1
    for end in (1200, 1300, 1400):
        write_table(path, rows[:end])
        assert count(tmp_path, text).totals == {"counted": end}
    write_table(path, [*rows[:1399], (1399, "other"), *rows[1400:]])
    with pytest.raises(DataError, match=r"was rewritten .* other rows among the first 1400"):
        count(tmp_path, text)


def test_a_row_that_was_only_begun_is_told(tmp_path):
    """A table that was read while it was written is no rewritten one, and may not be counted on either."""
    path = tmp_path / "clicks.csv"
    path.write_text("seq,at,page\n1,2024-05-01T10:00:00Z,ho")
    assert count(tmp_path, CSV).totals == {"counted": 1}
    path.write_text("seq,at,page\n1,2024-05-01T10:00:00Z,home\n2,2024-05-01T10:00:00Z,home\n")
    with pytest.raises(DataError, match="or its last row was only begun then"):
        count(tmp_path, CSV)


@pytest.mark.parametrize("name", PACK)
def test_a_file_that_was_only_touched_is_read_once_more(name, tmp_path):
    """New times alone are no change, and the store keeps them."""
    path = tmp_path / name
    path.write_bytes(PACK[name](lines(MANY)))
    count(tmp_path, ANYWHERE)
    before = partitions(tmp_path)[name]
    os.utime(path, (1, 1))
    assert count(tmp_path, ANYWHERE).outcome.unchanged == 1
    after = partitions(tmp_path)[name]
    assert after["state"] != before["state"]
    assert after | {"state": before["state"]} == before


def test_an_unchanged_packed_file_is_not_unpacked(tmp_path, monkeypatch):
    """A second run knows it by its inode, size and times."""
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines(MANY)))
    with tarfile.open(tmp_path / "b.jsonl.tgz", "w:gz") as archive:
        archive.add(write(tmp_path / "one", click(1)), "one")
        archive.add(write(tmp_path / "two", click(2)), "two")
    count(tmp_path, ANYWHERE)
    monkeypatch.setattr(zlib, "decompressobj", lambda **_: pytest.fail("unpacked"))
    outcome = count(tmp_path, ANYWHERE).outcome
    assert (outcome.records, outcome.partitions, outcome.unchanged) == (0, 3, 3)


def test_a_long_line_of_blanks_is_passed_over(tmp_path):
    """White space is no record, however long, and the file is continued behind it."""
    path = write(tmp_path / "clicks.jsonl", click(1), b" \t" * 1_000_000 + b"\n", click(2))
    assert count(tmp_path).totals == {"counted": 2}
    append(path, click(3))
    assert count(tmp_path).totals == {"counted": 3}


def test_a_long_line_is_one_malformed_record(tmp_path):
    """A line over the limit is accounted for without being held."""
    write(tmp_path / "clicks.jsonl", click(1), b"x" * 3_000_000 + b"\n", click(2))
    summary = count(tmp_path)
    assert summary.totals == {"counted": 2, "malformed": 1}
    assert [(row.reason, row.records) for row in summary.refused] == [("size", 1)]


def test_a_binary_file_is_malformed_and_the_summary_asks(tmp_path):
    """Bytes that are no records end as malformed records, and a person is asked what they are."""
    (tmp_path / "clicks.jsonl").write_bytes(bytes(range(256)) * 50)
    summary = count(tmp_path)
    assert set(summary.totals) == {"malformed"}
    assert "every record of clicks.jsonl is malformed: is it really json?" in summary.hints


def test_a_record_without_an_account_shows(tmp_path, monkeypatch):
    """The summary compares positions with accounts: a record that is in none is seen."""
    write(tmp_path / "clicks.jsonl", click(1), b"?\n")
    whole = EmbeddedStore.accounts
    monkeypatch.setattr(EmbeddedStore, "accounts", lambda store: whole(store)[1:])
    assert count(tmp_path).unaccounted == 1


def test_inputs_replace_the_source(tmp_path):
    """What is named in the call is counted instead of the definition's source."""
    write(tmp_path / "other", click(1))
    assert count(tmp_path, inputs=["other"]).totals == {"counted": 1}


def test_no_source_and_no_input_is_a_wrong_call(tmp_path):
    """Without files there is nothing to count."""
    text = CLICKS.replace("source: {files: clicks.jsonl, format: json}\n", "")
    with pytest.raises(CallError, match="names no source"):
        count(tmp_path, text)


def test_missing_input_makes_no_store(tmp_path):
    """An input that is not there is an error before a store is made."""
    with pytest.raises(DataError, match=r"there is no file clicks.jsonl"):
        count(tmp_path)
    assert not (tmp_path / "store").exists()


def test_another_definition_is_refused(tmp_path):
    """A store is not continued under a definition that counts something else."""
    write(tmp_path / "clicks.jsonl", click(1))
    count(tmp_path)
    with pytest.raises(StoreError, match="made with another definition"):
        count(tmp_path, CLICKS.replace("clicks: count", "hits: count"))


def test_an_unfinished_partition_that_is_not_given_again_is_named(tmp_path):
    """A file that was begun and is not among the inputs holds the store open, and the summary says so."""
    write(tmp_path / "a.jsonl", *(click(number) for number in range(1000)))
    write(tmp_path / "b.jsonl", click(5000))
    count(tmp_path, inputs=["a.jsonl"], settings=Settings(block_bytes=1000), watch=Watch(stop=lambda: True))
    summary = count(tmp_path, inputs=["b.jsonl"])
    assert summary.outcome.absent == ("a.jsonl",)
    assert "a.jsonl was begun in an earlier run" in summary.hints[0]


def test_nothing_counted_is_explained(tmp_path):
    """If every record is refused for one reason, the summary says which."""
    write(tmp_path / "clicks.jsonl", *(click(number, at=5) for number in range(3)))
    assert "nothing was counted: 3 records are invalid (time: type)" in count(tmp_path).hints


def test_the_definition_is_kept_beside_the_store(tmp_path):
    """A store says what it was counted with."""
    write(tmp_path / "clicks.jsonl", click(1))
    count(tmp_path)
    assert "namespace: clicks" in (tmp_path / "store" / "definition.yaml").read_text()


def test_csv_counts_as_its_json_twin(tmp_path):
    """The same records as CSV and as JSON lines give the same cells."""
    write(tmp_path / "clicks.jsonl", click(1), click(2), click(1))
    header = "seq,at,page,country,paid,ms\n"
    row = '{},2015-09-12T10:00:00Z,"a",FR,0.1,5\n'
    (tmp_path / "clicks.csv").write_text(header + row.format(1) + row.format(2) + row.format(1))
    json_store = count(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "clicks.csv").rename(other / "clicks.csv")
    assert count(other, CSV).totals == json_store.totals
    tables = [json.dumps(_table(folder), default=str) for folder in (tmp_path, other)]
    assert tables[0] == tables[1]


def _table(folder: Path) -> list[dict]:
    from crossfoot.query.client import Store

    return Store.open(folder / "store").query("clicks", by=["page"], grain="1h").rows()


def test_several_sources_of_files_are_counted(tmp_path):
    """Each with a name; their files are partitions as before."""
    write(tmp_path / "clicks.jsonl", click(1))
    write(tmp_path / "old.jsonl", click(2), click(1))
    both = "[{files: clicks.jsonl}, {files: old.jsonl, name: old}]"
    text = CLICKS.replace("{files: clicks.jsonl, format: json}", both)
    assert count(tmp_path, text).totals["counted"] == 2
    assert set(partitions(tmp_path)) == {"clicks.jsonl", "old.jsonl"}


@pytest.mark.parametrize(
    ("right", "wrong", "place"),
    [
        ("clicks.jsonl, format: json", "clicks.csv, format: csv, follow: true", "source.follow"),
    ],
)
def test_what_is_not_done_yet_is_refused(tmp_path, right, wrong, place):
    """By name and place, before a store is made."""
    text = CLICKS.replace(right, wrong)
    with pytest.raises(DefinitionError, match="cannot run this") as error:
        count(tmp_path, text)
    assert error.value.path == place
    assert not (tmp_path / "store").exists()


LIVE = ["{kafka: {topic: clicks, bootstrap.servers: h}}", "{files: clicks.jsonl, follow: true}"]


@pytest.mark.parametrize("source", LIVE)
def test_sources_without_an_end_are_not_counted_as_files(source, tmp_path):
    """They are counted by the live loop; here they would be counted as nothing."""
    text = STAMPED.replace("{files: clicks.jsonl, format: json}", source)
    with pytest.raises(CallError, match="the definition names sources without an end"):
        count(tmp_path, text)


def test_inputs_replace_a_live_source(tmp_path):
    """Files of the same kind of records, with the stamp in the record."""
    text = STAMPED.replace("{files: clicks.jsonl, format: json}", "{kafka: {topic: clicks}}")
    write(tmp_path / "saved.jsonl", click(1, got="2015-09-12T10:00:01Z"))
    assert count(tmp_path, text, ["saved.jsonl"]).totals["counted"] == 1
