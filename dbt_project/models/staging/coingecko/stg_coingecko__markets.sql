-- A snapshot belongs to the UTC day it describes: a point stamped D 00:00:00 is the close of D-1, hence the
-- microsecond. `last_updated` is the provider's own stamp; without it only the fetch instant is left.
with source as (
    select * from {{ source('raw', 'coingecko_markets') }}
),

renamed as (
    select
        id as coingecko_id,
        symbol,
        name,
        coalesce(cast(last_updated as timestamptz), _extracted_at) as snapshot_at,
        cast(current_price as double) as price_usd,
        cast(market_cap as double) as market_cap_usd,
        cast(circulating_supply as double) as circulating_supply_tokens,
        cast(total_supply as double) as total_supply_tokens,
        cast(max_supply as double) as max_supply_tokens,
        cast(total_volume as double) as volume_usd,
        _extracted_at as extracted_at
    from source
)

select
    coingecko_id,
    symbol,
    name,
    {{ utc_date("snapshot_at - interval 1 microsecond") }} as period_date,
    snapshot_at,
    price_usd,
    market_cap_usd,
    circulating_supply_tokens,
    total_supply_tokens,
    max_supply_tokens,
    volume_usd,
    extracted_at,
    {{ version_number(['coingecko_id', 'snapshot_at']) }} as version
from renamed
