-- Price, supply and cap of an asset on a UTC day, per source and as of the build.
-- Coin Metrics: the close of the day. CoinGecko: the newest snapshot taken during the day, so an intraday value.
-- CoinGecko's history of single coins is a source of its own: closes, without supply.
-- priced_at is the instant the price stands for; it decides what a valuation at an instant may use.
with coinmetrics_versions as (
    select
        coinmetrics_id,
        period_date,
        price_usd,
        coalesce(market_cap_usd, price_usd * supply_tokens) as market_cap_usd,
        supply_tokens,
        extracted_at,
        version
    from {{ ref('stg_coinmetrics__asset_metrics') }}
),

coinmetrics_changes as (
    select
        coinmetrics_id,
        period_date,
        price_usd,
        market_cap_usd,
        supply_tokens,
        extracted_at,
        version
    from coinmetrics_versions
    qualify
        version = 1
        or row(price_usd, market_cap_usd, supply_tokens) is distinct from lag(
            row(price_usd, market_cap_usd, supply_tokens)
        ) over (partition by coinmetrics_id, period_date order by version)
),

coinmetrics_known as (
    select
        changes.coinmetrics_id,
        changes.period_date,
        changes.price_usd,
        changes.market_cap_usd,
        changes.supply_tokens,
        changes.version,
        case
            when changes.version = 1 then least(release_calendar.known_at, changes.extracted_at)
            else changes.extracted_at
        end as known_at
    from coinmetrics_changes as changes
    left join {{ source('catalog', 'series') }} as series
        on 'coinmetrics.' || changes.coinmetrics_id || '.price' = series.series_id
    left join {{ source('catalog', 'release_calendar') }} as release_calendar
        on
            series.release_rule = release_calendar.release_rule
            and changes.period_date = release_calendar.period_date
),

coinmetrics_days as (
    select
        'coinmetrics' as source,
        'coinmetrics' as provider,
        coinmetrics_id as provider_asset_id,
        cast(null as varchar) as name,
        cast(null as varchar) as symbol,
        period_date as day,
        price_usd,
        supply_tokens,
        cast(null as double) as max_supply_tokens,
        market_cap_usd,
        {{ utc_midnight('period_date + 1') }} as priced_at,
        known_at
    from coinmetrics_known
    where {{ known_as_of() }}
    qualify row_number() over (partition by coinmetrics_id, period_date order by version desc) = 1
),

coingecko_known as (
    select
        coingecko_id,
        name,
        symbol,
        period_date,
        snapshot_at,
        price_usd,
        circulating_supply_tokens,
        max_supply_tokens,
        market_cap_usd,
        version,
        case when version = 1 then least(snapshot_at, extracted_at) else extracted_at end as known_at
    from {{ ref('stg_coingecko__markets') }}
),

coingecko_days as (
    select
        'coingecko' as source,
        'coingecko' as provider,
        coingecko_id as provider_asset_id,
        name,
        symbol,
        period_date as day,
        price_usd,
        circulating_supply_tokens as supply_tokens,
        max_supply_tokens,
        market_cap_usd,
        snapshot_at as priced_at,
        known_at
    from coingecko_known
    where {{ known_as_of() }}
    qualify row_number() over (partition by coingecko_id, period_date order by snapshot_at desc, version desc) = 1
),

coingecko_history_changes as (
    select
        coingecko_id,
        period_date,
        price_usd,
        market_cap_usd,
        extracted_at,
        version
    from {{ ref('stg_coingecko__market_chart') }}
    qualify
        version = 1
        or row(price_usd, market_cap_usd) is distinct from lag(
            row(price_usd, market_cap_usd)
        ) over (partition by coingecko_id, period_date order by version)
),

-- The chart has a day's close from 00:35 UTC on (docs.coingecko.com).
coingecko_history_known as (
    select
        coingecko_id,
        period_date,
        price_usd,
        market_cap_usd,
        version,
        case
            when version = 1 then least({{ utc_midnight('period_date + 1') }} + interval 35 minute, extracted_at)
            else extracted_at
        end as known_at
    from coingecko_history_changes
),

coingecko_history_days as (
    select
        'coingecko_history' as source,
        'coingecko' as provider,
        coingecko_id as provider_asset_id,
        cast(null as varchar) as name,
        cast(null as varchar) as symbol,
        period_date as day,
        price_usd,
        cast(null as double) as supply_tokens,
        cast(null as double) as max_supply_tokens,
        market_cap_usd,
        {{ utc_midnight('period_date + 1') }} as priced_at,
        known_at
    from coingecko_history_known
    where {{ known_as_of() }}
    qualify row_number() over (partition by coingecko_id, period_date order by version desc) = 1
),

asset_days as (
    select
        source,
        provider,
        provider_asset_id,
        name,
        symbol,
        day,
        price_usd,
        supply_tokens,
        max_supply_tokens,
        market_cap_usd,
        priced_at,
        known_at
    from coinmetrics_days
    union all
    select
        source,
        provider,
        provider_asset_id,
        name,
        symbol,
        day,
        price_usd,
        supply_tokens,
        max_supply_tokens,
        market_cap_usd,
        priced_at,
        known_at
    from coingecko_days
    union all
    select
        source,
        provider,
        provider_asset_id,
        name,
        symbol,
        day,
        price_usd,
        supply_tokens,
        max_supply_tokens,
        market_cap_usd,
        priced_at,
        known_at
    from coingecko_history_days
)

select
    coalesce(asset_ids.asset_id, asset_days.provider || ':' || asset_days.provider_asset_id) as asset_id,
    asset_days.source,
    asset_days.provider_asset_id,
    coalesce(assets.name, asset_days.name) as name,
    coalesce(assets.symbol, asset_days.symbol) as symbol,
    coalesce(assets.asset_class, 'other') as asset_class,
    asset_ids.asset_id is not null as is_listed,
    asset_days.day,
    asset_days.price_usd,
    asset_days.supply_tokens,
    asset_days.max_supply_tokens,
    asset_days.market_cap_usd,
    asset_days.priced_at,
    asset_days.known_at
from asset_days
left join {{ source('catalog', 'asset_ids') }} as asset_ids
    on
        asset_days.provider = asset_ids.provider
        and asset_days.provider_asset_id = asset_ids.provider_asset_id
left join {{ source('catalog', 'assets') }} as assets
    on asset_ids.asset_id = assets.asset_id
where
    asset_days.price_usd is not null
    or asset_days.market_cap_usd is not null
