-- Trailing 12-month CPI inflation by the New York day of its release. The rate needs the index of a month and of the
-- same month a year before; a month without one of them (October 2025 was never published) leaves the last computable
-- rate standing. Two months released on one day: the later one counts.
with cpi as (
    select
        observations.period_date,
        observations.value,
        observations.known_at,
        observations.released_at,
        coalesce(series.carry_days, 0) as carry_days
    from {{ ref('int_observations') }} as observations
    inner join {{ source('catalog', 'series') }} as series
        on observations.series_id = series.series_id
    where observations.series_id = 'fred.CPIAUCSL'
)

select
    cpi.period_date,
    {{ new_york_date('cpi.released_at') }} as released_on,
    100 * (cpi.value / cpi_year_before.value - 1) as inflation_12m_pct,
    greatest(cpi.known_at, cpi_year_before.known_at) as known_at,
    cpi.carry_days
from cpi
inner join cpi as cpi_year_before
    on cpi_year_before.period_date = cast(cpi.period_date - interval 1 year as date)
qualify row_number() over (
    partition by {{ new_york_date('cpi.released_at') }} order by cpi.period_date desc
) = 1
