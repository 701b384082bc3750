"""The whole way, for tests: Kafka, preprocess, Kafka, relay, Pub/Sub, run; a definition for each stage."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bench.way import fill
from crossfoot.definition.load import load_text
from crossfoot.query.ledger import Accounts, accounts_of
from crossfoot.services.group.state import Totals
from crossfoot.services.live import LiveJob, LiveWatch, run_live
from crossfoot.services.relay.job import job_of, relay
from crossfoot.services.relay.state import RelayWatch
from crossfoot.settings import Settings
from crossfoot.sources.files import Place
from crossfoot.sources.openers import openers_of
from crossfoot.stores.embedded import EmbeddedStore
from tests.services.broker import Broker
from tests.services.preparing import QUICK, Stage
from tests.services.relaying import PROJECT, Hop

PARTITIONS = 2
# The emulator hands a message to each stream in turn.
PULL = Settings(epoch_seconds=0.25, idle_seconds=0.1, pubsub_streams=64)


@dataclass(frozen=True)
class Events:
    """A definition with `{source}`, `{received}` and `{more}` left open, and what fills the latter two at first."""

    text: str
    received: str
    accept: str

    def at(self, name: str, source: str, received: str, more: str = "") -> str:
        """The definition of a stage; the namespace is of this way alone."""
        said = self.text.format(source=source, received=received, more=more)
        return re.sub(r"^namespace: \S+", f"namespace: {name}", said, flags=re.MULTILINE)


class Way:
    """Topics, a subscription and definitions that nothing else uses."""

    def __init__(self, broker: Broker, address: str, events: Events, blocks: bool) -> None:
        self.events = events
        self.stage = Stage(broker, partitions=PARTITIONS)
        self.hop = Hop(broker, address, name=f"{self.stage.name}.prepared")
        self._kafka = f'bootstrap.servers: "{broker.bootstrap}", session.timeout.ms: 6000'
        self.stage.text = self._text(
            f'{{kafka: {{topic: "{self.stage.name}", {self._kafka}}}}}',
            events.received,
            f'preprocess: {{to: {{kafka: {{topic: "{self.hop.name}"}}}}, blocks: {str(blocks).lower()}}}',
        )

    @property
    def relay(self) -> str:
        to = f'{{pubsub: {{project: {PROJECT}, topic: "{self.hop.name}"}}}}'
        return self._text(
            f'{{kafka: {{topic: "{self.hop.name}", {self._kafka}}}, format: prepared}}',
            "carried",
            f'relay: {{to: {to}, dead_letter: "{self.hop.name}.dead"}}',
        )

    @property
    def pull(self) -> str:
        source = f'{{pubsub: {{project: {PROJECT}, subscription: "{self.hop.name}"}}, format: prepared}}'
        return self._text(source, "carried")

    def _text(self, source: str, received: str, more: str = "") -> str:
        return self.events.at(self.stage.name, source, received, f"{self.events.accept}\n{more}")

    def go(self, lines: list[bytes], store: Path) -> Accounts:
        """Send the lines along; what each hop says of them balances. The accounts at the end."""
        fill(self.stage.broker.bootstrap, self.stage.name, lines, PARTITIONS)
        totals = self.stage.prepare().totals
        assert (totals.records, totals.out, totals.unaccounted) == (len(lines), len(lines), 0)

        messages = sum(1 for _ in self.stage.read(self.hop.name))
        found = relay(job_of(load_text(self.relay), self.hop.environment, once=True), QUICK, RelayWatch())
        assert found.totals == Totals(records=messages, out=messages)

        accounts = self._count(store, len(lines))
        assert accounts.unaccounted == 0
        return accounts

    def _count(self, store: Path, lines: int) -> Accounts:
        """Until as many were delivered as were sent, and for one epoch more all is quiet; the accounts then."""
        records: list[int] = [-1]
        watch = LiveWatch(
            state=lambda state: records.append(state.records),
            stop=lambda: records[-1] >= lines and records[-1] == records[-2],
        )
        definition = load_text(self.pull)
        sources = openers_of(definition, Place(store, store), self.hop.environment)
        run_live(LiveJob(definition, store, sources), PULL, watch)
        return accounts_of(EmbeddedStore(store))
