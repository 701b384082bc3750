"""The demo's folder: the store that stays, and in its folder `demo` what it was made from."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path

from crossfoot.errors import CallError

HERE = Path(__file__).parent
CLEAN = HERE / "data" / "wikipedia-edits" / "wikiticker-2015-09-12-sampled.json.gz"
RETAIL = HERE / "retail.yaml"
INVOICES = HERE / "data" / "online-retail" / "by-day.tar.gz"

_MARK = "made-by-crossfoot-demo"
_MARK_TEXT = "Made by `crossfoot demo`, which replaces this folder and the store around it when it runs again.\n"


class Folder:
    """Where the demo writes. `store` itself is the store of the Wikipedia edits.

    A store begins in an empty folder, so what is needed before stands beside it, and is moved into it by `settle`.
    """

    def __init__(self, store: Path) -> None:
        self.store = store
        self._beside = store.absolute().with_name(f"{store.absolute().name}.files")
        self.work = self._beside

    @property
    def definition(self) -> Path:
        """The definition of the delivered edits."""
        return self.work / "wikipedia.yaml"

    @property
    def delivered(self) -> Path:
        """The folder of the delivered files."""
        return self.work / "delivered"

    @property
    def retail(self) -> Path:
        """The store of the retail data."""
        return self.work / "retail-store"

    @property
    def killed(self) -> Path:
        """The store that is counted by processes that get killed."""
        return self.work / "chaos-store"

    def prepare(self) -> None:
        """Make room and begin. What the demo did not make is refused."""
        inside, beside = self.store / "demo" / _MARK, self._beside / _MARK
        made = inside.is_file() or beside.is_file()
        for folder in (self.store, self._beside):
            if folder.exists() and not folder.is_dir():
                raise CallError(f"{folder} is no folder", "name another one: --store DIR")
            if folder.is_dir() and any(folder.iterdir()) and not made:
                raise CallError(f"{folder} is there and the demo did not make it", "name another folder: --store DIR")
        for folder in (self.store, self._beside):
            if folder.is_dir():
                shutil.rmtree(folder)
        self._beside.mkdir(parents=True)
        beside.write_text(_MARK_TEXT, encoding="utf-8")
        self.delivered.mkdir()
        self.definition.write_bytes((HERE / "wikipedia.yaml").read_bytes())

    def write(self, partitions: Sequence[Sequence[bytes]]) -> None:
        """Write the delivered files."""
        for number, lines in enumerate(partitions):
            (self.delivered / f"partition-{number}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))

    def settle(self) -> None:
        """Move what stands beside the store into it, now that the store exists."""
        self.work = self._beside.rename(self.store / "demo")


def clean_lines() -> list[bytes]:
    """The clean file's lines."""
    return gzip.decompress(CLEAN.read_bytes()).splitlines()
