"""A small warehouse with the marts the report reads: straight lines whose every figure can be computed by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import duckdb
import pytest

from orchestration.report.frames import Facts

KNOWN = "timestamptz '2025-11-12 21:00:00+00'"
SERIES = (
    *("tradingview.CRYPTOCAP:TOTAL", "tradingview.CRYPTOCAP:TOTAL3", "yahoo.^GSPC", "yahoo.^KS11", "yahoo.000001.SS"),
    *("fred.WTREGEN", "fred.WDTGAL", "fiscaldata.TGA_CLOSE", "fred.DFEDTARU", "fred.DFEDTARL", "fred.EFFR"),
    *("fred.CPIAUCSL", "yahoo.DX-Y.NYB", "fred.DTWEXBGS", "cboe.VIX"),
)


@pytest.fixture
def facts() -> Facts:
    return Facts(clock=datetime(2025, 11, 12, 22, tzinfo=UTC), as_of=None, run_id="0123456789abcdef", is_excerpt=False)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'; create schema marts; create schema analytics")
        con.execute(
            f"""
            create table days as select unnest(generate_series(date '2020-10-20', date '2025-11-12', interval 1 day))::date as day;
            create table marts.dim_series as
            select unnest({list(SERIES)!r}) as series_id, date '2025-11-12' as last_period_date;
            create table marts.dim_asset as select 'apt' as asset_id, 'APT' as symbol;
            create table marts.dim_source as select
                'fred' as provider, 'FRED' as name, 'https://fred.stlouisfed.org' as homepage, 'public domain' as licence,
                'allowed' as redistribution, 'Source, FRED' as attribution, 'https://fred.stlouisfed.org/legal' as terms_url,
                null::varchar as notes;
            -- TOTAL doubles over the article's year, TOTAL3 halves, stocks stand still until a last rise of a tenth.
            create table marts.market_cap_totals as
            select day, index_id, 'tradingview' as source,
                case index_id when 'TOTAL' then 1e12 else 5e11 end
                    * power(case index_id when 'TOTAL' then 2 else 0.5 end, (day - date '2024-11-12') / 365.0) as market_cap_usd,
                null::double as coverage_pct, {KNOWN} as known_at
            from days, (select unnest(['TOTAL', 'TOTAL3']) as index_id) where day < date '2025-11-12';
            create table marts.equity_returns as
            select day as session_date, index_id, case when day >= date '2025-11-12' then 110.0 else 100.0 end as close_local,
                case when day >= date '2025-11-12' then 121.0 else 100.0 end as close_usd, 0 as sessions_missing,
                10.0 as return_ytd_pct, {KNOWN} as known_at
            from days, (select unnest(['^GSPC', '^KS11', '000001.SS']) as index_id) where dayofweek(day) between 1 and 5;
            create table marts.liquidity as
            select day, 900e9 as tga_week_average_usd, (dayofweek(day) <> 3)::int as tga_week_average_age_days,
                910e9 as tga_wednesday_usd, (dayofweek(day) <> 3)::int as tga_wednesday_age_days,
                920e9 as tga_daily_close_usd, 0 as tga_daily_close_age_days,
                case when day < date '2025-10-30' then 4.25 else 4.0 end as policy_rate_upper_pct,
                0 as policy_rate_upper_age_days,
                case when day < date '2025-10-30' then 4.0 else 3.75 end as policy_rate_lower_pct,
                0 as policy_rate_lower_age_days, 3.87 as effr_pct, 0 as effr_age_days,
                0.85 as real_policy_rate_ex_post_pct, 99.5 as dollar_dxy_index, 0 as dollar_dxy_age_days,
                121.0 as dollar_broad_index, 0 as dollar_broad_age_days, 17.0 as vix_index, 0 as vix_age_days,
                case when dayofweek(day) = 3 then 5.6e12 end as net_liquidity_wednesday_usd, {KNOWN} as known_at
            from days;
            create table marts.market_caps as select 'coingecko' as source, date '2025-11-12' as day;
            create table marts.market_cap_changes as
            select 'TOTAL' as index_id, 'tidegauge_coingecko' as source, * from (values
                (date '2024-11-12', date '2024-11-12', null::date, 1000e9, null, null, null, null, null, 100.0, 100.0, 0.0, null, null),
                (date '2025-11-11', date '2024-11-12', date '2024-11-12', 1200e9, 100e9, 60e9, 30e9, 20e9, -10e9, 110.0, 90.0, 9.09,
                 60.0, 50)
            ) as t (day, base_day, previous_day, market_cap_usd, price_effect_usd, mint_redeem_effect_usd,
                other_supply_effect_usd, entry_effect_usd, exit_effect_usd, price_index, equal_weight_index, dilution_pct,
                below_year_ago_pct, year_ago_assets),
                (select null::double as median_coin_return_1y_pct, 98.0 as split_cap_pct, {KNOWN} as known_at);
            create table marts.events as select *, {KNOWN} as known_at from (values
                ('e1', 'fomc', 'federalreserve', 'FOMC meeting', date '2025-12-09', date '2025-12-10', 'day', null, false, null),
                ('e2', 'shutdown', 'tidegauge', 'Lapse of funding', date '2025-10-01', null, 'day', null, false, null),
                ('e3', 'unlock', 'defillama', 'APT', date '2025-11-20', null, 'day', 10.0, false, null),
                ('e4', 'other', 'calendar:x', 'AMA', date '2025-11-12', null, 'day', null, true, 'words_name_another_month'),
                ('e5', 'fomc', 'federalreserve', 'FOMC meeting', date '2026-01-27', date '2026-01-28', 'day', null, false, null)
            ) as t (event_id, kind, source, title, start_date, end_date, precision, amount_tokens, is_conflict, conflict_reason);
            create table marts.unlocks (
                token_id varchar, source varchar, kind varchar, unlock_at timestamptz, ends_at timestamptz, amount_tokens double,
                circulating_pct double, max_supply_pct double, value_at_unlock_usd double, known_at timestamptz);
            insert into marts.unlocks values
                ('apt', 'defillama', 'cliff', '2025-10-15', null, 10, 1.0, 0.5, 2e6, {KNOWN}),
                ('apt', 'defillama', 'cliff', '2025-11-20', null, 10, 1.0, 0.5, null, {KNOWN}),
                -- One token and 0.1 million USD a day over 20 weeks.
                ('apt', 'defillama', 'linear', '2025-05-12', '2025-09-29', 140, 14.0, 7.0, 14e6, {KNOWN}),
                ('apt', 'tokenomist', 'cliff', '2025-10-15', null, 10, 1.0, 0.5, 3e6, {KNOWN});
            """
        )
        yield con
