with source as (
    select * from {{ source('raw', 'ecos_statistics') }}
),

renamed as (
    select
        'ecos.' || series_id as series_id,
        cast(strptime("TIME", '%Y%m%d') as date) as period_date,
        case when "DATA_VALUE" not in ('', '-') then cast("DATA_VALUE" as double) end as value_native,
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
