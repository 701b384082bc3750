"""Calls, errors and exit codes of the command line."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from crossfoot.cli import main
from crossfoot.cli.app import guarded
from crossfoot.cli.commands import COMMANDS, EXIT_CODES
from crossfoot.errors import DataError

HEAVY = ("pyarrow", "sqlglot", "duckdb", "rich", "cyclopts", "msgspec", "yaml", "datasketches", "crossfoot._core")


def test_help_names_every_command(capsys):
    """The overview has a line for each command and each exit code."""
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert [command.name for command in COMMANDS if f"  {command.name} " not in told] == []
    assert [code for code, meaning in EXIT_CODES if f"{code}  {meaning}" not in told] == []


def test_help_answers_quickly():
    """`crossfoot --help` costs less than 0.3 s of CPU."""
    costs = []
    for _ in range(3):
        child = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "crossfoot", "--help"],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
        )
        _, status, usage = os.wait4(child, 0)
        assert status == 0
        costs.append(usage.ru_utime + usage.ru_stime)
    assert min(costs) < 0.3


def test_help_loads_no_library():
    """What is heavy is imported by the command that needs it."""
    code = f"import sys; from crossfoot.cli import main; main([]); print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_what_reads_sql_is_loaded_where_a_definition_has_some(tmp_path):
    """Names alone are read without it: it takes as long to load as much of the rest."""
    text = (
        "crossfoot: 1\nnamespace: a\nsource: {files: [a.jsonl]}\nevent:\n  time: at\n  received: none\n  id: id\n"
        "  fields: {page: geo.page, size: {path: size, type: integer}}\n%s"
        "metrics: {edits: {by: [[page]], measures: {edits: count}, grains: [1h]}}\n"
    )
    code = (
        "import sys; import crossfoot.services.run; import crossfoot.query.client;"
        "from crossfoot.definition.load import load_file; load_file(sys.argv[1]); print('sqlglot' in sys.modules)"
    )
    for where, expected in (("", "False"), ("  where: size > 0\n", "True")):
        path = tmp_path / "a.yaml"
        path.write_text(text % where, "utf-8")
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_has_help(command, capsys):
    """A command says what it does and what its options are."""
    assert main([*command.split(), "--help"]) == 0
    assert f"crossfoot {command}" in capsys.readouterr().out


def test_version(capsys):
    """The version of the build."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip().count(".") == 2


@pytest.mark.parametrize(
    ("arguments", "error", "following"),
    [
        (["rnu"], 'unknown command "rnu". did you mean "run"?', "crossfoot --help"),
        (["query", "x", "--gain", "1h"], "unknown option: --gain", "crossfoot query --help"),
        (["query"], "metric requires an argument", "crossfoot query --help"),
        (["top", "x", "--by", "a", "--limit", "many"], "invalid value", "crossfoot top --help"),
    ],
)
def test_a_wrong_call_is_told_in_two_lines(arguments, error, following, capsys):
    """What is wrong, and where to look."""
    assert main(arguments) == 2
    told = capsys.readouterr()
    first, second = told.err.lower().splitlines()
    assert first.startswith("error: ")
    assert error in first.replace("`", "").replace('"--', "--")
    assert second == f"next: {following}"
    assert told.out == ""


def raising(error: BaseException):
    def call() -> int:
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (DataError("a\x1b[2Jb is damaged", "repair it"), 4, "error: a\\x1b[2Jb is damaged"),
        (OSError(28, "No space left on device", "out.csv"), 5, "error: no space left on device: out.csv"),
        (OSError(5, "Input/output error", "out.csv"), 70, "error: input/output error: out.csv"),
        (ZeroDivisionError("x\ny"), 70, "error: ZeroDivisionError: x y"),
        (KeyboardInterrupt(), 130, "interrupted: what was committed is kept"),
    ],
)
def test_whatever_happens_is_one_clear_line(error, code, line, capsys):
    """No error ends in a wall of text, and none can move the cursor."""
    assert guarded(raising(error)) == code
    assert capsys.readouterr().err.splitlines()[0] == line


@pytest.mark.parametrize(
    ("error", "code", "step"),
    [
        (FileNotFoundError(2, "No such file or directory", "x/y"), 2, "make the folder, or name another place"),
        (PermissionError(13, "Permission denied", "y"), 2, "get the right to use it, or name another place"),
        (IsADirectoryError(21, "Is a directory", "y"), 2, "name another place"),
        (OSError(28, "No space left on device"), 5, "free some space, or write to another place, and run again"),
    ],
)
def test_what_the_system_refuses_is_no_fault_of_ours(error, code, step, capsys):
    """Another place or more space is needed: the code and the next step say so."""
    assert guarded(raising(error)) == code
    assert capsys.readouterr().err.splitlines()[1] == f"next: {step}"


@pytest.mark.parametrize("command", [["--help"], ["settings"], ["generate", "3"], ["generate", "30000"]])
def test_a_full_disk_is_told_once(command, tmp_path):
    """Also where what was printed is written only in the end; nothing of it is tried again behind that."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    call = [sys.executable, "-m", "crossfoot", *command]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 5
    assert done.stderr.splitlines() == [
        "error: no space left on device",
        "next: free some space, or write to another place, and run again",
    ]


def test_an_answer_that_nobody_reads_keeps_its_code(tmp_path):
    """A short one is written only in the end, when its reader may have gone."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    reader, writer = os.pipe()
    os.close(reader)
    code = (
        "import sys; from crossfoot.cli import app; app.dispatch = lambda _: print('x') or 1; sys.exit(app.main(['x']))"
    )
    call = [sys.executable, "-c", code]
    done = subprocess.run(call, stdout=writer, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_fault_shows_its_place_if_asked(monkeypatch):
    """Who looks for a fault gets the traceback."""
    monkeypatch.setenv("CROSSFOOT_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        guarded(raising(ZeroDivisionError()))


def test_a_reader_that_has_enough_is_no_error(tmp_path):
    """`crossfoot … | head` ends quietly."""
    python = shlex.quote(sys.executable)
    line = f"{python} -m crossfoot generate 200000 | head -n 1 > /dev/null; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert (done.stdout.strip(), done.stderr) == ("0", "")
