"""Lines by a regular expression: the engines, and the recount by SQL, read any accepted expression alike."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st

from crossfoot.definition.findings import BadValueError
from crossfoot.definition.load import load_text
from crossfoot.definition.model import Definition
from crossfoot.definition.names import regex_groups
from tests.batch import recount
from tests.engines import DRIVERS, Feed, play
from tests.golden.answers import answers, totals

# Classes and letters that Unicode reads in more than one way, sets of them, and signs with a meaning in one engine.
ATOMS = st.sampled_from(
    [r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", ".", "a", "k", "S", "_", "1", " ", "é", "ſ", r"\.", r"\-", r"\<",
     r"\x6b", r"\u212a", r"\U0001f600", "[a-k]", "[^k]", r"[\w-]", r"[^\W_]", r"[^\s\d]", r"[\D]", "[]a]", "[^]a]",
     r"[\b\x41-\x5a]", "[!-/]", r"[\]\[]", "[-a]", "}", "]", "&", r"\"", "#"]
)  # fmt: skip
BOUNDS = st.sampled_from([r"\b", r"\B", "^", "$", r"\A"])
OFTEN = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "+?", "??"])
CHARACTERS = st.sampled_from('aakKsS11_-  éſ\u212aıİ٣\u00a0\u2028\x1c\x85\x0b.,<]\U0001f600"&')


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pieces = st.tuples(st.sampled_from(["(?:", "(?i:", "(?-i:", "(", "("]), inner, st.just(")"), OFTEN).map("".join)
    either = st.tuples(inner, st.just("|"), inner).map(lambda parts: f"(?:{''.join(parts)})")
    return pieces | either | st.tuples(inner, inner).map("".join)


PATTERNS = st.recursive(st.tuples(ATOMS, OFTEN).map("".join) | BOUNDS, _grown, max_leaves=6)


def definition(pattern: str) -> Definition:
    """One that counts by the groups of a pattern."""
    groups = [name for name in regex_groups(pattern) if name != "at"]
    return load_text(json.dumps({
        "crossfoot": 1,
        "namespace": "patterns",
        "source": {"files": "none.log", "format": {"regex": pattern}},
        "event": {"time": {"field": "at", "unit": "s"}, "received": "none", "id": "position",
                  "fields": {name: {"path": name, "type": "text"} for name in groups}},
        "metrics": {"m": {"by": [groups], "measures": {"events": "count"}, "grains": ["all"]}},
    }))  # fmt: skip


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    """Two groups around a bound. The second never takes an empty text: SQL does not tell one from a missing group."""
    first, second, bound = draw(PATTERNS), draw(PATTERNS), draw(BOUNDS | st.just(""))
    folds = draw(st.sampled_from(["", "", "(?i)", "(?s)"]))
    try:
        return definition(f"{folds}(?P<x>{first}){bound}(?P<y>(?:{second})?[^ ])?(?P<at>7)")
    except BadValueError:
        return reject()


def rows(definition: Definition, lines: list[str], folder: Path) -> list[Any]:
    """Of each engine, and of SQL, the cells and the totals."""
    steps = [Feed("p", "".join([f"{line}7\n" for line in lines]).encode(), len(lines))]
    found = []
    for make in DRIVERS.values():
        driver = make(definition, folder)
        play(driver, steps)
        (table,) = answers(driver.engine)["cells"]
        found.append((_sorted(table["rows"]), totals(driver.engine.ledger())))
    made = recount(definition, steps)
    (metric,) = definition.metrics
    cells = made.cells("m", metric.sets[0], "all").to_pylist()
    reasons = {" ".join(filter(None, key)): records for key, records in made.reasons().items()}
    return [*found, (_sorted(cells), reasons)]


def _sorted(cells: list[dict[str, Any]]) -> list[str]:
    return sorted(repr((row["x"], row["y"], row["events"])) for row in cells)


@example(definition(r"(?P<at>\d)(?P<y>_)?(?P<x>7|77)"), ["1", "17"])
@example(definition(r"(?P<x>\b)(?P<y>_)?(?P<at>7)"), ["", "é"])
@settings(max_examples=25)
@given(definitions(), st.lists(st.text(CHARACTERS, max_size=5), min_size=20, max_size=60))
def test_all_read_an_accepted_expression_alike(definition: Definition, lines: list[str]):
    """Which lines match, and the text of each group."""
    with tempfile.TemporaryDirectory() as folder:
        reference, embedded, batch = rows(definition, lines, Path(folder))
    assert embedded == reference
    assert batch == reference


@pytest.mark.parametrize("written", [r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"[^\W\d]", r"(?i:[^k\s])"])
def test_a_class_is_the_same_set_everywhere(written: str):
    """Of letters, digits, marks and white space of many scripts."""
    codes = [*range(1, 0x250), *range(0x660, 0x66A), *range(0x1FF0, 0x2070), *range(0x2120, 0x2130)]
    codes += [0x300, 0x1680, 0x3000, 0xFEFF, 0xFF11, 0xFFFF, 0x1D7D8, 0x1F600, 0x10FFFF]
    lines = [chr(code) for code in codes if code not in (10, 13)]
    with tempfile.TemporaryDirectory() as folder:
        reference, embedded, batch = rows(definition(f"(?P<x>{written})(?P<y>_)?(?P<at>7)"), lines, Path(folder))
    assert reference == embedded == batch
    assert reference[1]["counted"] == sum(1 for line in lines if re.fullmatch(written, line, re.ASCII))
