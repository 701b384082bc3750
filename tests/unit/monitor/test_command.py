"""`crossfoot monitor` over a warehouse, and over a store with its archive."""

import json

import pytest
from pyarrow import parquet

from crossfoot.cli import main
from crossfoot.generate import Workload, blocks
from tests.counting import STAMPED, click, lines
from tests.monitoring import WATCHED, account, after, arrived, counted, written
from tests.unit.monitor.test_webhook import server

ARCHIVED = STAMPED + "archive: {}\n"
LIMITED = WATCHED + "monitor: {duplicates: {alert_above: 10%}"
ENGAGEMENT = """
crossfoot: 1
namespace: engagement
source: {files: events.jsonl, format: json}
event: {time: {field: ts, unit: ms}, received: {field: received_ms, unit: ms}, id: id}
accept: {lateness: 2d}
archive: {}
metrics: {all: {measures: {events: count}, grains: [1h]}}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a warehouse: three events, one of them twice, all counted once."""
    (tmp_path / "clicks.yaml").write_text(WATCHED)
    rows = [
        arrived("a"),
        arrived("b", after(minutes=30), 1),
        arrived("a", after(minutes=90), 2),
        arrived("c", after(hours=1), 3),
    ]
    ledger = [account("counted", 3), account("duplicate", 1, after(minutes=90))]
    written(tmp_path, rows, [counted("a"), counted("b"), counted("c")], ledger)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(capsys, *words: str, code: int = 0) -> dict:
    assert main(["monitor", "clicks.yaml", *words, "--format", "json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_table_of_spans_and_what_the_copies_are(folder, capsys):
    assert main(["monitor", "clicks.yaml"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "span                  raw  ids  copies  copies %  left %  late %  too late %",
        "2025-03-01T12:00:00Z    2    2       0       0.0     0.0     0.0         0.0",
        "2025-03-01T13:00:00Z    2    1       1      50.0     0.0    50.0         0.0",
        "all                     4    3       1      25.0     0.0    25.0         0.0",
        "measured by the warehouse warehouse:warehouse, from 2025-03-01T12:00:00Z to 2025-03-01T14:00:00Z",
        "copies before, in percent of a span: from 2025-03-01T12:00:00Z to 2025-03-01T13:00:00Z",
        "50 %   █",
        "       █",
        "       █",
        "   0   █",
        "late, in percent of a span: from 2025-03-01T12:00:00Z to 2025-03-01T13:00:00Z",
        "50 %   █",
        "       █",
        "       █",
        "   0   █",
        "1 copies: the same event at another position",
        "1 copies: under 1 d",
    ]


def test_for_scripts(folder, capsys):
    found = asked(capsys, "--span", "2h")
    assert (found["raw"], found["duplicates_percent"], found["left_percent"], found["alerts"]) == (4, 25.0, 0.0, [])
    assert (found["causes"]["producer_retry"], found["ages"]["1d"], found["span_seconds"]) == (1, 1, 7200)
    assert [span["raw"] for span in found["spans"]] == [4]
    assert [(part["source"], part["partition"]) for part in found["partitions"]] == [("clicks", "p")]


def test_a_planted_double_is_measured_and_alerts(folder, capsys):
    written(folder, counted=[counted("a"), counted("b"), counted("c"), counted("c")])
    found = asked(capsys, code=1)
    assert (found["counted"], found["doubled"]) == (4, 1)
    assert found["alerts"] == [
        {"watched": "left", "percent": 50.0, "alert_above": 0.0, "span": "2025-03-01T13:00:00Z", "spans": 1}
    ]


def test_an_alert_is_logged_and_posted(folder, capsys, monkeypatch):
    with server(200) as (host, got):
        monkeypatch.setenv("CROSSFOOT_WEBHOOK_HOSTS", host)
        monkeypatch.setenv("CROSSFOOT_LOG", "json")
        (folder / "clicks.yaml").write_text(LIMITED + f", webhook: http://{host}/hook}}\n")
        assert main(["monitor", "clicks.yaml"]) == 1
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == (
        "alert: copies of events: 50 % in the span of 2025-03-01T13:00:00Z, the limit is 10 %"
    )
    logged = json.loads(told.err)
    assert (logged["level"], logged["event"], logged["watched"]) == ("warning", "alert", "duplicates")
    ((path, _, body),) = got
    assert (path, body["namespace"], [each["percent"] for each in body["alerts"]]) == ("/hook", "clicks", [50.0])


def test_nothing_is_posted_without_an_alert(folder, capsys, monkeypatch):
    with server() as (host, got):
        monkeypatch.setenv("CROSSFOOT_WEBHOOK_HOSTS", host)
        (folder / "clicks.yaml").write_text(WATCHED + f"monitor: {{webhook: 'http://{host}/hook'}}\n")
        assert main(["monitor", "clicks.yaml"]) == 0
    assert got == []


def test_a_host_that_is_not_allowed_is_refused_before_anything_is_read(folder, capsys):
    (folder / "clicks.yaml").write_text(LIMITED + ", webhook: 'https://hooks.example.org/x'}\n")
    assert main(["monitor", "clicks.yaml"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: alerts may not be posted to this host: hooks.example.org",
        "next: allow it, if it is yours: export CROSSFOOT_WEBHOOK_HOSTS=hooks.example.org",
    ]


def test_the_picture_is_a_file(folder, capsys):
    assert main(["monitor", "clicks.yaml", "--picture", "out.svg"]) == 0
    assert (folder / "out.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["--since", "2026-01-01"], 2, "has no raw events in that time"),
        (["--span", "1s"], 2, "a span is a whole number of minutes: 1s"),
        (["--span", "soon"], 2, "this is no duration: soon"),
        (["--from", "nowhere"], 2, "the definition names no such warehouse: nowhere"),
        (["--from", "store"], 5, "store"),
        (["--picture", "no/where.svg"], 2, "cannot write the picture"),
    ],
)
def test_wrong_calls(folder, capsys, words, code, problem):
    assert main(["monitor", "clicks.yaml", *words]) == code
    told = capsys.readouterr().err
    assert problem in told
    assert "next: " in told


def test_an_empty_warehouse(folder, capsys):
    (folder / "clicks.yaml").write_text(WATCHED.replace("folder: warehouse", "folder: other"))
    assert main(["monitor", "clicks.yaml"]) == 4
    assert capsys.readouterr().err.splitlines() == [
        "error: the warehouse warehouse:other has no raw events",
        "next: feed it: crossfoot feed DEFINITION",
    ]


def without_uuids(path):
    parquet.write_table(parquet.read_table(path).drop_columns(["uuid"]), path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (without_uuids, "have no uuid, or no time: 4"),
        (lambda path: path.write_bytes(b"no Parquet"), "cannot be read: "),
    ],
)
def test_a_table_that_others_have_changed(folder, capsys, change, problem):
    for path in folder.glob("warehouse/raw_events/*/*.parquet"):
        change(path)
    assert main(["monitor", "clicks.yaml"]) == 4
    told = capsys.readouterr().err
    assert problem in told
    assert "next: " in told


def archived(folder, monkeypatch, records, text=ARCHIVED):
    """Count records into a store with an archive."""
    monkeypatch.chdir(folder)
    (folder / "clicks.yaml").write_text(text)
    (folder / "clicks.jsonl").write_bytes(lines(records))
    assert main(["run", "clicks.yaml"]) == 0


def test_the_archive_serves_where_there_is_no_warehouse(tmp_path, monkeypatch, capsys):
    stamps = [("2015-09-12T10:00:00Z", 1), ("2015-09-12T10:20:00Z", 2), ("2015-09-12T11:30:00Z", 1)]
    archived(tmp_path, monkeypatch, [*(click(seq, got=got) for got, seq in stamps), b"?\n"])
    capsys.readouterr()
    found = asked(capsys)
    assert (found["raw"], found["ids"], found["copies"], found["counted"], found["doubled"]) == (4, 2, 1, 2, 0)
    assert (found["late"], found["too_late"], found["unseen"]) == (0, 1, 0)
    assert found["ages"]["beyond"] == 1
    assert found["notes"] == [
        "the raw side is the archive of what was counted: it does not show what was never taken in"
    ]


def test_a_store_without_an_archive_says_what_to_do(tmp_path, monkeypatch, capsys):
    archived(tmp_path, monkeypatch, [click(1, got="2015-09-12T10:00:00Z")], STAMPED)
    capsys.readouterr()
    assert main(["monitor", "clicks.yaml"]) == 5
    assert "keep one: archive: {keep: 30d}" in capsys.readouterr().err


def test_the_copies_of_the_generator_are_found(tmp_path, monkeypatch, capsys):
    """Every line that is not the first of its id is a copy, and none is left."""
    monkeypatch.chdir(tmp_path)
    data = b"".join(blocks(20_000, Workload(received=True)))
    made = [json.loads(line) for line in data.splitlines()]
    copies = len(made) - len({each["id"] for each in made})
    (tmp_path / "events.jsonl").write_bytes(data)
    (tmp_path / "clicks.yaml").write_text(ENGAGEMENT)
    assert main(["run", "clicks.yaml"]) == 0
    capsys.readouterr()
    found = asked(capsys)
    assert 0.07 < copies / len(made) < 0.09
    assert (found["raw"], found["copies"], found["causes"]["producer_retry"]) == (20_000, copies, copies)
    assert (found["counted"], found["left_percent"], found["conflicts"]) == (20_000 - copies, 0.0, 0)
    assert found["ledger"]["duplicate"] + found["ledger"].get("too_late", 0) >= copies
