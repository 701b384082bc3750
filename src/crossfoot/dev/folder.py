"""The folder of a local stack: which files it has, and what was chosen when it was made."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

from crossfoot.dev.broker import free_ports
from crossfoot.errors import CallError
from crossfoot.files import replace_whole

_PORTS = (9092, 9093, 8085, 8086)


@dataclass(frozen=True, slots=True)
class Load:
    """What the producer makes: lines per second (0: nothing), share of copies, seed, how many lines (None: no end)."""

    rate: float = 1000.0
    copies: float = 0.08
    seed: int = 1
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was chosen at the first `up`, and holds until the folder is purged, but for what `up` names anew."""

    kafka: int
    controller: int
    pubsub: int
    bigtable: int
    with_bigtable: bool = False
    direct: bool = False
    load: Load = field(default_factory=Load)


@dataclass(frozen=True, slots=True)
class Folder:
    """Where everything of a stack is."""

    path: Path

    @property
    def chosen_file(self) -> Path:
        """By this file a folder is known as one of ours."""
        return self.path / "stack.json"

    @property
    def begun_file(self) -> Path:
        """What the producer began with."""
        return self.path / "produce.json"

    @property
    def broker(self) -> Path:
        """The broker's settings and data."""
        return self.path / "broker"

    def store(self, direct: bool) -> Path:
        """Where `run` counts into; each way has a store of its own."""
        return self.path / ("store-direct" if direct else "store")

    def definition(self, name: str) -> Path:
        """The file of a definition."""
        return self.path / f"{name}.yaml"

    def exists(self) -> bool:
        """Whether a stack was made here."""
        return self.chosen_file.exists()

    def need(self) -> None:
        """CallError where there is no stack."""
        if not self.exists():
            raise CallError(f"there is no local stack in {self.path}", "make one: crossfoot dev up")

    def chosen(self) -> Chosen:
        """What was chosen; the first time ports that are free."""
        if not self.exists():
            kafka, controller, pubsub, bigtable = free_ports(*_PORTS)
            return Chosen(kafka, controller, pubsub, bigtable)
        try:
            said = json.loads(self.chosen_file.read_text(encoding="utf-8"))
            return Chosen(**{**said, "load": Load(**said["load"])})
        except (ValueError, TypeError, KeyError) as error:
            raise CallError(f"{self.chosen_file} cannot be read: {error}", "begin anew: remove the folder") from error

    def keep(self, chosen: Chosen) -> None:
        """Write down what was chosen."""
        self.path.mkdir(parents=True, exist_ok=True)
        replace_whole(self.chosen_file, f"{json.dumps(asdict(chosen), indent=2)}\n".encode())

    def purge(self) -> None:
        """Remove what is ours, and the folder if nothing else is in it."""
        if not self.exists():
            return
        ours = ["broker", "logs", "pids", "store", "store-direct", "lock", "produce.lock", "produce.json", "stack.json"]
        for place in [*(self.path / name for name in ours), *self.path.glob("*.yaml")]:
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()
