-- Listed assets, and every unlisted one that a fact mart mentions, so that each asset_id and token_id has its row.
with provider_ids as (
    select
        asset_id,
        min(provider_asset_id) filter (where provider = 'coingecko') as coingecko_id,
        min(provider_asset_id) filter (where provider = 'coinmetrics') as coinmetrics_id,
        min(provider_asset_id) filter (where provider = 'llama') as llama_slug
    from {{ source('catalog', 'asset_ids') }}
    group by asset_id
),

listed as (
    select
        assets.asset_id,
        assets.name,
        assets.symbol,
        assets.asset_class,
        assets.chain,
        assets.first_day,
        true as is_listed,
        provider_ids.coingecko_id,
        provider_ids.coinmetrics_id,
        provider_ids.llama_slug
    from {{ source('catalog', 'assets') }} as assets
    left join provider_ids
        on assets.asset_id = provider_ids.asset_id
),

unlisted_with_prices as (
    select
        asset_id,
        arg_max(name, day) as name,
        arg_max(symbol, day) as symbol,
        arg_max(provider_asset_id, day) filter (where source = 'coingecko') as coingecko_id,
        arg_max(provider_asset_id, day) filter (where source = 'coinmetrics') as coinmetrics_id
    from {{ ref('int_asset_days') }}
    where not is_listed
    group by asset_id
),

unlisted_with_unlocks as (
    select
        unlocks.token_id as asset_id,
        min(unlocks.source_token_id) filter (where unlocks.source = 'defillama') as llama_slug,
        min(protocols.name) as name
    from {{ ref('unlocks') }} as unlocks
    left join {{ ref('stg_llama__protocols') }} as protocols
        on
            unlocks.source = 'defillama'
            and unlocks.source_token_id = protocols.slug
    where unlocks.token_id not in (select listed.asset_id from listed)
    group by unlocks.token_id
)

select
    asset_id,
    name,
    symbol,
    asset_class,
    chain,
    first_day,
    is_listed,
    coingecko_id,
    coinmetrics_id,
    llama_slug
from listed
union all
select
    coalesce(unlisted_with_prices.asset_id, unlisted_with_unlocks.asset_id) as asset_id,
    coalesce(unlisted_with_prices.name, unlisted_with_unlocks.name) as name,
    unlisted_with_prices.symbol,
    'other' as asset_class,
    cast(null as varchar) as chain,
    cast(null as date) as first_day,
    false as is_listed,
    coalesce(
        unlisted_with_prices.coingecko_id,
        nullif(regexp_extract(unlisted_with_unlocks.asset_id, '^coingecko:(.+)$', 1), '')
    ) as coingecko_id,
    unlisted_with_prices.coinmetrics_id,
    unlisted_with_unlocks.llama_slug
from unlisted_with_prices
full outer join unlisted_with_unlocks
    on unlisted_with_prices.asset_id = unlisted_with_unlocks.asset_id
