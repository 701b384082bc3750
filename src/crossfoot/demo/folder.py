"""The demo's folder: the store that stays, and below `demo` what it was made from."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crossfoot.errors import CallError

HERE = Path(__file__).parent
CLEAN = HERE / "data" / "wikipedia-edits" / "wikiticker-2015-09-12-sampled.json.gz"
RETAIL = HERE / "retail.yaml"

_MARK = "made-by-crossfoot-demo"
_MARK_TEXT = "crossfoot demo made the folder above this one, and replaces all of it when it runs again.\n"


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the demo writes. The folder itself is the store of the Wikipedia edits."""

    store: Path

    @property
    def _work(self) -> Path:
        return self.store / "demo"

    @property
    def definition(self) -> Path:
        """The definition of the delivered edits."""
        return self._work / "wikipedia.yaml"

    @property
    def delivered(self) -> Path:
        """The folder of the delivered files."""
        return self._work / "delivered"

    @property
    def retail(self) -> Path:
        """The store of the retail data."""
        return self._work / "retail-store"

    @property
    def killed(self) -> Path:
        """The store that is counted by processes that get killed."""
        return self._work / "chaos-store"

    def prepare(self) -> None:
        """Make the folder anew. One that something else made is refused."""
        if self.store.is_dir() and any(self.store.iterdir()):
            if not (self._work / _MARK).is_file():
                raise CallError(f"{self.store} is there and the demo did not make it", "name another folder: --store DIR")
            shutil.rmtree(self.store)
        elif self.store.exists() and not self.store.is_dir():
            raise CallError(f"{self.store} is no folder", "name another one: --store DIR")
        self.delivered.mkdir(parents=True)
        (self._work / _MARK).write_text(_MARK_TEXT, encoding="utf-8")
        self.definition.write_bytes((HERE / "wikipedia.yaml").read_bytes())

    def write(self, partitions: Sequence[Sequence[bytes]]) -> None:
        """Write the delivered files."""
        for number, lines in enumerate(partitions):
            (self.delivered / f"partition-{number}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


def clean_lines() -> list[bytes]:
    """The clean file's lines."""
    return gzip.decompress(CLEAN.read_bytes()).splitlines()
