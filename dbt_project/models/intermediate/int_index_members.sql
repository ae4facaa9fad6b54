-- Who counts in which of our totals on which day. The totals are sums over these rows, the decomposition of their
-- changes compares them: one universe for both.
-- A wrapped token is a claim on a coin that is counted already. Unlisted ids have class 'other': our list of wrapped
-- tokens is the catalog's.
with ranked_assets as (
    select
        source,
        day,
        asset_id,
        asset_class,
        price_usd,
        supply_tokens,
        market_cap_usd,
        priced_at,
        known_at,
        row_number() over (partition by source, day order by market_cap_usd desc, asset_id) as universe_rank
    from {{ ref('int_asset_days') }}
    where
        asset_class <> 'wrapped'
        and market_cap_usd is not null
        and (source = 'coingecko' or is_listed)
        -- Single coins are no universe.
        and source <> 'coingecko_history'
),

universe as (
    select
        source,
        day,
        asset_id,
        asset_class,
        price_usd,
        supply_tokens,
        market_cap_usd,
        priced_at,
        known_at
    from ranked_assets
    where source = 'coinmetrics' or universe_rank <= {{ var('total_universe_size') }}
),

-- A sum without Bitcoin or Ether is no total: providers have days on which one of the two is missing, and a stale
-- stamp of a single coin would otherwise make a "total" of one constituent.
first_days as (
    select
        asset_class,
        min(first_day) as first_day
    from {{ source('catalog', 'assets') }}
    where asset_class in ('btc', 'eth')
    group by asset_class
),

complete_days as (
    select
        universe.source,
        universe.day
    from universe
    group by
        universe.source,
        universe.day
    having
        bool_or(universe.asset_class = 'btc')
        and (
            bool_or(universe.asset_class = 'eth')
            or universe.day < coalesce(
                (select first_days.first_day from first_days where first_days.asset_class = 'eth'), date '2015-08-08'
            )
        )
),

index_classes as (
    select
        index_id,
        has_btc,
        has_eth,
        has_stablecoins
    from (
        values
            ('TOTAL', true, true, true),
            ('TOTAL2', false, true, true),
            ('TOTAL3', false, false, true),
            ('TOTALES', true, true, false),
            ('TOTAL3ES', false, false, false)
    ) as classes (index_id, has_btc, has_eth, has_stablecoins)
)

select
    index_classes.index_id,
    universe.source,
    universe.day,
    universe.asset_id,
    universe.asset_class,
    universe.price_usd,
    universe.supply_tokens,
    universe.market_cap_usd,
    universe.priced_at,
    universe.known_at
from universe
inner join complete_days
    on
        universe.source = complete_days.source
        and universe.day = complete_days.day
inner join index_classes
    on
        (universe.asset_class <> 'btc' or index_classes.has_btc)
        and (universe.asset_class <> 'eth' or index_classes.has_eth)
        and (universe.asset_class <> 'stablecoin' or index_classes.has_stablecoins)
