-- `time` is the START of UTC day D and the values are those of its END: the row stamped D is the close of day D.
with source as (
    select * from {{ source('raw', 'coinmetrics_asset_metrics') }}
),

renamed as (
    select
        asset as coinmetrics_id,
        cast(substr(time, 1, 10) as date) as period_date,
        cast("PriceUSD" as double) as price_usd,
        cast("CapMrktCurUSD" as double) as market_cap_usd,
        cast("SplyCur" as double) as supply_tokens,
        _extracted_at as extracted_at
    from source
)

select
    coinmetrics_id,
    period_date,
    price_usd,
    market_cap_usd,
    supply_tokens,
    extracted_at,
    {{ version_number(['coinmetrics_id', 'period_date']) }} as version
from renamed
