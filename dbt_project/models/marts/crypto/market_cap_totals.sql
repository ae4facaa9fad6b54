-- TOTAL is a definition, not a fact: the source is part of the key, and nothing is averaged over sources.
with published as (
    select
        series_id,
        period_date as day,
        value,
        known_at
    from {{ ref('int_observations') }}
    where
        series_id in (
            'tradingview.CRYPTOCAP:TOTAL',
            'tradingview.CRYPTOCAP:TOTAL3',
            'tradingview.CRYPTOCAP:BTC.D',
            'stablecoins.total_usd',
            'coinmarketcap.TOTAL',
            'coinmarketcap.ALTCOINS',
            'coinmarketcap.BTC.D',
            'coinmarketcap.ETH.D'
        )
),

coinmarketcap_closes as (
    select
        'coinmarketcap' as source,
        'CoinMarketCap website history, close: ' as definition,
        day,
        max(value) filter (where series_id = 'coinmarketcap.TOTAL') as total_usd,
        max(value) filter (where series_id = 'coinmarketcap.ALTCOINS') as altcoins_usd,
        max(value) filter (where series_id = 'coinmarketcap.BTC.D') as btc_pct,
        max(value) filter (where series_id = 'coinmarketcap.ETH.D') as eth_pct,
        max(known_at) as known_at
    from published
    where series_id like 'coinmarketcap.%'
    group by day
),

coinmarketcap_snapshots as (
    select
        'coinmarketcap_snapshot' as source,
        'CoinMarketCap official API, newest snapshot of the day: ' as definition,
        period_date as day,
        market_cap_usd as total_usd,
        altcoin_market_cap_usd as altcoins_usd,
        btc_dominance_pct as btc_pct,
        eth_dominance_pct as eth_pct,
        case when version = 1 then least(snapshot_at, extracted_at) else extracted_at end as known_at
    from {{ ref('stg_coinmarketcap__global_metrics') }}
    where {{ known_as_of('case when version = 1 then least(snapshot_at, extracted_at) else extracted_at end') }}
    qualify row_number() over (partition by period_date order by snapshot_at desc, version desc) = 1
),

coinmarketcap as (
{%- for cte in ['coinmarketcap_closes', 'coinmarketcap_snapshots'] %}
    select
        unnest(['TOTAL', 'TOTAL2', 'TOTAL3']) as index_id,
        source,
        day,
        unnest([total_usd, altcoins_usd, total_usd * (1 - (btc_pct + eth_pct) / 100)]) as market_cap_usd,
        definition || unnest([
            'all coins it ranks', 'altcoinMarketCap', 'total x (1 - btcDominance - ethDominance)'
        ]) as definition,
        known_at
    from {{ cte }}
    {%- if not loop.last %}
    union all
    {%- endif %}
{%- endfor %}
),

tradingview as (
    select
        'TOTAL' as index_id,
        day,
        value as market_cap_usd,
        'TradingView CRYPTOCAP:TOTAL close: 125 largest coins of its screener, stablecoins included' as definition,
        known_at
    from published
    where series_id = 'tradingview.CRYPTOCAP:TOTAL'
    union all
    select
        'TOTAL3' as index_id,
        day,
        value as market_cap_usd,
        'TradingView CRYPTOCAP:TOTAL3 close: TOTAL without BTC and ETH' as definition,
        known_at
    from published
    where series_id = 'tradingview.CRYPTOCAP:TOTAL3'
    union all
    select
        'TOTAL2' as index_id,
        totals.day,
        totals.value * (1 - dominance.value / 100) as market_cap_usd,
        'TradingView CRYPTOCAP:TOTAL x (1 - BTC.D / 100)' as definition,
        greatest(totals.known_at, dominance.known_at) as known_at
    from published as totals
    inner join published as dominance
        on
            totals.day = dominance.day
            and dominance.series_id = 'tradingview.CRYPTOCAP:BTC.D'
    where totals.series_id = 'tradingview.CRYPTOCAP:TOTAL'
),

tradingview_less_stablecoins as (
    select
        tradingview.index_id || 'ES' as index_id,
        tradingview.day,
        tradingview.market_cap_usd - stablecoins.value as market_cap_usd,
        'TradingView ' || tradingview.index_id
        || ' minus DefiLlama total of all stablecoins (not only those TradingView counts)' as definition,
        greatest(tradingview.known_at, stablecoins.known_at) as known_at
    from tradingview
    inner join published as stablecoins
        on
            tradingview.day = stablecoins.day
            and stablecoins.series_id = 'stablecoins.total_usd'
    where tradingview.index_id in ('TOTAL', 'TOTAL3')
),

ours as (
    select
        'tidegauge_' || source as source,
        index_id,
        day,
        -- Exact to the cent: a sum of doubles depends on the order in which threads deliver them.
        cast(sum(cast(market_cap_usd as decimal(38, 2))) as double) as market_cap_usd,
        count(*) as constituents,
        case source
            when 'coingecko'
                then 'Sum over the (at most {{ var("total_universe_size") }}) largest caps of the CoinGecko snapshot,'
                || ' wrapped tokens excluded'
            else 'Sum over the listed assets with a Coin Metrics cap that day, wrapped tokens excluded'
        end as definition,
        quantile_disc(priced_at, 0.5) as priced_at,
        max(known_at) as known_at
    from {{ ref('int_index_members') }}
    group by
        source,
        index_id,
        day
),

totals as (
    select
        index_id,
        'tradingview' as source,
        day,
        market_cap_usd,
        cast(null as bigint) as constituents,
        definition,
        cast(null as date) as coverage_reference_day,
        known_at
    from tradingview
    union all
    select
        index_id,
        'tradingview_less_stablecoins' as source,
        day,
        market_cap_usd,
        cast(null as bigint) as constituents,
        definition,
        cast(null as date) as coverage_reference_day,
        known_at
    from tradingview_less_stablecoins
    union all
    select
        index_id,
        source,
        day,
        market_cap_usd,
        cast(null as bigint) as constituents,
        definition,
        cast(null as date) as coverage_reference_day,
        known_at
    from coinmarketcap
    where market_cap_usd is not null
    union all
    select
        index_id,
        source,
        day,
        market_cap_usd,
        cast(constituents as bigint) as constituents,
        definition,
        -- The close nearest to the snapshot: day D closes at D+1 00:00 UTC. A snapshot of 02:00 set against the close
        -- 22 hours later would show a day's price move as coverage.
        {{ utc_date("priced_at - interval 12 hour") }} as coverage_reference_day,
        known_at
    from ours
),

references_of_tradingview as (
    select
        index_id,
        day,
        market_cap_usd,
        known_at
    from totals
    where source in ('tradingview', 'tradingview_less_stablecoins')
)

select
    totals.index_id,
    totals.source,
    totals.day,
    totals.market_cap_usd,
    totals.constituents,
    100 * totals.market_cap_usd / references_of_tradingview.market_cap_usd as coverage_pct,
    totals.coverage_reference_day,
    totals.definition,
    greatest(totals.known_at, references_of_tradingview.known_at) as known_at
from totals
left join references_of_tradingview
    on
        totals.index_id = references_of_tradingview.index_id
        and totals.coverage_reference_day = references_of_tradingview.day
