with observed as (
    select
        series_id,
        min(period_date) as first_period_date,
        max(period_date) as last_period_date,
        count(*) as observations,
        max(known_at) as last_known_at
    from {{ ref('int_observations') }}
    group by series_id
)

select
    series.series_id,
    series.provider,
    series.provider_key,
    series.dataset,
    series.title,
    series.native_unit,
    described.provider_units,
    described.seasonal_adjustment,
    series.unit,
    series.scale,
    series.frequency,
    series.calendar,
    series.release_rule,
    cast(series.carry_days as bigint) as carry_days,
    series.revision_policy,
    series.is_required,
    series.is_retired,
    series.licence,
    series.redistribution,
    series.attribution,
    observed.first_period_date,
    observed.last_period_date,
    coalesce(observed.observations, 0) as observations,
    observed.last_known_at,
    described.provider_updated_at
from {{ source('catalog', 'series') }} as series
left join observed
    on series.series_id = observed.series_id
left join {{ ref('stg_fred__series') }} as described
    on series.series_id = described.series_id
