-- The schedule as events with an amount. A cliff is itself. A linear row is a rate change: the recipient's new rate
-- holds until its next rate change, or until the stated end where no change follows, and the amount is rate x length.
-- The stated end alone would be wrong: with several streams it is the end of the first one. Measured against the
-- cumulative series of 1,793 schedule sections, this rule meets 1,789 within 0.1 %; cutting at the stated end, 1,763.
-- Rows that set the rate to zero end a segment and are no events.
-- first_seen_at is the first fetch that held the event; known_at is when its shown version appeared.
with schedule as (
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
        extracted_at as known_at,
        min(extracted_at) over (partition by event_id) as first_seen_at
    from {{ ref('stg_llama__unlock_events') }}
    where {{ known_as_of('extracted_at') }}
    qualify row_number() over (partition by event_id order by version desc) = 1
),

cliffs as (
    select
        event_id,
        slug,
        kind,
        recipient,
        allocation_group,
        starts_at as unlock_at,
        cast(null as timestamptz) as ends_at,
        amount_tokens,
        cast(null as double) as rate_tokens_per_day,
        first_seen_at,
        known_at
    from schedule
    where kind = 'cliff'
),

rate_changes as (
    select
        event_id,
        slug,
        kind,
        recipient,
        allocation_group,
        starts_at,
        coalesce(
            lead(starts_at) over (partition by slug, recipient order by starts_at, ordinal),
            rate_ends_at
        ) as ends_at,
        rate_tokens_per_week / 7 as rate_tokens_per_day,
        first_seen_at,
        known_at
    from schedule
    where kind = 'linear'
),

segments as (
    select
        event_id,
        slug,
        kind,
        recipient,
        allocation_group,
        starts_at as unlock_at,
        ends_at,
        rate_tokens_per_day * (epoch(ends_at) - epoch(starts_at)) / 86400 as amount_tokens,
        rate_tokens_per_day,
        first_seen_at,
        known_at
    from rate_changes
    where
        rate_tokens_per_day <> 0
        and (ends_at is null or ends_at > starts_at)
)

select
    event_id,
    slug,
    kind,
    recipient,
    allocation_group,
    unlock_at,
    ends_at,
    amount_tokens,
    rate_tokens_per_day,
    first_seen_at,
    known_at
from cliffs
union all
select
    event_id,
    slug,
    kind,
    recipient,
    allocation_group,
    unlock_at,
    ends_at,
    amount_tokens,
    rate_tokens_per_day,
    first_seen_at,
    known_at
from segments
