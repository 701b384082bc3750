"""A thread for each sink: it follows the store's epochs, and never holds up who counts."""

from __future__ import annotations

import threading
from dataclasses import replace

from crossfoot.clock import Clock
from crossfoot.errors import CrossfootError
from crossfoot.seen.state import SinkState
from crossfoot.sinks.target import Feed, GivenUpError

_FIRST_RETRY_S = 0.5
_LAST_RETRY_S = 30.0
# A catch-up takes at most this part of the time: reading the store is work too.
_SHARE = 0.25


def retry_after_s(attempts: int) -> float:
    """How long to wait after so many failed attempts."""
    return float(min(_LAST_RETRY_S, _FIRST_RETRY_S * 2 ** min(attempts - 1, 10)))


class Feeder:
    """Brings one sink up to the newest epoch, again and again, with the newest values only."""

    def __init__(self, feed: Feed, clock: Clock) -> None:
        self._feed, self._clock = feed, clock
        self._newest = 0
        self._ending = self._given_up = False
        self._changed = threading.Condition()
        self._state = SinkState(feed.name, feed.epoch, 0, 0)
        self._thread = threading.Thread(target=self._run, name=f"crossfoot-{feed.name}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> SinkState:
        """How far the sink is."""
        return replace(self._state, behind=max(0, self._newest - self._state.epoch))

    def tell(self, epoch: int) -> None:
        """The store has this epoch. Never waits for the sink."""
        with self._changed:
            self._newest = epoch
            self._changed.notify_all()

    def end(self) -> None:
        """One more attempt if something is missing, then no more."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()

    def join(self, wait_s: float) -> bool:
        """Wait for the end; after the time it is given up: the next run goes on from the mark.

        Whether it has ended: what was given up may be in the middle of a write, and holds its place until that is done.
        """
        self._thread.join(min(wait_s, threading.TIMEOUT_MAX))
        self._given_up = True
        self._thread.join(1.0)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause_s, is_last = 0.0, False
        while not is_last and self._wait(pause_s):
            is_last = self._ending
            pause_s = self._attempt()
        self._feed.close()

    def _wait(self, pause_s: float) -> bool:
        """Until the pause is over and there is something to write; an end cuts it short. Whether there is."""
        with self._changed:
            self._changed.wait_for(lambda: self._ending, pause_s)
            self._changed.wait_for(lambda: self._ending or self._newest > self._state.epoch)
            return self._newest > self._state.epoch and not self._given_up

    def _attempt(self) -> float:
        """Catch up; the pause that follows."""
        began = self._clock.elapsed_s()
        try:
            rows = self._feed.catch_up(lambda: self._given_up)
        except GivenUpError:
            return 0.0
        except Exception as error:  # noqa: BLE001 - whatever a sink does, counting goes on, and the state says it
            attempts = self._state.attempts + 1
            ours = isinstance(error, CrossfootError | OSError)
            reason = str(error) if ours else f"{type(error).__name__}: {error}"
            if hint := getattr(error, "hint", ""):
                reason = f"{reason} ({hint})"
            self._state = replace(self._state, failing=reason, attempts=attempts)
            return retry_after_s(attempts)
        feed, cells = self._feed, self._state.cells + rows
        self._state = SinkState(feed.name, feed.epoch, 0, cells, missing=feed.missing)
        took = self._clock.elapsed_s() - began
        return max(self._feed.every_s, took / _SHARE - took)
