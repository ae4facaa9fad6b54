"""What is extracted and what it means: one validated YAML per provider; rules, sessions, units, terms.

The shape of the raw tables is `tables.py`. Nothing here opens a connection, reads a clock or knows Dagster.
"""

from __future__ import annotations

from orchestration.catalog.loader import DIRECTORY, load_catalog
from orchestration.catalog.models import (
    Asset,
    Catalog,
    CatalogError,
    Dataset,
    KeyPolicy,
    Provider,
    RateLimit,
    ReleaseException,
    ReleaseRule,
    Retired,
    Series,
    Terms,
)

__all__ = [
    "DIRECTORY",
    "Asset",
    "Catalog",
    "CatalogError",
    "Dataset",
    "KeyPolicy",
    "Provider",
    "RateLimit",
    "ReleaseException",
    "ReleaseRule",
    "Retired",
    "Series",
    "Terms",
    "load_catalog",
]
