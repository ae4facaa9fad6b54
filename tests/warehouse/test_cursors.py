"""Where the next extraction starts: read from the rows, never ahead of them."""

from __future__ import annotations

from datetime import date

import duckdb
import pytest

from orchestration.catalog import Catalog, load_catalog
from orchestration.catalog.tables import RAW_TABLES
from orchestration.warehouse.cursors import window_starts
from orchestration.warehouse.raw import newest_periods

from .helpers import batch, load, load_row
from .test_raw import without_a_column

Con = duckdb.DuckDBPyConnection
FIRST = date(2013, 1, 1)
END = date(2025, 11, 12)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.mark.parametrize(
    ("name", "newer", "expected"),
    [
        ("fred_observations", {"date": "2025-11-06"}, {"WALCL": date(2025, 11, 6)}),
        ("fredgraph_observations", {"observation_date": "2025-11-06"}, {"WALCL": date(2025, 11, 6)}),
        ("fiscaldata_operating_cash_balance", {"record_date": "2025-11-11"}, {None: date(2025, 11, 11)}),
        ("coinmetrics_asset_metrics", {"time": "2025-11-11T00:00:00.000000000Z"}, {"btc": date(2025, 11, 11)}),
        ("coingecko_markets", {"snapshot_date": "2025-11-13"}, {None: date(2025, 11, 13)}),
        ("coingecko_market_chart", {"timestamp": "1762992000000"}, {"solana": date(2025, 11, 13)}),
        ("coinmarketcap_history", {"timestamp": "2025-11-13T00:00:00.000Z"}, {None: date(2025, 11, 13)}),
        ("ecos_statistics", {"TIME": "20251112"}, {"KOSPI": date(2025, 11, 12)}),
        ("stablecoins_charts", {"date": "1762992000"}, {None: date(2025, 11, 13)}),
        ("yahoo_chart", {"timestamp": "1762957801"}, {"^GSPC": date(2025, 11, 12)}),
        ("cboe_vix_history", {"DATE": "11/12/2025"}, {None: date(2025, 11, 12)}),
        ("tradingview_bars", {"time": "2025-11-12"}, {"CRYPTOCAP:TOTAL": date(2025, 11, 12)}),
        ("tradingview_bars", {"time": "1762992000"}, {"CRYPTOCAP:TOTAL": date(2025, 11, 13)}),
        ("llama_unlock_events", {}, {}),
    ],
)
def test_the_newest_period_is_read_in_the_columns_own_notation(
    con: Con, name: str, newer: dict[str, str | None], expected: dict[str | None, date]
) -> None:
    assert newest_periods(con, RAW_TABLES[name]) == {}
    load_row(con, name, {}, newer)
    assert newest_periods(con, RAW_TABLES[name]) == expected


def test_us_dates_are_compared_as_days_and_not_as_text(con: Con) -> None:
    load_row(con, "cboe_vix_history", {"DATE": "12/31/2024"}, {"DATE": "01/02/2025"})
    assert newest_periods(con, RAW_TABLES["cboe_vix_history"]) == {None: date(2025, 1, 2)}


def test_a_series_starts_at_its_newest_day_less_its_look_back(con: Con, catalog: Catalog) -> None:
    load_row(con, "fred_observations", {"date": "2025-10-29"}, {}, {"series_id": "RRPONTSYD", "date": "2025-11-10"})
    load_row(con, "coinmetrics_asset_metrics")
    load_row(con, "fiscaldata_operating_cash_balance")
    start = window_starts(con, catalog, first_day=FIRST, end=END)
    assert start("fred", "WALCL") == date(2025, 9, 21)
    assert start("fred", "RRPONTSYD") == date(2025, 10, 27)
    assert start("coinmetrics", "btc") == date(2025, 10, 27)
    assert start("fiscaldata", None) == date(2025, 10, 27)


def test_what_holds_nothing_starts_at_the_first_day(con: Con, catalog: Catalog) -> None:
    load_row(con, "fred_observations")
    start = window_starts(con, catalog, first_day=FIRST, end=END)
    for provider, key in (("fred", "DFF"), ("fredgraph", "WALCL"), ("llama", None), ("llama", "hyperliquid")):
        assert start(provider, key) == FIRST


def test_no_window_starts_before_the_first_day(con: Con, catalog: Catalog) -> None:
    load_row(con, "fred_observations", {"date": "2013-01-02"})
    assert window_starts(con, catalog, first_day=FIRST, end=END)("fred", "WALCL") == FIRST


def test_a_refused_date_in_the_future_moves_no_cursor(con: Con, catalog: Catalog) -> None:
    load_row(con, "fred_observations", {}, {"date": "2999-12-31"}, {"date": "9999-12-31"})
    assert window_starts(con, catalog, first_day=FIRST, end=END)("fred", "WALCL") == date(2025, 9, 21)


def test_a_failed_load_moves_no_cursor(con: Con, catalog: Catalog) -> None:
    load_row(con, "fred_observations")
    with pytest.raises(duckdb.Error):
        load(con, batch("fred_observations", {"date": "2025-11-12"}), without_a_column("fred_observations"))
    assert window_starts(con, catalog, first_day=FIRST, end=END)("fred", "WALCL") == date(2025, 9, 21)


def test_a_later_day_given_leaves_no_hole_behind_what_is_held(con: Con, catalog: Catalog) -> None:
    load_row(con, "fred_observations")
    given = date(2025, 11, 1)
    start = window_starts(con, catalog, first_day=FIRST, end=END, given=given)
    assert start("fred", "WALCL") == date(2025, 9, 21)
    assert start("fred", "DFF") == date(2025, 10, 29)
    bounded = window_starts(
        con, catalog, first_day=FIRST, end=date(2020, 6, 30), given=date(2020, 1, 1), is_bounded=True
    )
    assert bounded("fred", "WALCL") == date(2020, 1, 1)


def test_a_window_is_never_shorter_than_the_look_back(con: Con, catalog: Catalog) -> None:
    weekend = date(2025, 11, 9)
    start = window_starts(con, catalog, first_day=FIRST, end=weekend, given=date(2025, 11, 8), is_bounded=True)
    look_back = next(series.look_back_days for series in catalog.series_of("fred") if series.key == "WALCL")
    assert (weekend - start("fred", "WALCL")).days == look_back
