"""Calls a command and turns its errors into one clear line and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from crossfoot.cli.commands import COMMANDS, GROUPS, overview
from crossfoot.errors import CallError, CrossfootError, DefinitionError, InternalError

INTERRUPTED = 130
# Stands for `-` while options are read: a lone dash would be taken for an option.
STANDARD = "\x1a-"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return guarded(lambda: _written(lambda: _answer(given)))
    except BrokenPipeError:
        return 0  # who reads has enough


def _answer(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(overview())
        return 0
    if arguments[0] == "--version":
        from crossfoot import __version__

        print(__version__)
        return 0
    return dispatch(arguments)


def _written(call: Callable[[], int]) -> int:
    """The call's exit code, once all that it printed is written; OSError where it cannot be."""
    try:
        code = call()
        with suppress(BrokenPipeError):
            print(end="", flush=True)
        return code
    finally:
        _let_go()


def _let_go() -> None:
    """What standard output does not take is dropped: else it is tried again, and told, at the interpreter's end."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def guarded(call: Callable[[], int]) -> int:
    """The call's exit code, or the code of the error that ended it, which is told on stderr."""
    try:
        return call()
    except CrossfootError as error:
        tell(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted: what was committed is kept", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:
        from crossfoot.cli.places import refused_by_system

        told = refused_by_system(error)
        tell(told)
        return told.exit_code
    except Exception as error:  # noqa: BLE001 - the last line of defence: whatever it is, it is told in one line
        return _fault(error)


def _fault(error: Exception) -> int:
    from crossfoot import settings

    if type(error).__name__ == "Crashed":
        # A test asked for a crash at a durable step: end as a power cut would.
        os.kill(os.getpid(), signal.SIGKILL)
    if settings.load().traceback:
        raise error
    message = f"{type(error).__name__}: {error}".replace("\n", " ")
    tell(InternalError(message, "please report this; CROSSFOOT_TRACEBACK=1 shows where it happened"))
    return InternalError.exit_code


def tell(error: CrossfootError) -> None:
    """One line for what happened, one for the next step."""
    from crossfoot.query.escape import safe_text

    several = error.all if isinstance(error, DefinitionError) else (error,)
    for each in several:
        print(f"error: {safe_text(each)}", file=sys.stderr)
        if each.hint:
            print(f"next: {safe_text(each.hint)}", file=sys.stderr)


def dispatch(arguments: Sequence[str]) -> int:
    """Find the command, read its arguments, call it."""
    import cyclopts

    app = cyclopts.App(
        name="crossfoot",
        help_flags=["--help", "-h"],
        version_flags=[],
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
    )
    rooms: dict[str, Any] = {}
    for command in COMMANDS:
        room, _, name = command.name.rpartition(" ")
        if room and room not in rooms:
            rooms[room] = cyclopts.App(name=room, help=GROUPS[room], help_flags=["--help", "-h"], version_flags=[])
            app.command(rooms[room])
        rooms.get(room, app).command(f"crossfoot.cli.{command.target}", name=name, help=_help(command.name))
    try:
        result: Any = app([STANDARD if argument == "-" else argument for argument in arguments])
    except cyclopts.CycloptsError as error:
        raise CallError(_first_line(str(error)), _usage(arguments)) from error
    return result if isinstance(result, int) else 0


def _help(name: str) -> str:
    command = next(command for command in COMMANDS if command.name == name)
    summary = command.summary[0].upper() + command.summary[1:] + "."
    return f"{summary}\n\nExample: `crossfoot {name} {command.example}`" if command.example else summary


def _first_line(message: str) -> str:
    text = " ".join(message.split())
    return text[:1].lower() + text[1:].rstrip(".")


def _usage(arguments: Sequence[str]) -> str:
    names = {command.name for command in COMMANDS} | set(GROUPS)
    meant = [name for name in (" ".join(arguments[:2]), arguments[0]) if name in names]
    return f"crossfoot {meant[0]} --help" if meant else "crossfoot --help"
