"""Copies of the small, clean warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_warehouse import fill_catalog, fill_marts, fill_raw

from orchestration.warehouse import connect


@pytest.fixture(scope="session")
def clean_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file every test copies."""
    path = tmp_path_factory.mktemp("quality") / "clean.duckdb"
    with connect(path) as con:
        fill_catalog(con)
        fill_raw(con)
        fill_marts(con)
    return path


@pytest.fixture
def path(clean_warehouse: Path, tmp_path: Path) -> Path:
    """A copy of the clean warehouse."""
    copy = tmp_path / "warehouse.duckdb"
    copy.write_bytes(clean_warehouse.read_bytes())
    return copy


@pytest.fixture
def con(path: Path) -> Iterator[Any]:
    """An open copy of the clean warehouse."""
    with connect(path) as connection:
        yield connection
