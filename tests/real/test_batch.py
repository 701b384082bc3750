"""The batch engine against the embedded one on real data: every table the same, with types and order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from crossfoot.definition.load import load_text
from crossfoot.engines.batch import BatchEngine
from crossfoot.query.client import Store
from tests.real import data, test_access_log, test_git_history, test_github_events, test_retail, test_wikipedia
from tests.real.recount import count, ledger

Lines = Callable[[], list[bytes]]
CASES: dict[str, tuple[str, Lines, int]] = {
    "wikipedia": (test_wikipedia.DEFINITION, data.edits, 39_244),
    "retail": (test_retail.DEFINITION, data.invoices, 536_641),
    "git-unbounded": (test_git_history.DEFINITION.replace("LATENESS", "unbounded"), data.history, 371_980),
    "git-7d": (test_git_history.DEFINITION.replace("LATENESS", "7d"), data.history, 337_675),
    "github": (test_github_events.DEFINITION, data.github, 800),
    "access-log": (test_access_log.DEFINITION, data.access, 9_981),
}


@pytest.mark.parametrize("name", CASES)
def test_every_cell_and_account_is_that_of_the_embedded_engine(name: str, tmp_path: Path):
    """Two programs that share no accepting, no dedup and no fold."""
    text, lines_of, counted = CASES[name]
    lines, definition = lines_of(), load_text(text)
    embedded = count("embedded", text, {"p": lines}, tmp_path)
    engine = BatchEngine(definition)
    engine.add_raw(pa.table({"partition": ["p"] * len(lines), "position": range(len(lines)), "record": lines}))
    made = engine.run()
    assert {" ".join(filter(None, key)): records for key, records in made.reasons().items()} == ledger(embedded)
    assert made.accounts()["counted"] == counted
    store = Store.open(tmp_path / "store")
    for metric in definition.metrics:
        for by in metric.sets:
            for grain in metric.grains:
                asked = store.query(metric.name, by=by, grain=grain.text).to_arrow()
                assert made.cells(metric.name, by, grain.text).equals(asked), (metric.name, by, grain.text)
