-- A cliff row carries tokens. A linear row carries the recipient's RATE before and after an instant, not a volume.
with source as (
    select * from {{ source('raw', 'llama_unlock_events') }}
),

renamed as (
    select
        md5(
            concat_ws('|', 'defillama', slug, timestamp, allocation_kind, coalesce(recipient, ''), ordinal)
        ) as event_id,
        slug,
        to_timestamp(cast(timestamp as bigint)) as starts_at,
        allocation_kind as kind,
        recipient,
        cast(ordinal as bigint) as ordinal,
        nullif(trim(category), '') as allocation_group,
        cast(amount as double) as amount_tokens,
        cast(new_rate_per_week as double) as rate_tokens_per_week,
        coalesce(
            to_timestamp(cast(cast(end_timestamp as double) as bigint)),
            to_timestamp(cast(timestamp as bigint) + cast(rate_duration_days as double) * 86400)
        ) as rate_ends_at,
        coalesce(_is_removed, false) as is_removed,
        _extracted_at as extracted_at
    from source
)

select
    event_id,
    slug,
    starts_at,
    kind,
    recipient,
    ordinal,
    allocation_group,
    amount_tokens,
    rate_tokens_per_week,
    rate_ends_at,
    is_removed,
    extracted_at,
    {{ version_number(['event_id']) }} as version
from renamed
