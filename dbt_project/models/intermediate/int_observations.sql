-- Every series in one long table: canonical unit, one current value per period, and when it became public.
--
-- known_at     the FIRST version of a key became public at its release instant (an exception, the session close for
--              the equity indices, else the release calendar), at the latest when we read it. A later version is a
--              revision we discovered: public, as far as we can prove, when we read it.
-- released_at  known_at of the first version: when the period's figure appeared, whatever was revised since.
-- A version whose value equals the one before it (another column changed) is no revision.
-- The keyed and the keyless FRED feed are two readings of one series: their versions stand in one order of fetching, so
-- that setting or removing a key is no revision and hides none. Series without a catalog entry have no unit
-- and do not enter.
with staged as (
    select
        1 as feed_rank,
        series_id,
        period_date,
        value_native,
        extracted_at,
        version
    from {{ ref('stg_fred__observations') }}
    union all
    select
        2 as feed_rank,
        series_id,
        period_date,
        value_native,
        extracted_at,
        version
    from {{ ref('stg_fredgraph__observations') }}
    union all
    select
        1 as feed_rank,
        series_id,
        period_date,
        value_native,
        extracted_at,
        version
    from {{ ref('stg_fiscaldata__tga_close') }}
    union all
    select
        1 as feed_rank,
        series_id,
        period_date,
        value_native,
        extracted_at,
        version
    from {{ ref('stg_coinmetrics__observations') }}
    union all
    select
        1 as feed_rank,
        series_id,
        period_date,
        value_native,
        extracted_at,
        version
    from {{ ref('stg_stablecoins__observations') }}
    union all
    select
        1 as feed_rank,
        series_id,
        period_date,
        value_native,
        extracted_at,
        version
    from {{ ref('stg_yahoo__observations') }}
    union all
    select
        1 as feed_rank,
        series_id,
        period_date,
        value_native,
        extracted_at,
        version
    from {{ ref('stg_cboe__observations') }}
    union all
    select
        1 as feed_rank,
        series_id,
        period_date,
        value_native,
        extracted_at,
        version
    from {{ ref('stg_ecos__observations') }}
    union all
    select
        1 as feed_rank,
        series_id,
        period_date,
        value_native,
        extracted_at,
        version
    from {{ ref('stg_coinmarketcap__observations') }}
    union all
    select
        1 as feed_rank,
        series_id,
        period_date,
        value_native,
        extracted_at,
        version
    from {{ ref('stg_tradingview__observations') }}
),

numbered as (
    select
        series_id,
        period_date,
        value_native,
        extracted_at,
        row_number() over (
            partition by series_id, period_date order by extracted_at, feed_rank desc, version
        ) as version
    from staged
),

value_changes as (
    select
        series_id,
        period_date,
        value_native,
        extracted_at,
        version
    from numbered
    qualify
        version = 1
        or value_native is distinct from lag(value_native) over (
            partition by series_id, period_date order by version
        )
),

series as (
    select
        series_id,
        unit,
        scale,
        release_rule,
        case
            when provider = 'yahoo' and provider_key in ({{ quoted_list(var('equity_indices')) }})
                then {{ session_calendar('calendar') }}
        end as session_calendar
    from {{ source('catalog', 'series') }}
),

dated as (
    select
        value_changes.series_id,
        value_changes.period_date,
        value_changes.value_native * series.scale as value,
        series.unit,
        value_changes.version,
        value_changes.extracted_at,
        least(
            coalesce(release_exceptions.known_at, sessions.close_at, release_calendar.known_at),
            value_changes.extracted_at
        ) as first_known_at
    from value_changes
    inner join series
        on value_changes.series_id = series.series_id
    left join {{ source('catalog', 'release_exceptions') }} as release_exceptions
        on
            value_changes.series_id = release_exceptions.series_id
            and value_changes.period_date = release_exceptions.period_date
    left join {{ source('catalog', 'sessions') }} as sessions
        on
            series.session_calendar = sessions.calendar
            and value_changes.period_date = sessions.session_date
    left join {{ source('catalog', 'release_calendar') }} as release_calendar
        on
            series.release_rule = release_calendar.release_rule
            and value_changes.period_date = release_calendar.period_date
),

known as (
    select
        series_id,
        period_date,
        value,
        unit,
        version,
        extracted_at,
        case when version = 1 then first_known_at else extracted_at end as known_at,
        min(case when version = 1 then first_known_at else extracted_at end) over (
            partition by series_id, period_date
        ) as released_at
    from dated
),

current_versions as (
    select
        series_id,
        period_date,
        value,
        unit,
        known_at,
        released_at,
        extracted_at,
        version
    from known
    where {{ known_as_of() }}
    qualify row_number() over (
        partition by series_id, period_date order by version desc
    ) = 1
)

select
    series_id,
    period_date,
    value,
    unit,
    known_at,
    released_at,
    extracted_at,
    version
from current_versions
where value is not null
