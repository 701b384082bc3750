"""The local stack as far as nothing is started."""

import json
import os
import socket

import pytest

from crossfoot.cli import main
from crossfoot.definition.load import load_file
from crossfoot.definition.model import KafkaSource, PubSubSource
from crossfoot.dev import definitions, processes, stack
from crossfoot.dev.definitions import COUNT, DIRECT, PREPROCESS, RELAY
from crossfoot.dev.folder import Chosen, Folder, Load
from crossfoot.dev.stack import Stack, Wishes
from crossfoot.errors import CallError
from crossfoot.seen.board import Showing, shown
from crossfoot.seen.socket import NAME

CHOSEN = Chosen(19092, 19093, 18085, 18086)


@pytest.fixture
def folder(tmp_path) -> Folder:
    """A stack that was made and stopped."""
    place = Folder(tmp_path / "stack")
    place.keep(CHOSEN)
    definitions.write_missing(place, CHOSEN)
    return place


def test_every_definition_loads(folder):
    """What each reads and writes is what the next one reads."""
    direct, first, second, last = (load_file(folder.definition(name)) for name in (DIRECT, PREPROCESS, RELAY, COUNT))
    assert direct.sources[0].topic == first.sources[0].topic == "client_events"
    assert isinstance(second.sources[0], KafkaSource)
    assert isinstance(last.sources[0], PubSubSource)
    assert first.preprocess.to.topic == second.sources[0].topic
    assert (second.relay.to.project, second.relay.to.topic) == ("local", "events")
    assert (last.sources[0].project, last.sources[0].subscription) == ("local", "events")
    assert [each.event.received for each in (direct, first, second, last)] == ["broker", "broker", "carried", "carried"]


def test_all_definitions_prepare_the_same(folder):
    """So that events of one are known to the next."""
    loaded = [load_file(folder.definition(name)) for name in (DIRECT, PREPROCESS, RELAY, COUNT)]
    assert len({(each.namespace, each.event.time, each.event.id, each.event.fields) for each in loaded}) == 1
    assert len({each.metrics for each in loaded}) == 1


def test_a_changed_definition_is_left_alone(folder):
    """It is the person's once it is there."""
    folder.definition(DIRECT).write_text("mine")
    definitions.write_missing(folder, CHOSEN)
    assert folder.definition(DIRECT).read_text() == "mine"


def test_what_was_chosen_is_kept(folder):
    """But for what is named anew."""
    folder.keep(Wishes(rate=5, with_bigtable=True).over(CHOSEN))
    again = Wishes(total=9).over(folder.chosen())
    assert (again.kafka, again.with_bigtable, again.load) == (19092, True, Load(rate=5, total=9))


def test_the_way_depends_on_the_commands_that_exist(folder):
    """Without the services in front the producers' topic is counted directly, and why is said."""
    made = Stack(folder.path, frozenset())
    assert made.is_direct(CHOSEN)
    assert made.lacking() == ["there is no command preprocess", "there is no command relay"]


def test_nothing_runs_after_down(folder, capsys):
    """Status says so, and that is no failure."""
    assert main(["dev", "status", "--folder", str(folder.path), "--format", "json"]) == 0
    found = {row["part"]: row["state"] for row in json.loads(capsys.readouterr().out)}
    assert {found[name] for name in ("broker", "pubsub", "run", "produce")} == {"stopped"}


def test_a_part_that_died_shows_its_last_lines(folder, capsys):
    """Its pid file is there, its process is not."""
    made = Stack(folder.path, frozenset())
    for name, text in (("pids/run.pid", '{"pid": 1, "began": 0}'), ("logs/run.log", "one\nthe disk is full\n")):
        (folder.path / name).parent.mkdir(exist_ok=True)
        (folder.path / name).write_text(text)
    assert main(["dev", "status", "--folder", str(folder.path)]) == 1
    said = capsys.readouterr().out
    assert "died" in said
    assert "run: the disk is full" in said
    assert main(["dev", "logs", "run", "--folder", str(folder.path), "--lines", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"==> {made.processes.log('run')}", "the disk is full"]


def test_a_run_that_does_not_answer_is_silent(folder, capsys, monkeypatch):
    """Its process is there and somebody listens at its status socket, but nobody answers; that is a failure."""
    monkeypatch.setattr(stack, "_ANSWER_S", 0.2)
    (folder.path / "pids").mkdir()
    (folder.path / "pids/run.pid").write_text(json.dumps({"pid": os.getpid(), "began": processes._began(os.getpid())}))
    store = folder.store(direct=True)
    store.mkdir()

    def state() -> tuple[int, str]:
        code = main(["dev", "status", "--folder", str(folder.path), "--format", "json"])
        (found,) = [row["state"] for row in json.loads(capsys.readouterr().out) if row["part"] == "run"]
        return code, found

    monkeypatch.setattr(Stack, "is_direct", lambda *_: True)
    assert state() == (1, "silent")
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(store / NAME))
        hanging.listen()
        assert state() == (1, "silent")
    with shown("run", Showing(store / NAME)):
        assert state() == (0, "running")


def test_purge_leaves_what_is_not_ours(folder):
    """And the folder, while something else is in it."""
    (folder.path / "notes.txt").touch()
    Stack(folder.path, frozenset()).down(purge=True)
    assert [file.name for file in folder.path.iterdir()] == ["notes.txt"]
    (folder.path / "notes.txt").unlink()
    folder.keep(CHOSEN)
    Stack(folder.path, frozenset()).down(purge=True)
    assert not folder.path.exists()


@pytest.mark.parametrize("command", [["down"], ["status"], ["logs"], ["produce"]])
def test_a_folder_without_a_stack_is_a_wrong_call(command, tmp_path, capsys):
    """Nothing is made or removed."""
    assert main(["dev", *command, "--folder", str(tmp_path / "none")]) == 2
    assert f"there is no local stack in {tmp_path / 'none'}" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_damaged_folder_is_named(folder):
    """Not a fault of ours."""
    folder.chosen_file.write_text("{")
    with pytest.raises(CallError, match=r"stack\.json cannot be read"):
        folder.chosen()


def test_an_unknown_part_has_no_log(folder, capsys):
    """The known ones are named."""
    assert main(["dev", "logs", "kafka", "--folder", str(folder.path)]) == 2
    assert "name one of broker, pubsub" in capsys.readouterr().err
