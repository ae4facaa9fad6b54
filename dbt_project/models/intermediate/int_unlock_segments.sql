-- The schedule as events with an amount, as it stands at the build's instant. A cliff is itself, and so is a linear entry that
-- states its amount. A linear row of DefiLlama is a rate change: the recipient's new rate holds until its next rate change,
-- or until the stated end where no change follows, and the amount is rate x length.
-- The stated end alone would be wrong: with several streams it is the end of the first one. Measured against the
-- cumulative series of 1,793 schedule sections, this rule meets 1,789 within 0.1 %; cutting at the stated end, 1,763.
-- Rows that set the rate to zero end a segment and are no events.
-- A section without any event has only its cumulative series: its differences, days of one rate joined, are the events.
-- first_seen_at is the first fetch that held the event; known_at is when the event as shown was first read, which for a
-- segment includes the change that ends it and any change in between that was taken out.
with newest as (
    select
        source,
        source_token_id,
        event_id,
        kind,
        recipient,
        ordinal,
        allocation_group,
        starts_at,
        ends_at,
        amount_tokens,
        rate_tokens_per_day,
        unlock_precision,
        basis,
        reference_price_usd,
        reference_priced_at,
        queried_at,
        source_url,
        is_removed,
        extracted_at as known_at,
        min(extracted_at) over (partition by event_id) as first_seen_at
    from {{ ref('int_unlock_versions') }}
    qualify row_number() over (partition by event_id order by version desc) = 1
),

numbered_changes as (
    select
        source_token_id,
        event_id,
        recipient,
        ordinal,
        starts_at,
        ends_at,
        is_removed,
        known_at,
        count(*) filter (where not is_removed) over (
            partition by source_token_id, recipient
            order by starts_at, ordinal, is_removed
            rows between unbounded preceding and current row
        ) as change_number
    from newest
    where
        source = 'defillama'
        and kind = 'linear'
),

spans as (
    select
        event_id,
        starts_at,
        ordinal,
        source_token_id,
        recipient,
        ends_at,
        is_removed,
        known_at,
        max(known_at) over (partition by source_token_id, recipient, change_number) as span_known_at
    from numbered_changes
),

rate_ends as (
    select
        event_id,
        coalesce(lead(starts_at) over changes, ends_at) as ends_at,
        greatest(span_known_at, coalesce(lead(known_at) over changes, span_known_at)) as known_at
    from spans
    where not is_removed
    window changes as (partition by source_token_id, recipient order by starts_at, ordinal)
),

scheduled as (
    select
        newest.source,
        newest.source_token_id,
        newest.event_id,
        newest.kind,
        newest.recipient,
        newest.allocation_group,
        newest.starts_at as unlock_at,
        case
            when rate_ends.event_id is not null then rate_ends.ends_at
            when newest.kind = 'linear' then newest.ends_at
        end as ends_at,
        case
            when rate_ends.event_id is null then newest.amount_tokens
            else newest.rate_tokens_per_day * (epoch(rate_ends.ends_at) - epoch(newest.starts_at)) / 86400
        end as amount_tokens,
        case when newest.kind = 'linear' then newest.rate_tokens_per_day end as rate_tokens_per_day,
        newest.unlock_precision,
        newest.basis,
        newest.reference_price_usd,
        newest.reference_priced_at,
        newest.queried_at,
        newest.source_url,
        newest.first_seen_at,
        coalesce(rate_ends.known_at, newest.known_at) as known_at
    from newest
    left join rate_ends
        on newest.event_id = rate_ends.event_id
    where not newest.is_removed
),

points as (
    select
        emissions.slug,
        emissions.recipient,
        emissions.point_at,
        arg_max(emissions.unlocked_tokens, emissions.extracted_at) as unlocked_tokens,
        arg_max(emissions.is_removed, emissions.extracted_at) as is_removed,
        min(emissions.extracted_at) as first_seen_at,
        max(emissions.extracted_at) as known_at
    from {{ ref('stg_llama__emissions') }} as emissions
    anti join scheduled
        on
            scheduled.source = 'defillama'
            and emissions.slug = scheduled.source_token_id
            and emissions.recipient = scheduled.recipient
    where {{ known_as_of('emissions.extracted_at') }}
    group by
        emissions.slug,
        emissions.recipient,
        emissions.point_at
),

differences as (
    select
        slug,
        recipient,
        coalesce(lag(point_at) over section, point_at) as from_at,
        point_at,
        unlocked_tokens - coalesce(lag(unlocked_tokens) over section, 0) as amount_tokens,
        (unlocked_tokens - lag(unlocked_tokens) over section)
        / ((epoch(point_at) - epoch(lag(point_at) over section)) / 86400) as rate_tokens_per_day,
        first_seen_at,
        known_at
    from points
    where not is_removed
    window section as (partition by slug, recipient order by point_at)
),

rate_starts as (
    select
        slug,
        recipient,
        from_at,
        point_at,
        amount_tokens,
        first_seen_at,
        known_at,
        rate_tokens_per_day is null
        or coalesce(
            abs(rate_tokens_per_day - lag(rate_tokens_per_day) over section) > 1e-6 * abs(rate_tokens_per_day), true
        ) as is_start
    from differences
    window section as (partition by slug, recipient order by point_at)
),

runs as (
    select
        slug,
        recipient,
        from_at,
        point_at,
        amount_tokens,
        first_seen_at,
        known_at,
        count(*) filter (where is_start) over (
            partition by slug, recipient order by point_at rows between unbounded preceding and current row
        ) as run
    from rate_starts
),

differenced as (
    select
        slug,
        recipient,
        min(from_at) as unlock_at,
        max(point_at) as ends_at,
        {{ exact_sum('amount_tokens') }} as amount_tokens,
        min(first_seen_at) as first_seen_at,
        max(known_at) as known_at
    from runs
    group by
        slug,
        recipient,
        run
    having {{ exact_sum('amount_tokens') }} <> 0
)

select
    source,
    source_token_id,
    event_id,
    kind,
    recipient,
    allocation_group,
    unlock_at,
    ends_at,
    amount_tokens,
    rate_tokens_per_day,
    unlock_precision,
    basis,
    reference_price_usd,
    reference_priced_at,
    queried_at,
    source_url,
    first_seen_at,
    known_at
from scheduled
where
    kind = 'cliff'
    or (rate_tokens_per_day <> 0 and (ends_at is null or ends_at > unlock_at))
union all
select
    'defillama' as source,
    slug as source_token_id,
    md5(concat_ws('|', 'defillama', slug, 'differences', recipient, cast(epoch(unlock_at) as bigint), ends_at = unlock_at))
        as event_id,
    case when ends_at = unlock_at then 'cliff' else 'linear' end as kind,
    recipient,
    cast(null as varchar) as allocation_group,
    unlock_at,
    case when ends_at > unlock_at then ends_at end as ends_at,
    amount_tokens,
    case
        when ends_at > unlock_at then amount_tokens / ((epoch(ends_at) - epoch(unlock_at)) / 86400)
    end as rate_tokens_per_day,
    cast(null as varchar) as unlock_precision,
    'differenced' as basis,
    cast(null as double) as reference_price_usd,
    cast(null as timestamptz) as reference_priced_at,
    cast(null as timestamptz) as queried_at,
    cast(null as varchar) as source_url,
    first_seen_at,
    known_at
from differenced
