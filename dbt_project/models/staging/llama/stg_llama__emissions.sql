-- `unlocked` is cumulative per label; a label is the recipient of the events.
with source as (
    select * from {{ source('raw', 'llama_emissions') }}
),

renamed as (
    select
        slug,
        label as recipient,
        to_timestamp(cast(timestamp as bigint)) as point_at,
        cast(unlocked as double) as unlocked_tokens,
        coalesce(_is_removed, false) as is_removed,
        _extracted_at as extracted_at
    from source
)

select
    slug,
    recipient,
    point_at,
    unlocked_tokens,
    is_removed,
    extracted_at,
    {{ version_number(['slug', 'recipient', 'point_at']) }} as version
from renamed
