-- What FRED said about each series when it was read last.
with source as (
    select * from {{ source('raw', 'fred_series') }}
),

renamed as (
    select
        'fred.' || id as series_id,
        trim(units) as provider_units,
        trim(seasonal_adjustment) as seasonal_adjustment,
        try_cast(last_updated as timestamptz) as provider_updated_at,
        _extracted_at as extracted_at
    from source
)

select
    series_id,
    provider_units,
    seasonal_adjustment,
    provider_updated_at,
    extracted_at
from renamed
qualify row_number() over (partition by series_id order by extracted_at desc) = 1
