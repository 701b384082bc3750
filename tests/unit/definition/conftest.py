"""What tests of expressions share."""

import duckdb
import pytest

from crossfoot.definition.sql_macros import prelude


@pytest.fixture(scope="session")
def database() -> duckdb.DuckDBPyConnection:
    """A connection with the macros."""
    connection = duckdb.connect()
    for statement in prelude():
        connection.execute(statement)
    return connection
