"""A Bigtable emulator of one process."""

from __future__ import annotations

from dataclasses import dataclass

from crossfoot.dev.emulator import Emulator

NAME = "bigtable"
_ANSWER_S = 1.0


@dataclass(frozen=True, slots=True)
class Bigtable(Emulator):
    """An emulator of tables."""

    name = NAME

    @property
    def options(self) -> tuple[str, ...]:
        """How its program is told where to listen."""
        return ("-host", "127.0.0.1", "-port", str(self.port))

    def answers(self) -> bool:
        """Whether it speaks gRPC; waits a second at most."""
        with self.channel() as channel:
            import grpc

            try:
                grpc.channel_ready_future(channel).result(timeout=_ANSWER_S)
            except grpc.FutureTimeoutError:
                return False
        return True
