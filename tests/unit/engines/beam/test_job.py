"""What a job reads is found before it begins, wherever it lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossfoot.definition.engines import beam_lacks
from crossfoot.definition.load import load_text
from crossfoot.engines.beam.job import Job, job_of
from crossfoot.errors import CallError, DataError
from crossfoot.sources import remote
from crossfoot.sources.partition import State
from crossfoot.sources.remote import RemoteFile, Url
from tests.counting import CLICKS


class Shelf:
    """A service with two files in each folder."""

    def find(self, url: Url) -> list[RemoteFile]:
        names = ("1.jsonl", "2.jsonl") if url.path.startswith("day/") else ()
        return [RemoteFile(f"{url.root}/day/{name}", State(1, 2, (3, 0)), lambda _, __: b"") for name in names]


@pytest.fixture(autouse=True)
def _shelf(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(remote, "_service", lambda *_: Shelf())


def job(home: Path, text: str, *inputs: str) -> Job:
    return job_of(load_text(text), None, 2, home, home, inputs)


def test_files_of_a_url_are_named_one_by_one(tmp_path: Path):
    of_source = job(tmp_path, CLICKS.replace("clicks.jsonl", "'gs://bucket/day/*.jsonl'"))
    given = job(tmp_path, CLICKS, "gs://bucket/day/")
    assert of_source.files == given.inputs == ("gs://bucket/day/1.jsonl", "gs://bucket/day/2.jsonl")
    assert not of_source.is_of_here


def test_files_of_this_machine_are_known_as_such(tmp_path: Path):
    (tmp_path / "clicks.jsonl").touch()
    found = job(tmp_path, CLICKS, "gs://bucket/day/", f"file://{tmp_path}/clicks.jsonl")
    assert found.inputs[-1] == str(tmp_path / "clicks.jsonl")
    assert found.is_of_here


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [("gs://bucket/night/", DataError, "no object matches"), ("ftp://host/a", CallError, "nothing reads ftp://")],
)
def test_a_url_without_files_is_refused_before_the_job_begins(tmp_path: Path, url: str, error: type, message: str):
    with pytest.raises(error, match=message):
        job(tmp_path, CLICKS, url)


def test_workers_know_one_way_to_urls():
    """A worker gets an object's URL, and not the source that named it."""
    one, other = (f"{{files: 's3://b/{n}', format: json, name: n{n}, options: {{region: r{n}}}}}" for n in "12")
    source, sink = (
        "source: {files: clicks.jsonl, format: json}",
        "sinks: [{bigtable: {project: p, instance: i, table: t}}]",
    )
    assert not [*beam_lacks(load_text(CLICKS.replace(source, f"source: [{one}]") + sink))]
    (lack,) = beam_lacks(load_text(CLICKS.replace(source, f"source: [{one}, {other}]") + sink))
    assert str(lack) == "source.options: URLs of all sources are reached by the same options"
