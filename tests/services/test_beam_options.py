"""What is wrong with a call is found before the table is claimed, and is said in one line."""

from __future__ import annotations

from contextlib import closing

import pytest

from crossfoot.dev.broker import free_ports
from crossfoot.stores.bigtable_rows import ABOUT, about_of
from crossfoot.stores.bigtable_table import GoogleTable
from tests.counting import CLICKS
from tests.services.beaming import RUN, make_table, sink_of
from tests.services.relaying import PROJECT

CHECK = ("-m", "crossfoot", "beam", "check")
SOURCE = "{files: clicks.jsonl, format: json}"
AWAY = {"project": "my-project", "region": "europe-west1", "temp_location": "gs://my-bucket/temp"}
WRONG = {
    "no options at all": ("dataflow", {}, (), "missing required option: project"),
    "a project that is none": ("dataflow", AWAY | {"project": "WRONG_x"}, (), "invalid Project ID (WRONG_x)"),
    "a name that is none": ("dataflow", AWAY, ("--name", "Bad Name_1"), "invalid job_name (Bad Name_1)"),
    "a bucket that is none": ("dataflow", AWAY | {"temp_location": "bucket"}, (), "invalid GCS path (bucket)"),
    "a number that is none": ("direct", {"max_num_workers": "abc"}, (), "invalid int value: 'abc'"),
    "a name that Beam does not know": ("direct", {"regoin": "x"}, (), "beam has no option of this name: regoin"),
    "a program that is not there": ("prism", {}, ("--prism", "/nonexist"), "there is no such program: /nonexist"),
    "a program that is no Prism": ("prism", {}, ("--prism", "/bin/true"), "this program is no prism: /bin/true"),
    "no Prism by an option": ("prism", {"prism_location": "/bin/true"}, (), "this program is no prism: /bin/true"),
    "no file by an option": ("prism", {"prism_location": "prism"}, (), "there is no such program: prism"),
    "a state that is not kept": ("direct", {}, ("--update",), "a job on direct leaves no state to go on with"),
    "no job server": ("portable", {}, (), "missing required option: job_endpoint"),
}


@pytest.fixture
def definition(tmp_path):
    """Clicks of a file for runners that see it, and of a table; where they are written to."""
    table = make_table()
    (tmp_path / "clicks.jsonl").write_text("")
    (tmp_path / "here.yaml").write_text(CLICKS + sink_of(table), "utf-8")
    away = CLICKS.replace(SOURCE, "{bigquery: {table: raw.clicks}, format: json}")
    (tmp_path / "away.yaml").write_text(away + sink_of(table), "utf-8")
    return table


def call_of(runner, options, more):
    given = [word for name, value in options.items() for word in ("--option", f"{name}={value}")]
    return "here.yaml" if runner in ("direct", "prism") else "away.yaml", "--runner", runner, *given, *more


def is_claimed(table) -> bool:
    with closing(GoogleTable(table)) as opened:
        return about_of(opened.row(ABOUT)).head is not None


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_call_is_refused_before_the_table_is_claimed(beam, definition, case):
    runner, options, more, said = WRONG[case]
    code, _, err = beam.run(*RUN, *call_of(runner, options, more))
    assert (code, said in err, len(err.splitlines())) == (2, True, 2), err
    assert not is_claimed(definition)


def test_a_check_says_all_that_is_wrong(beam, definition, tmp_path):
    """With the call, the definition and the services; one does not hide another."""
    path = tmp_path / "here.yaml"
    path.write_text(path.read_text("utf-8").replace(definition.table, "nowhere"), "utf-8")
    call = call_of("dataflow", AWAY | {"project": "WRONG_x", "region": ""}, ("--name", "Bad Name_1"))
    code, out, _ = beam.run(*CHECK, "here.yaml", *call[1:], "--format", "csv")
    assert code == 1
    for said in ("(WRONG_x)", "(Bad Name_1)", "option: region", "do not see the files", "there is no such table"):
        assert said in out, out


def test_a_check_says_that_there_is_no_prism(beam, definition, tmp_path):
    """And what else is wrong."""
    path = tmp_path / "here.yaml"
    path.write_text(path.read_text("utf-8").replace(definition.table, "nowhere"), "utf-8")
    code, out, err = beam.run(*CHECK, "here.yaml", "--prism", "nonexist", "--format", "csv")
    assert (code, err) == (1, ""), out
    assert "there is no such program: nonexist" in out
    assert "there is no such table" in out


def test_a_job_server_that_does_not_answer_is_named(beam, definition):
    """In seconds."""
    endpoint = f"localhost:{free_ports(0)[0]}"
    code, _, err = beam.run(*RUN, *call_of("portable", {"job_endpoint": endpoint}, ()))
    assert (code, f"no job server answers at {endpoint}" in err) == (6, True), err
    assert not is_claimed(definition)


@pytest.mark.parametrize(("more", "found"), [((), {"subscription"}), (("--update",), {"subscription", "table"})])
def test_a_call_that_is_right_is_in_no_finding(beam, definition, tmp_path, more, found):
    """The subscription is not there, and the table has no state to go on with."""
    source = f"{{pubsub: {{project: {PROJECT}, subscription: nowhere}}, format: prepared}}"
    live = CLICKS.replace(SOURCE, source).replace("none", "carried") + "accept: {lateness: 1h}\n"
    (tmp_path / "away.yaml").write_text(live + sink_of(definition), "utf-8")
    _, out, err = beam.run(*CHECK, *call_of("dataflow", AWAY, (*more, "--format", "csv")))
    assert {row.partition(",")[0] for row in out.splitlines()[1:]} == found, out + err
