{{ config(meta={'dagster': {'ref': {'name': 'int_session_returns'}}}) }}
-- Guards the correlation input: a return over two sessions beside one over a single session, or an equity zero-filled
-- over a holiday, looks like a broken correlation. Each pair spans exactly one step of the NYSE calendar.
select
    pairs.asset,
    pairs.bar,
    pairs.session_date,
    pairs.previous_session_date
from {{ ref('int_session_returns') }} as pairs
left join {{ ref('dim_session') }} as sessions
    on
        sessions.calendar = 'XNYS'
        and pairs.session_date = sessions.session_date
where
    pairs.previous_session_date is distinct from sessions.previous_session_date
    or isnan(pairs.asset_log_return)
    or isinf(pairs.asset_log_return)
