-- Every series in one long table: canonical unit, one current value per period, and when it became public.
--
-- known_at     a vintage became public on its US date at the time of day of the series' release rule. Without vintages,
--              the FIRST version of a key became public at its release instant (an exception, the session close for
--              the equity indices, else the release calendar), and a later version is a revision we discovered: public,
--              as far as we can prove, when we read it. Nothing is known later than when we read it.
-- released_at  known_at of the first version: when the period's figure appeared, whatever was revised since.
-- first_released_value  that first figure.
-- A version whose value equals the one before it (another column changed) is no revision.
-- The keyed and the keyless FRED feed are two readings of one series: their versions stand in one order of fetching, so
-- that setting or removing a key is no revision and hides none. Series without a catalog entry have no unit
-- and do not enter. Of a period with vintages, other readings count only when they are newer than its vintages.
{%- set feeds = [
    ('stg_fred__observations', 1), ('stg_fredgraph__observations', 2), ('stg_fiscaldata__tga_close', 1),
    ('stg_nyfed__observations', 1), ('stg_coinmetrics__observations', 1), ('stg_stablecoins__observations', 1),
    ('stg_yahoo__observations', 1), ('stg_cboe__observations', 1), ('stg_ecos__observations', 1),
    ('stg_coinmarketcap__observations', 1), ('stg_tradingview__observations', 1)
] %}
with readings as (
    {%- for feed, rank in feeds %}
    select
        {{ rank }} as feed_rank,
        series_id,
        period_date,
        value_native,
        extracted_at,
        version
    from {{ ref(feed) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

vintages as (
    select
        series_id,
        period_date,
        vintage_date,
        value_native,
        extracted_at,
        version,
        max(extracted_at) over (partition by series_id, period_date) as last_extracted_at
    from {{ ref('stg_fred__vintages') }}
),

staged as (
    select
        0 as feed_rank,
        series_id,
        period_date,
        vintage_date,
        value_native,
        extracted_at,
        version
    from vintages
    union all
    select
        readings.feed_rank,
        readings.series_id,
        readings.period_date,
        cast(null as date) as vintage_date,
        readings.value_native,
        readings.extracted_at,
        readings.version
    from readings
    left join vintages
        on
            readings.series_id = vintages.series_id
            and readings.period_date = vintages.period_date
            and vintages.version = 1
    where vintages.version is null or readings.extracted_at > vintages.last_extracted_at
),

numbered as (
    select
        series_id,
        period_date,
        vintage_date,
        value_native,
        extracted_at,
        row_number() over (
            partition by series_id, period_date
            order by vintage_date nulls last, extracted_at, feed_rank desc, version
        ) as version
    from staged
),

value_changes as (
    select
        series_id,
        period_date,
        vintage_date,
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
        cast(release_time as time) as release_time,
        release_zone,
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
        case
            when value_changes.vintage_date is not null
                then
                    least(
                        timezone(series.release_zone, value_changes.vintage_date + series.release_time),
                        value_changes.extracted_at
                    )
            when value_changes.version > 1 then value_changes.extracted_at
            else
                least(
                    coalesce(release_exceptions.known_at, sessions.close_at, release_calendar.known_at),
                    value_changes.extracted_at
                )
        end as known_at
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
        known_at,
        min(known_at) over (partition by series_id, period_date) as released_at,
        first_value(value ignore nulls) over (
            partition by series_id, period_date order by version
        ) as first_released_value
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
        first_released_value,
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
    first_released_value,
    extracted_at,
    version
from current_versions
where value is not null
