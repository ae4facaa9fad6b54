-- Which UTC day's crypto close belongs to a New York session, under the two bars of a comparison.
-- utc_day       the close of the session's own UTC date, four hours after the New York close (five in winter)
-- nyse_session  the last UTC-day close at or before the session's close: day D closes at D+1 00:00 UTC
with sessions as (
    select
        session_date,
        close_at,
        lag(session_date) over (order by session_date) as previous_session_date,
        lag(close_at) over (order by session_date) as previous_close_at
    from {{ source('catalog', 'sessions') }}
    where calendar = 'XNYS'
)

select
    'utc_day' as bar,
    session_date,
    previous_session_date,
    close_at,
    session_date as asset_day,
    previous_session_date as previous_asset_day
from sessions
where previous_session_date is not null
union all
select
    'nyse_session' as bar,
    session_date,
    previous_session_date,
    close_at,
    {{ utc_date('close_at') }} - 1 as asset_day,
    {{ utc_date('previous_close_at') }} - 1 as previous_asset_day
from sessions
where previous_session_date is not null
