"""Small frames for the gates, read from the warehouse with SQL; every number a check judges is a column here.

What is acceptable is not here: limits come from the catalog (per series) and from `suites`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from orchestration.catalog.tables import RAW_TABLES
from orchestration.quality.checks import QUARANTINE_LIMIT, SERIES_TABLES

if TYPE_CHECKING:
    import duckdb

BOOKKEEPING = ("_extra", "_extracted_at", "_response_sha256", "_run_id")


def rows(con: duckdb.DuckDBPyConnection, sql: str, parameters: Iterable[Any] = ()) -> pd.DataFrame:
    """The result of one query as a frame."""
    return con.execute(sql, list(parameters)).df()


# ------------------------------------------------------------------ raw: one row per table


def columns_of(con: duckdb.DuckDBPyConnection, schema: str) -> dict[str, dict[str, str]]:
    """Column names and types of every table and view of a schema."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in con.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where database_name = current_database() and schema_name = ? order by column_index",
        [schema],
    ).fetchall():
        found.setdefault(table, {})[column] = kind
    return found


def raw_tables(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Per raw table: missing columns, duplicate keys, and the quarantined share of its last run's loads."""
    limits: dict[str, float] = {}
    if "datasets" in columns_of(con, "catalog"):
        limits = dict(con.execute("select dataset, quarantine_limit_pct / 100 from catalog.datasets").fetchall())
    present = columns_of(con, "raw")
    found = []
    for table in RAW_TABLES.values():
        missing = [c for c in (*table.column_names, *BOOKKEEPING) if c not in present.get(table.name, {})]
        duplicates = None
        if not set(table.key) & set(missing) and "_extracted_at" not in missing:
            duplicates = _one(
                con,
                f"select count(*) from (select 1 from raw.{table.name} "
                f"group by {_names(table.key)}, _extracted_at having count(*) > 1)",
            )
        found.append((table.name, ", ".join(missing), float(len(missing)), duplicates))
    frame = pd.DataFrame(found, columns=["table", "missing_columns", "missing_count", "duplicate_keys"])
    frame["duplicate_keys"] = frame["duplicate_keys"].astype(float)
    return frame.merge(_last_loads(con), on="table", how="left").assign(
        quarantine_limit=lambda f: [limits.get(t, QUARANTINE_LIMIT) for t in f["table"]]
    )


def _last_loads(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return rows(
        con,
        """
        with last_runs as (
            select dataset, max_by(run_id, (last_fetched_at, load_id)) as run_id
            from raw.loads where status = 'loaded' group by dataset
        )
        select
            dataset as table, sum(rows_seen)::double as seen, sum(rows_quarantined)::double as quarantined,
            coalesce(sum(rows_quarantined) / nullif(sum(rows_seen), 0), 0)::double as quarantined_share
        from raw.loads inner join last_runs using (dataset, run_id)
        where status = 'loaded'
        group by dataset
        """,
    )


def duplicate_keys(con: duckdb.DuckDBPyConnection, table: str, limit: int) -> pd.DataFrame:
    """Some natural keys that occur twice in one fetch."""
    key = _names(RAW_TABLES[table].key)
    return rows(
        con,
        f"select {key}, _extracted_at, count(*) as copies from raw.{table} "
        f"group by {key}, _extracted_at having count(*) > 1 order by copies desc, {key} limit {limit}",
    )


def quarantined(con: duckdb.DuckDBPyConnection, table: str, limit: int) -> pd.DataFrame:
    """Reasons and payloads of the newest quarantined rows of a table."""
    return rows(
        con,
        "select reason, payload, _extracted_at from raw.quarantine where dataset = ? "
        f"order by _extracted_at desc, payload_md5 limit {limit}",
        [table],
    )


# ------------------------------------------------------------------ raw: one row per observation

# Current value per series and period, in the provider's unit. Eras of the Treasury's closing balance, provisional and
# live rows as in staging; staging itself runs only after this gate.
_OBSERVATIONS = {
    "fred_observations": """
        select 'fred.' || series_id as series_id, cast(date as date) as period_date,
            cast(nullif(value, '.') as double) as value, _extracted_at
        from raw.fred_observations""",
    "fredgraph_observations": """
        select 'fred.' || series_id as series_id, cast(observation_date as date) as period_date,
            cast(nullif(nullif(value, '.'), '') as double) as value, _extracted_at
        from raw.fredgraph_observations""",
    "fiscaldata_operating_cash_balance": """
        select 'fiscaldata.TGA_CLOSE' as series_id, cast(record_date as date) as period_date,
            cast(nullif(case when account_type like '%Closing Balance' then open_today_bal else close_today_bal end,
                'null') as double) as value, _extracted_at
        from raw.fiscaldata_operating_cash_balance
        where account_type = case
            when record_date < '2021-10-01' then 'Federal Reserve Account'
            when record_date < '2022-04-18' then 'Treasury General Account (TGA)'
            else 'Treasury General Account (TGA) Closing Balance' end""",
    "coinmetrics_asset_metrics": """
        select 'coinmetrics.' || asset || '.' || metric as series_id, cast(substr(time, 1, 10) as date) as period_date,
            cast(amount as double) as value, _extracted_at
        from (
            unpivot (select asset, time, "PriceUSD" as price, "CapMrktCurUSD" as cap, _extracted_at
                from raw.coinmetrics_asset_metrics) on price, cap into name metric value amount)""",
    "stablecoins_charts": """
        select 'stablecoins.total_usd' as series_id, period_date, sum(usd) as value, max(fetched) as _extracted_at
        from (
            select cast(to_timestamp(cast(date as bigint)) at time zone 'UTC' as date) as period_date,
                cast(arg_max("totalCirculatingUSD", _extracted_at) as double) as usd, max(_extracted_at) as fetched
            from raw.stablecoins_charts where is_provisional is distinct from 'true' group by date, peg)
        group by period_date""",
    "yahoo_chart": """
        select 'yahoo.' || symbol as series_id,
            cast(to_timestamp(cast(timestamp as bigint)) at time zone exchange_timezone as date) as period_date,
            cast(close as double) as value, _extracted_at
        from raw.yahoo_chart where is_live is distinct from 'true'""",
    "cboe_vix_history": """
        select 'cboe.VIX' as series_id, cast(strptime("DATE", '%m/%d/%Y') as date) as period_date,
            cast("CLOSE" as double) as value, _extracted_at
        from raw.cboe_vix_history""",
    "ecos_statistics": """
        select 'ecos.' || series_id as series_id, cast(strptime("TIME", '%Y%m%d') as date) as period_date,
            cast(nullif(nullif("DATA_VALUE", ''), '-') as double) as value, _extracted_at
        from raw.ecos_statistics""",
    "coinmarketcap_history": """
        select 'coinmarketcap.' || key as series_id, period_date, cast(amount as double) as value, _extracted_at
        from (
            unpivot (
                select
                    cast((timestamp::timestamptz - interval 1 microsecond) at time zone 'UTC' as date) as period_date,
                    "totalMarketCap" as "TOTAL", "altcoinMarketCap" as "ALTCOINS", "btcDominance" as "BTC.D",
                    "ethDominance" as "ETH.D", _extracted_at
                from raw.coinmarketcap_history
            ) on "TOTAL", "ALTCOINS", "BTC.D", "ETH.D" into name key value amount)
        where (period_date + interval 1 day) at time zone 'UTC' <= _extracted_at""",
    "tradingview_bars": """
        select 'tradingview.' || symbol as series_id,
            case when regexp_full_match(time, '[0-9]+')
                then cast(to_timestamp(cast(time as bigint)) at time zone 'UTC' as date)
                else cast(substr(time, 1, 10) as date) end as period_date,
            cast(close as double) as value, _extracted_at
        from raw.tradingview_bars""",
}

# slip_factor sees what an absolute limit cannot: one value several times its neighbours, or a fraction of them, while
# the neighbours agree with each other (or it is the newest). Moves below 2 % of the local level are noise near zero.
# On 210,000 real observations a factor of seven raises no false alarm; of random ten-fold slips in series with an
# absolute limit it cuts the unnoticed share from 44 % to 7 %.
# A fall below a fifth is measured the other way round: with a limit of one or more, |x/prev - 1| never sees a slip
# that makes a number ten times too small. A predecessor of zero has no relative distance.
_JUMPS = """
with newest as (
    select dataset, series_id, period_date, value from ({union})
    qualify row_number() over (partition by dataset, series_id, period_date order by _extracted_at desc) = 1
),
paired as (
    select
        *, lag(value) over series_order as previous, lag(period_date) over series_order as previous_date,
        lead(value) over series_order as following,
        max(abs(value)) over (
            partition by dataset, series_id order by period_date rows between 250 preceding and 250 following
        ) as level
    from newest where value is not null
    window series_order as (partition by dataset, series_id order by period_date)
)
select
    paired.* exclude (following, level), series.plausible_min, series.plausible_max, series.jump_limit,
    case
        when period_date - previous_date > greatest(30, carry_days) then null
        when series.jump_kind = 'absolute' then abs(value - previous)
        when previous = 0 then null
        when value / previous > 0 and value / previous < 0.2 then previous / value - 1
        else abs(value / previous - 1)
    end as jump,
    case
        when value > 0 and previous > 0 and abs(value - previous) >= 0.02 * level
            and period_date - previous_date <= greatest(30, carry_days)
            and (following is null or following / previous between 0.5 and 2)
            then greatest(value / previous, previous / value)
    end as slip_factor
from paired left join catalog.series using (series_id)
"""


@contextmanager
def observations(con: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> Iterator[str]:
    """A temporary table with the current observations of these raw tables; yields its name."""
    wanted = [table for table in SERIES_TABLES if table in set(tables)]
    parts = [
        f"select '{t}' as dataset, series_id, period_date, value, _extracted_at from ({_OBSERVATIONS[t]})"
        for t in wanted
    ]
    nothing = (
        "select null::varchar as dataset, null::varchar as series_id, null::date as period_date, "
        "null::double as value, null::timestamptz as _extracted_at where false"
    )
    con.execute(
        "create or replace temp table gate_observations as "
        + _JUMPS.format(union="\nunion all\n".join([nothing, *parts]))
    )
    try:
        yield "gate_observations"
    finally:
        con.execute("drop table if exists gate_observations")


def observation_rows(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Every current observation with its limits; inside `observations`."""
    return rows(
        con,
        "select dataset, series_id, period_date, value, previous, previous_date, plausible_min, plausible_max, "
        "jump, jump_limit, slip_factor from gate_observations order by period_date desc, series_id",
    )


def series_rows(con: duckdb.DuckDBPyConnection, now: datetime) -> pd.DataFrame:
    """Per active series: observations, newest period, the next period expected after it, and how late that is.

    FRED series may come through the keyed API or the keyless file: either counts.
    """
    return rows(
        con,
        f"""
        with newest as (
            select series_id, count(*) as observations, max(period_date) as newest
            from gate_observations group by series_id
        ),
        expected as (
            select
                series.*, coalesce(newest.observations, 0)::double as observations, newest.newest,
                case
                    when frequency = 'weekly' then newest + 7
                    when frequency = 'monthly' then cast(newest + interval 1 month as date)
                    when frequency = 'daily_7d' then newest + 1
                    else coalesce(
                        (select min(session_date) from catalog.sessions as s
                            where s.calendar = case series.calendar when 'nyse' then 'XNYS' else upper(series.calendar) end
                            and s.session_date > newest.newest),
                        newest + case isodow(newest) when 5 then 3 when 6 then 2 else 1 end
                    )
                end as next_period
            from catalog.series left join newest using (series_id)
            where not coalesce(is_retired, false) and dataset in ({", ".join(repr(t) for t in SERIES_TABLES)})
        ),
        due as (
            select expected.*, coalesce(x.known_at, c.known_at) + to_days(freshness_grace_days) as due_at
            from expected
            left join catalog.release_calendar as c
                on c.release_rule = expected.release_rule and c.period_date = expected.next_period
            left join catalog.release_exceptions as x
                on x.series_id = expected.series_id and x.period_date = expected.next_period
        )
        select
            dataset, series_id, is_required, coalesce(may_be_empty, false) as may_be_empty, observations, newest,
            next_period, due_at, release_rule, freshness_grace_days,
            date_diff('second', due_at, ?::timestamptz) / 86400.0 as days_late
        from due order by series_id
        """,
        [now],
    )


# ------------------------------------------------------------------ raw: reconciliations

_RECONCILED = {
    # A day without a close takes the last one, at most five days old (a weekend between two holidays).
    "wtregen_matches_dts": """
        with closes as (select period_date, value from gate_observations where series_id = 'fiscaldata.TGA_CLOSE'),
        days as (
            select unnest(generate_series(min(period_date), max(period_date), interval 1 day))::date as day from closes
        ),
        carried as (
            select day, closes.value from days asof join closes on days.day >= closes.period_date
            where days.day - closes.period_date <= 5
        )
        select w.period_date, any_value(w.value) as reported, avg(carried.value) as compared
        from gate_observations as w inner join carried on carried.day between w.period_date - 6 and w.period_date
        where w.series_id = 'fred.WTREGEN' group by w.period_date having count(distinct carried.day) = 7""",
    "wdtgal_matches_dts": """
        select w.period_date, w.value as reported, d.value as compared
        from gate_observations as w asof join
            (select * from gate_observations where series_id = 'fiscaldata.TGA_CLOSE') as d
            on w.period_date >= d.period_date
        where w.series_id = 'fred.WDTGAL' and w.period_date - d.period_date <= 5""",
    "vix_matches_cboe": """
        select f.period_date, f.value as reported, c.value as compared
        from gate_observations as f inner join gate_observations as c using (period_date)
        where f.series_id = 'fred.VIXCLS' and c.series_id = 'cboe.VIX'""",
    "sp500_matches_yahoo": """
        select f.period_date, f.value as reported, y.value as compared
        from gate_observations as f inner join gate_observations as y using (period_date)
        where f.series_id = 'fred.SP500' and y.series_id = 'yahoo.^GSPC'""",
    "kospi_matches_yahoo": """
        select e.period_date, e.value as reported, y.value as compared
        from gate_observations as e inner join gate_observations as y using (period_date)
        where e.series_id = 'ecos.KOSPI' and y.series_id = 'yahoo.^KS11'""",
    "btc_matches_coinmetrics": """
        select g.snapshot_date::date as period_date, g.current_price::double as reported, m.value as compared
        from (
            select * from raw.coingecko_markets where id = 'bitcoin'
            qualify row_number() over (partition by snapshot_date order by _extracted_at desc) = 1
        ) as g asof join (select * from gate_observations where series_id = 'coinmetrics.btc.price') as m
            on g.snapshot_date::date >= m.period_date
        where g.snapshot_date::date - m.period_date <= 1""",
    "cap_is_price_times_supply": """
        select id as item, snapshot_date::date as period_date, market_cap::double as reported,
            current_price::double * circulating_supply::double as compared
        from raw.coingecko_markets where circulating_supply::double > 0 and market_cap::double > 0
        qualify row_number() over (partition by id order by snapshot_date desc, _extracted_at desc) = 1
            and snapshot_date = max(snapshot_date) over ()""",
    # A linear row is a rate from its instant to the next change of the same recipient, or to its stated end.
    "schedule_within_total": """
        with events as (
            select * from raw.llama_unlock_events
            qualify row_number() over (
                partition by slug, timestamp, allocation_kind, recipient, ordinal order by _extracted_at desc) = 1
        ),
        amounts as (
            select slug, amount::double as tokens from events where allocation_kind = 'cliff'
            union all
            select slug, new_rate_per_week::double / 604800 * greatest(0, least(
                lead(timestamp::bigint) over (
                    partition by slug, recipient order by timestamp::bigint, ordinal::bigint),
                end_timestamp::bigint) - timestamp::bigint)
            from events where allocation_kind = 'linear'
        ),
        totals as (
            select slug, arg_max(coalesce(total, max_supply)::double, _extracted_at) as total
            from raw.llama_protocols group by slug
        )
        select slug as item, null::date as period_date, sum(tokens) as reported, any_value(total) as compared
        from amounts inner join totals using (slug) where total > 0 group by slug""",
}


def reconciliation_rows(con: duckdb.DuckDBPyConnection, usable: Iterable[str]) -> pd.DataFrame:
    """Two independent figures side by side, one row per rule and period (or coin, or token); inside `observations`."""
    needs = {
        "btc_matches_coinmetrics": {"coingecko_markets"},
        "cap_is_price_times_supply": {"coingecko_markets"},
        "schedule_within_total": {"llama_unlock_events", "llama_protocols"},
    }
    parts = [
        f"select '{rule}' as rule, {'item' if ' as item' in sql else 'null::varchar as item'}, period_date, "
        f"reported, compared from ({sql})"
        for rule, sql in _RECONCILED.items()
        if needs.get(rule, set()) <= set(usable)
    ]
    if not parts:
        return pd.DataFrame(columns=["rule", "item", "period_date", "reported", "compared"])
    return rows(con, "\nunion all by name\n".join(parts))


# ------------------------------------------------------------------ helpers


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = con.execute(sql).fetchone()
    return row[0] if row else None


# ------------------------------------------------------------------ marts

MART_KEYS = {
    "market_caps": ("asset_id", "day", "source"),
    "market_cap_totals": ("index_id", "source", "day"),
    "market_cap_changes": ("index_id", "source", "day"),
    "liquidity": ("day",),
    "unlocks": ("event_id", "source"),
    "equity_returns": ("index_id", "session_date"),
    "events": ("event_id",),
}
# The day a row describes, where that day may not lie ahead (unlocks and events are scheduled ahead).
_MART_DAYS = {
    "market_caps": "day",
    "market_cap_totals": "day",
    "market_cap_changes": "day",
    "liquidity": "day",
    "equity_returns": "session_date",
}
_MART_VALUES = {
    "market_caps": """
        market_cap_usd, least(price_usd, supply_tokens, market_cap_usd) as lowest,
        case when price_usd * supply_tokens > 0 then abs(market_cap_usd / (price_usd * supply_tokens) - 1) end
            as cap_deviation""",
    "market_cap_totals": """
        market_cap_usd, case when index_id in ('TOTAL', 'TOTAL2', 'TOTAL3') then coverage_pct end as coverage_pct""",
    "market_cap_changes": """
        market_cap_usd, price_index, equal_weight_index, exit_effect_usd, split_cap_pct, below_year_ago_pct,
        abs(supply_effect_usd) / previous_market_cap_usd as supply_share,
        greatest(
            abs(residual_usd),
            abs(
                previous_market_cap_usd + price_effect_usd + supply_effect_usd + entry_effect_usd + exit_effect_usd
                - market_cap_usd
            )
        ) / market_cap_usd as residual_share,
        -- The caps of the total are those of the other mart, on both days; a day that it lacks is a deviation of one.
        greatest(
            abs(market_cap_usd / coalesce((
                select max(totals.market_cap_usd) from marts.market_cap_totals as totals
                where totals.index_id = market_cap_changes.index_id
                    and totals.source = market_cap_changes.source and totals.day = market_cap_changes.day
            ), market_cap_usd / 2) - 1),
            abs(previous_market_cap_usd / coalesce((
                select max(totals.market_cap_usd) from marts.market_cap_totals as totals
                where totals.index_id = market_cap_changes.index_id
                    and totals.source = market_cap_changes.source and totals.day = market_cap_changes.previous_day
            ), previous_market_cap_usd / 2) - 1)
        ) as total_deviation""",
    "liquidity": """
        * exclude (day, known_at),
        abs(net_liquidity_daily_usd - (released_fed_assets_usd - tga_daily_close_usd - rrp_usd)) as daily_difference,
        abs(net_liquidity_wednesday_usd - (fed_assets_usd - tga_wednesday_usd - rrp_usd)) as wednesday_difference,
        abs(net_liquidity_week_average_usd - (fed_assets_usd - tga_week_average_usd - rrp_usd))
            as week_average_difference""",
    "unlocks": "amount_tokens, circulating_pct, max_supply_pct",
    "equity_returns": "close_local, close_usd, log_return, abs(log_return) as move",
    "events": """
        date_diff('day', start_date, end_date)::double as length_days,
        date_diff('second', event_at, ends_at)::double as length_seconds,
        -- A local day is at most 14 hours from the instant's day in UTC.
        greatest(
            date_diff('hour', event_at, start_date::timestamptz),
            date_diff('hour', (coalesce(end_date, start_date) + 1)::timestamptz, event_at)
        )::double as hours_outside,
        (kind not in ('fomc', 'macro_release', 'shutdown', 'policy', 'unlock', 'other'))::integer::double as unknown_kind,
        (precision not in ('instant', 'day', 'month', 'quarter', 'year', 'about')
            or (precision = 'instant') <> (event_at is not null))::integer::double as wrong_precision,
        (is_conflict <> (conflict_reason is not null))::integer::double as unexplained_conflict,
        target_lower_pct, target_upper_pct, target_upper_pct - target_lower_pct as target_width_pct,
        date_diff('second', known_at, announced_at)::double as announced_after_known_seconds""",
}


def newest_instant(con: duckdb.DuckDBPyConnection, now: datetime, as_of: datetime | None) -> datetime:
    """The instant nothing in the marts may lie after: the build's `as_of`, else the clock or the last fetch."""
    if as_of is not None:
        return as_of
    fetched: datetime | None = _one(con, "select max(last_fetched_at) from raw.loads")
    return max(now, fetched) if fetched else now


def mart_rows(con: duckdb.DuckDBPyConnection, mart: str, instant: datetime) -> pd.DataFrame:
    """Every row of a mart with its key, what its checks look at, its copies and how far it lies ahead of `instant`."""
    key, day = MART_KEYS[mart], _MART_DAYS.get(mart)
    ahead = "date_diff('second', $instant::timestamptz, known_at)::double"
    days = (
        f"date_diff('day', ($instant::timestamptz at time zone 'UTC')::date, {day})::double" if day else "null::double"
    )
    values = _MART_VALUES[mart]
    return con.execute(
        f"select {_names(key)}, known_at, {values}, {ahead} as known_ahead_seconds, {days} as days_ahead, "
        f"count(*) over (partition by {_names(key)})::double as copies from marts.{mart} "
        f"order by {f'{day} desc, ' if day else ''}{_names(key)}",
        {"instant": instant},
    ).df()


def total_parts(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Per source and day: the five totals side by side, and the sum of the constituents our TOTAL says it has."""
    return rows(
        con,
        """
        with totals as (
            pivot (select source, day, index_id, market_cap_usd from marts.market_cap_totals)
            on index_id in ('TOTAL', 'TOTAL2', 'TOTAL3', 'TOTALES', 'TOTAL3ES')
            using max(market_cap_usd) group by source, day
        ),
        sizes as (
            select source, day, constituents from marts.market_cap_totals
            where index_id = 'TOTAL' and constituents is not null
        ),
        ranked as (
            select source, day, market_cap_usd,
                row_number() over (partition by source, day order by market_cap_usd desc, asset_id) as place
            from marts.market_caps where asset_class <> 'wrapped' and market_cap_usd is not null
        ),
        sums as (
            select sizes.source, sizes.day, sum(ranked.market_cap_usd) as constituents_usd
            from sizes inner join ranked
                on sizes.source = 'tidegauge_' || ranked.source and sizes.day = ranked.day
                and ranked.place <= sizes.constituents
            group by sizes.source, sizes.day
        )
        select
            source, day, "TOTAL" as total, "TOTAL2" as total2, "TOTAL3" as total3, "TOTALES" as totales,
            "TOTAL3ES" as total3es, constituents_usd, abs(constituents_usd / "TOTAL" - 1) as sum_deviation
        from totals left join sums using (source, day)
        order by day desc, source
        """,
    )


def liquidity_ages(con: duckdb.DuckDBPyConnection, instant: datetime) -> pd.DataFrame:
    """One row: days from the newest day, and from the newest daily net liquidity, to `instant`."""
    return con.execute(
        """
        select
            max(day) as newest_day, max(day) filter (where net_liquidity_daily_usd is not null) as newest_net_liquidity,
            date_diff('day', max(day), any_value(today))::double as age_days,
            date_diff('day', max(day) filter (where net_liquidity_daily_usd is not null), any_value(today))::double
                as net_liquidity_age_days
        from marts.liquidity cross join (select ($instant::timestamptz at time zone 'UTC')::date as today)
        """,
        {"instant": instant},
    ).df()
