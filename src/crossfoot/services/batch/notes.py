"""What a batch has done already: a line for each window in `OUT/_done.ndjson`, appended when its files are in place."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from crossfoot import files
from crossfoot.errors import CallError, StoreError
from crossfoot.files import make_folder, replace_whole
from crossfoot.stores.settled import NOTES as FILE
from crossfoot.stores.settled import Span, joined, lines_of

LOCK = "_lock"


@dataclass(frozen=True, slots=True)
class Print:
    """What a window was made of: how many events, and a digest of them."""

    events: int = 0
    digest: int = 0

    def __add__(self, other: Print) -> Print:
        return Print(self.events + other.events, self.digest + other.digest)


def held(out: Path) -> IO[str]:
    """One batch at a time writes into a folder."""
    try:
        make_folder(out)
        return files.held(out / LOCK, f"{out} is written", "wait for its end, or name another --out")
    except (FileExistsError, NotADirectoryError) as error:
        raise CallError(
            f"this is no folder: {out}", "name a folder with --out: a new one, or one of a batch"
        ) from error
    except OSError as error:
        hint = "name another folder with --out, or see to the disk"
        raise StoreError(f"cannot write {out}: {error.strerror}", hint) from error


class Notes:
    """The notes of a folder, for one definition (its text) with one set of options (`identity` of both)."""

    def __init__(self, out: Path, definition: str, identity: str) -> None:
        self._path = out / FILE
        self.done: dict[str, Print] = {}
        self.tables: dict[str, list[int]] = {}
        """The numbers of the tables of which each window has a file."""
        self.inputs = ""
        """Of which inputs everything was done, if nothing was left; else empty."""
        self.settled: list[Span] = []
        """Of which event times everything was done."""
        head = {"of": identity, "definition": definition}
        first, *others = lines_of(out) or [head]
        if first != head:
            hint = "name another --out, or delete this one"
            raise CallError(f"{out} holds the results of another definition or other options", hint)
        for line in others:
            self._take(line)
        kept = {name: found for name, found in self.done.items() if found.events}
        lines = [head, *[_line(name, found, self.tables[name]) for name, found in kept.items()]]
        lines += [{"settled": list(span)} for span in self.settled]
        if self.inputs:
            lines.append({"inputs": self.inputs})
        replace_whole(self._path, b"".join([_encoded(line) for line in lines]))
        self.done = kept
        self._file: IO[bytes] = self._path.open("ab")

    def _take(self, line: dict[str, Any]) -> None:
        self.inputs = str(line.get("inputs", ""))
        if "settled" in line:
            since_us, until_us = line["settled"]
            self.settled = joined([*self.settled, (since_us, until_us)])
        if "window" in line:
            self._keep(str(line["window"]), Print(int(line["events"]), int(line["digest"])), list(line["tables"]))

    def _keep(self, name: str, found: Print, tables: list[int]) -> None:
        self.done[name], self.tables[name] = found, tables

    def add(self, name: str, found: Print, tables: list[int]) -> None:
        """A window is done."""
        self.inputs = ""
        self._keep(name, found, tables)
        self._append(_line(name, found, tables))

    def all_done(self, inputs: str) -> None:
        """Nothing of these inputs is left."""
        if self.inputs != inputs:
            self.inputs = inputs
            self._append({"inputs": inputs})

    def settle(self, span: Span) -> None:
        """Everything of these event times is done."""
        both = joined([*self.settled, span])
        if both != self.settled:
            self.settled, self.inputs = both, ""
            self._append({"settled": list(span)})

    def _append(self, line: dict[str, Any]) -> None:
        self._file.write(_encoded(line))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """No more is noted."""
        self._file.close()


def _line(name: str, found: Print, tables: list[int]) -> dict[str, Any]:
    return {"window": name, "events": found.events, "digest": found.digest, "tables": tables}


def _encoded(line: dict[str, Any]) -> bytes:
    return json.dumps(line).encode() + b"\n"
