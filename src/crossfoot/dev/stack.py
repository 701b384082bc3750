"""The local stack: broker, emulators, topics, the services that exist, and a producer, each a process with its log.

`up` asks each part whether it is ready before the next one is started; what runs already is left alone. `down` ends
those that write first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from crossfoot.definition.engines import run_lacks
from crossfoot.definition.load import load_file
from crossfoot.dev import bigtable, broker, definitions, producer, pubsub
from crossfoot.dev.bigtable import Bigtable
from crossfoot.dev.broker import Broker
from crossfoot.dev.definitions import COUNT, DIRECT, PREPROCESS, RELAY
from crossfoot.dev.folder import Chosen, Folder
from crossfoot.dev.parts import BIGTABLE, KAFKA, PUBSUB, ensure
from crossfoot.dev.processes import Processes, Program, Running
from crossfoot.dev.producer import begun_of, check_load
from crossfoot.dev.pubsub import PubSub
from crossfoot.errors import CrossfootError, ServiceError
from crossfoot.files import held
from crossfoot.seen.socket import NAME as STATUS_SOCKET
from crossfoot.seen.socket import answers
from crossfoot.sources.pubsub_client import HOST as PUBSUB_HOST
from crossfoot.sources.pubsub_client import need_package
from crossfoot.stores.bigtable_table import HOST as BIGTABLE_HOST
from crossfoot.stores.embedded import EmbeddedStore

RUN = "run"
NAMES = (broker.NAME, pubsub.NAME, bigtable.NAME, PREPROCESS, RELAY, RUN, producer.NAME)
"""Every part, in the order in which they are started."""

PARTITIONS = 4
TAIL_LINES = 5

_READY_S = 120.0
_ANSWER_S = 5.0
_SERVICES = (producer.NAME, PREPROCESS, RELAY, RUN)
_SERVICES_STOP_S, _PARTS_STOP_S = 5.0, 3.5
_STAMPED = {"message.timestamp.type": "LogAppendTime"}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What `up` is asked for; None: as it was chosen before."""

    rate: float | None = None
    copies: float | None = None
    seed: int | None = None
    total: int | None = None
    with_bigtable: bool | None = None
    direct: bool | None = None

    def over(self, chosen: Chosen) -> Chosen:
        """What holds from now on."""
        named = {name: getattr(self, name) for name in ("rate", "copies", "seed", "total")}
        load = replace(chosen.load, **{name: value for name, value in named.items() if value is not None})
        switches = {"with_bigtable": self.with_bigtable, "direct": self.direct}
        return replace(chosen, load=load, **{name: value for name, value in switches.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Line:
    """How a part stands: running, done, silent (runs without an answer), died, stopped; its last words if it died."""

    name: str
    state: str
    pid: int | None
    detail: str
    tail: tuple[str, ...] = ()


class Stack:
    """The stack of a folder. `commands`: those of Crossfoot that exist."""

    def __init__(self, folder: Path, commands: frozenset[str], note: Callable[[str], None] = lambda _: None) -> None:
        self.folder = Folder(folder.absolute())
        self.processes = Processes(self.folder.path)
        self._commands = commands
        self._note = note

    def up(self, wishes: Wishes) -> None:
        """Everything runs and is ready when this returns."""
        self.folder.path.mkdir(parents=True, exist_ok=True)
        with held(self.folder.path / "lock"):
            chosen = wishes.over(self.folder.chosen())
            check_load(chosen.load, begun_of(self.folder))
            need_package()
            parts = [ensure(part, note=self._note) for part in (KAFKA, PUBSUB)]
            self.folder.keep(chosen)
            definitions.write_missing(self.folder, chosen)
            self._start_broker(chosen, parts[0])
            self._start_emulators(chosen, parts[1])
            for program, is_ready in self._services(chosen):
                running = self.processes.start(program)
                self._note(f"{program.name} runs, process {running.pid}")
                self.processes.wait_until(running, partial(is_ready, running), _READY_S)
            self._start_producer(chosen)

    def _start_broker(self, chosen: Chosen, jars: Path) -> None:
        kafka = self._broker(chosen, jars)
        kafka.start(self.processes)
        for topic in (definitions.RAW, definitions.PREPARED, definitions.REFUSED):
            kafka.need_topic(topic, PARTITIONS, _STAMPED)
        self._note(f"{broker.NAME} answers at {kafka.bootstrap}")

    def _start_emulators(self, chosen: Chosen, program: Path) -> None:
        emulator = PubSub(program, chosen.pubsub)
        emulator.start(self.processes)
        emulator.need_topic(definitions.PROJECT, definitions.TOPIC, definitions.SUBSCRIPTION)
        self._note(f"{pubsub.NAME} answers at {emulator.address}")
        if chosen.with_bigtable:
            table = Bigtable(ensure(BIGTABLE, note=self._note), chosen.bigtable)
            table.start(self.processes)
            self._note(f"{bigtable.NAME} answers at {table.address}")

    def _services(self, chosen: Chosen) -> Iterator[tuple[Program, Callable[[Running], bool]]]:
        """The services of the way that events take, each with how it is asked whether it is ready."""
        kafka = self._broker(chosen)
        direct = self.is_direct(chosen)
        if not direct:
            for name in (PREPROCESS, RELAY):
                # One that was killed is a member until its session ends.
                known, group = self.processes.known(name), definitions.group_of(name)
                before = frozenset() if known and known.is_alive() else kafka.members(group)
                yield self._program(name, chosen, name), partial(_shares, kafka, group, before)
        store = self.folder.store(direct)
        counting = self._program(RUN, chosen, DIRECT if direct else COUNT, "--store", str(store))
        yield counting, partial(_holds, store)

    def _program(self, name: str, chosen: Chosen, definition: str, *options: str) -> Program:
        command = (sys.executable, "-m", "crossfoot", name, str(self.folder.definition(definition)), *options)
        return Program(name, command, self.variables(chosen))

    def variables(self, chosen: Chosen) -> dict[str, str]:
        """By which clients find the emulators."""
        found = {PUBSUB_HOST: f"127.0.0.1:{chosen.pubsub}"}
        return found | ({BIGTABLE_HOST: f"127.0.0.1:{chosen.bigtable}"} if chosen.with_bigtable else {})

    def _start_producer(self, chosen: Chosen) -> None:
        if not chosen.load.rate:
            return
        command = (sys.executable, "-m", "crossfoot", "dev", "produce", "--folder", str(self.folder.path))
        if self._is_produced(chosen):
            return
        running = self.processes.start(Program(producer.NAME, command))
        kafka = self._broker(chosen)
        try:
            self.processes.wait_until(running, lambda: kafka.records(definitions.RAW) > 0, _READY_S)
        except ServiceError:
            if not self._is_produced(chosen):  # a short one may be done before it is asked
                raise
        self._note(f"{producer.NAME} runs, process {running.pid}: {chosen.load.rate:g} lines a second")

    def _is_produced(self, chosen: Chosen) -> bool:
        begun = begun_of(self.folder)
        return bool(begun and begun.done and begun.done == chosen.load.total)

    def is_direct(self, chosen: Chosen) -> bool:
        """Whether `run` counts the producers' topic itself: because that was asked for, or there is no other way."""
        return chosen.direct or bool(self.lacking())

    def lacking(self) -> list[str]:
        """Why the whole way cannot be taken yet."""
        found = [f"there is no command {name}" for name in (PREPROCESS, RELAY) if name not in self._commands]
        return found or [str(lack) for lack in run_lacks(load_file(self.folder.definition(COUNT)))]

    def _broker(self, chosen: Chosen, jars: Path = Path()) -> Broker:
        return Broker(jars, self.folder.broker, chosen.kafka, chosen.controller)

    def down(self, purge: bool = False) -> list[str]:
        """Stop everything: what writes first; what does not end in time is killed. The names of those that ran."""
        self.folder.need()
        with held(self.folder.path / "lock"):
            stopped = self.processes.stop(_SERVICES, _SERVICES_STOP_S)
            stopped += self.processes.stop((pubsub.NAME, bigtable.NAME, broker.NAME), _PARTS_STOP_S)
            if purge:
                self.folder.purge()
        return stopped

    def status(self) -> list[Line]:
        """How every part stands. The services are asked, nothing is changed."""
        self.folder.need()
        chosen = self.folder.chosen()
        expected = self._expected(chosen)
        return [self._line(name, chosen) for name in NAMES if name in expected or self.processes.known(name)]

    def _expected(self, chosen: Chosen) -> set[str]:
        found = {broker.NAME, pubsub.NAME, RUN}
        found |= {bigtable.NAME} if chosen.with_bigtable else set()
        found |= {producer.NAME} if chosen.load.rate else set()
        return found if self.is_direct(chosen) else found | {PREPROCESS, RELAY}

    def _line(self, name: str, chosen: Chosen) -> Line:
        known = self.processes.known(name)
        begun = begun_of(self.folder) if name == producer.NAME else None
        if known and known.is_alive():
            answers, detail = self._asked(name, chosen)
            return Line(name, "running" if answers else "silent", known.pid, detail)
        if begun and begun.done:
            return Line(name, "done", None, f"{begun.done:,} lines")
        if known:
            tail = tuple(self.processes.tail(name, TAIL_LINES))
            return Line(name, "died", known.pid, str(self.processes.log(name)), tail)
        return Line(name, "stopped", None, "")

    def _asked(self, name: str, chosen: Chosen) -> tuple[bool, str]:
        """Whether a part answers, and what it says."""
        kafka = self._broker(chosen)
        if name == broker.NAME:
            return kafka.answers(), f"kafka at {kafka.bootstrap}"
        if name == pubsub.NAME:
            emulator = PubSub(Path(), chosen.pubsub)
            return emulator.answers(), f"{PUBSUB_HOST}={emulator.address}"
        if name == bigtable.NAME:
            table = Bigtable(Path(), chosen.bigtable)
            return table.answers(), f"{BIGTABLE_HOST}={table.address}"
        if name == producer.NAME:
            return True, f"{kafka.records(definitions.RAW):,} lines in {definitions.RAW}"
        if name == RUN:
            store = self.folder.store(self.is_direct(chosen))
            return answers(store / STATUS_SOCKET, _ANSWER_S), _counted(store)
        return bool(kafka.members(definitions.group_of(name))), f"group {definitions.group_of(name)}"


def _shares(kafka: Broker, group: str, before: frozenset[str], _running: Running) -> bool:
    """Whether a service is among those that share its group's partitions."""
    return bool(kafka.members(group) - before)


def _holds(store: Path, running: Running) -> bool:
    """Whether a process writes a store, has registered its inputs there, and answers."""
    try:
        holder = (store / "LOCK").read_text(encoding="ascii").strip()
        is_registered = holder == str(running.pid) and bool(EmbeddedStore(store).meta["partitions"])
        return is_registered and answers(store / STATUS_SOCKET, _ANSWER_S)
    except (OSError, CrossfootError):
        return False


def _counted(store: Path) -> str:
    try:
        found = EmbeddedStore(store)
        records = sum(row[4] for row in found.accounts())
        return f"{records:,} records, epoch {found.meta['epoch']}"
    except CrossfootError as error:
        return str(error)
