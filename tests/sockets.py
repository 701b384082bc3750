"""Connecting to a socket source that is being started."""

from __future__ import annotations

import threading
from pathlib import Path

from crossfoot.errors import ServiceError
from crossfoot.sources.socket_client import SocketClient


def connect(path: Path, tries: int = 3000) -> SocketClient:
    """A client, once somebody listens."""
    for _ in range(tries):
        try:
            return SocketClient(path)
        except ServiceError:
            threading.Event().wait(0.01)
    raise TimeoutError(f"nobody listens at {path}")
