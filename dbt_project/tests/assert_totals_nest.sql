{{ config(meta={'dagster': {'ref': {'name': 'market_cap_totals'}}}) }}
-- Guards the definitions: TOTAL3 above TOTAL2 means that dominance and totals of different days were combined, an ES
-- total above its plain one that a stablecoin was counted with the wrong sign.
with totals as (
    select
        source,
        day,
        max(market_cap_usd) filter (where index_id = 'TOTAL') as total,
        max(market_cap_usd) filter (where index_id = 'TOTAL2') as total2,
        max(market_cap_usd) filter (where index_id = 'TOTAL3') as total3,
        max(market_cap_usd) filter (where index_id = 'TOTALES') as total_es,
        max(market_cap_usd) filter (where index_id = 'TOTAL3ES') as total3_es
    from {{ ref('market_cap_totals') }}
    group by
        source,
        day
)

select
    source,
    day,
    total,
    total2,
    total3,
    total_es,
    total3_es
from totals
where
    total2 > total
    or total3 > total2
    or total_es > total
    or total3_es > total3
    or total3_es > total_es
