"""What a service notes on its way: for people and in its log alike, and each thing once."""

import json
from pathlib import Path

import pytest

from crossfoot.cli import main
from crossfoot.cli.output import remarks_of
from crossfoot.sources.live import Failing, Shown
from tests.counting import CLICKS, click, lines

FOLLOWED = CLICKS.replace("{files: clicks.jsonl, ", "{files: [a.jsonl, b.jsonl.gz], follow: true, ")
FED = f"{CLICKS}sinks: [{{parquet: out}}]\n"


def told_by(text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines on standard error of a run to the end."""
    (folder / "clicks.yaml").write_text(text)
    assert main(["run", str(folder / "clicks.yaml"), "--once"]) == 0
    return capsys.readouterr().err.splitlines()


def told_in_json(text: str, folder: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    monkeypatch.setenv("CROSSFOOT_LOG", "json")
    return [json.loads(line) for line in told_by(text, folder, capsys)]


def test_a_note_is_a_line_of_the_log(capsys):
    """A warning where something fails; what the log says by a line of its own is left out."""
    note = remarks_of("run", "json")
    for text in ("y.gz is packed", Failing("nobody answers"), Shown("new partitions: a/1")):
        note(text)
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["level"], line["event"], line["says"]) for line in told] == [
        ("info", "note", "y.gz is packed"),
        ("warning", "note", "nobody answers"),
    ]


def test_without_a_log_every_note_is_told(capsys):
    """In plain words."""
    note = remarks_of("run", "")
    for text in ("y.gz is packed", Failing("nobody answers"), Shown("new partitions: a/1")):
        note(text)
    assert capsys.readouterr().err.splitlines() == ["y.gz is packed", "nobody answers", "new partitions: a/1"]


@pytest.fixture
def followed(tmp_path: Path) -> Path:
    (tmp_path / "a.jsonl").write_bytes(lines([click(1)]))
    (tmp_path / "b.jsonl.gz").write_bytes(b"")
    return tmp_path


def test_what_is_not_followed_is_said_in_the_log_too(followed, capsys, monkeypatch):
    """Once; the same as it is said without one."""
    (plain,) = told_by(FOLLOWED, followed, capsys)
    assert plain.startswith("b.jsonl.gz is packed: it is not followed")
    told = told_in_json(FOLLOWED, followed, capsys, monkeypatch)
    assert [line["says"] for line in told if line["event"] == "note"] == [plain]


@pytest.fixture
def blocked(tmp_path: Path) -> Path:
    """The folder of the sink is a file."""
    (tmp_path / "clicks.jsonl").write_bytes(lines([click(1)]))
    (tmp_path / "out").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize("text", [FED, FED.replace("clicks.jsonl, ", "clicks.jsonl, follow: true, ")])
def test_a_sink_that_fails_is_said(text, blocked, capsys):
    """By a run over files, and by one without an end."""
    (told,) = told_by(text, blocked, capsys)
    assert told.startswith("parquet:out: ")
    assert "File exists" in told
    assert told.endswith("; it is tried again")


def test_the_log_says_once_why_a_sink_fails(blocked, capsys, monkeypatch):
    """And that it is a place that is tried again."""
    told = told_in_json(FED, blocked, capsys, monkeypatch)
    assert [line["event"] for line in told if "File exists" in json.dumps(line)] == ["note"]
    assert [line["place"] for line in told if line["event"] == "retry_begins"] == ["sink parquet:out"]
