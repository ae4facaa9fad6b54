-- The reverse repo of a day is the sum of what counts of its operations. An operation that a later capture corrects
-- alone is merged with the newest state of the others before the sum: one version per capture instant of the day. Until
-- the daily operation is there, the exercise of the morning is no figure of the day.
with changes as (
    select
        operation_date,
        is_small_value,
        extracted_at,
        counted_usd - coalesce(
            lag(counted_usd) over (partition by operation_id, operation_date order by version), 0
        ) as change_usd
    from {{ ref('stg_nyfed__reverse_repo_operations') }}
),

captures as (
    select
        operation_date,
        extracted_at,
        sum(change_usd) as change_usd,
        bool_or(not is_small_value) as has_daily_operation
    from changes
    group by
        operation_date,
        extracted_at
),

reverse_repo as (
    select
        'nyfed.RRP' as series_id,
        operation_date as period_date,
        sum(change_usd) over captures_so_far as value_native,
        extracted_at
    from captures
    window captures_so_far as (partition by operation_date order by extracted_at)
    qualify bool_or(has_daily_operation) over captures_so_far
),

rates as (
    select
        'nyfed.' || type as series_id,
        cast("effectiveDate" as date) as period_date,
        cast("percentRate" as double) as value_native,
        _extracted_at as extracted_at
    from {{ source('raw', 'nyfed_reference_rates') }}
),

amounts_held as (
    select
        "asOfDate" as as_of_date,
        total as "SOMA_TOTAL",
        bills as "SOMA_BILLS",
        mbs as "SOMA_MBS",
        _extracted_at as extracted_at
    from {{ source('raw', 'nyfed_soma_summary') }}
),

holdings as (
    select
        'nyfed.' || holding as series_id,
        cast(as_of_date as date) as period_date,
        cast(nullif(trim(amount), '') as double) as value_native,
        extracted_at
    from amounts_held unpivot (amount for holding in ("SOMA_TOTAL", "SOMA_BILLS", "SOMA_MBS"))
),

observations as (
    select
        series_id,
        period_date,
        value_native,
        extracted_at
    from reverse_repo
    union all
    select
        series_id,
        period_date,
        value_native,
        extracted_at
    from rates
    union all
    select
        series_id,
        period_date,
        value_native,
        extracted_at
    from holdings
)

select
    series_id,
    period_date,
    value_native,
    extracted_at,
    {{ version_number(['series_id', 'period_date']) }} as version
from observations
