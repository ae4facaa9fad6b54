-- A point stamped D 00:00 UTC is the close of D-1: set against TradingView's TOTAL x (1 - BTC.D) of the day before, seven
-- recorded altcoin caps of July 2025 lie 3.62 to 3.74 % above it; against the same day they scatter. The point stamped
-- with the question's instant describes a day that had not ended and never becomes a version.
with source as (
    select * from {{ source('raw', 'coinmarketcap_history') }}
),

points as (
    select
        {{ utc_date("cast(timestamp as timestamptz) - interval 1 microsecond") }} as period_date,
        cast("totalMarketCap" as double) as total_usd,
        cast("altcoinMarketCap" as double) as altcoins_usd,
        cast("btcDominance" as double) as btc_pct,
        cast("ethDominance" as double) as eth_pct,
        _extracted_at as extracted_at
    from source
),

series as (
{%- for key, column in [
    ('TOTAL', 'total_usd'), ('ALTCOINS', 'altcoins_usd'), ('BTC.D', 'btc_pct'), ('ETH.D', 'eth_pct')
] %}
    select
        'coinmarketcap.{{ key }}' as series_id,
        period_date,
        {{ column }} as value_native,
        extracted_at
    from points
    {%- if not loop.last %}
    union all
    {%- endif %}
{%- endfor %}
)

select
    series_id,
    period_date,
    value_native,
    extracted_at,
    {{ version_number(['series_id', 'period_date']) }} as version
from series
where {{ utc_midnight('period_date + 1') }} <= extracted_at
