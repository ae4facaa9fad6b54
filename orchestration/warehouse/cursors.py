"""Where the next extraction starts: read from the raw rows themselves, so that no cursor can ever be ahead of the data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import duckdb

from orchestration.catalog import Catalog
from orchestration.catalog.tables import tables_of
from orchestration.warehouse.raw import newest_periods


def window_starts(
    con: duckdb.DuckDBPyConnection, catalog: Catalog, first_day: date
) -> Callable[[str, str | None], date]:
    """A function (provider, series key or None) -> first day to ask for.

    That is the newest day held minus the look-back of the series (late and revised values land inside it), or
    `first_day` for a series that holds nothing yet.
    """
    newest: dict[str, dict[str | None, date]] = {}
    for provider in catalog.providers:
        dated = [table for table in tables_of(provider) if table.period]
        newest[provider] = dict(newest_periods(con, dated[0])) if dated else {}

    def start(provider: str, key: str | None) -> date:
        held = newest.get(provider, {}).get(key)
        if held is None:
            return first_day
        look_back = next(
            (series.look_back_days for series in catalog.series_of(provider) if series.key == key),
            catalog.provider(provider).look_back_days,
        )
        return max(first_day, held - timedelta(days=look_back))

    return start
