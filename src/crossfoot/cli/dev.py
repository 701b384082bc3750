"""crossfoot dev: a local stack of broker, emulators, services and producer."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from crossfoot.cli.commands import COMMANDS
from crossfoot.cli.output import Format, Table, emit, next_step, say, shell_words
from crossfoot.errors import CallError

if TYPE_CHECKING:
    from crossfoot.dev.stack import Stack

DEFAULT = Path(".crossfoot-dev")
StackFolder = Annotated[Path, Parameter(help="The folder of the stack.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Produced:
    """What the producer makes."""

    rate: Annotated[float | None, Parameter(help="Lines per second, 1000 unless named; 0: no producer.")] = None
    copies: Annotated[float | None, Parameter(help="Share of lines that are copies, 0.08 unless named.")] = None
    seed: Annotated[int | None, Parameter(help="Another seed gives other events; 1 unless named.")] = None
    total: Annotated[int | None, Parameter(help="End after so many lines in all; without end unless named.")] = None


def up(
    *,
    folder: StackFolder = DEFAULT,
    bigtable: bool | None = None,
    direct: bool | None = None,
    produced: Produced = Produced(),
) -> int:
    """Start a local stack: Kafka broker, Pub/Sub emulator, topics, services, a seeded producer. Ready when it returns.

    What runs already is left alone; what has died is started again. What is missing is fetched once, by mvn and go.

    Parameters
    ----------
    bigtable
        Start the Bigtable emulator as well.
    direct
        Count the producers' topic directly, without the services in front.
    """
    from crossfoot.dev.stack import Wishes

    stack = _stack(folder)
    stack.up(Wishes(produced.rate, produced.copies, produced.seed, produced.total, bigtable, direct))
    chosen = stack.folder.chosen()
    _show(stack, "table")
    if not chosen.direct:
        for why in stack.lacking():
            say(f"run counts the producers' topic directly: {why}")
    for name, value in stack.variables(chosen).items():
        say(f"export {name}={value}")
    store = stack.folder.store(stack.is_direct(chosen))
    next_step(shell_words(["crossfoot", "query", "engagement", "--grain", "1m", "--store", str(store)]))
    return 0


def down(*, folder: StackFolder = DEFAULT, purge: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Stop every process of the stack, within ten seconds. The data is kept.

    Parameters
    ----------
    purge
        Remove the data, the logs and the definitions, too.
    """
    stopped = _stack(folder).down(purge)
    say(f"stopped: {', '.join(stopped)}" if stopped else "nothing ran")
    if not purge:
        next_step("crossfoot dev up goes on; crossfoot dev down --purge removes the data")
    return 0


def status(
    *,
    folder: StackFolder = DEFAULT,
    format: Annotated[Format, Parameter(help="How it is printed.")] = "table",  # noqa: A002
) -> int:
    """How every process of the stack stands; of one that has died the last lines of its log.

    Exit code 1 if one has died or does not answer.
    """
    return _show(_stack(folder), format)


def logs(name: str | None = None, /, *, folder: StackFolder = DEFAULT, lines: int = 20) -> int:
    """The last lines of a process's log, or of all.

    Parameters
    ----------
    name
        broker, pubsub, bigtable, preprocess, relay, run or produce.
    lines
        How many.
    """
    from crossfoot.dev.stack import NAMES

    stack = _stack(folder)
    stack.folder.need()
    if name is not None and name not in NAMES:
        raise CallError(f"there is no part {name}", f"name one of {', '.join(NAMES)}")
    for each in (name,) if name else NAMES:
        if stack.processes.log(each).exists():
            say(f"==> {stack.processes.log(each)}")
            for line in stack.processes.tail(each, max(lines, 0)):
                say(line)
    return 0


def produce(*, folder: StackFolder = DEFAULT, produced: Produced = Produced()) -> int:
    """Send seeded events to the stack's topic until Ctrl-C or TERM, or until `--total` lines are there.

    Started again it goes on behind the last line that the topic holds, also after it was killed.
    """
    from crossfoot.cli.stop import Stop
    from crossfoot.clock import SystemClock
    from crossfoot.dev.definitions import RAW
    from crossfoot.dev.folder import Folder
    from crossfoot.dev.producer import Topic, Watch
    from crossfoot.dev.producer import produce as send

    place = Folder(folder.absolute())
    place.need()
    chosen = place.chosen()
    wished = {name: getattr(produced, name) for name in ("rate", "copies", "seed", "total")}
    load = replace(chosen.load, **{name: value for name, value in wished.items() if value is not None})
    with Stop() as stop:
        sent = send(place, load, Topic(f"127.0.0.1:{chosen.kafka}", RAW), Watch(SystemClock(), _tell, stop.asked))
    say(f"sent {sent:,} lines")
    return 0


def _stack(folder: Path) -> Stack:
    from crossfoot.dev.stack import Stack

    return Stack(folder, frozenset(command.name for command in COMMANDS), _tell)


def _tell(text: str) -> None:
    """At once, also where nobody looks: it is the process's log."""
    print(text, file=sys.stderr, flush=True)


def _show(stack: Stack, form: Format) -> int:
    lines = stack.status()
    names = ("part", "state", "process", "detail")
    whole = [
        {"part": line.name, "state": line.state, "process": line.pid, "detail": line.detail, "log": list(line.tail)}
        for line in lines
    ]
    rows = [(line.name, line.state, "" if line.pid is None else str(line.pid), line.detail) for line in lines]
    emit(Table(names, rows, whole), form)
    if form == "table":
        for line in lines:
            for text in line.tail:
                say(f"{line.name}: {text}")
    return 1 if any(line.state in ("died", "silent") for line in lines) else 0
