"""crossfoot check: a definition, its tests, and a sample of the data."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from cyclopts import Parameter

from crossfoot import settings
from crossfoot.cli.app import STANDARD
from crossfoot.cli.output import Format, Table, emit, next_step
from crossfoot.cli.places import load
from crossfoot.definition.engines import run_lacks
from crossfoot.definition.model import Definition
from crossfoot.definition.sample.look import look_at
from crossfoot.errors import CallError
from crossfoot.query.ledger import side_rows
from crossfoot.services.check import offline, run_tests
from crossfoot.services.run import Job, run
from crossfoot.services.summary import Summary
from crossfoot.services.watch import Watch
from crossfoot.sources.remote import remote_of
from crossfoot.sources.sample import beginning
from crossfoot.stores.embedded import EmbeddedStore

_SAMPLE_BYTES = 64 << 20
_SHOWN = 3

Finding = tuple[str, str, str]


def check(
    definition: Path,
    /,
    *,
    sample: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    format: Annotated[Format, Parameter(help="How the findings are printed.")] = "table",  # noqa: A002
) -> int:
    """Check a definition by itself, run its `tests:` blocks, and count a sample without keeping anything.

    Exit code 3 if the definition is wrong, 1 if a test does not hold or nothing of the sample is counted.

    Parameters
    ----------
    definition
        The definition's file.
    sample
        Files of the kind that will be counted; at most 64 MiB are read.
    """
    if sample and STANDARD in sample:
        raise CallError("a sample is read twice, so it has to be a file", "write it into a file first")
    loaded = load(definition)
    tables = sum(len(metric.sets) * len(metric.grains) for metric in loaded.metrics)
    rows: list[Finding] = [("definition", "ok", f"{len(loaded.metrics)} metrics, {tables} tables")]
    for result in run_tests(loaded):
        rows.append((f"test: {result.name}", "FAILED" if result.problems else "ok", "; ".join(result.problems)))
    if sample:
        tried = offline(loaded)
        if tried.event.received != loaded.event.received:
            rows.append(
                ("note", "", f"received: {loaded.event.received} comes beside the records: here nothing is late")
            )
        rows += _sample(tried, definition, sample)
        rows += _look(tried, sample[0])
    emit(Table(("check", "result", "detail"), rows), format)
    if any(row[1] == "FAILED" for row in rows):
        return 1
    then = "plan" if any(run_lacks(loaded)) else "run"
    next_step(f"crossfoot {then} {definition}" if sample else f"crossfoot check {definition} --sample FILE")
    return 0


def _sample(definition: Definition, path: Path, sample: list[str]) -> list[Finding]:
    read = 0

    def enough() -> bool:
        nonlocal read
        read += 1
        return read * options.block_bytes >= _SAMPLE_BYTES

    options = settings.load()
    with TemporaryDirectory(prefix="crossfoot-") as folder:
        store = Path(folder) / "store"
        job = Job(definition, store, path.absolute().parent, Path.cwd(), tuple(sample), (path.absolute(),))
        summary = run(job, options, Watch(stop=enough))
        names, refused = side_rows(EmbeddedStore(store), 1000)
    return _findings(summary, [dict(zip(names, row, strict=True)) for row in refused])


def _look(definition: Definition, sample: str) -> list[Finding]:
    """What the paths of the definition find in the sample's beginning."""
    found = look_at(definition, beginning(sample, Path.cwd(), remote_of(definition, settings.environment())))
    rows: list[Finding] = [("note", "", text) for text in found.notes]
    if found.unread:
        rows.append(("not read", "", ", ".join(found.unread)))
    return rows


def _findings(summary: Summary, refused: list[dict[str, Any]]) -> list[Finding]:
    records = sum(summary.totals.values())
    counted = summary.totals.get("counted", 0) + summary.totals.get("duplicate", 0)
    result = "ok" if counted or not records else "FAILED"
    accounts = ", ".join(f"{name} {number:,}" for name, number in summary.totals.items()) or "it is empty"
    rows: list[Finding] = [("sample", result, f"{records:,} records: {accounts}")]
    for row in summary.refused:
        if row.account in ("duplicate", "filtered"):
            continue
        examples = [entry for entry in refused if all(entry[name] == getattr(row, name) for name in _WHY)][:_SHOWN]
        where = "; ".join(f"{entry['partition']} record {entry['record']}: {entry['raw'][:120]}" for entry in examples)
        what = " ".join(part for part in (row.account, row.part, row.reason) if part)
        rows.append((what, f"{row.records:,}", where))
    return [*rows, *(("hint", "", hint) for hint in summary.hints)]


_WHY = ("account", "reason", "part")
