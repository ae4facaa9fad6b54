"""Where the next extraction starts: read from the raw rows themselves, so that no cursor can ever be ahead of the data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import duckdb

from orchestration.catalog import Catalog
from orchestration.catalog.tables import tables_of
from orchestration.warehouse.raw import newest_periods


def window_starts(
    con: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    *,
    first_day: date,
    end: date,
    given: date | None = None,
    is_bounded: bool = False,
) -> Callable[[str, str | None], date]:
    """A function (provider, series key or None) -> first day to ask for.

    Without a given day that is the newest day held minus the look-back of the series (late and revised values land
    inside it), or `first_day` for a series that holds nothing yet.

    Args:
        end: last day of the window. It is never shorter than the look-back: over a weekend a weekly series is silent.
        given: the day a person asked for. A series that already holds data is asked from its cursor when that is
            earlier, so that no hole stays behind, unless the window is bounded on both sides on purpose.
        is_bounded: the last day was given too.
    """
    newest: dict[str, dict[str | None, date]] = {}
    for provider in catalog.providers:
        # The first table of a provider speaks for the provider as a whole, each of them for its own series.
        dated = [table for table in reversed(tables_of(provider)) if table.period]
        newest[provider] = {key: day for table in dated for key, day in newest_periods(con, table).items()}

    def start(provider: str, key: str | None) -> date:
        held = newest.get(provider, {}).get(key)
        days = next(
            (series.look_back_days for series in catalog.series_of(provider) if series.key == key),
            catalog.provider(provider).look_back_days,
        )
        look_back = timedelta(days=days)
        cursor = max(first_day, held - look_back) if held else None
        if given is None:
            wanted = cursor or first_day
        elif is_bounded or cursor is None:
            wanted = given
        else:
            wanted = min(given, cursor)
        return min(wanted, end - look_back)

    return start
