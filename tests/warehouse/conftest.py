"""An empty warehouse, in memory where nothing depends on the file."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from orchestration.warehouse import raw


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    # One thread: the tests are many and their rows few.
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        raw.create_tables(connection)
        yield connection
