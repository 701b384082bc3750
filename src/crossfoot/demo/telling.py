"""The demo from its first line to its last, as items; each is yielded as soon as it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from crossfoot.definition.load import load_file
from crossfoot.demo.chaos import Run, kill_and_count
from crossfoot.demo.comparison import Cells, Comparison, Value, cells_of, compare
from crossfoot.demo.delivery import Delivery, Faults, deliver
from crossfoot.demo.folder import CLEAN, INVOICES, RETAIL, Folder, clean_lines
from crossfoot.demo.items import Check, Command, Heading, Item, Rows, Text, equal
from crossfoot.demo.recount import MISSING, available, recount_edits, recount_retail
from crossfoot.query import drawing
from crossfoot.query.client import Store
from crossfoot.query.ledger import Accounts, accounts_of
from crossfoot.services.run import Job, Progress, run
from crossfoot.services.watch import Watch
from crossfoot.settings import Settings
from crossfoot.stores.embedded import EmbeddedStore

# What is known of the clean data, by SQL that is older than this program.
EDITS, ROBOTS, NEW_PAGES = 39_244, 15_420, 2_278
ROWS, DIFFERENT_ROWS = 541_909, 536_641

CREDITS = (
    "Wikipedia edits: by Wikipedia's editors, from the tutorial data of Apache Druid, CC BY-SA 3.0.",
    "Online Retail: Chen, Sain, Guo (2012), UCI Machine Learning Repository, CC BY 4.0.",
)


@dataclass(frozen=True, slots=True)
class Stage:
    """What the demo runs with: a progress bar for each count; for the kills, the durable steps and a runner."""

    bar: Callable[[], AbstractContextManager[Callable[[Progress], None]]]
    steps: Sequence[str] = ()
    run: Run | None = None


def tell(folder: Folder, stage: Stage) -> Iterator[Item]:
    """The whole demo; with the kills if the stage has a runner for them."""
    folder.prepare()
    delivery = deliver(clean_lines(), Faults())
    folder.write(delivery.partitions)
    yield from delivered(delivery)
    count(folder.definition, folder.store, stage)
    folder.settle()
    store = Store.open(folder.store)
    accounts = accounts_of(EmbeddedStore(folder.store))
    yield from counted(delivery, accounts)
    yield from verified(folder.store)
    yield from answers(store)
    cells = cells_of(store)
    yield from recounted(cells)
    if stage.run is not None:
        yield from killed(folder, stage, (cells, accounts))
    yield from retail(folder, stage)
    yield from ending(folder)


def count(definition: Path, store: Path, stage: Stage) -> None:
    """Count a definition's source into a store."""
    job = Job(load_file(definition), store.absolute(), definition.parent.absolute(), definition.parent.absolute())
    with stage.bar() as progress:
        run(job, Settings(), Watch(state=progress))


def delivered(delivery: Delivery) -> Iterator[Item]:
    """What was done to the data."""
    yield Heading("Wikipedia's edits of 12 September 2015, as an at-least-once pipeline delivers")
    yield Rows(
        ("lines", "what they are"),
        [
            (delivery.edits, "edits; a `received` time is put in front, nothing else is changed"),
            (delivery.copies, "copies (8 %), most some seconds later, some hours later"),
            (delivery.garbage, "lines of garbage: cut records, proxy errors, no UTF-8, no object"),
            (delivery.records, f"lines in {len(delivery.partitions)} files, out of order"),
        ],
    )
    hours, minutes = divmod(delivery.latest // 60_000, 60)
    yield Text(f"{delivery.late:,} edits arrive after their hour is over, up to {hours} h {minutes} min on the way.")
    yield Text(f"Up to 6 h are allowed; {delivery.stale_copies:,} of the copies come later than that.")


def counted(delivery: Delivery, accounts: Accounts) -> Iterator[Item]:
    """The accounts against what was delivered."""
    totals = accounts.totals
    yield Heading("The ledger: every line in exactly one account")
    names = ("counted", "duplicate", "too_late", "malformed")
    files = [
        (Path(file).stem, found["records"], [found[name] for name in names])
        for file, found in accounts.partitions.items()
    ]
    files.append(("all", accounts.records, [totals[name] for name in names]))
    made = [delivery.edits, delivery.copies - delivery.stale_copies, delivery.stale_copies, delivery.garbage]
    files.append(("delivered", delivery.records, made))
    rows = [(file, records, *found, records - sum(found)) for file, records, found in files]
    yield Rows(("file", "records", *names, "difference"), rows)
    removed = totals["duplicate"] + totals["too_late"]
    yield equal("edits counted:", totals["counted"], EDITS)
    yield equal("copies removed:", removed, delivery.copies)
    yield equal("copies over the allowed lateness, refused as too_late:", totals["too_late"], delivery.stale_copies)
    yield equal("garbage, kept in the side log:", totals["malformed"], delivery.garbage)
    yield equal("records without an account:", accounts.unaccounted, 0)
    yield Text(f"The {delivery.late:,} late edits are among the counted; the recount below compares the hour of each.")


def verified(store: Path) -> Iterator[Item]:
    """Every checksum, and every table against the ledger."""
    found = EmbeddedStore(store).verify()
    checks = found["checks"]
    held = sum(check["ok"] for check in checks)
    yield Check(found["ok"], f"the store read again: {held} of {len(checks)} checks of files, ledger and tables hold")


def answers(store: Store) -> Iterator[Item]:
    """The largest pages, and the day as it went."""
    yield Heading("The pages with the most edits")
    pages = store.query("edits", by=["page"], order=["-edits"], limit=5).rows()
    yield Rows(("page", "edits", "added"), [(row["page"], row["edits"], row["added"]) for row in pages])
    yield Heading("Edits by hour (UTC)")
    hours = store.query("edits", grain="1h").rows()
    for line in drawing.columns([row["edits"] for row in hours], [row["window"][11:13] for row in hours]):
        yield Text(line)


def recounted(cells: Cells) -> Iterator[Item]:
    """The clean file by SQL, beside it."""
    yield Heading("Beside it: DuckDB recounts the clean file, by hand-written SQL")
    if not available():
        yield Text(MISSING)
        return
    theirs = recount_edits(CLEAN)
    rows = [(name, total(cells), total(theirs)) for name, total in _TOTALS.items()]
    yield Rows(("", "Crossfoot", "DuckDB"), rows)
    yield Check([row[2] for row in rows] == [EDITS, NEW_PAGES, ROBOTS], "DuckDB finds what is known of the file")
    yield from compared(compare(cells, theirs), "DuckDB")


def _firsts(cells: Cells, metric: str, dimension: tuple[str, Value] | None = None) -> int:
    """The first measure over all time, summed over the cells of one table."""
    wanted = [
        values[0]
        for key, values in cells.items()
        if key[:2] == (metric, "all") and (dimension in key if dimension else len(key) == 3)
    ]
    return sum(value for value in wanted if isinstance(value, int))


_TOTALS: dict[str, Callable[[Cells], int]] = {
    "edits": lambda cells: _firsts(cells, "edits"),
    "new pages": lambda cells: _firsts(cells, "new_pages"),
    "edits by robots": lambda cells: _firsts(cells, "edits", ("robot", True)),
}


def compared(found: Comparison, other: str) -> Iterator[Item]:
    """The outcome of a comparison."""
    yield Check(found.holds, f"cells equal to those of {other}: {found.equal:,} of {found.cells:,}")
    for difference in found.different:
        yield Text(f"  {difference}")


def killed(folder: Folder, stage: Stage, truth: tuple[Cells, Accounts]) -> Iterator[Item]:
    """The same delivery, counted by processes that are killed."""
    assert stage.run is not None
    cells, accounts = truth
    yield Heading("Chaos: the same files, counted by processes that are killed (SIGKILL)")
    deaths = []
    for death in kill_and_count(folder, stage.steps, stage.run):
        deaths.append(death)
        yield Text(death.line())
    yield Check(all(death.expected for death in deaths), f"{len(deaths) - 1} processes were killed, one ran to its end")
    yield from compared(compare(cells_of(Store.open(folder.killed)), cells), "the count without kills")
    again = accounts_of(EmbeddedStore(folder.killed))
    same = (again.totals, again.digests) == (accounts.totals, accounts.digests)
    yield Check(same, "the ledger's totals and digests are the same")
    yield from verified(folder.killed)


def retail(folder: Folder, stage: Stage) -> Iterator[Item]:
    """Data that has repeats by itself."""
    yield Heading("Invoice lines of a web shop: the repeats are in the original, equal lines are one")
    count(RETAIL, folder.retail, stage)
    accounts = accounts_of(EmbeddedStore(folder.retail))
    store = Store.open(folder.retail)
    countries = store.query("sales", by=["country"], order=["-revenue"], limit=3).rows()
    yield Rows(("country", "lines", "revenue"), [(row["country"], row["lines"], row["revenue"]) for row in countries])
    yield equal("lines:", accounts.records, ROWS)
    yield equal("different lines counted:", accounts.totals["counted"], DIFFERENT_ROWS)
    yield equal("repeats removed:", accounts.totals["duplicate"], ROWS - DIFFERENT_ROWS)
    yield equal("lines without an account:", accounts.unaccounted, 0)
    if available():
        over_all_time = {key: values for key, values in cells_of(store).items() if key[1] == "all"}
        yield from compared(compare(over_all_time, recount_retail(INVOICES, folder.work)), "DuckDB")


def ending(folder: Folder) -> Iterator[Item]:
    """What to type next, and whose data it was."""
    store = str(folder.store)
    yield Heading("Ask it yourself")
    yield Command(("crossfoot", "query", "edits", "--by", "channel", "--grain", "1h", "--store", store))
    yield Command(("crossfoot", "top", "edits", "--by", "page", "--store", store))
    yield Command(("crossfoot", "ledger", "--store", store))
    yield Command(("crossfoot", "query", "sales", "--by", "country", "--store", str(folder.retail)))
    yield Text()
    for line in CREDITS:
        yield Text(line)
