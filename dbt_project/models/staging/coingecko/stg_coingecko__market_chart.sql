-- A point stamped D 00:00 UTC is the price at that instant, the close of D-1. The last point of an answer is stamped with
-- the instant of the question: the day it would describe had not ended, and it never becomes a version.
with source as (
    select * from {{ source('raw', 'coingecko_market_chart') }}
),

renamed as (
    select
        id as coingecko_id,
        {{ utc_date("to_timestamp(cast(timestamp as bigint) / 1000) - interval 1 microsecond") }} as period_date,
        cast(price as double) as price_usd,
        cast(market_cap as double) as market_cap_usd,
        cast(total_volume as double) as volume_usd,
        _extracted_at as extracted_at
    from source
)

select
    coingecko_id,
    period_date,
    price_usd,
    market_cap_usd,
    volume_usd,
    extracted_at,
    {{ version_number(['coingecko_id', 'period_date']) }} as version
from renamed
where {{ utc_midnight('period_date + 1') }} <= extracted_at
