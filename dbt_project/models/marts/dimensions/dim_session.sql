select
    calendar,
    session_date,
    lag(session_date) over (partition by calendar order by session_date) as previous_session_date,
    open_at,
    close_at
from {{ source('catalog', 'sessions') }}
