"""Our raw records for the search of causes: the archive of the store, or files that are named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot.archive.parts import FOLDER
from crossfoot.definition.model import Definition
from crossfoot.definition.text import quote_text
from crossfoot.engines.batch import BatchEngine, lacks
from crossfoot.errors import CallError

if TYPE_CHECKING:
    import duckdb


def engine_of(
    connection: duckdb.DuckDBPyConnection, definition: Definition, store: Path, files: Sequence[str] = ()
) -> BatchEngine | str:
    """The batch engine with our records; or why there is none."""
    if lack := next(iter(lacks(definition)), None):
        return f"the batch engine cannot count this definition: {lack}"
    engine = BatchEngine(definition, connection)
    if files:
        if missing := [each for each in files if not Path(each).exists()]:
            raise CallError(f"there is no file {missing[0]}", "name the files that were counted")
        engine.add_files(files)
        return engine
    parts = f"{store}/{FOLDER}/*/*.parquet"
    if next((store / FOLDER).glob("*/*.parquet"), None) is None:
        return "the store has no archive: add archive: to the definition, or name the files with --input"
    engine.add_raw(f"(SELECT * FROM read_parquet({quote_text(parts)}, union_by_name = true))")
    return engine
