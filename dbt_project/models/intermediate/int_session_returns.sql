-- Paired log returns of a crypto asset and the S&P 500 between two consecutive New York sessions, under both bars.
-- A pair needs all four closes. A session that lacks one therefore costs two pairs (into it and out of it) and no
-- pair ever spans a missing session; equities are never filled with zero. Weekend and holiday moves of crypto
-- accumulate into the next session's return (days_spanned says how many days).
with alignment as (
    select
        bar,
        session_date,
        previous_session_date,
        asset_day,
        previous_asset_day
    from {{ ref('int_nyse_alignment') }}
),

closes as (
    select
        asset,
        day,
        close_value,
        known_at
    from {{ ref('int_benchmark_series') }}
    where close_value > 0
)

select
    asset_closes.asset,
    benchmark_closes.asset as benchmark,
    alignment.bar,
    alignment.session_date,
    alignment.previous_session_date,
    alignment.asset_day,
    alignment.asset_day - alignment.previous_asset_day as days_spanned,
    asset_closes.close_value as asset_close,
    benchmark_closes.close_value as benchmark_close,
    ln(asset_closes.close_value / previous_asset_closes.close_value) as asset_log_return,
    ln(benchmark_closes.close_value / previous_benchmark_closes.close_value) as benchmark_log_return,
    greatest(
        asset_closes.known_at,
        previous_asset_closes.known_at,
        benchmark_closes.known_at,
        previous_benchmark_closes.known_at
    ) as known_at
from alignment
inner join closes as benchmark_closes
    on
        benchmark_closes.asset = 'SPX'
        and alignment.session_date = benchmark_closes.day
inner join closes as previous_benchmark_closes
    on
        previous_benchmark_closes.asset = 'SPX'
        and alignment.previous_session_date = previous_benchmark_closes.day
inner join closes as asset_closes
    on
        asset_closes.asset <> 'SPX'
        and alignment.asset_day = asset_closes.day
inner join closes as previous_asset_closes
    on
        asset_closes.asset = previous_asset_closes.asset
        and alignment.previous_asset_day = previous_asset_closes.day
