"""What every counting service does with its store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crossfoot import generations
from crossfoot.definition.changes import compare, with_kept
from crossfoot.definition.dump import dump
from crossfoot.definition.load import load_file
from crossfoot.definition.model import Definition
from crossfoot.errors import DefinitionError, StoreError
from crossfoot.files import replace_whole
from crossfoot.generations import in_force
from crossfoot.settings import Settings
from crossfoot.sources.partition import Position, positions_of
from crossfoot.stores.embedded import EmbeddedStore
from crossfoot.stores.settled import name_settled

DEFINITION = generations.DEFINITION


def definition_in_force(store: Path) -> Definition:
    """What the generation in force was counted with."""
    file = in_force(store) / DEFINITION
    if not file.exists():
        raise StoreError(f"there is no store in {store}", "name its folder with --store")
    return load_file(file)


def going_on(store: Path, definition: Definition) -> Definition:
    """A definition with the metrics that its store keeps although it no longer names them.

    StoreError where it is another one than the store was counted with, and the archive could make it that.
    """
    file = in_force(store) / DEFINITION
    if not file.exists():
        return definition
    try:
        old = load_file(file)
    except DefinitionError:
        return definition  # it is there for people; the engine knows its own
    others = [change for change in compare(old, definition) if change.outcome in ("rebuilt", "impossible")]
    if not others:
        return with_kept(old, definition)
    if others[0].outcome == "rebuilt" and old.archive is not None and definition.archive is not None:
        hint = (
            "count it again from the archive (crossfoot backfill DEFINITION), use the definition that made the store, "
            "or name a new folder with --store (`crossfoot plan` shows what differs)"
        )
        raise StoreError(f"the store {store} was made with another definition: {others[0].what}", hint)
    return definition  # the engine refuses it


def keep_definition(store: Path, definition: Definition, home: Path) -> None:
    """Write the definition, which lies in `home`, into the store, whole or not at all."""
    name_settled(store, definition, home)
    write_definition(in_force(store), definition)


def write_definition(folder: Path, definition: Definition) -> None:
    """What a generation is counted with, whole or not at all."""
    file, text = folder / DEFINITION, dump(definition)
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return
    try:
        replace_whole(file, text.encode())
    except OSError as error:
        hint = "free some space and run again: everything committed so far is kept"
        raise StoreError(f"cannot write {file}: {error.strerror}", hint) from error


def kept_positions(store: Path) -> dict[str, Position]:
    """Where a store stands in its files and streams."""
    if not (in_force(store) / "MANIFEST").exists():
        return {}
    partitions = EmbeddedStore(store).meta["partitions"]
    return positions_of((known["name"], known) for known in partitions)


def options_of(settings: Settings) -> dict[str, Any]:
    """How the engine is opened."""
    options: dict[str, Any] = {
        "checkpoint_bytes": settings.checkpoint_bytes,
        "pending_bytes": settings.pending_bytes,
    }
    if settings.crash:
        step, _, nth = settings.crash.partition(":")
        options["crash_at"] = (step, int(nth or 1))
    return options
