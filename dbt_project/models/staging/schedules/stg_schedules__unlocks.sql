-- Steps are cliffs: the reader has written each of them out with its share of the entry's amount.
with source as (
    select * from {{ source('raw', 'schedules_unlocks') }}
),

renamed as (
    select
        md5(concat_ws('|', 'schedules', token, allocation, kind, unlock_at, ordinal)) as event_id,
        token,
        case kind when 'linear' then 'linear' else 'cliff' end as kind,
        cast(unlock_at as timestamptz) as starts_at,
        cast(ends_at as timestamptz) as ends_at,
        allocation as recipient,
        cast(ordinal as bigint) as ordinal,
        allocation_group,
        cast(amount as double) as amount_tokens,
        unlock_precision,
        basis,
        source_url,
        coalesce(_is_removed, false) as is_removed,
        _extracted_at as extracted_at
    from source
)

select
    event_id,
    token,
    kind,
    starts_at,
    ends_at,
    recipient,
    ordinal,
    allocation_group,
    amount_tokens,
    unlock_precision,
    basis,
    source_url,
    is_removed,
    extracted_at,
    {{ version_number(['event_id']) }} as version
from renamed
