"""What every command prints: tables for people, rows for machines, hints on a terminal only."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from crossfoot.errors import CallError
from crossfoot.query.escape import safe_text, write_csv

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["table", "json", "ndjson", "csv", "arrow"]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with named columns. `whole` is what `--format json` prints where that is more than the rows."""

    names: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    whole: Any = None
    arrow: Callable[[], pa.Table] | None = None


def emit(table: Table, form: Format) -> None:
    """Print a table in a format."""
    if form == "json":
        rows = [dict(zip(table.names, row, strict=True)) for row in table.rows]
        say(json.dumps(rows if table.whole is None else table.whole, ensure_ascii=False, indent=2))
    elif form == "ndjson":
        for row in table.rows:
            say(json.dumps(dict(zip(table.names, row, strict=True)), ensure_ascii=False))
    elif form == "csv":
        write_csv(table.names, table.rows, sys.stdout)
    elif form == "arrow":
        _emit_arrow(table)
    elif sys.stdout.isatty():
        _emit_rich(table)
    else:
        say("\n".join(plain_lines(table)))


def say(text: str = "") -> None:
    """A line on standard output; a lone half of a surrogate pair, which no output can show, is escaped."""
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")


def plain_lines(table: Table) -> list[str]:
    """A table as aligned text, numbers on the right, nothing cut off."""
    from rich.cells import cell_len

    cells = [[shown(value) for value in row] for row in table.rows]
    numeric = [_is_numeric(table, column) for column in range(len(table.names))]
    widths = [max([cell_len(name), *(cell_len(row[at]) for row in cells)]) for at, name in enumerate(table.names)]

    def line(row: Sequence[str]) -> str:
        padded = []
        for text, width, right in zip(row, widths, numeric, strict=True):
            space = " " * (width - cell_len(text))
            padded.append(space + text if right else text + space)
        return "  ".join(padded).rstrip()

    return [line(table.names), *(line(row) for row in cells)]


def _is_numeric(table: Table, column: int) -> bool:
    values = [row[column] for row in table.rows if row[column] is not None]
    return bool(values) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def shown(value: Any) -> str:
    """A value for people: thousands are separated, null is empty."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return safe_text(value)


def _emit_rich(table: Table) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    view = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for at, name in enumerate(table.names):
        view.add_column(Text(name), justify="right" if _is_numeric(table, at) else "left", overflow="fold")
    for row in table.rows:
        view.add_row(*(Text(shown(value)) for value in row))
    Console().print(view)


def _emit_arrow(table: Table) -> None:
    import pyarrow as pa

    if sys.stdout.isatty():
        raise CallError("Arrow is not for terminals", "redirect it: … --format arrow > answer.arrow")
    columns = zip(*table.rows, strict=True) if table.rows else [() for _ in table.names]
    made = table.arrow() if table.arrow else pa.table(dict(zip(table.names, map(list, columns), strict=True)))
    with pa.ipc.new_stream(sys.stdout.buffer, made.schema) as writer:
        writer.write_table(made)


def note(text: str) -> None:
    """A line for people beside the answer: on stderr, and only where a person looks."""
    if sys.stderr.isatty():
        print(safe_text(text), file=sys.stderr)


def remarks_of(service: str, log: str) -> Callable[[str], None]:
    """How a service that runs for days remarks on its way: on stderr, whoever looks, in the form of its log."""
    from crossfoot.clock import SystemClock
    from crossfoot.seen.changes import Event
    from crossfoot.seen.log import Log
    from crossfoot.seen.remarks import Remarks
    from crossfoot.sources.live import Failing, Shown

    lines = Log(log, service)

    def tell(text: str) -> None:
        if not log:
            print(safe_text(text), file=sys.stderr, flush=True)
        elif not isinstance(text, Shown):
            lines.tell(Event("note", {"says": str(text)}, warns=isinstance(text, Failing)))

    return Remarks(tell, SystemClock().elapsed_s)


def next_step(text: str) -> None:
    """The next useful command."""
    note(f"next: {text}")


def shell_words(words: Iterable[str]) -> str:
    """A command line that can be pasted."""
    import shlex

    return shlex.join(words)
