{{ config(meta={'dagster': {'ref': {'name': 'market_cap_changes'}}}) }}
-- Guards the decomposition: an asset that two joins count twice or not at all, or a universe that differs from the one
-- of the totals, leaves a residual. Causes add up to the change, and the caps on both sides are those of
-- market_cap_totals, to 1e-9 of the total; every total of ours has its row.
select
    coalesce(changes.index_id, totals.index_id) as index_id,
    coalesce(changes.source, totals.source) as source,
    coalesce(changes.day, totals.day) as day,
    changes.market_cap_usd,
    totals.market_cap_usd as total_usd,
    changes.previous_market_cap_usd,
    previous_totals.market_cap_usd as previous_total_usd,
    changes.residual_usd
from {{ ref('market_cap_changes') }} as changes
full outer join (
    select
        index_id,
        source,
        day,
        market_cap_usd
    from {{ ref('market_cap_totals') }}
    where constituents is not null
) as totals
    on
        changes.index_id = totals.index_id
        and changes.source = totals.source
        and changes.day = totals.day
left join {{ ref('market_cap_totals') }} as previous_totals
    on
        changes.index_id = previous_totals.index_id
        and changes.source = previous_totals.source
        and changes.previous_day = previous_totals.day
where
    changes.day is null
    or totals.day is null
    or abs(changes.market_cap_usd - totals.market_cap_usd) > 1e-9 * totals.market_cap_usd
    or abs(changes.previous_market_cap_usd - previous_totals.market_cap_usd) > 1e-9 * previous_totals.market_cap_usd
    or (changes.previous_day is not null and previous_totals.day is null)
    or abs(changes.residual_usd) > 1e-9 * changes.market_cap_usd
    or abs(
        changes.previous_market_cap_usd + changes.price_effect_usd + changes.supply_effect_usd
        + changes.entry_effect_usd + changes.exit_effect_usd - changes.market_cap_usd
    ) > 1e-9 * changes.market_cap_usd
    or (changes.previous_day is not null and changes.residual_usd is null)
