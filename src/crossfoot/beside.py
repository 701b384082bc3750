"""Work that comes again and again beside counting: on a thread, which holds up nobody, and is broken off at the end."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

_LET_GO_S = 4.0
_LET_GO_AGAIN_S = 2.0
"""So long a thread may take to end, and where that was asked for before: a run's sinks, and after them two threads, one
after the other, are done in less than ten seconds."""
_PULL_S = 0.05
_PROBLEMS_MAX = 16


class BrokenOffError(Exception):
    """The work is to end before it is done."""


class Interruptible(Protocol):
    """A connection of DuckDB, whose query another thread may interrupt."""

    def interrupt(self) -> None: ...


class Hold:
    """By what a piece of work can be broken off from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Interruptible | None = None
        self.is_broken = False

    @contextmanager
    def of(self, connection: Interruptible) -> Iterator[None]:
        """While it works in a connection."""
        self.check()
        with self._lock:
            self._connection = connection
        try:
            yield
        finally:
            with self._lock:
                self._connection = None

    def check(self) -> None:
        """BrokenOffError where the work is to end: between pieces that nobody can interrupt."""
        if self.is_broken:
            raise BrokenOffError

    def break_off(self) -> None:
        """End it. An interruption between two queries is lost, so this is done until it has ended."""
        self.is_broken = True
        with self._lock:
            if self._connection is not None:
                self._connection.interrupt()


Problem = TypeVar("Problem")


class Beside(ABC, Generic[Problem]):
    """Does its turn again and again, from `with` to its end, and keeps the problems that are to be told."""

    def __init__(self, name: str, first_s: float = 0.0) -> None:
        self._first_s = first_s
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._problems: deque[Problem] = deque(maxlen=_PROBLEMS_MAX)
        self.hold = Hold()

    def __enter__(self) -> Self:
        """The first turn comes after the first seconds."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """A turn that goes on is broken off. A thread inside DuckDB must not outlive the process, which would abort."""
        longest_s = _LET_GO_AGAIN_S if self._ending.is_set() else _LET_GO_S
        self.let_go()
        for _ in range(int(longest_s / _PULL_S)):
            if not self.is_alive:
                return
            self.hold.break_off()
            self._thread.join(_PULL_S)

    def let_go(self) -> None:
        """Begin to end, while something else is done: a turn that goes on is broken off, no other one follows."""
        self._ending.set()
        self.hold.break_off()

    @property
    def is_alive(self) -> bool:
        """Whether the thread was started, and has not ended."""
        return self._thread.is_alive()

    def problems(self) -> list[Problem]:
        """What went wrong since they were asked for last."""
        told = []
        while self._problems:
            told.append(self._problems.popleft())
        return told

    @abstractmethod
    def _turn(self) -> float:
        """Seconds until the next one."""

    def _run(self) -> None:
        wait_s = self._first_s
        while not self._ending.wait(wait_s):
            wait_s = self._turn()
