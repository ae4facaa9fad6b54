select
    asset_id,
    day,
    source,
    provider_asset_id,
    symbol,
    asset_class,
    price_usd,
    supply_tokens,
    case
        when supply_tokens is null then null
        when source = 'coinmetrics' then 'coinmetrics.SplyCur'
        else 'coingecko.circulating_supply'
    end as supply_definition,
    market_cap_usd,
    case
        when market_cap_usd is null then null
        else cast(
            row_number() over (
                partition by source, day order by market_cap_usd desc nulls last, asset_id
            ) as bigint
        )
    end as rank,
    priced_at,
    known_at
from {{ ref('int_asset_days') }}
