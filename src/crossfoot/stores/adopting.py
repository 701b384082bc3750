"""A generation that was built takes over where the one in force stands in its sources, at an epoch of its own.

What a recount cannot know of an input is where its bytes ended and what they were: blank lines and line ends are not
archived. The manifest as it was built is kept beside, so that a switch that did not come can be taken back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossfoot import _core
from crossfoot.errors import StoreError
from crossfoot.files import replace_whole, sync_folder

_MANIFEST = "MANIFEST"
_BUILT = "MANIFEST.built"
_COUNTED = ("records", "next_offset", "gaps", "live")
_PLACES = ("identity", "bytes", "tail", "digest", "state", "first_offset")


def adopt(folder: Path, epoch: int, partitions: Mapping[str, Mapping[str, Any]]) -> int:
    """Let a closed store stand where these partitions do, at the epoch after its own; the number of its next file.

    StoreError where it is at another epoch, or has consumed anything else than they have.
    """
    manifest = _read(folder / _MANIFEST)
    own = {known["name"]: known for known in manifest["partitions"]}
    if manifest["epoch"] != epoch or own.keys() != partitions.keys():
        raise _another(folder, f"epoch {manifest['epoch']} of {len(own)} partitions", epoch)
    for name, known in own.items():
        if differs := [each for each in _COUNTED if known[each] != partitions[name][each]]:
            raise _another(folder, f"{differs[0]} {known[differs[0]]} of {name}", partitions[name][differs[0]])
        known |= {each: partitions[name][each] for each in _PLACES}
    replace_whole(folder / _BUILT, (folder / _MANIFEST).read_bytes())
    body = json.dumps({**manifest, "epoch": epoch + 1}, ensure_ascii=False, separators=(",", ":")).encode()
    replace_whole(folder / _MANIFEST, b"%08x\n%b" % (_core.crc32c(body, 0), body))
    return int(manifest["next_file"])


def take_back(folder: Path) -> None:
    """The store as it was built, if it has adopted anything."""
    if (folder / _BUILT).exists():
        (folder / _BUILT).replace(folder / _MANIFEST)
        sync_folder(folder)


def settle(folder: Path) -> None:
    """What was adopted stays."""
    (folder / _BUILT).unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    _, _, body = path.read_bytes().partition(b"\n")
    manifest: dict[str, Any] = json.loads(body)
    return manifest


def _another(folder: Path, found: str, wanted: object) -> StoreError:
    hint = "the archive is not that of this store: bring it back from a copy, or count again into a new store"
    return StoreError(f"{folder} holds {found}, the generation in force {wanted}", hint)
