{{ config(meta={'dagster': {'ref': {'name': 'market_caps'}}}) }}
-- Guards column order and units of Coin Metrics rows: CapMrktCurUSD is PriceUSD x SplyCur by definition. CoinGecko
-- updates the three at different moments, so it is not held to it.
select
    asset_id,
    day,
    price_usd,
    supply_tokens,
    market_cap_usd
from {{ ref('market_caps') }}
where
    source = 'coinmetrics'
    and abs(price_usd * supply_tokens / nullif(market_cap_usd, 0) - 1) > 0.001
