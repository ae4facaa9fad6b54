-- Only the close: 47 historical rows violate low <= open, close <= high at the provider.
with source as (
    select * from {{ source('raw', 'cboe_vix_history') }}
),

renamed as (
    select
        'cboe.VIX' as series_id,
        cast(strptime("DATE", '%m/%d/%Y') as date) as period_date,
        cast("CLOSE" as double) as value_native,
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
