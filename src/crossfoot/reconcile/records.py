"""Our raw records for the search of causes: the archive of the store, or files that are named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crossfoot.archive.parts import FOLDER, parts_of
from crossfoot.archive.reading import no_parts
from crossfoot.definition.model import Definition
from crossfoot.definition.text import quote_text
from crossfoot.engines.batch import BatchEngine, lacks
from crossfoot.reconcile.working import readable
from crossfoot.sources.files import Place, expand, name_of

if TYPE_CHECKING:
    import duckdb


def engine_of(
    connection: duckdb.DuckDBPyConnection, definition: Definition, store: Path, files: Sequence[str] = ()
) -> BatchEngine | str:
    """The batch engine with our records, decoded and kept; or why there is none.

    `files`: files, folders and patterns, in the order in which a run counts them. DataError or StoreError for what
    cannot be read.
    """
    if lack := next(iter(lacks(definition)), None):
        return f"the batch engine cannot count this definition: {lack}"
    connection.execute("SET preserve_insertion_order = true")  # the lines of a file are in its order
    engine = BatchEngine(definition, connection)
    if files:
        here = Path().absolute()
        place = Place(here, here, (store.absolute(),))
        found = {name_of(path, here) for each in files for path in expand(each, place)}
        with readable(", ".join(files), "name files whose lines are the records that were counted"):
            engine.add_files(sorted(found))
            engine.keep()
        return engine
    if not parts_of(store):
        why = no_parts(store, "add archive: to the definition, or name the files with --input")
        return f"{why.message}: {why.hint}"
    parts = quote_text(f"{store}/{FOLDER}/*/*.parquet")
    with readable(f"the archive of {store}", "bring the file back from a copy"):
        engine.add_raw(f"(SELECT * FROM read_parquet({parts}, union_by_name = true))")
        engine.keep()
    return engine
