"""Processes that live on when the command that started them has ended: each with a pid file and a log."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossfoot import settings
from crossfoot.clock import Clock, SystemClock
from crossfoot.errors import CallError, ServiceError

_LOOK_S = 0.1
_TAIL_BYTES = 64 << 10
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Program:
    """What is started under a name; `settings` are environment variables beside ours."""

    name: str
    command: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """A process: its number, and when it began, by which it is told from a later one of the same number."""

    name: str
    pid: int
    began: int

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return not self.wait(0)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it has ended, with all its threads."""
        return _began(self.pid) != self.began or _ended(self.pid, seconds)

    def send(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of a folder."""

    folder: Path
    clock: Clock = field(default_factory=SystemClock)

    def log(self, name: str) -> Path:
        """The log of a process."""
        return self.folder / "logs" / f"{name}.log"

    def pid_file(self, name: str) -> Path:
        """Where the number of a process is kept while it is meant to run."""
        return self.folder / "pids" / f"{name}.pid"

    def known(self, name: str) -> Running | None:
        """The process that was started under a name and was not stopped since; it may have died."""
        try:
            said = json.loads(self.pid_file(name).read_text(encoding="utf-8"))
            return Running(name, said["pid"], said["began"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def start(self, program: Program) -> Running:
        """Start it; one of this name that runs already is left alone."""
        known = self.known(program.name)
        if known and known.is_alive():
            return known
        for file in (self.log(program.name), self.pid_file(program.name)):
            file.parent.mkdir(parents=True, exist_ok=True)
        pid = self._spawn(program)
        running = Running(program.name, pid, _began(pid) or 0)
        draft = self.pid_file(program.name).with_suffix(".new")
        draft.write_text(json.dumps({"pid": running.pid, "began": running.began}) + "\n", encoding="utf-8")
        draft.replace(self.pid_file(program.name))
        return running

    def _spawn(self, program: Program) -> int:
        """In a session of its own, so that Ctrl-C in our terminal does not end it."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self.log(program.name)), flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        environment = {**settings.environment(), **program.settings}
        try:
            return os.posix_spawnp(program.command[0], program.command, environment, file_actions=files, setsid=True)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise CallError(
                f"{program.name} cannot be started: {why}: {program.command[0]}", "crossfoot doctor"
            ) from error

    def bring_up(self, program: Program, ready: Callable[[], bool], seconds: float) -> None:
        """Start it, and wait until it is ready."""
        self.wait_until(self.start(program), ready, seconds)

    def wait_until(self, running: Running, ready: Callable[[], bool], seconds: float) -> None:
        """Ask a service again and again whether it is ready; its death and the end of the time are errors."""
        end = self.clock.elapsed_s() + seconds
        while not (ready() and running.is_alive()):
            if running.wait(_LOOK_S):
                raise ServiceError(
                    f"{running.name} has ended: {self.last_word(running.name)}", self._next(running.name)
                )
            if self.clock.elapsed_s() >= end:
                said = self.last_word(running.name)
                raise ServiceError(
                    f"{running.name} is not ready within {seconds:g} s: {said}", self._next(running.name)
                )

    def _next(self, name: str) -> str:
        return f"its log says more: {self.log(name)}"

    def stop(self, names: Iterable[str], seconds: float) -> list[str]:
        """Ask them to end, all at once; what still runs after the time is killed. The names of those that ran."""
        found = [running for name in names if (running := self.known(name)) and running.is_alive()]
        for running in found:
            running.send(signal.SIGTERM)
        end = self.clock.elapsed_s() + seconds
        for running in found:
            if not running.wait(end - self.clock.elapsed_s()):
                running.send(signal.SIGKILL)
                running.wait(_LOOK_S * 20)
        for name in names:
            self.pid_file(name).unlink(missing_ok=True)
        return [running.name for running in found]

    def kill(self, name: str) -> None:
        """As a machine that loses power."""
        if running := self.known(name):
            running.send(signal.SIGKILL)
            running.wait(60)

    def tail(self, name: str, lines: int) -> list[str]:
        """The last lines of a log."""
        try:
            with self.log(name).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                return file.read().decode("utf-8", "replace").splitlines()[-lines:]
        except OSError:
            return []

    def last_word(self, name: str) -> str:
        """The last line of a log."""
        return next(iter(self.tail(name, 1)), "it said nothing")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said, on both outputs, and its exit code; None: it was not there, or took too long."""

    code: int | None
    text: str

    @property
    def lines(self) -> list[str]:
        """Its lines that are not empty."""
        return [line.strip() for line in self.text.splitlines() if line.strip()]


def answer_of(command: Sequence[str], seconds: float) -> Answer:
    """Run a command to its end."""
    nothing, out, both = subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT
    try:
        done = subprocess.run(
            command, check=False, stdin=nothing, stdout=out, stderr=both, timeout=seconds, text=True, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return Answer(None, f"it took longer than {seconds:g} s")
    except OSError as error:
        return Answer(None, (error.strerror or str(error)).lower())
    return Answer(done.returncode, _COLOURS.sub("", done.stdout))


def _began(pid: int) -> int | None:
    """When a process began, in ticks since the machine did; None where there is none of this number."""
    try:
        said = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(said.rpartition(")")[2].split()[19])


def _ended(pid: int, seconds: float) -> bool:
    """Whether a process, ours or not, has ended within the time. One of ours is let go then."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        waiting = select.poll()
        waiting.register(handle, select.POLLIN)
        ended = bool(waiting.poll(max(0, int(seconds * 1000))))
    finally:
        os.close(handle)
    if ended:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return ended
