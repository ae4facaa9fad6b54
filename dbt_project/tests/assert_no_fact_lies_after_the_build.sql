{{ config(meta={'dagster': {'ref': {'name': 'liquidity'}}}) }}
-- Guards against carried or mis-stamped days: a carry-forward that runs to the end of the calendar, a bar dated by the
-- wrong zone, a future row that slipped through quarantine. Unlocks are scheduled ahead and are left out.
{%- set days_of = [
    ('int_observations', 'period_date'), ('market_caps', 'day'), ('market_cap_totals', 'day'), ('liquidity', 'day'),
    ('equity_returns', 'session_date'), ('int_session_returns', 'session_date'), ('market_cap_changes', 'day'),
    ('unlock_pressure', 'day')
] %}
with facts as (
{%- for model, day in days_of %}
    select
        '{{ model }}' as model,
        max({{ day }}) as newest_day
    from {{ ref(model) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
{%- endfor %}
)

select
    facts.model,
    facts.newest_day,
    clock.built_as_of
from facts
cross join {{ ref('int_build_clock') }} as clock
where facts.newest_day > {{ utc_date('clock.built_as_of') }}
