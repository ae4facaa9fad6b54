-- A snapshot belongs to the UTC day it describes, as in stg_coingecko__markets.
with source as (
    select * from {{ source('raw', 'coinmarketcap_global_metrics') }}
),

renamed as (
    select
        cast(last_updated as timestamptz) as snapshot_at,
        cast(total_market_cap as double) as market_cap_usd,
        cast(altcoin_market_cap as double) as altcoin_market_cap_usd,
        cast(btc_dominance as double) as btc_dominance_pct,
        cast(eth_dominance as double) as eth_dominance_pct,
        _extracted_at as extracted_at
    from source
)

select
    {{ utc_date("snapshot_at - interval 1 microsecond") }} as period_date,
    snapshot_at,
    market_cap_usd,
    altcoin_market_cap_usd,
    btc_dominance_pct,
    eth_dominance_pct,
    extracted_at,
    {{ version_number(['snapshot_at']) }} as version
from renamed
