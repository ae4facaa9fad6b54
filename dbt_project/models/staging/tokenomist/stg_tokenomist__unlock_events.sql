-- Cliffs only: Tokenomist's v5 lists no linear unlocks. The USD values of a row are at the price of the query that first
-- brought this version, so price and query time are kept beside the amount.
with source as (
    select * from {{ source('raw', 'tokenomist_unlock_events') }}
),

renamed as (
    select
        md5(concat_ws('|', 'tokenomist', token_id, unlockDate, allocationName, ordinal)) as event_id,
        token_id,
        cast(unlockDate as timestamptz) as starts_at,
        allocationName as recipient,
        cast(ordinal as bigint) as ordinal,
        standardAllocationName as allocation_group,
        cast(cliffAmount as double) as amount_tokens,
        unlockPrecision as unlock_precision,
        listedMethod as basis,
        try_cast(referencePrice as double) as reference_price_usd,
        try_cast(referencePriceUpdatedTime as timestamptz) as reference_priced_at,
        try_cast(queryDate as timestamptz) as queried_at,
        coalesce(_is_removed, false) as is_removed,
        _extracted_at as extracted_at
    from source
)

select
    event_id,
    token_id,
    starts_at,
    recipient,
    ordinal,
    allocation_group,
    amount_tokens,
    unlock_precision,
    basis,
    reference_price_usd,
    reference_priced_at,
    queried_at,
    is_removed,
    extracted_at,
    {{ version_number(['event_id']) }} as version
from renamed
