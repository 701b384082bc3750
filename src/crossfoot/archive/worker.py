"""A thread that does what it is given, in its order, beside the one that counts."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Worker:
    """Holds back who gives it more than `size_max`, in any unit. Its first failure ends it, and everybody is told."""

    def __init__(self, name: str, size_max: int) -> None:
        self._size_max = size_max
        self._changed = threading.Condition()
        self._works: deque[tuple[Callable[[], object], int]] = deque()
        self._size = 0
        self._failure: BaseException | None = None
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], object], size: int = 1) -> None:
        """Have something done; waits while too much waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure or not self._size or self._size + size <= self._size_max)
            self._check()
            self._works.append((work, size))
            self._size += size
            self._changed.notify_all()

    def wait(self) -> None:
        """Until everything is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure or not self._size)
            self._check()

    def end(self) -> None:
        """Nothing more is begun; what is being done is waited for."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
        self._thread.join()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        while work := self._next():
            try:
                work[0]()
            except BaseException as error:  # noqa: BLE001 - whoever waits raises it
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._size -= work[1]
                self._changed.notify_all()

    def _next(self) -> tuple[Callable[[], object], int] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_ending or self._works)
            return None if self._is_ending else self._works.popleft()
