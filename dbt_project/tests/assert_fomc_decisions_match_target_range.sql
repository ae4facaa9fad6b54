{{ config(meta={'dagster': {'ref': {'name': 'events'}}}) }}
-- Guards the decisions kept by hand: a mistyped range would date every comparison of a cut with the market wrongly. FRED has
-- the range in force from the day after the meeting.
select
    events.event_id,
    events.target_lower_pct,
    events.target_upper_pct,
    target_range.series_id,
    target_range.value
from {{ ref('events') }} as events
inner join {{ ref('int_observations') }} as target_range
    on
        target_range.series_id in ('fred.DFEDTARL', 'fred.DFEDTARU')
        and events.end_date + 1 = target_range.period_date
where
    events.kind = 'fomc'
    and events.source = 'federalreserve'
    and target_range.value <> case target_range.series_id
        when 'fred.DFEDTARL' then events.target_lower_pct
        else events.target_upper_pct
    end
