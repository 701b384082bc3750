"""What a machine has, and how to get the rest."""

import json
import resource
import sys
import tomllib
from pathlib import Path

import pytest

from crossfoot.cli import main
from crossfoot.definition.load import load_text
from crossfoot.dev import doctor
from crossfoot.dev.doctor import BUILDING, COUNTING, PACKAGES, PYTHON_LEAST, STACK, machine
from crossfoot.dev.parts import KAFKA
from crossfoot.dev.reach import packages_of, reach
from crossfoot.dev.tools import RUST, dotted
from tests.counting import CLICKS, STAMPED

TOPIC = STAMPED.replace("files: clicks.jsonl", "kafka: {topic: clicks, bootstrap.servers: '%s'}")
DATASET = "sinks: [{bigquery: {project: p, dataset: d}}]\n"
PUBSUB = CLICKS.replace("files: clicks.jsonl", "pubsub: {project: p, subscription: clicks}")
PUBSUB = PUBSUB.replace("received: none", "received: ingest") + "accept: {lateness: 1h}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where nothing was fetched yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSFOOT_PARTS", str(tmp_path / "parts"))
    return tmp_path


def found(folder: Path) -> dict[str, doctor.Check]:
    return {check.name: check for check in machine(folder)}


def test_missing_tools_have_a_way_to_get_them(programs, folder):
    """With nothing on the PATH."""
    checks = found(folder)
    missing = {name: check.how for name, check in checks.items() if check.state == "missing"}
    assert missing["java"] == "17 or newer: sudo apt install openjdk-17-jre-headless"
    assert missing["Kafka broker"] == f"`crossfoot dev up` fetches it into {folder / 'parts'}"
    assert {"java", "mvn", "go", "rustc"} < set(missing)
    assert (checks["mvn"].purpose, checks["rustc"].purpose) == (STACK, BUILDING)


def test_old_tools_are_too_old(programs, folder):
    """Their version is shown."""
    programs.says("go", "go1.19.8")
    check = found(folder)["go"]
    assert (check.state, check.found, check.how) == ("too old", "1.19.8", "1.26 or newer: https://go.dev/doc/install")


def test_new_tools_and_fetched_parts_are_ok(programs, folder):
    """Also those that say their version on the other output."""
    programs.add("java", 'echo "openjdk version \\"21.0.1\\" 2023-10-17" >&2')
    (folder / "parts" / KAFKA.folder).mkdir(parents=True)
    checks = found(folder)
    assert (checks["java"].state, checks["java"].found) == ("ok", "21.0.1")
    assert checks["Kafka broker"].ok


def test_a_missing_package_names_its_extra(folder, monkeypatch):
    """As pip takes it."""
    monkeypatch.setitem(sys.modules, "duckdb", None)
    check = found(folder)["duckdb"]
    assert (check.state, check.how) == ("missing", "pip install 'crossfoot[demo]'")


def test_few_open_files_are_too_little(folder, monkeypatch):
    """The command that raises the limit is named where it may be raised."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
    assert (found(folder)["open files"].state, found(folder)["open files"].how) == ("too little", "ulimit -n 1024")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    assert "hard limit" in found(folder)["open files"].how


def test_a_full_disk_is_too_little(folder, monkeypatch):
    """A store needs some room."""
    monkeypatch.setattr(doctor, "DISK_LEAST_BYTES", 1 << 60)
    assert found(folder)["disk"].state == "too little"


def test_counting_needs_no_tool(programs, folder, capsys):
    """What is missing for other things is shown, and is no failure unless it is asked for."""
    assert main(["doctor"]) == 0
    assert main(["doctor", "--dev"]) == 1
    assert "sudo apt install maven" in capsys.readouterr().out


def test_doctor_for_scripts(programs, folder, capsys):
    """Each thing with its state, whether it is needed, and how to get it."""
    assert main(["doctor", "--dev", "--format", "json"]) == 1
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["mvn"] == {
        "what": "mvn",
        "state": "missing",
        "found": "",
        "for": STACK,
        "needed": True,
        "how": "3.6 or newer: sudo apt install maven",
    }
    assert (rows["python"]["state"], rows["python"]["for"], rows["rustc"]["needed"]) == ("ok", COUNTING, False)


def test_a_file_that_is_there_is_reached(folder, capsys):
    """With the definition's folder as its place."""
    (folder / "clicks.yaml").write_text(CLICKS)
    assert main(["doctor", "clicks.yaml"]) == 1
    assert "there is no file clicks.jsonl" in capsys.readouterr().out
    (folder / "clicks.jsonl").touch()
    assert main(["doctor", "clicks.yaml"]) == 0
    assert "1 file" in capsys.readouterr().out


def test_a_broker_that_does_not_answer_is_not_reached(folder):
    """The wait is bounded."""
    (check,) = reach(load_text(TOPIC % "127.0.0.1:1"), folder, {}, 0.2)
    assert (check.name, check.state) == ("kafka:clicks", "not reached")
    assert "no Kafka broker answers within 0.2 s" in check.found


def test_an_emulator_that_does_not_answer_is_not_reached(folder):
    """The variable that names it is in the hint."""
    (check,) = reach(load_text(PUBSUB), folder, {"PUBSUB_EMULATOR_HOST": "127.0.0.1:1"}, 0.2)
    assert (check.name, check.state) == ("pubsub:clicks", "not reached")
    assert "Pub/Sub at 127.0.0.1:1 does not answer" in check.found
    assert "PUBSUB_EMULATOR_HOST" in check.how


def test_packages_that_a_definition_needs():
    """Those of its sources and of where its services write."""
    assert packages_of(load_text(CLICKS)) == set()
    assert packages_of(load_text(TOPIC % "x")) == {"confluent-kafka"}
    assert packages_of(load_text(PUBSUB)) == {"google-cloud-pubsub"}
    assert packages_of(load_text(CLICKS.replace("clicks.jsonl", "'s3://b/*'"))) == {"fsspec", "obstore"}
    assert packages_of(load_text(CLICKS.replace("clicks.jsonl", "'hdfs://h/*'"))) == {"fsspec"}
    side = "reconcile: {old: {against: {bigquery: p.d.t}, metric: clicks, grain: 1h}}\n"
    for text in (CLICKS.replace("files: clicks.jsonl", "bigquery: {table: p.d.t}"), CLICKS + side, CLICKS + DATASET):
        assert packages_of(load_text(text)) == {"google-cloud-bigquery"}


def test_least_versions_are_those_of_the_project(project):
    """What pip demands, and what the set-up demands."""
    said = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert said["requires-python"] == f">={dotted(PYTHON_LEAST)}"
    for package in PACKAGES:
        demanded = f"{package.name}>={dotted(package.least)},"
        assert any(each.startswith(demanded) for each in said["optional-dependencies"][package.extra])
    assert f"Rust {dotted(RUST.least)} or newer" in (project / "scripts" / "check-tools.sh").read_text()
