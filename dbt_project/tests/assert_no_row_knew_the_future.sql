{{ config(meta={'dagster': {'ref': {'name': 'liquidity'}}}) }}
-- Guards point-in-time builds: a join that forgets known_at lets an as_of build read later figures (an H.4.1 row
-- visible before Thursday 16:30 New York), and a release rule without the extraction instant dates facts into the
-- future. No row may be known later than the build's instant.
{%- set rows_of = [
    ('int_observations', 'series_id'), ('int_session_returns', 'asset'), ('market_caps', 'asset_id'),
    ('market_cap_totals', 'index_id'), ('liquidity', 'cast(day as varchar)'), ('unlocks', 'event_id'),
    ('equity_returns', 'index_id'), ('market_cap_changes', 'index_id'), ('events', 'event_id')
] %}
with known as (
{%- for model, label in rows_of %}
    select
        '{{ model }}' as model,
        {{ label }} as label,
        known_at
    from {{ ref(model) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
{%- endfor %}
)

select
    known.model,
    known.label,
    known.known_at,
    clock.built_as_of
from known
cross join {{ ref('int_build_clock') }} as clock
where
    known.known_at > least(clock.built_as_of, clock.newest_extracted_at)
    or known.known_at is null
