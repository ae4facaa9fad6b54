"""A small, clean warehouse: three months of a few series, built with SQL, on which every check passes."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb

from orchestration.warehouse import definitions, raw

NOW = datetime(2025, 11, 12, 22, 0, tzinfo=UTC)
FETCHED = "timestamptz '2025-11-12 21:00:00+00'"
LATER = "timestamptz '2025-11-12 21:30:00+00'"

# Treasury closes on weekdays around 950,000 million; WTREGEN and WDTGAL follow from them.
CLOSES = """
    select day, 950000 + 1000 * (row_number() over (order by day) % 7) as value
    from (select unnest(generate_series(date '2025-08-01', date '2025-11-10', interval 1 day))::date as day)
    where isodow(day) <= 5
"""
WEEKS = "select unnest(generate_series(date '2025-08-13', date '2025-11-05', interval 7 day))::date as week"
CARRIED = f"""
    select d.day, c.value from (
        select unnest(generate_series(date '2025-08-01', date '2025-11-10', interval 1 day))::date as day
    ) as d asof join ({CLOSES}) as c on d.day >= c.day
"""
SESSIONS = """
    select day::date as day, row_number() over (order by day) as n from (
        select unnest(generate_series(date '2025-08-01', date '2025-11-11', interval 1 day)) as day
    ) where isodow(day) <= 5
"""

SERIES: list[tuple[str, str, str, str, bool, float, float, float, str]] = [
    ("fred.WTREGEN", "fred_observations", "weekly", "us_federal", True, 0, 3e6, 280_000, "absolute"),
    ("fred.WDTGAL", "fred_observations", "weekly", "us_federal", True, 0, 3e6, 370_000, "absolute"),
    ("fred.SP500", "fred_observations", "daily", "nyse", False, 100, 20_000, 0.2, "relative"),
    ("fred.VIXCLS", "fred_observations", "daily", "nyse", False, 5, 150, 2, "relative"),
    ("fred.RRPONTSYD", "fred_observations", "daily", "us_federal", True, 0, 3500, 400, "absolute"),
    ("fred.SOFR", "fred_observations", "daily", "us_federal", False, -1, 12, 3, "absolute"),
    ("nyfed.RRP", "nyfed_reverse_repo_operations", "daily", "us_federal", False, 0, 3.5e12, 4e11, "absolute"),
    ("nyfed.SOFR", "nyfed_reference_rates", "daily", "us_federal", False, -1, 12, 3, "absolute"),
    ("nyfed.EFFR", "nyfed_reference_rates", "daily", "us_federal", False, 0, 12, 1, "absolute"),
    ("nyfed.SOMA_TOTAL", "nyfed_soma_summary", "weekly", "us_federal", False, 1e11, 2e13, 0.2, "relative"),
    ("fiscaldata.TGA_CLOSE", "fiscaldata_operating_cash_balance", "daily", "us_federal", True, 0, 3e6, 3e5, "absolute"),
    ("coinmetrics.btc.price", "coinmetrics_asset_metrics", "daily_7d", "utc", True, 0.01, 1e7, 0.5, "relative"),
    ("stablecoins.total_usd", "stablecoins_charts", "daily_7d", "utc", True, 0, 1e12, 0.1, "relative"),
    ("yahoo.^GSPC", "yahoo_chart", "daily", "nyse", True, 100, 20_000, 0.2, "relative"),
    ("yahoo.^KS11", "yahoo_chart", "daily", "xkrx", False, 200, 15_000, 0.25, "relative"),
    ("ecos.KOSPI", "ecos_statistics", "daily", "xkrx", False, 200, 15_000, 0.25, "relative"),
    ("cboe.VIX", "cboe_vix_history", "daily", "nyse", True, 5, 150, 2, "relative"),
]


def insert(con: duckdb.DuckDBPyConnection, table: str, select: str) -> None:
    """Add the columns of `select` to a raw table; the rest stays null."""
    con.execute(
        f"insert into raw.{table} by name select *, {FETCHED} as _extracted_at, "
        f"'sha' as _response_sha256, 'run' as _run_id from ({select})"
    )


def loaded(
    con: duckdb.DuckDBPyConnection, dataset: str, *, load_id: str = "first", seen: int = 1000, quarantined: int = 0
) -> None:
    """Record a load of a dataset."""
    moment = FETCHED if load_id == "first" else LATER
    con.execute(
        "insert into raw.loads by name select ? as load_id, ? as run_id, ? as dataset, ? as rows_seen, ? as rows_new, "
        f"? as rows_quarantined, {moment} as first_fetched_at, {moment} as last_fetched_at, 'loaded' as status",
        [load_id, load_id, dataset, seen, seen, quarantined],
    )


def fill_catalog(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("create schema catalog")
    for name, columns in definitions.TABLES.items():
        con.execute(f"create table catalog.{name} ({columns})")
    for series_id, dataset, frequency, calendar, required, low, high, limit, kind in SERIES:
        con.execute(
            "insert into catalog.series by name select ? as series_id, ? as dataset, ? as frequency, ? as calendar, "
            "? as is_required, ? as plausible_min, ? as plausible_max, ? as jump_limit, ? as jump_kind, "
            "false as may_be_empty, false as is_retired, 'next_day' as release_rule, 4 as freshness_grace_days",
            [series_id, dataset, frequency, calendar, required, low, high, limit, kind],
        )
    con.execute(
        "insert into catalog.release_calendar by name select 'next_day' as release_rule, day::date as period_date, "
        "(day + interval 45 hour)::timestamptz as known_at "
        "from (select unnest(generate_series(date '2025-01-01', date '2026-06-01', interval 1 day)) as day)"
    )
    con.execute(
        "insert into catalog.sessions by name select 'XNYS' as calendar, day as session_date from "
        "(select unnest(generate_series(date '2025-01-01', date '2026-06-01', interval 1 day))::date as day) "
        "where isodow(day) <= 5"
    )


def fill_raw(con: duckdb.DuckDBPyConnection) -> None:
    raw.create_tables(con)
    insert(
        con,
        "fiscaldata_operating_cash_balance",
        f"""
        select day::varchar as record_date, account_type, 'null' as close_today_bal, amount::varchar as open_today_bal
        from (select day, value, coalesce(lag(value) over (order by day), value) as opening from ({CLOSES})),
            unnest([
                {{'account_type': 'Treasury General Account (TGA) Opening Balance', 'amount': opening}},
                {{'account_type': 'Total TGA Deposits (Table II)', 'amount': 50000 + value - opening}},
                {{'account_type': 'Total TGA Withdrawals (Table II) (-)', 'amount': 50001}},
                {{'account_type': 'Treasury General Account (TGA) Closing Balance', 'amount': value}}
            ]) as lines (line),
            lateral (select line.account_type as account_type, line.amount as amount)
        """,
    )
    # Every operation has Treasuries only; on 5 November an exercise comes on top, on 16 October one in mortgage bonds.
    insert(
        con,
        "nyfed_reverse_repo_operations",
        f"""
        select 'RP ' || day || ' 1' as "operationId", day::varchar as "operationDate", 'Overnight' as term, '' as note,
            (10e9 + n * 1e6)::bigint::varchar as "totalAmtAccepted",
            '[{{"securityType":"Treasury","amtAccepted":"' || (10e9 + n * 1e6)::bigint || '"}}]' as details
        from ({SESSIONS})
        union all
        select 'RP exercise ' || day, day, 'Overnight', 'This is a Small Value Exercise (SVE)', amount,
            '[{{"securityType":"' || type || '","amtAccepted":"' || amount || '"}}]'
        from (values ('2025-11-05', 'Treasury', '114000000'), ('2025-10-16', 'Mortgage-Backed', '44000000'))
            as exercises (day, type, amount)
        """,
    )
    insert(
        con,
        "nyfed_reference_rates",
        'select type, day::varchar as "effectiveDate", (4 + n % 3 / 100)::varchar as "percentRate" '
        f"from ({SESSIONS}), (values ('SOFR'), ('EFFR')) as types (type)",
    )
    insert(
        con,
        "nyfed_soma_summary",
        f"select week::varchar as \"asOfDate\", '6.2e12' as total, '' as bills from ({WEEKS})",
    )
    insert(
        con,
        "fredgraph_observations",
        f"""
        select 'WTREGEN' as series_id, week::varchar as observation_date, round(avg(value), 0)::varchar as value
        from ({WEEKS}) inner join ({CARRIED}) on day between week - 6 and week group by week
        union all
        select 'WDTGAL', week::varchar, value::varchar from ({WEEKS}) inner join ({CARRIED}) on day = week
        union all
        select 'SP500', day::varchar, (6500 + n)::varchar from ({SESSIONS})
        union all
        select 'VIXCLS', day::varchar, (17 + n / 100)::varchar from ({SESSIONS})
        union all
        select 'RRPONTSYD', day::varchar, (10 + n / 1000 + if(day = date '2025-11-05', 0.114, 0))::varchar from ({SESSIONS})
        union all
        select 'SOFR', day::varchar, (4 + n % 3 / 100)::varchar from ({SESSIONS})
        union all
        select 'SP500', '2025-08-02', '.'
        """,
    )
    insert(
        con,
        "cboe_vix_history",
        f'select strftime(day, \'%m/%d/%Y\') as "DATE", (17 + n / 100)::varchar as "CLOSE" from ({SESSIONS})',
    )
    insert(
        con,
        "yahoo_chart",
        "select '^GSPC' as symbol, epoch((day + interval 14 hour)::timestamptz)::bigint::varchar as timestamp, "
        f"(6500 + n)::varchar as close, 'America/New_York' as exchange_timezone from ({SESSIONS})",
    )
    insert(
        con,
        "yahoo_chart",
        "select '^KS11' as symbol, epoch(day::timestamptz)::bigint::varchar as timestamp, (4000 + n)::varchar as close, "
        f"'Asia/Seoul' as exchange_timezone from ({SESSIONS})",
    )
    insert(
        con,
        "ecos_statistics",
        "select 'KOSPI' as series_id, strftime(day, '%Y%m%d') as \"TIME\", (4000 + n)::varchar as \"DATA_VALUE\" "
        f"from ({SESSIONS})",
    )
    insert(
        con,
        "coinmetrics_asset_metrics",
        "select 'btc' as asset, strftime(day, '%Y-%m-%dT00:00:00.000000000Z') as time, "
        '(100000 + 100 * (epoch(day) / 86400 % 9))::varchar as "PriceUSD", \'2000000000000\' as "CapMrktCurUSD" '
        "from (select unnest(generate_series(timestamp '2025-08-01', timestamp '2025-11-11', interval 1 day)) as day)",
    )
    insert(
        con,
        "stablecoins_charts",
        "select epoch(day)::bigint::varchar as date, peg, (cap + 1e6 * (epoch(day) / 86400 % 5))::varchar as "
        "\"totalCirculatingUSD\" from (select unnest(generate_series(timestamp '2025-08-01', timestamp '2025-11-11', "
        "interval 1 day)) as day), (values ('peggedUSD', 3e11), ('peggedEUR', 1e9)) as pegs (peg, cap)",
    )
    insert(
        con,
        "coingecko_markets",
        "select id, '2025-11-12' as snapshot_date, price::varchar as current_price, (price * supply)::varchar as "
        "market_cap, supply::varchar as circulating_supply from (select case n when 0 then 'bitcoin' else 'coin' || n end "
        "as id, 101000 / (n + 1) as price, 2e7 as supply from range(20) as t (n))",
    )
    insert(
        con,
        "llama_unlock_events",
        """
        select 'token' as slug, '1700000000' as timestamp, 'cliff' as allocation_kind, 'team' as recipient, '0' as ordinal,
            '100' as amount, null as new_rate_per_week, null as end_timestamp
        union all
        select 'token', '1700000000', 'linear', 'treasury', '0', null, '70', '1700864000'
        """,
    )
    insert(con, "llama_protocols", "select 'token' as slug, '200' as total")
    for dataset in (
        "nyfed_reverse_repo_operations", "nyfed_reference_rates", "nyfed_soma_summary",
        "fredgraph_observations", "fiscaldata_operating_cash_balance", "cboe_vix_history", "yahoo_chart", "ecos_statistics",
        "coinmetrics_asset_metrics", "stablecoins_charts", "coingecko_markets", "llama_unlock_events",
        "llama_protocols",
    ):  # fmt: skip
        loaded(con, dataset)


def fill_marts(con: duckdb.DuckDBPyConnection) -> None:
    from orchestration.quality.gate import LIQUIDITY_LIMITS

    con.execute("create schema marts")
    middle = ", ".join(
        f"{(low + high) / 3}::double as {name}"
        for name, (low, high) in LIQUIDITY_LIMITS.items()
        if not name.startswith(("net_", "tga_", "rrp", "fed_assets", "released"))
    )
    con.execute(
        f"""
        create table marts.liquidity as
        select day::date as day, 7e12::double as fed_assets_usd, 7e12::double as released_fed_assets_usd,
            9e11::double as tga_daily_close_usd, 9e11::double as tga_wednesday_usd, 9e11::double as tga_week_average_usd,
            1e11::double as rrp_usd, 6e12::double as net_liquidity_daily_usd, 6e12::double as net_liquidity_wednesday_usd,
            6e12::double as net_liquidity_week_average_usd, {middle}, (day + interval 1 day)::timestamptz as known_at
        from (select unnest(generate_series(date '2025-10-01', date '2025-11-11', interval 1 day)) as day)
        """
    )
    con.execute(
        """
        create table marts.market_caps as
        select asset_id, day::date as day, 'coinmetrics' as source, asset_class, price::double as price_usd,
            supply::double as supply_tokens, (price * supply)::double as market_cap_usd,
            (day + interval 1 day)::timestamptz as known_at
        from (select unnest(generate_series(date '2025-10-01', date '2025-11-11', interval 1 day)) as day),
            (values ('bitcoin', 'btc', 1e5, 2e7), ('ethereum', 'eth', 4e3, 1.2e8), ('tether', 'stablecoin', 1, 1.8e11),
                ('solana', 'other', 150, 5e8), ('wbtc', 'wrapped', 1e5, 1e5)) as a (asset_id, asset_class, price, supply)
        """
    )
    con.execute(
        """
        create table marts.market_cap_totals as
        select index_id, 'tidegauge_coinmetrics' as source, day, sum(market_cap_usd) as market_cap_usd,
            count(*) as constituents, 95::double as coverage_pct, max(known_at) as known_at
        from marts.market_caps,
            (values ('TOTAL', ['wrapped']), ('TOTAL2', ['wrapped', 'btc']), ('TOTAL3', ['wrapped', 'btc', 'eth']),
                ('TOTALES', ['wrapped', 'stablecoin']), ('TOTAL3ES', ['wrapped', 'btc', 'eth', 'stablecoin'])
            ) as members (index_id, without)
        where not list_contains(without, asset_class) group by index_id, day
        """
    )
    con.execute(
        """
        create table marts.market_cap_changes as
        select index_id, source, day, lag(day) over steps as previous_day,
            lag(market_cap_usd) over steps as previous_market_cap_usd, market_cap_usd,
            case when lag(day) over steps is not null then 0.0 end::double as price_effect_usd,
            case when lag(day) over steps is not null then 0.0 end::double as supply_effect_usd,
            case when lag(day) over steps is not null then 0.0 end::double as entry_effect_usd,
            case when lag(day) over steps is not null then 0.0 end::double as exit_effect_usd,
            case when lag(day) over steps is not null then 0.0 end::double as residual_usd,
            100::double as split_cap_pct, 100::double as price_index, 100::double as equal_weight_index,
            null::double as below_year_ago_pct, known_at
        from marts.market_cap_totals window steps as (partition by index_id, source order by day)
        """
    )
    con.execute(
        """
        create table marts.treasury_settlements as
        select day::date as day, 'bill' as security_type, 2 as auctions_held, 2e11::double as offered_usd,
            2.1e11::double as issued_usd, 5e9::double as issued_to_fed_usd, 0::double as announced_usd,
            1.9e11::double as maturing_usd, true as is_maturing_complete, 2e10::double as net_usd,
            (day - interval 7 day)::timestamptz as known_at
        from (select unnest(generate_series(date '2025-10-07', date '2025-11-18', interval 7 day)) as day)
        """
    )
    con.execute(
        """
        create table marts.unlocks as
        select 'e' || n as event_id, 'llama' as source, 100::double as amount_tokens, 1::double as circulating_pct,
            0.5::double as max_supply_pct, timestamptz '2025-11-01 00:00:00+00' as known_at from range(5) as t (n)
        """
    )
    con.execute(
        """
        create table marts.events as
        select 'e' || n as event_id, case n when 0 then 'fomc' else 'unlock' end as kind,
            date '2025-11-10' + n::integer as start_date, date '2025-11-11' + n::integer as end_date,
            case n when 0 then timestamptz '2025-11-11 19:00:00+00' end as event_at, null::timestamptz as ends_at,
            case n when 0 then 'instant' else 'day' end as precision, n = 1 as is_conflict,
            case n when 1 then 'sources_disagree' end as conflict_reason,
            case n when 0 then 3.75 end::double as target_lower_pct, case n when 0 then 4 end::double as target_upper_pct,
            timestamptz '2025-01-01 00:00:00+00' as announced_at, timestamptz '2025-11-12 00:00:00+00' as known_at
        from range(9) as t (n)
        """
    )
    con.execute(
        """
        create table marts.unlock_pressure as
        select day::date as day, token_id, 'defillama' as source, 'cliff' as kind, 7::double as amount_7d_tokens,
            30::double as amount_30d_tokens, 90::double as amount_90d_tokens, 70::double as value_7d_usd,
            300::double as value_30d_usd, 900::double as value_90d_usd, 1::double as share_7d_pct,
            9::double as share_90d_pct, 2::double as days_to_absorb_7d, (day + interval 1 day)::timestamptz as known_at
        from (select unnest(generate_series(date '2025-11-01', date '2025-11-11', interval 1 day)) as day),
            (values ('hyperliquid'), ('TOTAL')) as tokens (token_id)
        """
    )
    con.execute(
        """
        create table marts.unlock_schedule_changes as
        select 'e' || n as event_id, 'changed' as change, timestamptz '2025-11-29 00:00:00+00' as old_unlock_at,
            timestamptz '2025-11-29 00:00:00+00' as new_unlock_at, 1::double as old_amount_tokens,
            2::double as new_amount_tokens, null::double as old_rate_tokens_per_day,
            null::double as new_rate_tokens_per_day, timestamptz '2025-11-01 00:00:00+00' as seen_at,
            timestamptz '2025-11-01 00:00:00+00' as known_at from range(5) as t (n)
        """
    )
    con.execute(
        """
        create table marts.equity_returns as
        select '^GSPC' as index_id, day::date as session_date, 6700::double as close_local, 6700::double as close_usd,
            0.001::double as log_return, (day + interval 21 hour)::timestamptz as known_at
        from (select unnest(generate_series(date '2025-10-01', date '2025-11-11', interval 1 day)) as day)
        """
    )
