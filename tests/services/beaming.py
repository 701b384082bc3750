"""Pipelines as processes, in the environment of Beam, over tables that nothing else uses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from random import Random
from subprocess import DEVNULL, PIPE
from typing import Any

from crossfoot.definition.load import load_text
from crossfoot.dev.parts import BEAM, PRISM
from crossfoot.errors import StoreError
from crossfoot.event import PositionedRecord
from crossfoot.query.client import Store
from crossfoot.query.ledger import accounts_of
from crossfoot.stores.bigtable import BigtableStore
from crossfoot.stores.bigtable_rows import ABOUT, FAMILY, about_of
from crossfoot.stores.bigtable_table import GoogleTable, TableName
from crossfoot.stores.embedded import EmbeddedStore
from tests.counting import count
from tests.meta.source_tree import ROOT
from tests.preparing import prepare, step
from tests.services.parts import part
from tests.services.relaying import PROJECT
from tests.services.relaying import Place as PubSubPlace
from tests.unit.sinks.folding import queried

RUN = ("-m", "crossfoot", "beam", "run")


def make_table() -> TableName:
    """A table with a family that keeps four versions."""
    from google.cloud.bigtable import Client
    from google.cloud.bigtable.column_family import MaxVersionsGCRule

    name = TableName("test", "instance", f"t-{uuid.uuid4().hex[:8]}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        admin = Client(project=name.project, admin=True).instance(name.instance).table(name.table)
        admin.create(column_families={FAMILY: MaxVersionsGCRule(4)})
    return name


def sink_of(name: TableName) -> str:
    """What a definition says of a table."""
    return f"sinks: [{{bigtable: {{project: {name.project}, instance: {name.instance}, table: {name.table}}}}}]\n"


@dataclass
class Beam:
    """Runs commands with Beam's environment; `settings` are variables."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    python: str = ""
    prism: str = ""
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.python = str(part(BEAM) / "environment" / "bin" / "python")
        self.prism = str(part(PRISM) / "prism")

    def start(self, *arguments: str, out: int = PIPE) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", **self.settings}
        pipes: dict[str, Any] = {"stdout": out, "stderr": out, "text": True, "start_new_session": True}
        process = subprocess.Popen([self.python, *arguments], cwd=self.home, env=environment, **pipes)
        self.processes.append(process)
        return process

    def lend(self, *packages: str) -> None:
        """Packages of the tests' environment, which Beam's has not."""
        folder = self.home / "lent"
        folder.mkdir()
        for name in packages:
            (folder / name).symlink_to(Path(import_module(name).__file__ or "").parent)
        self.settings["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT / "src", ROOT, folder)))

    def workers(self, port: int) -> subprocess.Popen[str]:
        """A process that starts workers, in its own group, for jobs that name its port."""
        self.settings["PATH"] = f"{Path(self.python).parent}{os.pathsep}{os.environ['PATH']}"
        return self.start("-m", "apache_beam.runners.worker.worker_pool_main", f"--service_port={port}", out=DEVNULL)

    def stop(self) -> None:
        """End what is left of all processes, and of those that they have started."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, what was said, and what was said beside it."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def count(self, definition: Path, *options: str) -> None:
        """`crossfoot beam run`, which has to end well."""
        code, out, err = self.run("-m", "crossfoot", "beam", "run", str(definition), *options)
        assert code == 0, f"{out}\n{err}"


def opened(name: TableName) -> Store:
    return Store.open(str(name))


CLICKS = """
crossfoot: 1
namespace: {name}
source: {source}
event:
  time: {{field: at, unit: ms}}
  received: {received}
  id: id
  fields:
    page: {{path: page, type: text}}
    who: {{path: who, type: integer}}
    paid: {{path: paid, type: decimal(2)}}
accept: {{lateness: 1h, future: 1m{transport}}}
metrics:
  clicks:
    by: [[], [page]]
    measures: {{clicks: count, paid: sum(paid), least: min(paid), people: distinct(who)}}
    grains: [1m, 1h, all]
"""


def clicks(number: int, seed: int = 7) -> list[dict[str, Any]]:
    """Events of the last minutes by their time of receipt: 8 % copies, some late, some ahead of their time."""
    random, now_ms, made = Random(seed), time.time_ns() // 10**6, []
    for place in range(number):
        if made and random.random() < 0.08:
            made.append(random.choice(made[-5_000:]) | {"got": now_ms - 600_000 + place})
            continue
        got = now_ms - 600_000 + place
        moved = random.choices((0, -3_700_000, 120_000), (0.96, 0.02, 0.02))[0]
        event = {"id": f"e{place}", "at": got + moved - random.randrange(2_000), "got": got, "page": f"p{place % 50}"}
        made.append(event | {"who": random.randrange(300), "paid": f"{random.randrange(10_000) / 100:.2f}"})
    return made


class Clicks:
    """The same events for both: as lines of a file, and as blocks in a subscription."""

    def __init__(self, folder: Path, address: str, number: int) -> None:
        self.folder, self.place, self.table = folder, PubSubPlace(address), make_table()
        self.lines = [json.dumps(event).encode() for event in clicks(number)]
        self.raw = self._text("{files: [clicks.jsonl]}", "{field: got, unit: ms}", "")
        (folder / "clicks.jsonl").write_bytes(b"\n".join(self.lines) + b"\n")
        source = f"{{pubsub: {{project: {PROJECT}, subscription: {self.place.name}}}, format: prepared}}"
        self.definition = folder / "beam.yaml"
        self.definition.write_text(self._text(source, "carried", ", transport: 7d") + sink_of(self.table), "utf-8")
        made = step(load_text(self.raw), form="block", block_bytes=20_000)
        self.messages = prepare(made, [PositionedRecord(line, at) for at, line in enumerate(self.lines)]).messages

    def go_on(self, subscription: str) -> None:
        """The same events by another subscription, into another table."""
        text = self.definition.read_text("utf-8").replace(
            f"subscription: {self.place.name}", f"subscription: {subscription}"
        )
        before, self.table = self.table, make_table()
        self.definition.write_text(text.replace(before.table, self.table.table), "utf-8")

    def _text(self, source: str, received: str, transport: str) -> str:
        return CLICKS.format(name=self.place.name, source=source, received=received, transport=transport)

    def assert_counted(self, records: int) -> None:
        """Every cell as the embedded engine has it, and every delivery in an account."""
        count(self.folder, self.raw)
        store = EmbeddedStore(self.folder / "store")
        assert queried(opened(self.table)) == queried(self.folder / "store")
        found, expected = accounts_of(BigtableStore.open(str(self.table))), accounts_of(store)
        assert (found.records, found.unaccounted) == (records, 0)
        assert found.digests["counted"] == expected.digests["counted"]
        assert all(expected.totals[account] for account in ("too_late", "future", "duplicate"))


def until(process: subprocess.Popen[str], table: TableName, records: int) -> None:
    """The pipeline has written out so many records."""
    while True:
        with suppress(StoreError):
            if accounts_of(BigtableStore.open(str(table))).records >= records:
                return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
            raise AssertionError((process.returncode, *process.communicate()))


def until_claimed(process: subprocess.Popen[str], table: TableName) -> None:
    """The table is the pipeline's, and nothing was counted yet."""
    opened_table = GoogleTable(table)
    while about_of(opened_table.row(ABOUT)).plan is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            raise AssertionError((process.returncode, *process.communicate()))


def until_counted(process: subprocess.Popen[str], table: TableName, records: int) -> str:
    """The same; then it is asked to end. What it has said."""
    until(process, table, records)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    return said
