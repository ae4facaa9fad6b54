"""The register of origins: what each released table is made of, and which part of it may be passed on.

The terms themselves stand with each provider and series; the copy that leaves things out is made by the warehouse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import Field

from orchestration.catalog.loader import DIRECTORY, ORIGINS_FILE, build_entry, read_document
from orchestration.catalog.models import Catalog, CatalogError, Entry

Sources = Literal["own"] | tuple[str, ...]
"""`own`, or the providers and series a thing is made of."""


class RowsBy(Entry):
    """Rows of several origins: the value of column `by` says which."""

    by: str
    values: Mapping[str, Sources]


class Origin(Entry):
    """What one table is made of. Without `columns` every column is of the rows' origin; patterns such as `*_days` count."""

    rows: Sources | RowsBy
    columns: Mapping[str, Sources] = Field(default_factory=dict)


def load_origins() -> Mapping[str, Origin]:
    """Origin of every table, as `schema.name`.

    Raises:
        CatalogError: naming the table and the field.
    """
    where = f"catalog/{ORIGINS_FILE}"
    document = read_document(DIRECTORY / ORIGINS_FILE, where)
    return {table: build_entry(Origin, raw, where, table) for table, raw in document["tables"].items()}


class Permission:
    """Which sources may be passed on, by the terms of the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._terms = {name: entry.terms for name, entry in catalog.providers.items()}
        self._terms |= {series.series_id: series.terms for series in catalog.series}

    @property
    def attributions(self) -> list[str]:
        """How the sources that may be passed on want to be named."""
        return sorted({terms.attribution for terms in self._terms.values() if terms.redistribution == "allowed"})

    def withheld(self, sources: Sources) -> list[str]:
        """Those of `sources` whose terms do not allow it; empty when all do."""
        if sources == "own":
            return []
        if unknown := [name for name in sources if name not in self._terms]:
            raise CatalogError(f"catalog/{ORIGINS_FILE}: {', '.join(unknown)} is neither a provider nor a series")
        return [name for name in sources if self._terms[name].redistribution != "allowed"]

    def columns(self, origin: Origin, columns: Iterable[str]) -> tuple[list[str], dict[str, str]]:
        """The columns that may be passed on, and for each other one the reason."""
        kept, left = [], {}
        for column in columns:
            sources = _sources_of(origin, column)
            reason = "origin not registered" if sources is None else ", ".join(self.withheld(sources))
            if reason:
                left[column] = reason
            else:
                kept.append(column)
        return kept, left

    def values(self, rows: RowsBy) -> tuple[list[str], dict[str, str]]:
        """The values of `rows.by` whose rows may be passed on, and for each other one the reason."""
        reasons = {value: ", ".join(self.withheld(sources)) for value, sources in rows.values.items()}
        return [value for value, reason in reasons.items() if not reason], {v: r for v, r in reasons.items() if r}


def _sources_of(origin: Origin, column: str) -> Sources | None:
    if not origin.columns:
        return "own"
    return next((sources for name, sources in origin.columns.items() if fnmatchcase(column, name)), None)
