"""crossfoot demo: real data as a faulty pipeline delivers it, counted and checked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from crossfoot.cli.output import Table, emit, note, say, shell_words
from crossfoot.cli.progress import bar
from crossfoot.clock import SystemClock
from crossfoot.demo.items import Check, Command, Heading, Item, Rows, Text

if TYPE_CHECKING:
    from crossfoot.demo.chaos import Child

_LOOK_S = 0.005


def demo(
    *,
    chaos: Annotated[bool, Parameter(negative="")] = False,
    store: Path = Path("crossfoot-demo"),
) -> int:
    """Count 39,244 edits of Wikipedia that arrive late, twice and out of order, and compare with a recount by DuckDB.

    Exit code 1 if a comparison does not hold.

    Parameters
    ----------
    chaos
        Count them again with processes that are killed at every durable step, and compare.
    store
        The folder that is made; the next demo replaces it.
    """
    from crossfoot.demo.folder import Folder
    from crossfoot.demo.telling import Stage, tell
    from crossfoot.native import durable_steps

    clock = SystemClock()
    began, failed = clock.elapsed_s(), 0
    stage = Stage(bar, durable_steps(), _run) if chaos else Stage(bar)
    for item in tell(Folder(store), stage):
        _show(item)
        sys.stdout.flush()
        failed += isinstance(item, Check) and not item.holds
    note(f"all of it in {clock.elapsed_s() - began:.0f} s")
    if failed:
        say(f"{failed} checks FAILED")
    return 1 if failed else 0


def _show(item: Item) -> None:
    match item:
        case Heading(text):
            _heading(text)
        case Text(text):
            say(text)
        case Rows(names, rows):
            emit(Table(names, rows), "table")
        case Command(words):
            say("  " + shell_words(words))
        case Check(holds, text):
            say(f"  {'ok    ' if holds else 'FAILED'}  {text}")


def _heading(text: str) -> None:
    say()
    if not sys.stdout.isatty():
        say(text)
        return
    from rich.console import Console

    Console(highlight=False).print(text, style="bold", markup=False, soft_wrap=True)


def _run(child: Child) -> int:
    """Run a child; the program `env` adds its settings to ours."""
    settings = [f"{name}={value}" for name, value in child.settings.items()]
    with subprocess.Popen(
        ["env", *settings, *child.command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        while True:
            try:
                return process.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                if child.kill():
                    process.kill()
