"""Processes with a pid file and a log."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from crossfoot.dev.processes import Processes, Program, answer_of
from crossfoot.errors import CallError, ServiceError

# Says a line, then waits for a signal; a deaf one is not ended by TERM.
WAITING = "import signal, sys; print('began', flush=True); signal.pause()"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITING}"


@pytest.fixture
def processes(tmp_path: Path):
    room = Processes(tmp_path)
    yield room
    for file in (tmp_path / "pids").glob("*.pid"):
        room.kill(file.stem)


def python(code: str, name: str = "one", **settings: str) -> Program:
    return Program(name, (sys.executable, "-c", code), settings)


def begun(processes: Processes, program: Program):
    """Started, and past its first line."""
    running = processes.start(program)
    processes.wait_until(running, lambda: processes.tail(program.name, 1) == ["began"], 30)
    return running


def test_a_process_is_known_by_its_folder(processes, tmp_path):
    """Another command of ours finds it."""
    running = begun(processes, python(WAITING))
    assert Processes(tmp_path).known("one") == running
    assert running.is_alive()


def test_starting_twice_is_harmless(processes):
    """The one that runs is left alone."""
    assert begun(processes, python(WAITING)) == processes.start(python(WAITING))


def test_settings_reach_the_process(processes):
    """Beside the environment that we have."""
    running = processes.start(python("import os; print(os.environ['COLOUR'], 'PATH' in os.environ)", COLOUR="blue"))
    assert running.wait(30)
    assert processes.tail("one", 1) == ["blue True"]


def test_stop_asks_first(processes):
    """TERM is enough, and the name is free again."""
    running = begun(processes, python(WAITING))
    assert processes.stop(["one", "two"], 30) == ["one"]
    assert (running.is_alive(), processes.known("one")) == (False, None)


def test_stop_ends_what_does_not_listen(processes):
    """Once the time is over."""
    running = begun(processes, python(DEAF))
    assert processes.stop(["one"], 0.2) == ["one"]
    assert not running.is_alive()


def test_a_process_that_died_is_known_as_dead(processes):
    """Until it is started or stopped."""
    running = begun(processes, python(WAITING))
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait(30)
    assert processes.known("one") == running
    assert begun(processes, python(WAITING)) != running


def test_a_stranger_with_the_same_number_is_left_alone(processes):
    """A pid file outlives its process, and numbers come again."""
    running = begun(processes, python(WAITING))
    file = processes.pid_file("one")
    file.write_text(json.dumps({"pid": running.pid, "began": running.began - 1}))
    assert processes.stop(["one"], 0) == []
    assert running.is_alive()
    file.write_text(json.dumps({"pid": running.pid, "began": running.began}))


def test_waiting_ends_when_the_process_does(processes):
    """With its last line, and the log that says more."""
    running = processes.start(python("print('the port is taken')"))
    with pytest.raises(ServiceError, match="one has ended: the port is taken") as caught:
        processes.wait_until(running, lambda: False, 30)
    assert str(processes.log("one")) in caught.value.hint


def test_waiting_is_bounded(processes):
    """A service that never becomes ready is told."""
    running = begun(processes, python(WAITING))
    with pytest.raises(ServiceError, match=r"one is not ready within 0.2 s: began"):
        processes.wait_until(running, lambda: False, 0.2)


def test_a_program_that_is_not_there_is_a_wrong_call(processes):
    """Named, with the command that says how to get it."""
    with pytest.raises(CallError, match="one cannot be started: no such file or directory: nowhere"):
        processes.start(Program("one", ("nowhere",)))


def test_answers_are_without_colours():
    """Some tools colour what nobody looks at."""
    answer = answer_of(("printf", "\\033[1mApache Maven 3.9\\033[m\\n\\n"), 30)
    assert (answer.code, answer.lines) == (0, ["Apache Maven 3.9"])


def test_an_answer_is_not_waited_for_without_end():
    """A tool that hangs has no exit code."""
    assert answer_of(("sleep", "60"), 0.1).code is None
