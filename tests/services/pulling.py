"""Counting a subscription, for tests: the definition's end of the way, and processes that are killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from crossfoot.definition.load import load_text
from crossfoot.services.live import LiveJob, LiveState, LiveWatch, run_live
from crossfoot.settings import Settings
from crossfoot.sources.files import Place
from crossfoot.sources.openers import openers_of
from crossfoot.sources.pubsub_client import HOST

QUICK = Settings(epoch_seconds=0.05, idle_seconds=0.1, connect_seconds=5, pubsub_streams=8)


def count(text: str, store: Path, address: str, until: int | None = None, **watch: Any) -> dict[str, int]:
    """Count until so many events are `counted` (None: what the log has); the accounts that are not empty."""
    counted = 0

    def state(state: LiveState) -> None:
        nonlocal counted
        counted = state.accounts["counted"]

    definition = load_text(text)
    sources = openers_of(definition, Place(store, store), {HOST: address})
    stop = {} if until is None else {"stop": lambda: counted >= until}
    found = run_live(LiveJob(definition, store, sources, until is None), QUICK, LiveWatch(state=state, **stop, **watch))
    return {name: records for name, records in found.totals.items() if records}


def count_and_kill(command: list[str], project: Path, address: str, epochs: int) -> None:
    """A process that is killed after so many epochs with records."""
    environment = {**os.environ, HOST: address}
    with subprocess.Popen(
        [sys.executable, "-m", *command], cwd=project, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        told = (int(line) for line in process.stdout or ())
        for _ in zip(range(epochs), (done for done in told if done), strict=False):
            pass
        process.kill()
