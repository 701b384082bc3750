"""What the emulators of one process have in common."""

from __future__ import annotations

import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from crossfoot.dev.processes import Processes, Program
from crossfoot.sources.pubsub_client import need_package

_READY_S = 30.0


@dataclass(frozen=True, slots=True)
class Emulator(ABC):
    """Where its program is, and the port that it listens on. What it holds ends with its process."""

    name: ClassVar[str]
    folder: Path
    port: int

    @property
    def address(self) -> str:
        """Its address for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    @abstractmethod
    def options(self) -> tuple[str, ...]:
        """How its program is told where to listen."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it is ready for clients; waits a second at most."""

    def start(self, processes: Processes) -> None:
        """Ready when this returns."""
        processes.bring_up(Program(self.name, (str(self.folder / "emulator"), *self.options)), self.answers, _READY_S)

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """It speaks gRPC, which the package of Pub/Sub brings."""
        need_package()
        import grpc

        with grpc.insecure_channel(self.address) as channel:
            yield channel


def speaks_http(address: str, seconds: float) -> bool:
    """Whether a server says anything, an error too; waits so long at most."""
    try:
        with urllib.request.urlopen(address, timeout=seconds) as answer:  # noqa: S310
            return bool(answer.status)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
