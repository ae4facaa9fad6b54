{{ config(meta={'dagster': {'ref': {'name': 'dim_asset'}}}) }}
-- Guards BI joins: an inner join of facts with dim_asset must not lose the coins that the catalog does not list.
with mentioned as (
    select
        'market_caps' as mart,
        asset_id
    from {{ ref('market_caps') }}
    union
    select
        'unlocks' as mart,
        token_id as asset_id
    from {{ ref('unlocks') }}
)

select
    mentioned.mart,
    mentioned.asset_id
from mentioned
left join {{ ref('dim_asset') }} as assets
    on mentioned.asset_id = assets.asset_id
where assets.asset_id is null
