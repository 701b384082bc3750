"""A Bigtable emulator of one process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crossfoot.dev.processes import Processes, Program
from crossfoot.dev.pubsub import need_package

NAME = "bigtable"
READY_S = 30.0
HOST = "BIGTABLE_EMULATOR_HOST"
"""The variable by which every Bigtable client finds an emulator."""

_ANSWER_S = 1.0


@dataclass(frozen=True, slots=True)
class Bigtable:
    """Where the emulator's program is, and the port that it listens on. What it holds ends with its process."""

    folder: Path
    port: int

    @property
    def address(self) -> str:
        """Its address for clients."""
        return f"127.0.0.1:{self.port}"

    def start(self, processes: Processes) -> None:
        """Ready when this returns."""
        place = ("-host", "127.0.0.1", "-port", str(self.port))
        running = processes.start(Program(NAME, (str(self.folder / "emulator"), *place)))
        processes.wait_until(running, self.answers, READY_S)

    def answers(self) -> bool:
        """Whether it speaks gRPC; waits a second at most."""
        need_package()  # it brings gRPC
        import grpc

        with grpc.insecure_channel(self.address) as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=_ANSWER_S)
            except grpc.FutureTimeoutError:
                return False
        return True
