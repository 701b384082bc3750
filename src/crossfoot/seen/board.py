"""Where a service publishes its state, and who shows it: the status socket, the metrics, the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from crossfoot.seen.changes import Changes, Event
from crossfoot.seen.log import Log
from crossfoot.seen.socket import StatusSocket
from crossfoot.seen.state import State
from crossfoot.settings import Settings

_NOTES_KEPT = 256


@dataclass(frozen=True, slots=True)
class Showing:
    """How a service is shown: its socket (None: none), and the settings of metrics and log."""

    socket: Path | None = None
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"
    log: str = ""

    @staticmethod
    def of(settings: Settings, socket: Path | None) -> Showing:
        """As the settings say; a path that a setting names comes first."""
        chosen = Path(settings.status_socket) if settings.status_socket else socket
        return Showing(chosen, settings.metrics_port, settings.metrics_host, settings.log)


class Board:
    """The last state that was published. Publishing never waits for who reads."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._changes = Changes()
        self._noted: deque[str] = deque(maxlen=_NOTES_KEPT)
        self.state: State | None = None
        self.metrics: str | None = None

    def publish(self, state: State) -> State:
        """Show a state from now on, and tell what has changed; the state as it is shown."""
        state = replace(state, metrics=self.metrics)
        self.state = state
        for event in self._changes.of(state):
            self._log.tell(self._once(event))
        self._noted.clear()
        return state

    def noting(self, tell: Callable[[str], None]) -> Callable[[str], None]:
        """Tells notes; a reason that one has told is not told again by a change of state."""

        def note(text: str) -> None:
            self._noted.append(text)
            tell(text)

        return note

    def _once(self, event: Event) -> Event:
        reason = event.facts.get("reason")
        if reason is None or not any(reason in text for text in self._noted):
            return event
        return replace(event, facts={name: fact for name, fact in event.facts.items() if name != "reason"})

    def stopping(self) -> None:
        """The service ends: the last state says so."""
        if self.state is not None:
            self.publish(replace(self.state, phase="stopping"))


@contextmanager
def shown(service: str, showing: Showing) -> Iterator[Board]:
    """A board that is read by whoever the settings let, while the service runs."""
    log = Log(showing.log, service)
    board = Board(log)

    def state() -> State | None:
        return board.state

    with ExitStack() as stack:
        if showing.metrics_port is not None:
            from crossfoot.seen.metrics import Metrics

            metrics = Metrics(showing.metrics_host, showing.metrics_port, state)
            stack.callback(metrics.close)
            board.metrics = metrics.address
        if showing.socket is not None:
            try:
                stack.callback(StatusSocket(showing.socket, state).close)
            except OSError as error:
                # A file system without sockets must not keep anybody from counting.
                log.tell(Event("no_status_socket", {"path": str(showing.socket), "reason": str(error)}, warns=True))
        try:
            yield board
        finally:
            board.stopping()
