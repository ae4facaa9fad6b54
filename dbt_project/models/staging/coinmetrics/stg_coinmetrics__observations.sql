-- The same rows as series: coinmetrics.<asset>.price and coinmetrics.<asset>.cap.
with asset_metrics as (
    select
        coinmetrics_id,
        period_date,
        price_usd,
        market_cap_usd,
        extracted_at,
        version
    from {{ ref('stg_coinmetrics__asset_metrics') }}
)

select
    'coinmetrics.' || coinmetrics_id || '.price' as series_id,
    period_date,
    price_usd as value_native,
    extracted_at,
    version
from asset_metrics
union all
select
    'coinmetrics.' || coinmetrics_id || '.cap' as series_id,
    period_date,
    market_cap_usd as value_native,
    extracted_at,
    version
from asset_metrics
