{{ config(meta={'dagster': {'ref': {'name': 'liquidity'}}}) }}
-- Guards the three definitions against a mixed-up TGA: each net liquidity equals Fed assets minus its own Treasury
-- account minus reverse repo, and the two weekly ones stand on Wednesdays only.
select
    day,
    net_liquidity_daily_usd,
    net_liquidity_wednesday_usd,
    net_liquidity_week_average_usd
from {{ ref('liquidity') }}
where
    abs(released_fed_assets_usd - tga_daily_close_usd - rrp_usd - net_liquidity_daily_usd) > 1
    or abs(fed_assets_usd - tga_wednesday_usd - rrp_usd - net_liquidity_wednesday_usd) > 1
    or abs(fed_assets_usd - tga_week_average_usd - rrp_usd - net_liquidity_week_average_usd) > 1
    or (
        isodow(day) <> 3
        and coalesce(net_liquidity_wednesday_usd, net_liquidity_week_average_usd) is not null
    )
