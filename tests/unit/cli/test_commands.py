"""Each command over a small store."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from crossfoot.cli import main
from tests.counting import CLICKS, click, lines


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a definition and its data."""
    (tmp_path / "clicks.yaml").write_text(CLICKS)
    records = [click(1), click(2, page="b", country=None), click(1), click(3, "2015-09-12T11:00:00Z"), b"?\n"]
    (tmp_path / "clicks.jsonl").write_bytes(lines(records))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The same, counted into the default store."""
    assert main(["run", "clicks.yaml"]) == 0
    capsys.readouterr()
    return folder


def out(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_run_says_what_became_of_the_records(folder, capsys):
    """Each account with its number, and that nothing is missing."""
    assert main(["run", "clicks.yaml"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[:5] == [
        "account    this run  store",
        "counted           3      3",
        "duplicate         1      1",
        "malformed         1      1",
        "records           5      5",
    ]
    assert "unaccounted 0" in told.out
    assert told.err == ""
    assert (folder / ".crossfoot" / "HEAD").exists()


def test_run_for_scripts(folder, capsys):
    """The summary as JSON."""
    assert main(["run", "clicks.yaml", "--store", "other", "--once", "--format", "json"]) == 0
    found = json.loads(out(capsys))
    assert (found["records"], found["counted"], found["unaccounted"], found["finished"]) == (5, 3, 0, True)
    assert (folder / "other" / "HEAD").exists()


def test_run_loads_no_library_of_arrays(folder):
    """Counting lines needs neither Arrow nor numpy, which starts threads of its own."""
    heavy = ("duckdb", "numpy", "pandas", "polars", "pyarrow", "rich.progress")
    code = (
        "import sys; from crossfoot.cli import main; code = main(['run', 'clicks.yaml']); "
        f"print(code, [name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_run_counts_what_is_named(folder, capsys):
    """Several inputs after one option, and the option again."""
    for name in ("x", "y", "z"):
        (folder / name).write_bytes(lines([click(ord(name))]))
    assert main(["run", "clicks.yaml", "--input", "x", "y", "--input", "z", "--format", "json"]) == 0
    assert json.loads(out(capsys))["counted"] == 3


def test_run_reads_standard_input(folder):
    """A dash is standard input; options may follow it, and the same stream given again adds nothing."""
    command = [sys.executable, "-m", "crossfoot", "run", "clicks.yaml", "--input", "-", "--format", "json"]
    data = lines([click(1), click(2)])
    found = [json.loads(subprocess.run(command, input=data, capture_output=True, check=True).stdout) for _ in "12"]
    assert [one["counted"] for one in found] == [2, 0]


def test_run_follows_only_what_the_definition_says(folder, capsys):
    """The definition says what is followed."""
    assert main(["run", "clicks.yaml", "--no-once"]) == 2
    assert "add `follow: true` to their source" in capsys.readouterr().err


def test_query_rows_are_a_promise(counted, capsys):
    """A row as scripts may rely on it."""
    assert main(["query", "clicks", "--grain", "1h", "--by", "page,country", "--format", "ndjson"]) == 0
    values = '"clicks": 1, "paid": "0.10", "ms": 5, "slowest": 5, "mean": 5.0}'
    assert out(capsys).splitlines() == [
        '{"window": "2015-09-12T10:00:00Z", "page": "a", "country": "FR", ' + values,
        '{"window": "2015-09-12T11:00:00Z", "page": "a", "country": "FR", ' + values,
        '{"window": "2015-09-12T10:00:00Z", "page": "b", "country": null, ' + values,
    ]


def test_query_as_a_table(counted, capsys):
    """A table for people, quiet beside it when piped."""
    arguments = ["query", "clicks", "--by", "page", "--order=-clicks", "--limit", "1", "--where", "page <> 'x'"]
    assert main([*arguments, "--since", "2015-09-12", "--until", "2015-09-13"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "window  page  clicks  paid  ms  slowest  mean",
        "        a          2  0.20  10        5   5.0",
    ]
    assert told.err == ""


def test_query_as_json(counted, capsys):
    """Rows with the facts of the answer."""
    assert main(["query", "totals", "--format", "json"]) == 0
    found = json.loads(out(capsys))
    assert found["rows"] == [{"window": None, "clicks": 3}]
    assert (found["final"], found["grain"], found["errors"]) == (True, "all", {})


def test_query_as_csv(counted, capsys):
    """CSV with a header; null is empty."""
    assert main(["query", "clicks", "--by", "country", "--format", "csv"]) == 0
    assert out(capsys) == "window,country,clicks,paid,ms,slowest,mean\n,,1,0.10,5,5,5.0\n,FR,2,0.20,10,5,5.0\n"


def test_query_as_arrow(counted):
    """An Arrow stream on standard output."""
    command = [sys.executable, "-m", "crossfoot", "query", "clicks", "--format", "arrow"]
    stream = subprocess.run(command, capture_output=True, check=True).stdout
    table = pa.ipc.open_stream(stream).read_all()
    assert table.column("clicks").to_pylist() == [3]


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["query", "clicsk"], 2, "error: there is no metric clicsk"),
        (["query", "clicks", "--store", "none"], 5, "error: there is no store in none"),
        (["run", "none.yaml"], 3, "error: "),
        (["run", "clicks.yaml", "--input", "none.jsonl"], 4, "error: there is no file none.jsonl"),
        (["run", "clicks.yaml", "--input", "*.gz"], 4, "error: no file matches *.gz"),
        (["top", "clicks", "--by", ","], 2, "error: top needs a dimension"),
        (["top", "clicks", "--by", "page", "--measure", "x"], 2, "error: there is no measure x"),
        (["init", "--from", "clicks.jsonl", "--output", "clicks.yaml"], 2, "error: clicks.yaml is there already"),
        (["init", "--from", "clicks.jsonl", "--output", "no/c.yaml"], 2, "error: no such file or directory: no/c.yaml"),
        (["generate", "3", "--output", "no/x"], 2, "error: no such file or directory: no/x"),
        (["generate", "3", "--output", "clicks.jsonl/x"], 2, "error: not a directory: clicks.jsonl/x"),
        (["generate", "--", "-1"], 2, "error: lines and seed are not negative"),
        (["query", "clicks", "--limit", "-1"], 2, "error: --limit cannot be negative: -1"),
        (["ledger", "--side", "--limit", "-1"], 2, "error: --limit cannot be negative: -1"),
        (["top", "clicks", "--by", "page", "--limit", "-1"], 2, "error: --limit cannot be negative: -1"),
        (["plan", "clicks.yaml", "--rate", "0"], 2, "error: the rate is a positive number"),
    ],
)
def test_errors_have_their_code_and_a_next_step(counted, capsys, arguments, code, line):
    """Every error names what is wrong and what to do."""
    assert main(arguments) == code
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(line)
    assert told[1].startswith("next: ")


def test_every_mistake_of_a_definition_is_told(folder, capsys):
    """Each with file, line, column and message id."""
    (folder / "clicks.yaml").write_text(CLICKS.replace("unit: iso", "unit: iso8601").replace("count", "cuont"))
    assert main(["check", "clicks.yaml"]) == 3
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(told) >= 2
    assert all(line.startswith("error: clicks.yaml:") and ": CF" in line for line in told)


def test_top_with_change(counted, capsys):
    """The largest first, with the change against the range before."""
    arguments = ["top", "clicks", "--by", "page", "--since", "2015-09-12T11:00Z", "--until", "2015-09-12T12:00Z"]
    assert main([*arguments, "--format", "ndjson"]) == 0
    rows = [json.loads(line) for line in out(capsys).splitlines()]
    assert rows == [{"page": "a", "clicks": 1, "before": 1, "change": "+0.0 %"}]


def test_top_without_a_range(counted, capsys):
    """Over everything there is nothing to compare with."""
    assert main(["top", "clicks", "--by", "page,country", "--measure", "ms"]) == 0
    assert out(capsys).splitlines() == ["page  country  ms", "a     FR       10", "b               5"]


def test_ledger_for_scripts(counted, capsys):
    """Totals first, nothing unaccounted, exit code 0."""
    assert main(["ledger", "--format", "json"]) == 0
    found = json.loads(out(capsys))
    assert list(found)[:10] == [
        "records", "counted", "duplicate", "conflict", "filtered", "future", "too_late", "invalid", "malformed",
        "unaccounted",
    ]  # fmt: skip
    assert (found["records"], found["counted"], found["unaccounted"]) == (5, 3, 0)
    assert found["partitions"]["clicks.jsonl"]["duplicate"] == 1


def test_ledger_by_minute(counted, capsys):
    """Rows with reason and digest."""
    assert main(["ledger", "--minutes", "--format", "ndjson"]) == 0
    rows = [json.loads(line) for line in out(capsys).splitlines()]
    assert {(row["account"], row["reason"], row["records"], row["minute"]) for row in rows} == {
        ("counted", "", 3, None),
        ("duplicate", "unknown", 1, None),
        ("malformed", "syntax", 1, None),
    }
    assert all(len(row["digest"]) == 32 for row in rows)


def test_ledger_side(counted, capsys):
    """The bytes of what was not counted."""
    assert main(["ledger", "--side", "--format", "ndjson"]) == 0
    (row,) = [json.loads(line) for line in out(capsys).splitlines()]
    assert (row["partition"], row["record"], row["account"], row["raw"]) == ("clicks.jsonl", 4, "malformed", "?")


def test_a_ledger_that_does_not_add_up_is_exit_1(counted, capsys, monkeypatch):
    """A record without an account is a check that did not hold."""
    from crossfoot.query.ledger import Accounts

    monkeypatch.setattr(Accounts, "unaccounted", 1)
    assert main(["ledger"]) == 1
    assert "unaccounted 1" in out(capsys)


def test_verify_holds(counted, capsys):
    """Every check with its result."""
    assert main(["verify"]) == 0
    assert ", 0 failed" in out(capsys)


def test_verify_finds_damage(counted, capsys):
    """A changed byte in a stored table is found and named."""
    segment = next((counted / ".crossfoot").glob("cells-*"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    assert main(["verify"]) in (1, 5)
    told = capsys.readouterr()
    assert segment.name in told.out + told.err


def test_generate_is_seeded(folder, capsysbinary):
    """The same seed gives the same bytes, on standard output and in a file."""
    made = []
    for seed in ("7", "7", "8"):
        assert main(["generate", "100", "--seed", seed]) == 0
        made.append(capsysbinary.readouterr().out)
    assert main(["generate", "100", "--seed", "7", "--output", "events.jsonl"]) == 0
    assert made[0] == made[1] == (folder / "events.jsonl").read_bytes() != made[2]
    assert made[0].count(b"\n") == 100


def test_settings_say_their_origin(folder, capsys, monkeypatch):
    """A value from the environment is told from a default."""
    monkeypatch.setenv("CROSSFOOT_COMMIT_SECONDS", "0.5")
    assert main(["settings", "--format", "ndjson"]) == 0
    rows = {row["variable"]: row for row in map(json.loads, out(capsys).splitlines())}
    assert (rows["CROSSFOOT_COMMIT_SECONDS"]["value"], rows["CROSSFOOT_COMMIT_SECONDS"]["origin"]) == (
        0.5,
        "environment",
    )
    assert rows["CROSSFOOT_BLOCK_BYTES"]["origin"] == "default"


def test_a_wrong_setting_is_a_wrong_call(folder, capsys, monkeypatch):
    """A setting that cannot be read is named."""
    monkeypatch.setenv("CROSSFOOT_BLOCK_BYTES", "many")
    assert main(["run", "clicks.yaml"]) == 2
    assert "CROSSFOOT_BLOCK_BYTES is not a valid setting: 'many'" in capsys.readouterr().err


def test_schema_is_json(folder, capsys):
    """The schema, on standard output or in a file."""
    assert main(["schema"]) == 0
    assert json.loads(out(capsys))["type"] == "object"
    assert main(["schema", "--output", "crossfoot.schema.json"]) == 0
    assert json.loads((folder / "crossfoot.schema.json").read_text())["type"] == "object"


def test_init_run_query(folder, capsys):
    """Your own file in three commands."""
    assert main(["init", "--from", "clicks.jsonl"]) == 0
    assert main(["run", "crossfoot.yaml"]) == 0
    capsys.readouterr()
    assert main(["query", "events", "--format", "ndjson"]) == 0
    assert json.loads(out(capsys))["events"] >= 3


def test_init_prints(folder, capsys):
    """A proposal may go to standard output; nothing is written then."""
    assert main(["init", "--from", "clicks.jsonl", "--output", "-"]) == 0
    assert "crossfoot: 1" in out(capsys)
    assert not (folder / "crossfoot.yaml").exists()


def test_init_elsewhere_names_the_file_from_there(folder, capsys):
    """A definition looks for its files from its own folder."""
    (folder / "definitions").mkdir()
    assert main(["init", "--from", "clicks.jsonl", "--output", "definitions/mine.yaml"]) == 0
    assert main(["run", "definitions/mine.yaml", "--format", "json"]) == 0


def test_check_runs_tests(folder, capsys):
    """A test that does not hold is exit 1, with what was found."""
    event = '{seq: 1, at: "2015-09-12T10:00:30Z", page: a}'
    block = f"tests:\n  - name: one\n    events: [{event}]\n    expect: {{totals: [{{clicks: %d}}]}}\n"
    (folder / "clicks.yaml").write_text(CLICKS + block % 1)
    assert main(["check", "clicks.yaml"]) == 0
    (folder / "clicks.yaml").write_text(CLICKS + block % 2)
    assert main(["check", "clicks.yaml"]) == 1
    assert "totals: expected {clicks: 2}" in out(capsys)


def test_check_a_sample(folder, capsys):
    """A sample is counted without keeping anything, and what is refused is shown."""
    assert main(["check", "clicks.yaml", "--sample", "clicks.jsonl", "--format", "ndjson"]) == 0
    found = {row["check"]: row for row in map(json.loads, out(capsys).splitlines())}
    assert found["sample"]["detail"].startswith("5 records: counted 3")
    assert found["malformed syntax"]["detail"] == "clicks.jsonl record 4: ?"
    assert not (folder / ".crossfoot").exists()


def test_check_a_sample_that_does_not_fit(folder, capsys):
    """If nothing of a sample is counted, the definition does not fit it."""
    (folder / "other.jsonl").write_text('{"a": 1}\n')
    assert main(["check", "clicks.yaml", "--sample", "other.jsonl"]) == 1
    assert "invalid time missing" in out(capsys)


def test_a_live_definition_is_checked_and_planned(folder, capsys):
    """A sample is tried without the stamps that come beside records; a run needs the broker's address."""
    live = CLICKS.replace("{files: clicks.jsonl, format: json}", "{kafka: {topic: clicks}}")
    (folder / "live.yaml").write_text(live.replace("received: none", "received: broker"))
    assert main(["check", "live.yaml", "--sample", "clicks.jsonl"]) == 0
    assert "received: broker comes beside the records: here nothing is late" in out(capsys)
    assert main(["plan", "live.yaml"]) == 0
    assert "embedded" in (told := out(capsys))
    assert "kafka:clicks" not in told.split("embedded")[1].split("batch")[0]
    assert main(["run", "live.yaml"]) == 3
    assert "names no bootstrap.servers" in capsys.readouterr().err


def test_plan_compares_with_the_store(counted, capsys):
    """What a changed definition does to what was counted."""
    (counted / "clicks.yaml").write_text(CLICKS.replace("slowest: max(ms)", "slowest: min(ms)"))
    assert main(["plan", "clicks.yaml", "--format", "json"]) == 0
    changes = {change["what"]: change["outcome"] for change in json.loads(out(capsys))["changes"]}
    assert (changes["metrics.clicks"], changes["metrics.totals"]) == ("rebuilt", "kept")
