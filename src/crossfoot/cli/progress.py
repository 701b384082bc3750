"""A progress bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from crossfoot.services.run import Progress
from crossfoot.services.watch import Done


@contextmanager
def bar() -> Iterator[Callable[[Progress], None]]:
    """A bar on stderr; what it yields takes each step of a run."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("counting", total=None)

        def step(done: Progress) -> None:
            total = done.total_bytes or None
            told = f"{sum(done.accounts.values()):,} records, epoch {done.epoch}"
            bars.update(task, total=total, completed=done.read_bytes, description=told)

        yield step


@contextmanager
def windows_bar() -> Iterator[Callable[[Done], None]]:
    """A bar on stderr; what it yields takes how many are done."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (*Bars.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("reading", total=None)
        yield lambda told: bars.update(task, total=told.all, completed=told.done, description=told.name)
