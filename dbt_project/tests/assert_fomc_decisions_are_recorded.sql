{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'events'}}}) }}
-- Guards against a calendar that has fallen behind: a meeting over a week ago without its decision, or a change of the
-- target range that no meeting explains. A warning: the remedy is a line in catalog/events.yml, not a stopped build.
with clock as (
    select built_as_of
    from {{ ref('int_build_clock') }}
),

meetings as (
    select
        end_date,
        event_at,
        target_lower_pct
    from {{ ref('events') }}
    where
        kind = 'fomc'
        and source = 'federalreserve'
),

range_by_day as (
    select
        period_date,
        value <> lag(value) over (order by period_date) and period_date - lag(period_date) over (order by period_date) = 1
            as is_changed
    from {{ ref('int_observations') }}
    where series_id = 'fred.DFEDTARL'
)

select
    meetings.end_date as day,
    'no decision recorded' as finding
from meetings
cross join clock
where
    meetings.target_lower_pct is null
    and meetings.event_at < clock.built_as_of - interval 7 day
union all
select
    range_by_day.period_date as day,
    'the range changed without a meeting the day before' as finding
from range_by_day
left join meetings
    on range_by_day.period_date = meetings.end_date + 1
where
    range_by_day.is_changed
    and meetings.end_date is null
    and range_by_day.period_date >= (select min(first.end_date) from meetings as first)
