-- The keyless CSV marks a missing value with an empty field; until about 2025 it was '.'.
with source as (
    select * from {{ source('raw', 'fredgraph_observations') }}
),

renamed as (
    select
        'fred.' || series_id as series_id,
        cast(observation_date as date) as period_date,
        cast(nullif(nullif(trim(value), '.'), '') as double) as value_native,
        _extracted_at as extracted_at
    from source
)

select
    series_id,
    period_date,
    value_native,
    extracted_at,
    {{ version_number(['series_id', 'period_date']) }} as version
from renamed
