-- What each observation was from which vintage (US date) on. FRED clips a row to the window of the request, so that the
-- first row of a window may continue an older one: a row that says what the row before it says is no vintage.
with source as (
    select * from {{ source('raw', 'fred_vintages') }}
),

renamed as (
    select
        'fred.' || series_id as series_id,
        cast(date as date) as period_date,
        cast(realtime_start as date) as vintage_date,
        cast(nullif(nullif(trim(value), '.'), '') as double) as value_native,
        _extracted_at as extracted_at
    from source
),

-- Two releases on one day are one vintage; the later reading has both.
last_readings as (
    select
        series_id,
        period_date,
        vintage_date,
        value_native,
        extracted_at
    from renamed
    qualify row_number() over (
        partition by series_id, period_date, vintage_date order by extracted_at desc
    ) = 1
),

vintages as (
    select
        series_id,
        period_date,
        vintage_date,
        value_native,
        extracted_at
    from last_readings
    qualify
        row_number() over (partition by series_id, period_date order by vintage_date) = 1
        or value_native is distinct from lag(value_native) over (
            partition by series_id, period_date order by vintage_date
        )
)

select
    series_id,
    period_date,
    vintage_date,
    value_native,
    extracted_at,
    row_number() over (partition by series_id, period_date order by vintage_date) as version
from vintages
