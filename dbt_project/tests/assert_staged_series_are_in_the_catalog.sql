{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'dim_series'}}}) }}
-- Guards against silence: a series without a catalog entry has no unit and is left out of int_observations. Says which.
with staged as (
    {%- for model in [
        'stg_fred__observations', 'stg_fredgraph__observations', 'stg_fiscaldata__tga_close',
        'stg_coinmetrics__observations', 'stg_stablecoins__observations', 'stg_yahoo__observations',
        'stg_cboe__observations', 'stg_ecos__observations', 'stg_coinmarketcap__observations', 'stg_tradingview__observations'
    ] %}
    select distinct series_id
    from {{ ref(model) }}
    {%- if not loop.last %}
    union
    {%- endif %}
    {%- endfor %}
)

select staged.series_id
from staged
left join {{ ref('dim_series') }} as series
    on staged.series_id = series.series_id
where series.series_id is null
