"""Where definitions and stores are, unless a command says otherwise."""

from __future__ import annotations

from pathlib import Path

from crossfoot.definition.model import Definition

STORE = ".crossfoot"


def load(path: Path) -> Definition:
    """The definition in a file."""
    from crossfoot.definition.load import load_file

    return load_file(path)


def default_store(definition: Path) -> Path:
    """The store beside a definition."""
    return definition.parent / STORE


def shown_store(folder: Path) -> list[str]:
    """The option that names a store, where it needs naming."""
    return [] if folder.absolute() == Path(STORE).absolute() else ["--store", str(folder)]
