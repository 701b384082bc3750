"""Entries of committed epochs -> rows."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from crossfoot.archive.entries import BLOCK, LINE, LINES, Entry
from crossfoot.archive.schema import schema
from crossfoot.errors import InternalError
from crossfoot.event import ABSENT_US

_RECORD = "record"
_NUMBERS = ("epoch", "step", "position", "stamp", "received", "t", "clock", "length")
_TEXTS = ("kind", "source", "partition", "text")


@dataclass(slots=True)
class Told:
    """The t of the records that one epoch has of a partition, and how many of them are used."""

    first: int
    """The ordinal of the first of them."""
    t_us: array[int]
    used: int = 0


Times = dict[tuple[int, str], Told]
"""By epoch and partition."""


class Rows:
    """Columns that grow; absent numbers are the least of all until the end."""

    def __init__(self) -> None:
        self._numbers = {name: array("q") for name in _NUMBERS}
        self._codes = {name: array("i") for name in _TEXTS}
        self._words: dict[str, dict[str | None, int]] = {name: {} for name in _TEXTS}
        self._records: list[Any] = []
        self._steps: dict[int, int] = defaultdict(int)

    def add(self, entries: Iterable[Entry], times: Times) -> None:
        """Whole epochs, with the times of their records."""
        for entry in entries:
            if entry.kind == BLOCK:
                self._block(entry, times)
            elif entry.kind == LINES:
                lines = (line.removesuffix(b"\r") for line in entry.columns[0].split(b"\n"))
                self._lines(entry, [line for line in lines if line.strip(b" \t\r")], times)
            elif entry.kind == LINE:
                self._lines(entry, [entry.columns[0]], times)
            else:
                self._other(entry)

    def _block(self, entry: Entry, times: Times) -> None:
        import pyarrow as pa

        data, ends, positions, stamps, received = entry.columns
        count = len(ends) // 4
        offsets = pa.py_buffer(bytes(4) + ends)
        self._records.append(pa.Array.from_buffers(pa.binary(), count, [None, offsets, pa.py_buffer(data)]))
        _, t_us = _take(times, entry, count)
        for name, column in (("position", positions), ("stamp", stamps), ("received", received)):
            self._numbers[name].frombytes(column or array("q", [ABSENT_US]).tobytes() * count)
        self._numbers["t"].extend(t_us)
        self._same(entry, _RECORD, count)

    def _lines(self, entry: Entry, lines: list[bytes], times: Times) -> None:
        import pyarrow as pa

        if not lines:
            return
        first, t_us = _take(times, entry, len(lines))
        self._records.append(pa.array(lines, pa.binary()))
        self._numbers["position"].extend(range(first, first + len(lines)))
        self._absent(("stamp", "received"), len(lines))
        self._numbers["t"].extend(t_us)
        self._same(entry, _RECORD, len(lines))

    def _other(self, entry: Entry) -> None:
        import pyarrow as pa

        self._records.append(pa.nulls(1, pa.binary()))
        self._numbers["position"].append(ABSENT_US if entry.position is None else entry.position)
        self._numbers["t"].append(ABSENT_US if entry.t_us is None else entry.t_us)
        self._absent(("stamp", "received"), 1)
        self._same(entry, entry.kind, 1)

    def _absent(self, names: Iterable[str], count: int) -> None:
        for name in names:
            self._numbers[name].extend(array("q", [ABSENT_US]) * count)

    def _same(self, entry: Entry, kind: str, count: int) -> None:
        """What all rows of an entry have in common."""
        step = self._steps[entry.epoch]
        self._steps[entry.epoch] += count
        self._numbers["step"].extend(range(step, step + count))
        for name, value in (("epoch", entry.epoch), ("clock", entry.clock_us), ("length", entry.length)):
            self._numbers[name].extend(array("q", [ABSENT_US if value is None else value]) * count)
        text = entry.text if kind != _RECORD else None
        values = {"kind": kind, "source": entry.source or None, "partition": entry.partition, "text": text}
        for name, word in values.items():
            words = self._words[name]
            self._codes[name].extend(array("i", [words.setdefault(word, len(words))]) * count)

    def table(self) -> Any:
        """The rows as a table of the archive's schema."""
        import pyarrow as pa

        form = schema()
        arrays = {name: _numbers(column, form.field(name).type) for name, column in self._numbers.items()}
        arrays |= {name: _texts(self._codes[name], self._words[name]) for name in _TEXTS}
        arrays["record"] = pa.chunked_array(self._records, pa.binary())
        return pa.table([arrays[name] for name in form.names], schema=form)


def _take(times: Times, entry: Entry, count: int) -> tuple[int, array[int]]:
    """The ordinal and the times of the next records of a partition in an epoch."""
    told = times.get((entry.epoch, entry.partition)) or Told(0, array("q"))
    if len(told.t_us) < told.used + count:
        what = f"the archive has too few times for the records of {entry.partition} in epoch {entry.epoch}"
        raise InternalError(what, "report this")
    used = told.used
    told.used += count
    return told.first + used, told.t_us[used : told.used]


def _numbers(column: array[int], form: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pa.Array.from_buffers(pa.int64(), len(column), [None, pa.py_buffer(column.tobytes())])
    return pc.if_else(pc.equal(found, ABSENT_US), pa.scalar(None, pa.int64()), found).cast(form)


def _texts(codes: array[int], words: dict[str | None, int]) -> Any:
    import pyarrow as pa

    places = pa.Array.from_buffers(pa.int32(), len(codes), [None, pa.py_buffer(codes.tobytes())])
    taken = pa.array(list(words), pa.string()).take(places)
    return taken.dictionary_encode()
