-- A return needs both of its closes. Nothing is filled: a session without a close has no row, and the next row's
-- log return is null when a session of the exchange's calendar lies between (sessions_missing says how many).
with index_closes as (
    select
        observations.series_id,
        replace(observations.series_id, 'yahoo.', '') as index_id,
        observations.period_date as session_date,
        observations.value as close_local,
        observations.known_at,
        {{ session_calendar('series.calendar') }} as calendar
    from {{ ref('int_observations') }} as observations
    inner join {{ source('catalog', 'series') }} as series
        on observations.series_id = series.series_id
    where
        series.provider = 'yahoo'
        and series.provider_key in ({{ quoted_list(var('equity_indices')) }})
        and observations.value > 0
),

currencies as (
    select
        series_id,
        arg_max(currency, period_date) as currency
    from {{ ref('stg_yahoo__observations') }}
    where currency is not null
    group by series_id
),

-- Yahoo's KRW=X, CNY=X, JPY=X are local units per dollar.
fx_closes as (
    select
        regexp_extract(series_id, '^yahoo\.([A-Z]{3})=X$', 1) as currency,
        period_date as fx_date,
        value as local_per_usd,
        known_at
    from {{ ref('int_observations') }}
    where
        series_id like 'yahoo.___=X'
        and value > 0
),

numbered_sessions as (
    select
        calendar,
        session_date,
        row_number() over (partition by calendar order by session_date) as session_number
    from {{ source('catalog', 'sessions') }}
),

closes as (
    select
        index_closes.index_id,
        index_closes.session_date,
        index_closes.close_local,
        index_closes.known_at,
        coalesce(currencies.currency, 'unknown') as currency,
        numbered_sessions.session_number
    from index_closes
    left join currencies
        on index_closes.series_id = currencies.series_id
    asof left join numbered_sessions
        on
            index_closes.calendar = numbered_sessions.calendar
            and index_closes.session_date >= numbered_sessions.session_date
),

sequenced as (
    select
        index_id,
        session_date,
        close_local,
        currency,
        known_at,
        lag(close_local) over by_session as previous_close_local,
        lag(known_at) over by_session as previous_known_at,
        session_number - lag(session_number) over by_session - 1 as sessions_between,
        cast(session_date - interval 1 month as date) as target_1m,
        cast(session_date - interval 3 month as date) as target_3m,
        cast(date_trunc('year', session_date) as date) - 1 as target_ytd,
        cast(session_date - interval 1 year as date) as target_1y
    from closes
    window by_session as (partition by index_id order by session_date)
),

with_references as (
    select
        sequenced.index_id,
        sequenced.session_date,
        sequenced.close_local,
        sequenced.currency,
        sequenced.previous_close_local,
        -- Two bars inside one session of the calendar (an unmodelled extra session) are neighbours, not -1 apart.
        case when sequenced.sessions_between < 0 then 0 else sequenced.sessions_between end as sessions_missing,
        case
            when sequenced.currency = 'USD' then 1
            when sequenced.session_date - fx_closes.fx_date <= {{ var('fx_max_age_days') }}
                then fx_closes.local_per_usd
        end as local_per_usd,
        {%- for horizon in ['1m', '3m', 'ytd', '1y'] %}
        case
            when sequenced.target_{{ horizon }} - close_{{ horizon }}.session_date
                <= {{ var('reference_close_max_age_days') }}
                then close_{{ horizon }}.close_local
        end as close_{{ horizon }}_local,
        {%- endfor %}
        greatest(
            sequenced.known_at,
            sequenced.previous_known_at,
            case
                when
                    sequenced.currency <> 'USD'
                    and sequenced.session_date - fx_closes.fx_date <= {{ var('fx_max_age_days') }}
                    then fx_closes.known_at
            end,
            close_1m.known_at,
            close_3m.known_at,
            close_ytd.known_at,
            close_1y.known_at
        ) as known_at
    from sequenced
    asof left join fx_closes
        on
            sequenced.currency = fx_closes.currency
            and sequenced.session_date >= fx_closes.fx_date
    {%- for horizon in ['1m', '3m', 'ytd', '1y'] %}
    asof left join closes as close_{{ horizon }}
        on
            sequenced.index_id = close_{{ horizon }}.index_id
            and sequenced.target_{{ horizon }} >= close_{{ horizon }}.session_date
    {%- endfor %}
)

select
    index_id,
    session_date,
    close_local,
    currency,
    close_local / local_per_usd as close_usd,
    case
        when coalesce(sessions_missing, 0) = 0 then ln(close_local / previous_close_local)
    end as log_return,
    cast(sessions_missing as bigint) as sessions_missing,
    100 * (close_local / close_1m_local - 1) as return_1m_pct,
    100 * (close_local / close_3m_local - 1) as return_3m_pct,
    100 * (close_local / close_ytd_local - 1) as return_ytd_pct,
    100 * (close_local / close_1y_local - 1) as return_1y_pct,
    known_at
from with_references
