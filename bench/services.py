"""A broker and a Pub/Sub emulator of a benchmark's own, and what they and other processes have used of the machine."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crossfoot.dev import broker as brokers
from crossfoot.dev import pubsub as pubsubs
from crossfoot.dev.broker import Broker, free_ports
from crossfoot.dev.parts import KAFKA, Part, ensure, program
from crossfoot.dev.processes import Processes
from crossfoot.dev.pubsub import PubSub
from crossfoot.dev.tools import GO
from crossfoot.sources.pubsub_client import HOST

PROJECT = "bench"
BROKER, EMULATOR = brokers.NAME, pubsubs.NAME
MANY = Part(
    "bench-pubsub",
    "1",
    "the Pub/Sub server of the benchmarks",
    Path(__file__).with_name("pubsub_server"),
    (GO,),
    program("."),
)
"""Hands out as many messages at once as Pub/Sub does; Google's emulator one each 10 ms and stream."""
STAMPED = {"message.timestamp.type": "LogAppendTime"}

_STOP_S = 10.0


class Services:
    """Those of a folder; both are ready when this is made, the Pub/Sub server where one is wanted."""

    def __init__(self, folder: Path, pubsub: Part | None) -> None:
        self.folder = folder
        self.processes = Processes(folder)
        self.broker = Broker(ensure(KAFKA), folder / "broker", *free_ports(0, 0))
        self.pubsub = PubSub(ensure(pubsub) if pubsub else Path(), *free_ports(0))
        self.servers = (BROKER, EMULATOR) if pubsub else (BROKER,)
        self.broker.start(self.processes)
        if pubsub:
            self.pubsub.start(self.processes)

    @property
    def variables(self) -> dict[str, str]:
        """By which clients find the emulator."""
        return {HOST: self.pubsub.address}

    def renew_pubsub(self) -> None:
        """An emulator that holds nothing: it keeps everything that was ever published.

        It listens elsewhere: who still asks for the one before may be given that one's port as its own.
        """
        self.processes.stop([EMULATOR], seconds=0)
        self.pubsub = PubSub(self.pubsub.folder, *free_ports(0))
        self.pubsub.start(self.processes)

    def cpu_s(self, name: str) -> float:
        """CPU seconds of a process that was started here, so far; 0 once it has ended."""
        known = self.processes.known(name)
        return cpu_s(known.pid) if known else 0.0

    def memory_mib(self, name: str) -> int:
        """The resident memory of a process that was started here."""
        known = self.processes.known(name)
        return memory_mib(known.pid) if known else 0

    def stop(self, names: tuple[str, ...]) -> None:
        """Ask these to end, and wait for it."""
        self.processes.stop(names, _STOP_S)


@contextmanager
def services(pubsub: Part | None = None) -> Iterator[Services]:
    """In a folder that goes with them, also when this process is asked to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))
    with tempfile.TemporaryDirectory(prefix="crossfoot-bench-") as name:
        processes = Processes(Path(name))
        try:
            yield Services(Path(name), pubsub)
        finally:
            processes.stop((BROKER, EMULATOR), seconds=0)


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far, with all its threads."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> int:
    """The resident memory of a process."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
    except OSError:
        return 0
