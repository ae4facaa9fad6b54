-- The build's "now": its as_of instant, else the newest extraction. One row, null in an empty warehouse.
with extractions as (
{%- set tables = [
    'fred_observations', 'fredgraph_observations', 'fiscaldata_operating_cash_balance', 'coinmetrics_asset_metrics',
    'coingecko_markets', 'stablecoins_charts', 'yahoo_chart', 'cboe_vix_history', 'llama_unlock_events',
    'llama_protocols', 'tradingview_bars', 'calendar_events'
] %}
{%- for table in tables %}
    select max(_extracted_at) as extracted_at
    from {{ source('raw', table) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
{%- endfor %}
)

select
    max(extracted_at) as newest_extracted_at,
    coalesce({{ as_of_instant() }}, max(extracted_at)) as built_as_of
from extractions
